//! Columns: widths of texts as a terminal shows them, padding, cutting.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns a text without colours takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Spaces that fill a text of `used` columns up to `columns`.
pub fn fill(used: usize, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(used))
}

/// The text, filled up to `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", fill(width(text), columns))
}

/// The start of a text in at most `columns`, with `ellipsis` if something is left out.
pub fn cut(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    format!("{}{ellipsis}", prefix(text, room))
}

/// The end of a text in at most `columns`, with `ellipsis` if something is left out.
pub fn cut_start(text: &str, columns: usize, ellipsis: &str) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(width(ellipsis));
    let mut used = 0;
    let mut start = text.len();
    for (index, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > room {
            break;
        }
        start = index;
    }
    format!("{ellipsis}{}", &text[start..])
}

/// As much of the start of a text as fits into `columns`.
pub fn prefix(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > columns {
            return &text[..index];
        }
    }
    text
}

/// Words of a text in lines of at most `columns`; a longer word begins a line of its own and goes over several.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        while width(word) > columns {
            let start = prefix(word, columns);
            if start.is_empty() {
                break;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            lines.push(start.to_owned());
            word = &word[start.len()..];
        }
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(width("社会"), 4);
        assert_eq!(pad("社", 4), "社  ");
        assert_eq!(cut("社会会社", 5, "…"), "社会…");
    }

    #[test]
    fn cutting_keeps_the_start_or_the_end() {
        assert_eq!(cut("arn:aws:ecs:41", 8, "…"), "arn:aws…");
        assert_eq!(cut_start("arn:aws:ecs:41", 7, "…"), "…ecs:41");
        assert_eq!(cut_start("short", 7, "…"), "short");
    }

    #[test]
    fn wrapping_breaks_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
    }

    #[test]
    fn a_word_that_is_too_long_goes_over_several_lines() {
        assert_eq!(wrap("is arn:aws:ecs goes", 7), ["is", "arn:aws", ":ecs", "goes"]);
        assert_eq!(wrap("arn", 0), ["arn"]);
    }
}
