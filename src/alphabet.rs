//! Words whose form is known, checked when a file is read that somebody else may have written.
//!
//! A region becomes a part of a host name, an account a part of an ARN, an instance a file name, a serial is counted
//! on. So none of them is taken as it comes: a state, a journal, a plan and a history read each through a function here,
//! and the error is serde's, with its line.
//!
//! # Guarantees
//!
//! - Everything that this program and the versions before it have written reads as it did.
//! - What has passed has no character that a terminal, a path or a host name would obey.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::inert::{is_unseen, printable};

/// The longest identity: no ARN is longer.
const LONGEST: usize = 2048;
/// A serial counts commands; what is larger is no count, and has no successor that JSON can hold.
pub const LAST_SERIAL: u64 = (1 << 53) - 1;
/// Seconds that nothing here takes: a year and a day.
const TOO_LONG: u64 = 366 * 24 * 60 * 60;

/// Whether a text is the name of a region: `eu-central-1`.
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [country, middle @ .., number] => {
            country.len() == 2
                && is_word(country)
                && !middle.is_empty()
                && middle.iter().all(|part| is_word(part))
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
                && text.len() <= 32
        }
        _ => false,
    }
}

/// Whether a text is a part of an address: a service, a kind, a name.
pub fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a text is the name of an instance, and so of a file.
pub fn is_instance(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Whether a text is a token of ours, a lineage or a digest.
fn is_token(text: &str) -> bool {
    text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn checked<E: Error>(text: String, is_one: impl Fn(&str) -> bool, what: &str) -> Result<String, E> {
    if is_one(&text) {
        return Ok(text);
    }
    let shown: String = printable(&text).chars().take(80).collect();
    Err(E::custom(format!("`{shown}` is not {what}")))
}

/// A region.
pub fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?, is_region, "a region such as eu-central-1")
}

/// The name of an instance.
pub fn instance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?, is_instance, "the name of an instance")
}

/// A lineage, a client token, a digest.
pub fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(String::deserialize(deserializer)?, is_token, "a token of letters and digits")
}

/// As [`token`], where there may be none.
pub fn some_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| checked(text, is_token, "a token of letters and digits")).transpose()
}

/// An account, where it is known.
pub fn some_account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| checked(text, is_account, "an account: 12 digits")).transpose()
}

/// The name of an object in AWS.
pub fn identity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let is_name = |text: &str| text.len() <= LONGEST && !text.contains(is_unseen);
    checked(String::deserialize(deserializer)?, is_name, "the name of an object in AWS")
}

/// A serial that has a successor.
pub fn serial<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    bounded(deserializer, LAST_SERIAL, "serial")
}

/// Seconds that something may take.
pub fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    bounded(deserializer, TOO_LONG, "number of seconds")
}

/// How many there are of something.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = bounded(deserializer, u64::from(u32::MAX), "count")?;
    usize::try_from(number).map_err(Error::custom)
}

fn bounded<'de, D: Deserializer<'de>>(deserializer: D, most: u64, what: &str) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > most {
        return Err(Error::custom(format!("the {what} {number} is larger than {most}, the largest there can be")));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_the_form_of_regions() {
        for region in ["eu-central-1", "us-gov-west-1", "ap-southeast-10", "us-iso-east-1"] {
            assert!(is_region(region), "{region}");
        }
        for other in
            ["", "eu", "eu-1", "eu-central-", "eu-central-1.evil.example", "EU-central-1", "eu--1", "eu-central-1\n"]
        {
            assert!(!is_region(other), "{other}");
        }
    }

    #[test]
    fn names_of_instances_are_names_of_files() {
        assert!(is_instance("social") && is_instance("a-1"));
        for other in ["", "../social", "-x", ".x", "a/b", "a b", "a\u{202e}b"] {
            assert!(!is_instance(other), "{other:?}");
        }
    }
}
