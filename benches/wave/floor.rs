//! The least calls that code written by hand would make for what a state holds, from the table in `floor.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

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
    /// How long all of it takes, and how much of that is before what refers to the resource.
    fn takes(&self, time: &impl Fn(&str) -> Duration) -> (Duration, Duration) {
        // The calls of a step are made side by side.
        let step = |step: &Operations| step.keys().map(|operation| time(operation)).max().unwrap_or_default();
        let wait = self.wait.iter().map(|operation| time(operation));
        let times: Vec<Duration> = self.steps.iter().map(step).chain(wait).collect();
        let before = self.before.unwrap_or(times.len());
        (times.iter().sum(), times[..before].iter().sum())
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

/// The calls that the table gives for the states of some instances.
pub struct Floor {
    /// Of a plan that finds nothing to do.
    pub plan: Calls,
    /// Calls that such a plan makes besides, to keep strangers out.
    pub strangers: Calls,
    /// Of a first apply; for one instance.
    pub apply: Calls,
    /// By instance, and then by address.
    rows: Vec<Rows>,
    making: BTreeMap<String, Making>,
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

type Rows = BTreeMap<String, Row>;

impl Floor {
    /// The floor of what the texts of states hold. A type that the table does not have is an error.
    pub fn of(states: &[String]) -> Self {
        let table: Table = toml::from_str(include_str!("floor.toml")).expect("the table of the floor");
        let rows: Vec<Rows> = states.iter().map(|state| rows(&serde_json::from_str(state).expect("a state"))).collect();
        let all = || rows.iter().flat_map(BTreeMap::values);
        let of = |operations: &BTreeMap<String, Operations>, row: &Row| operations.get(&row.type_name).cloned();
        let known = |row: &Row| of(&table.plan, row).unwrap_or_else(|| panic!("no floor for {}", row.type_name));
        let plan = counted(all().map(|row| (row, known(row))));
        let strangers = counted(all().filter_map(|row| Some((row, of(&table.strangers, row)?))));
        let making = |row: &Row| {
            table.apply.get(&row.type_name).unwrap_or_else(|| panic!("no floor for making {}", row.type_name))
        };
        let steps = all().flat_map(|row| making(row).steps.iter().map(move |step| (row, step.clone())));
        let waits = all().filter_map(|row| {
            let wait = making(row).wait.clone()?;
            Some((row, Operations::from([(wait, Count::Word(Word::Once))])))
        });
        let apply = counted(steps.chain(waits));
        Self { plan, strangers, apply, rows, making: table.apply }
    }

    /// How many calls of a first apply come one after the other, at least.
    pub fn chain(&self) -> u32 {
        let calls = self.apply_takes(|_| Duration::from_secs(1)).as_secs();
        u32::try_from(calls).expect("a short chain")
    }

    /// How long a first apply takes, at least, where each operation takes so long.
    pub fn apply_takes(&self, time: impl Fn(&str) -> Duration) -> Duration {
        let of_instance = |rows: &Rows| {
            let mut reached = BTreeMap::new();
            let end = |address: &String| {
                self.start(address, rows, &time, &mut reached) + self.making[&rows[address].type_name].takes(&time).0
            };
            rows.keys().map(end).max().unwrap_or_default()
        };
        self.rows.iter().map(of_instance).max().unwrap_or_default()
    }

    /// When a resource can be made.
    fn start(
        &self,
        address: &str,
        rows: &Rows,
        time: &impl Fn(&str) -> Duration,
        reached: &mut BTreeMap<String, Duration>,
    ) -> Duration {
        if let Some(start) = reached.get(address) {
            return *start;
        }
        let needed: Vec<&String> = rows[address].depends_on.iter().filter(|one| rows.contains_key(*one)).collect();
        let there = needed
            .into_iter()
            .map(|needed| self.start(needed, rows, time, reached) + self.making[&rows[needed].type_name].takes(time).1);
        let start = there.max().unwrap_or_default();
        reached.insert(address.to_owned(), start);
        start
    }
}

fn rows(state: &Json) -> Rows {
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
