//! Texts in records: quoted, with what is special behind a backslash.
//!
//! A TXT record of Route 53 is a row of quoted strings of at most 255 characters. Quotes and backslashes in them stand
//! behind a backslash, and what is not printable as three octal digits.
//! <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html>

use crate::provider::aws::tags::Tags;

/// The most that one string of a TXT record holds.
const LONGEST: usize = 255;

/// Tags as the value of a TXT record; `None` if one of them is too long.
pub fn of_tags(tags: &Tags) -> Option<String> {
    let strings: Option<Vec<String>> = tags
        .iter()
        .map(|(key, value)| {
            let text = format!("{key}={value}");
            (text.len() <= LONGEST).then(|| quoted(&text))
        })
        .collect();
    strings.map(|strings| strings.join(" "))
}

/// The tags in the value of a TXT record. What has no equals sign is none.
pub fn to_tags(value: &str) -> Tags {
    let strings = strings(value);
    strings
        .iter()
        .filter_map(|text| text.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn quoted(text: &str) -> String {
    let mut result = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => result.extend(['\\', char::from(byte)]),
            b' '..=b'~' => result.push(char::from(byte)),
            _ => result.push_str(&format!("\\{byte:03o}")),
        }
    }
    result.push('"');
    result
}

/// The strings of a value, without their quotes.
fn strings(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut bytes = value.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, &mut open) {
            (b'"', None) => open = Some(Vec::new()),
            (b'"', Some(text)) => {
                found.push(String::from_utf8_lossy(text).into_owned());
                open = None;
            }
            (b'\\', Some(text)) => {
                let digits: Vec<u8> = std::iter::from_fn(|| bytes.next_if(u8::is_ascii_digit)).take(3).collect();
                let number = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 8).ok());
                text.extend(number.filter(|_| digits.len() == 3).or_else(|| bytes.next()));
            }
            (byte, Some(text)) => text.push(byte),
            (_, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_back_as_they_were() {
        let tags = Tags::from([
            ("mastoform:address".to_owned(), "route53.record.a[\"b \\ ü\"]".to_owned()),
            ("mastoform:instance".to_owned(), "social".to_owned()),
        ]);
        let text = of_tags(&tags).expect("short enough");
        assert!(text.starts_with("\"mastoform:address=route53.record.a[\\\"b \\\\ \\303\\274\\\"]\" \""), "{text}");
        assert_eq!(to_tags(&text), tags);
        assert_eq!(of_tags(&Tags::from([("a".to_owned(), "x".repeat(254))])), None);
        assert_eq!(to_tags("\"v=spf1 -all\" \"nothing\""), Tags::from([("v".to_owned(), "spf1 -all".to_owned())]));
    }
}
