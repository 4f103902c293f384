//! Secrets made while they are stored.
//!
//! A provider that creates a resource with generated secrets calls [`generate`] inside its create, hands the result to
//! the cloud and forgets it. Nothing here prints, stores or returns a secret other than wrapped in [`SecretText`].
//!
//! | format | what it makes |
//! | --- | --- |
//! | `hex128` | 64 random bytes as 128 lower-case hexadecimal digits, as `rails secret` does |
//! | `alphanumeric32` | 32 letters and digits, each equally likely |
//! | `vapid` | a P-256 key pair for Web Push (RFC 8292), under the two keys `private_key` and `public_key` |
//!
//! Both keys of a pair are base64 with the URL-safe alphabet **and padding**, as `rake mastodon:webpush:generate_vapid_key`
//! prints them: the private one is the scalar (32 bytes), the public one the uncompressed point (65 bytes).

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// The names of all formats, for messages and checks.
pub const FORMATS: [&str; 3] = ["hex128", "alphanumeric32", "vapid"];

/// How often random bytes that do not fit are drawn again before the source counts as broken.
const DRAWS: usize = 64;

/// Why a secret could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("`{key}` has the format {format:?}, and only {} exist", FORMATS.join(", "))]
    UnknownFormat { key: String, format: String },
    #[error("`{key}` would be generated twice: a key pair brings its own `private_key` and `public_key`")]
    Twice { key: String },
    #[error("the system gave no random bytes")]
    Entropy(#[source] Option<getrandom::Error>),
}

/// A source of random bytes.
pub trait Entropy {
    /// Overwrites `bytes` with random ones.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GenerateError>;
}

/// The operating system's source: the only one for secrets that guard anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GenerateError> {
        getrandom::fill(bytes).map_err(|error| GenerateError::Entropy(Some(error)))
    }
}

/// The same bytes for the same seed, for tests and simulations. Everybody can guess them.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    seed: String,
    block: u64,
}

impl SeededEntropy {
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into(), block: 0 }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GenerateError> {
        use sha2::{Digest, Sha256};
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::new().chain_update(&self.seed).chain_update(self.block.to_be_bytes()).finalize();
            self.block += 1;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// Makes the secrets `wanted`: key to format. The result has the same keys, except that a `vapid` entry yields
/// `private_key` and `public_key` in place of its own.
pub fn generate(
    wanted: &BTreeMap<String, String>,
    entropy: &mut dyn Entropy,
) -> Result<BTreeMap<String, SecretText>, GenerateError> {
    let mut secrets = BTreeMap::new();
    let mut keep = |key: &str, secret: SecretText| match secrets.insert(key.to_owned(), secret) {
        None => Ok(()),
        Some(_) => Err(GenerateError::Twice { key: key.to_owned() }),
    };
    for (key, format) in wanted {
        match format.as_str() {
            "hex128" => keep(key, hex128(entropy)?)?,
            "alphanumeric32" => keep(key, alphanumeric32(entropy)?)?,
            "vapid" => {
                let (private, public) = vapid(entropy)?;
                keep("private_key", private)?;
                keep("public_key", public)?;
            }
            _ => return Err(GenerateError::UnknownFormat { key: key.clone(), format: format.clone() }),
        }
    }
    Ok(secrets)
}

fn hex128(entropy: &mut dyn Entropy) -> Result<SecretText, GenerateError> {
    let mut bytes = Zeroizing::new([0; 64]);
    entropy.fill(&mut *bytes)?;
    let mut text = String::with_capacity(128);
    for byte in bytes.iter() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(SecretText::new(text))
}

/// A byte modulo 62 would favour the first eight letters, so bytes from 248 on are thrown away.
fn alphanumeric32(entropy: &mut dyn Entropy) -> Result<SecretText, GenerateError> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(32);
    let mut bytes = Zeroizing::new([0; 48]);
    for _ in 0..DRAWS {
        entropy.fill(&mut *bytes)?;
        for byte in bytes.iter().filter(|byte| **byte < FAIR) {
            text.push(char::from(ALPHABET[usize::from(byte % 62)]));
            if text.len() == 32 {
                return Ok(SecretText::new(text));
            }
        }
    }
    Err(GenerateError::Entropy(None))
}

