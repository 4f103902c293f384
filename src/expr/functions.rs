//! Functions of the specs beyond CEL's own.

use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Value as CelValue};
use sha2::{Digest, Sha256};

use super::evaluate::from_cel;
use crate::inert::shell;

/// Names of the functions, for messages and documentation.
#[cfg(test)]
pub const NAMES: [&str; 14] = [
    "json",
    "sha256",
    "cidr_subnet",
    "shorten",
    "merge",
    "slug",
    "keys",
    "values",
    "table",
    "first",
    "window",
    "version",
    "compare_versions",
    "shell",
];

/// A context with CEL's functions and ours.
pub fn context() -> Context<'static, 'static> {
    let mut context = Context::default();
    let declared = [
        context.add_function("json", json),
        context.add_function("sha256", sha256),
        context.add_function("cidr_subnet", cidr_subnet),
        context.add_function("shorten", |text: Arc<String>, max: i64| -> String { shorten(&text, max) }),
        context.add_function("merge", merge),
        context.add_function("keys", keys),
        context.add_function("values", values),
        context.add_function("table", table),
        context.add_function("first", first),
        context.add_function("slug", |text: Arc<String>| -> String { slug(&text) }),
        context.add_function("shell", |text: Arc<String>| -> String { shell(&text) }),
        context.add_function("window", window),
        context.add_function("version", |text: Arc<String>| -> CelValue { numbers(&text) }),
        context.add_function("compare_versions", |left: Arc<String>, right: Arc<String>| -> i64 {
            version(&left).cmp(&version(&right)) as i64
        }),
    ];
    debug_assert!(declared.iter().all(Result::is_ok), "BUG: a function is declared twice");
    context
}

fn failed(function: &str, message: impl ToString) -> ExecutionError {
    ExecutionError::FunctionError { function: function.to_owned(), message: message.to_string() }
}

/// `json(x)`: the value as compact JSON with sorted keys.
fn json(value: CelValue) -> Result<CelValue, ExecutionError> {
    let value = from_cel(&value).map_err(|message| failed("json", message))?;
    Ok(value.to_json().to_string().into())
}

/// `sha256(x)`: 64 hexadecimal characters; of a string its UTF-8 bytes, of anything else its JSON.
fn sha256(value: CelValue) -> Result<CelValue, ExecutionError> {
    let value = from_cel(&value).map_err(|message| failed("sha256", message))?;
    let text = value.as_text().map_or_else(|| value.to_json().to_string(), str::to_owned);
    Ok(base16ct::lower::encode_string(&Sha256::digest(text.as_bytes())).into())
}

/// `shorten(text, max)`: the text if it fits, else its beginning, a hyphen and six characters of its hash.
fn shorten(text: &str, max: i64) -> String {
    let max = usize::try_from(max).unwrap_or(0);
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(7)).collect();
    format!("{}-{}", kept.trim_end_matches('-'), &base16ct::lower::encode_string(&Sha256::digest(text.as_bytes()))[..6])
}

/// `version(text)`: the numbers of a version, `[4, 7, 3]` of `v4.7.3` and of `4.7.3-beta.1`; three at least.
/// `compare_versions(a, b)` compares them: -1, 0 or 1.
pub fn version(text: &str) -> Vec<i64> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    let numbers = plain.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next().unwrap_or_default();
    let mut numbers: Vec<i64> = numbers.split('.').map_while(|part| part.parse().ok()).collect();
    numbers.resize(numbers.len().max(3), 0);
    numbers
}

fn numbers(text: &str) -> CelValue {
    version(text).into_iter().map(CelValue::from).collect::<Vec<_>>().into()
}

/// `slug(text)`: lower case, everything but letters and digits becomes a single hyphen.
fn slug(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.to_lowercase().chars() {
        if character.is_ascii_alphanumeric() {
            result.push(character);
        } else if !result.is_empty() && !result.ends_with('-') {
            result.push('-');
        }
    }
    result.trim_end_matches('-').to_owned()
}

/// `merge(a, b)`: the entries of both tables, `b` winning.
fn merge(left: CelValue, right: CelValue) -> Result<CelValue, ExecutionError> {
    match (&left, &right) {
        (CelValue::Map(first), CelValue::Map(second)) => {
            let mut merged = (*first.map).clone();
            merged.extend(second.map.iter().map(|(key, value): (&Key, &CelValue)| (key.clone(), value.clone())));
            Ok(CelValue::Map(Map { map: Arc::new(merged) }))
        }
        (CelValue::Null, _) => Ok(right),
        (_, CelValue::Null) => Ok(left),
        _ => Err(failed("merge", "both sides must be tables")),
    }
}

