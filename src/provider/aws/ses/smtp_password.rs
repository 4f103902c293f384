//! The SMTP password that goes with an access key.
//!
//! The key's secret signs five texts, each signature being the key of the next one; a byte that names the version stands
//! before the last one. So the password is good in one region, and nobody comes back from it to the key.
//! <https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html#smtp-credentials-convert>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// The date of every such signature.
const DATE: &str = "11111111";
const SERVICE: &str = "ses";
const TERMINAL: &str = "aws4_request";
const MESSAGE: &str = "SendRawEmail";
const VERSION: u8 = 0x04;

/// The password for SMTP in a region.
pub fn smtp_password(secret_access_key: &SecretText, region: &str) -> SecretText {
    let start = Zeroizing::new(format!("AWS4{}", secret_access_key.reveal()).into_bytes());
    let signature = [DATE, region, SERVICE, TERMINAL, MESSAGE].iter().fold(start, |key, text| signed(&key, text));
    let mut versioned = Zeroizing::new(vec![VERSION]);
    versioned.extend_from_slice(&signature);
    SecretText::new(STANDARD.encode(&*versioned))
}

fn signed(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("BUG: a key of any length will do");
    };
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key is that of AWS's documentation; the passwords are those of AWS's own script for it.
    #[test]
    fn passwords_are_those_of_the_algorithm_that_aws_documents() {
        let secret = SecretText::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        for (region, password) in [
            ("us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"),
            ("eu-central-1", "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG"),
        ] {
            assert_eq!(smtp_password(&secret, region).reveal(), password, "{region}");
        }
    }
}
