//! The list prices of `specs/prices.toml`: what AWS charges for what, where, and how well that is known.
//!
//! The table is long, so it is read when somebody first asks what something costs, and once: [`Prices::table`].
//!
//! # Guarantees
//!
//! - A price that the table does not have is not there; nothing is guessed or taken from elsewhere.
//! - Prices are whole billionths of a dollar, so nothing is lost between the table and an amount.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::embedded;
use super::reader::Reader;
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile};
use crate::document::{self, Entry, Node, prepared};

/// The version of the form this program reads.
const FORMAT: f64 = 1.0;

/// The table, read when it is first asked for.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// A table of the user's in place of the one that is part of the program.
    own: Option<Arc<Own>>,
}

#[derive(Debug)]
struct Own {
    source: Arc<SourceFile>,
    table: OnceLock<Result<Table, Diagnostics>>,
}

static EMBEDDED: OnceLock<Result<Table, Diagnostics>> = OnceLock::new();

impl Prices {
    /// A table in place of the one that is part of the program. Groups that it does not name keep their titles.
    pub fn own(source: Arc<SourceFile>) -> Self {
        Self { own: Some(Arc::new(Own { source, table: OnceLock::new() })) }
    }

    /// Whether it is a table of the user's.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The table. It is read only once.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with its form.
    pub fn table(&self) -> Result<&Table, Diagnostics> {
        let table = match &self.own {
            Some(own) => own.table.get_or_init(|| {
                let mut table = read(&document::parse(&own.source)?)?;
                for (name, title) in &embedded_table().as_ref().map_err(Clone::clone)?.groups {
                    if table.groups.iter().all(|(known, _)| known != name) {
                        table.groups.push((name.clone(), title.clone()));
                    }
                }
                Ok(table)
            }),
            None => embedded_table(),
        };
        table.as_ref().map_err(Clone::clone)
    }
}

/// The table that is part of the program.
fn embedded_table() -> &'static Result<Table, Diagnostics> {
    EMBEDDED.get_or_init(|| {
        let source = SourceFile::new("specs/prices.toml", embedded::PRICES.text);
        let prepared = prepared::read(&source, embedded::PRICES.document);
        read(&prepared.map_or_else(|| document::parse(&source), Ok)?)
    })
}

/// All prices.
#[derive(Debug)]
pub struct Table {
    /// The month in which they were collected: `2026-10`.
    pub collected: String,
    /// Hours of a month, as bills of AWS's calculators have it.
    pub hours: u32,
    /// Groups of line items, in the order in which they are shown: name and title.
    pub groups: Vec<(String, String)>,
    /// Free allowances of an account and month, by name.
    pub free: BTreeMap<String, f64>,
    /// Place by region, for prices that go by other places than regions.
    places: BTreeMap<String, BTreeMap<String, String>>,
    /// By key, as [`key`] spells it.
    prices: BTreeMap<String, Price>,
}

/// What something costs, by place.
#[derive(Clone, Debug)]
pub struct Price {
    /// As the table spells it: `fargate.x86.vcpu_hour`.
    pub name: String,
    /// `GB-month`
    pub unit: String,
    pub per: Per,
    /// It is no list price but goes up and down; what AWS calls that.
    pub floats: Option<String>,
    places: Option<String>,
    usd: BTreeMap<String, Row>,
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// An hour of one.
    Hour,
    /// So many of them.
    Number(u32),
}

/// A price in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Billionths of a dollar.
    pub nanos: i64,
    /// When its newest source was read: a year, with or without month and day; or `unknown`.
    pub at: String,
    pub trust: Trust,
    pub from: String,
}

/// How far a price may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// At least two sources agree.
    Confirmed,
    /// One source has it.
    Single,
    /// It follows from another price.
    Derived,
}

impl Trust {
    pub const ALL: [Self; 3] = [Self::Confirmed, Self::Single, Self::Derived];

    /// As the table spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Single => "single",
            Self::Derived => "derived",
        }
    }
}

