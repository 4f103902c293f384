//! Text that must never be printed, stored or logged.
//!
//! [`SecretText`] has neither `Serialize` nor `Display`; its `Debug` prints `***`; its memory is overwritten when it
//! is dropped. The only way to the text is [`SecretText::reveal`], so every place where a secret leaves the program
//! can be found by searching for that word.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A secret in memory.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of `text`, which is overwritten when the last clone is dropped.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one call that hands it to the cloud.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// In bytes. Shorter ones are no secrets, and are in every other word.
const SHORTEST: usize = 4;

/// A text without the secrets in it, in any of the forms in which they travel: as they are, escaped in JSON or XML, in a
/// URL or a form, in base64. A secret that is only a part of something in base64 is not found.
pub fn masked<'secret>(text: &str, secrets: impl IntoIterator<Item = &'secret SecretText>) -> String {
    let mut forms: Vec<SecretText> = secrets.into_iter().flat_map(forms).collect();
    // One may be the beginning of another.
    forms.sort_by_key(|form| std::cmp::Reverse(form.reveal().len()));
    let mut text = text.to_owned();
    for form in forms {
        if text.contains(form.reveal()) {
            text = text.replace(form.reveal(), "***");
        }
    }
    text
}

fn forms(secret: &SecretText) -> Vec<SecretText> {
    let secret = secret.reveal();
    if secret.len() < SHORTEST {
        return Vec::new();
    }
    let quoted = serde_json::to_string(secret).map(SecretText::new).unwrap_or_else(|_| SecretText::new(secret));
    let in_json = quoted.reveal().get(1..quoted.reveal().len() - 1).unwrap_or_default().to_owned();
    let in_xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let in_quotes = in_xml.replace('"', "&quot;").replace('\'', "&apos;");
    let percent = |space: &str, upper: bool| {
        let mut encoded = String::new();
        for byte in secret.bytes() {
            match byte {
                b' ' => encoded.push_str(space),
                byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => encoded.push(char::from(byte)),
                byte if upper => encoded.push_str(&format!("%{byte:02X}")),
                byte => encoded.push_str(&format!("%{byte:02x}")),
            }
        }
        encoded
    };
    let mut all = vec![secret.to_owned(), in_json, in_xml, in_quotes];
    all.extend([percent("%20", true), percent("%20", false), percent("+", true), percent("+", false)]);
    all.extend([STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
    all.into_iter().map(SecretText::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form_in_which_it_travels() {
        let secrets = [SecretText::new("p\"a&s/s wörd?"), SecretText::new("p\"a&s"), SecretText::new("abc")];
        for form in [
            "p\"a&s/s wörd?",
            r#"p\"a&s/s wörd?"#,
            "p\"a&amp;s/s wörd?",
            "p&quot;a&amp;s/s wörd?",
            "p%22a%26s%2Fs%20w%C3%B6rd%3F",
            "p%22a%26s%2fs+w%c3%b6rd%3f",
            "cCJhJnMvcyB3w7ZyZD8",
        ] {
            let said = masked(&format!("refused: <{form}>, or {form} of abc"), &secrets);
            assert_eq!(said, "refused: <***>, or *** of abc", "{form}");
        }
        assert_eq!(masked("p\"a&s is too short", &secrets), "*** is too short");
        assert_eq!(masked("nothing here", &secrets), "nothing here");
    }

    #[test]
    fn debug_never_shows_the_text() {
        let secret = SecretText::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