/// A random scalar, drawn again in the rare case that it is zero or not below the order of the curve.
fn vapid(entropy: &mut dyn Entropy) -> Result<(SecretText, SecretText), GenerateError> {
    let mut bytes = Zeroizing::new([0; 32]);
    for _ in 0..DRAWS {
        entropy.fill(&mut *bytes)?;
        if let Some(pair) = key_pair(&bytes) {
            return Ok(pair);
        }
    }
    Err(GenerateError::Entropy(None))
}

fn key_pair(scalar: &[u8; 32]) -> Option<(SecretText, SecretText)> {
    let key = SecretKey::from_slice(scalar).ok()?;
    let public = key.public_key().to_sec1_point(false);
    Some((SecretText::new(URL_SAFE.encode(scalar)), SecretText::new(URL_SAFE.encode(public.as_bytes()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(pairs: &[(&str, &str)], seed: &str) -> Result<BTreeMap<String, SecretText>, GenerateError> {
        let wanted = pairs.iter().map(|(key, format)| ((*key).to_owned(), (*format).to_owned())).collect();
        generate(&wanted, &mut SeededEntropy::new(seed))
    }

    #[test]
    fn a_known_private_key_gives_its_public_key() {
        let bytes = URL_SAFE.decode("am3vlPBGQGv7Rl3xOKXSv7lRYyWfZITItb88FXX9IOs=").expect("base64");
        let (private, public) = key_pair(&bytes.try_into().expect("32 bytes")).expect("a key");
        assert_eq!(private.reveal(), "am3vlPBGQGv7Rl3xOKXSv7lRYyWfZITItb88FXX9IOs=");
        assert_eq!(
            public.reveal(),
            "BMGkIr1PaK4v7Kut7q7eoHtWxu9gEBQ5BeV28xOIR9c9VIvDWvOViTn1SV5G2LIEFGWo0f1dQka-UynR58WMn2Y="
        );
    }

    #[test]
    fn every_format_has_its_shape() {
        let made = made(&[("a", "hex128"), ("b", "alphanumeric32"), ("c", "vapid")], "seed").expect("made");
        assert_eq!(made.keys().collect::<Vec<_>>(), ["a", "b", "private_key", "public_key"]);
        let hex = made["a"].reveal();
        assert!(hex.len() == 128 && hex.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{hex}");
        let password = made["b"].reveal();
        assert!(password.len() == 32 && password.chars().all(|c| c.is_ascii_alphanumeric()), "{password}");
        assert_eq!((made["private_key"].reveal().len(), made["public_key"].reveal().len()), (44, 88));
    }

    #[test]
    fn seeds_decide_and_the_system_surprises() {
        let text = |seed| made(&[("a", "hex128")], seed).expect("made")["a"].reveal().to_owned();
        assert_eq!(text("one"), text("one"));
        assert_ne!(text("one"), text("two"));
        let wanted = BTreeMap::from([("a".to_owned(), "hex128".to_owned())]);
        let os = || generate(&wanted, &mut OsEntropy).expect("made")["a"].reveal().to_owned();
        assert_ne!(os(), os());
    }

    #[test]
    fn unknown_formats_and_doubled_keys_are_refused() {
        assert!(matches!(made(&[("a", "rot13")], "s"), Err(GenerateError::UnknownFormat { .. })));
        assert!(matches!(made(&[("a", "vapid"), ("public_key", "hex128")], "s"), Err(GenerateError::Twice { .. })));
        assert!(matches!(made(&[("a", "vapid"), ("b", "vapid")], "s"), Err(GenerateError::Twice { .. })));
    }

    #[test]
    fn a_broken_source_is_an_error_and_no_endless_loop() {
        struct Stuck(u8);
        impl Entropy for Stuck {
            fn fill(&mut self, bytes: &mut [u8]) -> Result<(), GenerateError> {
                bytes.fill(self.0);
                Ok(())
            }
        }
        assert!(matches!(alphanumeric32(&mut Stuck(255)), Err(GenerateError::Entropy(None))));
        assert!(matches!(vapid(&mut Stuck(0)), Err(GenerateError::Entropy(None))));
    }
}