/// A key as it is compared: names of AWS have dots and hyphens where the table has underscores.
pub fn key(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

impl Table {
    /// What something costs. `None` if the table does not have it.
    pub fn price(&self, name: &str) -> Option<&Price> {
        self.prices.get(&key(name))
    }

    /// Every price.
    pub fn prices(&self) -> impl Iterator<Item = &Price> {
        self.prices.values()
    }

    /// A price in a region.
    pub fn row<'table>(&'table self, price: &'table Price, region: &str) -> Option<&'table Row> {
        let place = match &price.places {
            Some(places) => self.places.get(places)?.get(region)?,
            None => region,
        };
        price.usd.get(place).or_else(|| price.usd.get("global"))
    }
}

/// Reads the table and checks its form.
fn read(document: &Node) -> Result<Table, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let mut top = Reader {
        diagnostics: &mut diagnostics,
        table: document,
        what: "the table of prices",
        used: vec!["meta", "groups", "sources", "free", "places", "price"],
    };
    top.refuse_others();
    let (collected, hours) = meta(document, &mut diagnostics);
    let groups = document.get("groups").map(|node| texts(node, "a title", &mut diagnostics)).unwrap_or_default();
    let mut places = BTreeMap::new();
    for entry in document.get("places").map(Node::entries).unwrap_or_default() {
        let of_region = texts(&entry.node, "the name of a place", &mut diagnostics);
        places.insert(entry.key.clone(), of_region.into_iter().collect());
    }
    let free = free(document, &mut diagnostics);
    let mut table = Table { collected, hours, groups, free, places, prices: BTreeMap::new() };
    if let Some(prices) = document.get("price") {
        collect(prices, &mut Vec::new(), &mut table, &mut diagnostics);
    }
    diagnostics.finish(table).map(|(table, _)| table)
}

/// Texts by name, in the order of the file.
fn texts(table: &Node, what: &str, diagnostics: &mut Diagnostics) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in table.entries() {
        match entry.node.text() {
            Some(text) => found.push((entry.key.clone(), text.to_owned())),
            None => diagnostics.push(
                Diagnostic::error("price-table", format!("`{}` must be {what}", entry.key))
                    .at(&entry.node.location, "no text"),
            ),
        }
    }
    found
}

fn meta(document: &Node, diagnostics: &mut Diagnostics) -> (String, u32) {
    let Some(node) = document.get("meta") else {
        diagnostics
            .push(Diagnostic::error("price-table", "the table of prices has no [meta]").at(&document.location, ""));
        return (String::new(), 0);
    };
    let mut meta = Reader { diagnostics, table: node, what: "[meta]", used: vec!["format", "hours_per_month"] };
    let collected = meta.text("collected").unwrap_or_default();
    let currency = meta.text("currency").unwrap_or_default();
    meta.refuse_others();
    let number = |key: &str| node.get(key).and_then(|node| node.value().as_number());
    if number("format") != Some(FORMAT) {
        meta.wrong("format", "1, the form that this program reads");
    }
    if currency != "USD" {
        meta.wrong("currency", "USD");
    }
    if age(&collected).is_none() {
        meta.wrong("collected", "a month such as 2026-10");
    }
    let hours = number("hours_per_month").filter(|hours| (1.0..=744.0).contains(hours) && hours.fract() == 0.0);
    if hours.is_none() {
        meta.wrong("hours_per_month", "a number of hours, up to 744");
    }
    (collected, hours.unwrap_or_default() as u32)
}

fn free(document: &Node, diagnostics: &mut Diagnostics) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for entry in document.get("free").map(Node::entries).unwrap_or_default() {
        let amount = entry.node.get("amount").and_then(|node| node.value().as_number());
        let is_dated = entry.node.get("at").and_then(Node::text).is_some_and(is_date);
        let is_sourced = entry.node.get("from").and_then(Node::text).is_some();
        match amount.filter(|amount| *amount >= 0.0 && is_dated && is_sourced) {
            Some(amount) => {
                found.insert(entry.key.clone(), amount);
            }
            None => diagnostics.push(
                Diagnostic::error("price-table", format!("the allowance `{}` is not complete", entry.key))
                    .at(&entry.node.location, "")
                    .hint("write { amount = 5, at = \"2026-10-06\", from = \"where it says so\" }"),
            ),
        }
    }
    found
}