/// `keys(table)`: its keys in alphabetical order. (CEL's own iteration over a table has no order.)
fn keys(table: CelValue) -> Result<CelValue, ExecutionError> {
    let sorted = sorted_entries("keys", &table)?;
    Ok(CelValue::List(sorted.into_keys().map(CelValue::from).collect::<Vec<_>>().into()))
}

/// `values(table)`: its values in the order of their keys.
fn values(table: CelValue) -> Result<CelValue, ExecutionError> {
    let sorted = sorted_entries("values", &table)?;
    Ok(CelValue::List(sorted.into_values().collect::<Vec<_>>().into()))
}

/// `table(list)`: a table of the texts of a list, each under itself.
fn table(list: CelValue) -> Result<CelValue, ExecutionError> {
    let items: &[CelValue] = match &list {
        CelValue::List(items) => items,
        CelValue::Null => &[],
        _ => return Err(failed("table", "only a list becomes a table")),
    };
    let entry = |item: &CelValue| match item {
        CelValue::String(text) => Ok((Key::String(Arc::clone(text)), item.clone())),
        _ => Err(failed("table", "the list must be one of strings")),
    };
    let map: Result<_, ExecutionError> = items.iter().map(entry).collect();
    Ok(CelValue::Map(Map { map: Arc::new(map?) }))
}

/// `first(list, count)`: so many of its entries from its beginning; all of them if `count` is 0 or more than there are.
fn first(list: CelValue, count: i64) -> Result<CelValue, ExecutionError> {
    let count = usize::try_from(count).map_err(|_| failed("first", "the count must not be below 0"))?;
    match list {
        CelValue::Null => Ok(CelValue::Null),
        CelValue::List(entries) if count == 0 || entries.len() <= count => Ok(CelValue::List(entries)),
        CelValue::List(entries) => Ok(entries[..count].to_vec().into()),
        _ => Err(failed("first", "only a list has a beginning")),
    }
}

fn sorted_entries(
    function: &str,
    table: &CelValue,
) -> Result<std::collections::BTreeMap<String, CelValue>, ExecutionError> {
    match table {
        CelValue::Map(map) => map
            .map
            .iter()
            .map(|(key, value)| match key {
                Key::String(text) => Ok((text.to_string(), value.clone())),
                _ => Err(failed(function, "the keys must be strings")),
            })
            .collect(),
        CelValue::Null => Ok(std::collections::BTreeMap::new()),
        _ => Err(failed(function, "only a table has keys and values")),
    }
}

/// `cidr_subnet("10.0.0.0/16", 8, 2)` is `10.0.2.0/24`: the n-th part after cutting the range `bits` finer.
fn cidr_subnet(range: Arc<String>, bits: i64, number: i64) -> Result<CelValue, ExecutionError> {
    let error = |message: &str| failed("cidr_subnet", message);
    let (base, prefix) = range.split_once('/').ok_or_else(|| error("not a range such as 10.0.0.0/16"))?;
    let base: std::net::Ipv4Addr = base.parse().map_err(|_| error("not an IPv4 range"))?;
    let prefix: u32 = prefix.parse().map_err(|_| error("not a prefix length"))?;
    let finer = u32::try_from(bits).ok().and_then(|bits| prefix.checked_add(bits)).filter(|finer| *finer <= 32);
    let finer = finer.ok_or_else(|| error("the range is too small for that"))?;
    let number = u64::try_from(number).ok().filter(|number| *number < 1u64 << (finer - prefix));
    let number = number.ok_or_else(|| error("there is no such part"))?;
    let mask = if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) };
    let offset = number << (32 - finer);
    let start = (u64::from(u32::from(base) & mask) + offset) as u32;
    Ok(format!("{}/{finer}", std::net::Ipv4Addr::from(start)).into())
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_DAY: i64 = 24 * 60;

