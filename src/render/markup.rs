//! Text inside of HTML and SVG.

use crate::inert::{is_unseen, printable};

/// The text such that it is nothing but text, between tags and between double quotes.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            // XML has no place for some of them, and a reader could not see any.
            unseen if is_unseen(unseen) => safe.push_str(&printable(unseen.encode_utf8(&mut [0; 4]))),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<a href=\"x\">'&'\u{1b}\n"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;\\u{1b}\n");
    }
}