/// Prices stand at any depth: what has `usd` is one.
fn collect(node: &Node, path: &mut Vec<String>, table: &mut Table, diagnostics: &mut Diagnostics) {
    for entry in node.entries() {
        path.push(entry.key.clone());
        if entry.node.get("usd").is_some_and(Node::is_table) {
            let price = price(path.join("."), entry, diagnostics);
            let is_known = price.places.as_ref().is_none_or(|places| table.places.contains_key(places));
            if !is_known || table.prices.insert(key(&price.name), price).is_some() {
                diagnostics.push(
                    Diagnostic::error(
                        "price-table",
                        format!(
                            "the price `{}` is written twice, or goes by places that are not there",
                            path.join(".")
                        ),
                    )
                    .at(&entry.key_location, ""),
                );
            }
        } else if entry.node.is_table() {
            collect(&entry.node, path, table, diagnostics);
        } else {
            diagnostics.push(
                Diagnostic::error("price-table", format!("`{}` is no price", path.join(".")))
                    .at(&entry.key_location, "a price has a table `usd`"),
            );
        }
        path.pop();
    }
}

fn price(name: String, entry: &Entry, diagnostics: &mut Diagnostics) -> Price {
    let node = &entry.node;
    let used = vec!["per", "usd", "row", "note", "offer"];
    let mut reader = Reader { diagnostics, table: node, what: "a price", used };
    let unit = reader.text("unit");
    let floats = reader.text("floats");
    let places = reader.text("places");
    reader.refuse_others();
    if unit.is_none() {
        reader.wrong("unit", "what the price is for: \"GB-month\"");
    }
    let per = match node.get("per").map(Node::value) {
        Some(crate::value::Tree::Text(text)) if text == "hour" => Some(Per::Hour),
        Some(crate::value::Tree::Integer(number)) => u32::try_from(number).ok().filter(|n| *n > 0).map(Per::Number),
        _ => None,
    };
    if per.is_none() {
        reader.wrong("per", "\"hour\", or so many of them");
    }
    let mut usd = BTreeMap::new();
    for row_entry in node.get("usd").map(Node::entries).unwrap_or_default() {
        match row(&row_entry.node) {
            Some(row) => {
                usd.insert(row_entry.key.clone(), row);
            }
            None => diagnostics.push(
                Diagnostic::error("price-table", format!("the price of {name} in {} is not complete", row_entry.key))
                    .at(&row_entry.node.location, "")
                    .hint("write { usd = 0.1, at = \"2026-10-06\", trust = \"confirmed\", from = \"A B\" }"),
            ),
        }
    }
    Price { name, unit: unit.unwrap_or_default(), per: per.unwrap_or(Per::Number(1)), floats, places, usd }
}

fn row(node: &Node) -> Option<Row> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let usd = node.get("usd")?.value().as_number().filter(|usd| (0.0..1e6).contains(usd))?;
    let at = text("at").filter(|at| *at == "unknown" || is_date(at))?.to_owned();
    let trust = Trust::ALL.into_iter().find(|trust| Some(trust.name()) == text("trust"))?;
    let from = text("from").filter(|from| !from.is_empty())?.to_owned();
    let is_all = node.entries().len() == 4;
    is_all.then(|| Row { nanos: (usd * 1e9).round() as i64, at, trust, from })
}

fn is_date(text: &str) -> bool {
    age(text).is_some()
}

/// A date as year and month. Of a year alone, its first month: a price is rather said to be too old than too new.
fn age(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year: i64 = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month: i64 = match parts.next() {
        Some(month) if month.len() == 2 => month.parse().ok().filter(|month| (1..=12).contains(month))?,
        Some(_) => return None,
        None => 1,
    };
    let is_day = |day: &str| day.len() == 2 && day.parse().is_ok_and(|day: i64| (1..=31).contains(&day));
    (parts.next().is_none_or(is_day) && parts.next().is_none()).then_some(year * 12 + month - 1)
}

