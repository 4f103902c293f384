//! The end of a certificate that was verified already: nothing else is read of it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// When a certificate ends: `tbsCertificate.validity.notAfter` (RFC 5280, section 4.1).
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = of(SEQUENCE, der)?;
    let (mut rest, _) = of(SEQUENCE, certificate)?;
    if let Some((_, after)) = of(VERSION, rest) {
        rest = after;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = of(tag, rest)?;
    }
    let (validity, _) = of(SEQUENCE, rest)?;
    let (_, _, end) = element(validity)?;
    let (tag, end, _) = element(end)?;
    let text = std::str::from_utf8(end).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Two digits are a year from 1950 on.
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let moment = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    TimeZone::UTC.to_timestamp(moment).ok()
}

/// The content of an element of this tag, and what follows it.
fn of(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(der)?;
    (found == tag).then_some((content, rest))
}

/// The first element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = der.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // So many bytes hold the length.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Certificates with other ends than that of a real one, which may be cut anywhere.
    #[test]
    fn the_end_of_a_certificate_is_read() {
        let real = include_bytes!("../../../tests/aws/network/localhost.der");
        let end = not_after(real).expect("an end");
        assert_eq!(end.strftime("%Y-%m-%d").to_string(), "2126-11-05");
        for length in 0..real.len() {
            assert_eq!(not_after(&real[..length]), None, "{length}");
        }
        let nest = |tag: u8, parts: &[&[u8]]| {
            let content = parts.concat();
            [&[tag, u8::try_from(content.len()).expect("short")][..], &content].concat()
        };
        let with = |tag: u8, end: &str| {
            let validity = nest(SEQUENCE, &[&nest(UTC_TIME, &[b"200101000000Z"]), &nest(tag, &[end.as_bytes()])]);
            let parts = [nest(INTEGER, &[&[1]]), nest(SEQUENCE, &[]), nest(SEQUENCE, &[]), validity];
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            not_after(&nest(SEQUENCE, &[&nest(SEQUENCE, &parts)])).map(|end| end.to_string())
        };
        assert_eq!(with(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(with(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(with(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        assert_eq!(with(GENERALIZED_TIME, "20501301000000Z"), None);
        assert_eq!(with(INTEGER, "20500101000000Z"), None);
    }
}
