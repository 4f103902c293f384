//! The least calls that code written by hand would make for what a state holds, from the table in `floor.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

/// The region in which what is global in AWS has its tags.
const GLOBAL: &str = "us-east-1";

/// How many calls an operation takes for the resources of a type.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Count {
    /// `once` or `each`.
    Word(Word),
    /// So many resources in a call.
    Batch(usize),
    /// One call for each combination of these attributes, or for each entry of one that is a table or a list.
    Attributes(Vec<String>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Once,
    Each,
}

type Operations = BTreeMap<String, Count>;

#[derive(Debug, Deserialize)]
struct Making {
    steps: Vec<Operations>,
    wait: Option<String>,
    before: Option<usize>,
}

impl Making {
    fn all(&self) -> usize {
        self.steps.len() + usize::from(self.wait.is_some())
    }

    /// How many calls one after the other come before what refers to the resource.
    fn before(&self) -> usize {
        self.before.unwrap_or_else(|| self.all())
    }
}

#[derive(Debug, Deserialize)]
struct Table {
    plan: BTreeMap<String, Operations>,
    strangers: BTreeMap<String, Operations>,
    apply: BTreeMap<String, Making>,
}

/// Calls by operation.
pub type Calls = BTreeMap<String, usize>;

/// The calls that the table gives for a state.
#[derive(Debug)]
pub struct Floor {
    /// Of a plan that finds nothing to do.
    pub plan: Calls,
    /// Calls that such a plan makes besides, to keep strangers out.
    pub strangers: Calls,
    /// Of a first apply.
    pub apply: Calls,
    /// Calls of a first apply one after the other, at least.
    pub chain: usize,
}

pub fn sum(calls: &Calls) -> usize {
    calls.values().sum()
}

/// A resource of the state.
struct Row {
    type_name: String,
    region: String,
    inputs: Json,
    depends_on: Vec<String>,
}

impl Floor {
    /// The floor of what the text of a state holds. A type that the table does not have is an error.
    pub fn of(state: &str) -> Self {
        let table: Table = toml::from_str(include_str!("floor.toml")).expect("the table of the floor");
        let rows = rows(&serde_json::from_str(state).expect("a state"));
        let of = |operations: &BTreeMap<String, Operations>, type_name: &str| operations.get(type_name).cloned();
        let known = |type_name: &str| of(&table.plan, type_name).unwrap_or_else(|| panic!("no floor for {type_name}"));
        let plan = counted(rows.values().map(|row| (row, known(&row.type_name))));
        let strangers = counted(rows.values().filter_map(|row| Some((row, of(&table.strangers, &row.type_name)?))));
        let making = |row: &Row| {
            table.apply.get(&row.type_name).unwrap_or_else(|| panic!("no floor for making {}", row.type_name))
        };
        let steps = rows.values().flat_map(|row| making(row).steps.iter().map(move |step| (row, step.clone())));
        let waits = rows.values().filter_map(|row| {
            let wait = making(row).wait.clone()?;
            Some((row, Operations::from([(wait, Count::Word(Word::Once))])))
        });
        let apply = counted(steps.chain(waits));
        let mut reached = BTreeMap::new();
        let chain =
            rows.keys().map(|address| start(address, &rows, &making, &mut reached) + making(&rows[address]).all());
        let chain = chain.max().unwrap_or_default();
        Self { plan, strangers, apply, chain }
    }
}

/// How many calls one after the other come before a resource can be made.
fn start<'table>(
    address: &str,
    rows: &BTreeMap<String, Row>,
    making: &impl Fn(&Row) -> &'table Making,
    reached: &mut BTreeMap<String, usize>,
) -> usize {
    if let Some(start) = reached.get(address) {
        return *start;
    }
    let needed: Vec<&String> = rows[address].depends_on.iter().filter(|needed| rows.contains_key(*needed)).collect();
    let before = needed.into_iter().map(|needed| start(needed, rows, making, reached) + making(&rows[needed]).before());
    let before = before.max().unwrap_or_default();
    reached.insert(address.to_owned(), before);
    before
}

fn rows(state: &Json) -> BTreeMap<String, Row> {
    let home = state["region"].as_str().unwrap_or_default();
    let row = |address: &str, row: &Json| {
        let type_name = address.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let region = if type_name.starts_with("cloudfront.") { GLOBAL } else { row["region"].as_str().unwrap_or(home) };
        let depends_on = row["depends_on"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let depends_on = depends_on.map(str::to_owned).collect();
        // Lookups have their attributes in plain sight.
        let inputs = row.get("inputs").unwrap_or(row).clone();
        (address.to_owned(), Row { type_name, region: region.to_owned(), inputs, depends_on })
    };
    // A job that counts as done without having run takes no call.
    let ran = |found: &Json| !found["identity"].as_str().is_some_and(|identity| identity.starts_with("not run"));
    let tables = ["resources", "lookups"].into_iter().filter_map(|key| state[key].as_object());
    tables.flatten().filter(|(_, found)| ran(found)).map(|(address, found)| row(address, found)).collect()
}

fn entries(value: &Json) -> usize {
    value.as_object().map(|table| table.len()).or_else(|| Some(value.as_array()?.len())).unwrap_or_default()
}

/// How often each operation is called for these resources.
fn counted<'row>(wanted: impl Iterator<Item = (&'row Row, Operations)>) -> Calls {
    let mut batches: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    let mut combinations: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut calls = Calls::new();
    for (row, operations) in wanted {
        for (operation, count) in operations {
            match count {
                Count::Word(Word::Each) => *calls.entry(operation).or_default() += 1,
                Count::Word(Word::Once) => {
                    batches.insert((operation, row.region.clone()), (1, 1));
                }
                Count::Batch(most) => {
                    let (together, _) = batches.entry((operation, row.region.clone())).or_insert((0, most));
                    *together += 1;
                }
                Count::Attributes(names) => match &names[..] {
                    [name] => *calls.entry(operation).or_default() += entries(&row.inputs[name]),
                    names => {
                        let values: Vec<String> = names.iter().map(|name| row.inputs[name].to_string()).collect();
                        combinations.entry(operation).or_default().insert(values.join(" "));
                    }
                },
            }
        }
    }
    for ((operation, _), (together, most)) in batches {
        *calls.entry(operation).or_default() += together.div_ceil(most);
    }
    for (operation, different) in combinations {
        *calls.entry(operation).or_default() += different.len();
    }
    calls
}