/// `window("mon:23:30-tue:00:30")` is `{start: 1410, length: 60}`, in minutes: of the week, or of every day if it names no
/// days.
fn window(text: Arc<String>) -> Result<CelValue, ExecutionError> {
    let error = || failed("window", "not a window such as 02:00-03:00 or sun:04:00-sun:05:00");
    let minute = |text: &str| -> Option<(i64, i64)> {
        let (rest, minute) = text.rsplit_once(':')?;
        let (day, hour) = rest.split_once(':').map_or((None, rest), |(day, hour)| (Some(day), hour));
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute);
        let time = is_time.then_some(hour * 60 + minute)?;
        match day {
            None => Some((time, MINUTES_OF_DAY)),
            Some(day) => {
                let number = DAYS.iter().position(|known| *known == day.to_ascii_lowercase())?;
                Some((number as i64 * MINUTES_OF_DAY + time, 7 * MINUTES_OF_DAY))
            }
        }
    };
    let (start, end) = text.split_once('-').ok_or_else(error)?;
    let ((start, cycle), (end, same)) = minute(start).zip(minute(end)).ok_or_else(error)?;
    if cycle != same {
        return Err(error());
    }
    let length = (end - start).rem_euclid(cycle);
    let entries = [("start", start), ("length", length)];
    let table = entries.into_iter().map(|(key, minutes)| (Key::from(key), CelValue::from(minutes))).collect();
    Ok(CelValue::Map(Map { map: Arc::new(table) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_names_stay_different() {
        assert_eq!(shorten("short", 32), "short");
        let first = shorten("a-very-long-instance-name-web-3000", 32);
        let second = shorten("a-very-long-instance-name-web-3001", 32);
        assert!(first.len() <= 32 && second.len() <= 32 && first != second, "{first} {second}");
    }

    #[test]
    fn slugs_have_single_hyphens() {
        assert_eq!(slug("Social.Example..org."), "social-example-org");
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version("v4.7.3"), [4, 7, 3]);
        assert_eq!(version("4.10.0-beta.2"), [4, 10, 0]);
        assert_eq!(version("v5"), [5, 0, 0]);
        assert_eq!(version("latest"), [0, 0, 0]);
        assert!(version("v4.10.0") > version("v4.9.12"), "as numbers, not as texts");
    }

    #[test]
    fn a_list_has_a_beginning() {
        let list = || CelValue::from(vec![CelValue::from("a"), "b".into(), "c".into()]);
        let of = |count| from_cel(&first(list(), count).expect("a list")).expect("plain").to_string();
        assert_eq!(of(2), r#"["a", "b"]"#);
        for all in [0, 3, 9] {
            assert_eq!(of(all), r#"["a", "b", "c"]"#);
        }
        assert_eq!(first(CelValue::Null, 2), Ok(CelValue::Null));
        assert!(first(list(), -1).is_err());
        assert!(first("abc".into(), 1).is_err());
    }

    #[test]
    fn windows_are_minutes() {
        let is = |text: &str| {
            let shown = window(Arc::new(text.to_owned())).map(|value| from_cel(&value).expect("plain"));
            shown.map(|value| value.to_string()).unwrap_or_default()
        };
        assert_eq!(is("02:00-03:30"), r#"{"length": 90, "start": 120}"#);
        assert_eq!(is("23:45-00:15"), r#"{"length": 30, "start": 1425}"#);
        assert_eq!(is("Sun:23:30-mon:00:30"), r#"{"length": 60, "start": 10050}"#);
        for wrong in ["", "02:00", "02:00-sun:03:00", "24:00-01:00", "02:60-03:00", "son:01:00-son:02:00", "a:b-c:d"] {
            assert_eq!(is(wrong), "", "{wrong}");
        }
    }

    #[test]
    fn a_list_of_texts_becomes_a_table() {
        let of = |list: Vec<CelValue>| {
            table(list.into())
                .map(|value| from_cel(&value).expect("plain").to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(of(vec!["b".into(), "a".into(), "b".into()]).as_deref(), Ok(r#"{"a": "a", "b": "b"}"#));
        assert_eq!(of(Vec::new()).as_deref(), Ok("{}"));
        assert!(of(vec![1.into()]).is_err_and(|error| error.contains("one of strings")));
        assert!(table("a".into()).is_err());
    }

    #[test]
    fn ranges_are_cut() {
        let cut = |range: &str, bits, number| cidr_subnet(Arc::new(range.to_owned()), bits, number);
        assert_eq!(cut("10.0.0.0/16", 8, 2), Ok(CelValue::from("10.0.2.0/24")));
        assert!(cut("10.0.0.0/16", 8, 256).is_err());
        assert!(cut("10.0.0.0/30", 8, 0).is_err());
    }

    #[test]
    fn every_function_is_declared() {
        for name in NAMES {
            let compiled = cel::Program::compile(&format!("{name}()")).expect("parses");
            let error = compiled.execute(&context()).expect_err("no arguments");
            assert!(!matches!(error, ExecutionError::UndeclaredReference(_)), "{name}: {error}");
        }
    }
}