/// Whether something of this date is older than a year on the day `today`. What has no date is.
pub fn is_old(at: &str, today: &str) -> bool {
    match (age(at), age(today)) {
        (Some(then), Some(now)) if now - then == 12 => {
            at.get(8..).is_none_or(|day| today.get(8..).is_some_and(|now| day < now))
        }
        (Some(then), Some(now)) => now - then > 12,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[meta]\nformat = 1\ncurrency = 'USD'\nhours_per_month = 730\ncollected = '2026-10'\n";

    fn problems(rest: &str) -> String {
        let source = SourceFile::new("prices.toml", format!("{HEAD}{rest}"));
        Prices::own(source).table().map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn the_table_of_the_program_is_sound_and_keeps_dates_and_sources() {
        let prices = Prices::default();
        let table = prices.table().unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(table.prices().count(), 91);
        let price = table.price("fargate.x86.vcpu_hour").expect("there");
        let row = table.row(price, "us-east-1").expect("there");
        assert_eq!((row.nanos, row.at.as_str(), row.trust), (40_480_000, "2026-09-29", Trust::Confirmed));
        assert_eq!(row.from, "A B D_fgc");
        assert!(table.row(price, "mars-north-1").is_none(), "and nothing is guessed");
        let edge = table.price("cloudfront.out_gb").expect("there");
        assert_eq!(table.row(edge, "eu-central-1").map(|row| row.nanos), Some(85_000_000), "by the nearest place");
        let global = table.price("route53.zone_month").expect("there");
        assert_eq!(table.row(global, "sa-east-1").map(|row| row.nanos), Some(500_000_000));
    }

    #[test]
    fn a_table_is_read_once() {
        let own = Prices::own(SourceFile::new("prices.toml", HEAD));
        for prices in [Prices::default(), own] {
            let (first, second) = (prices.table().expect("sound"), prices.clone());
            assert!(std::ptr::eq(first, second.table().expect("sound")));
        }
    }

    #[test]
    fn names_of_aws_find_their_price() {
        let prices = Prices::default();
        let table = prices.table().expect("sound");
        assert!(table.price("elasticache_valkey.cache.t4g.micro_hour").is_some());
        assert!(table.price("elasticache_valkey.cache.t9z.micro_hour").is_none());
    }

    #[test]
    fn a_table_of_another_shape_is_refused() {
        let row = "{ usd = 0.1, at = '2026-10-06', trust = 'single', from = 'A' }";
        let price =
            |per: &str, row: &str| format!("[price.a]\nunit = 'GB'\nper = {per}\n[price.a.usd]\nglobal = {row}\n");
        assert_eq!(problems(&price("1", row)), "");
        for (wrong, expected) in [
            (price("0", row), "`per` must be \"hour\", or so many of them"),
            (price("1", "0.1"), "the price of a in global is not complete"),
            (price("1", &row.replace("2026-10-06", "last year")), "is not complete"),
            (price("1", &row.replace("single", "sure")), "is not complete"),
            (price("1", &row.replace("0.1", "-0.1")), "is not complete"),
            (format!("{}{}", price("1", row), "[prize]\n"), "unknown key `prize`"),
            ("[price]\nx = 1\n".to_owned(), "`x` is no price"),
            ("[free]\nx = { amount = 1 }\n".to_owned(), "the allowance `x` is not complete"),
        ] {
            let said = problems(&wrong);
            assert!(said.contains(expected), "{wrong}: {said}");
        }
    }

    #[test]
    fn a_price_is_old_after_a_year() {
        for (at, today, old) in [
            ("2026-10-06", "2026-11-29", false),
            ("2025-11-29", "2026-11-29", false),
            ("2025-11-28", "2026-11-29", true),
            ("2025-12-01", "2026-11-29", false),
            ("2025-11", "2026-11-29", true),
            ("2026", "2026-11-29", false),
            ("2025", "2026-02-01", true),
            ("unknown", "2026-11-29", true),
        ] {
            assert_eq!(is_old(at, today), old, "{at} on {today}");
        }
    }
}
