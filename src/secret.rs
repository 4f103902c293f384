//! Text that must never be printed, stored or logged.
//!
//! [`SecretText`] has neither `Serialize` nor `Display`; its `Debug` prints `***`; its memory is overwritten when it
//! is dropped. The only way to the text is [`SecretText::reveal`], so every place where a secret leaves the program
//! can be found by searching for that word.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_text() {
        let secret = SecretText::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
