//! The state of a running instance: how the cloud reports its resources, and how it answers the probes of the blueprint.
//!
//! Pure: what was observed and answered is given. `session` asks, `render` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::condition;
use crate::address::Address;
use crate::expr::version;
use crate::provider::{Observation, Observations, Silence};
use crate::spec::Types;
use crate::spec::probe::Probe;
use crate::spec::types::{Condition, ResourceType, placeholders};
use crate::state::{Row, State, Status};
use crate::value::{Tree, Value};

/// Everything that was found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Why the cloud could not be asked about the resources, if it could not.
    pub unread: Option<String>,
    pub resources: Vec<ResourceReport>,
    pub probes: Vec<ProbeReport>,
}

impl Report {
    /// How much was looked at, and how much of it does not work.
    pub fn counts(&self) -> (usize, usize) {
        let resources = self.resources.iter().map(|report| report.health);
        let all = resources.chain(self.probes.iter().map(|report| report.health));
        let healths: Vec<Health> = all.filter(|health| *health != Health::Unasked).collect();
        let unread = usize::from(self.unread.is_some());
        let bad = healths.iter().filter(|health| **health == Health::Bad).count();
        (healths.len() + unread, bad + unread)
    }

    pub fn is_good(&self) -> bool {
        self.counts().1 == 0
    }
}

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    Good,
    /// It is in a change that ends by itself.
    Passing,
    Bad,
    /// Nobody has asked, since it takes a job.
    Unasked,
}

/// A resource as the cloud reports it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceReport {
    pub address: Address,
    pub health: Health,
    /// In the cloud's words.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What became of a probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    pub name: String,
    pub kind: &'static str,
    pub health: Health,
    /// One line: what is good, or what is wrong.
    pub says: String,
    pub hint: Option<String>,
    pub doc: String,
}

/// The reports on what the state knows of: every resource that has a status, and of the others those that are not there.
pub fn resources(state: &State, observations: &Observations, types: &Types) -> Vec<ResourceReport> {
    let rows = state.rows.iter();
    rows.filter_map(|(address, row)| {
        let resource_type = types.get(&address.type_name)?;
        let (health, says, hint) = resource(resource_type, row, observations.get(address))?;
        Some(ResourceReport { address: address.clone(), health, says, hint })
    })
    .collect()
}

type Found = (Health, String, Option<String>);

fn resource(resource_type: &ResourceType, row: &Row, observation: Option<&Observation>) -> Option<Found> {
    let apply = || Some("`mastoform apply` goes on from there".to_owned());
    let is_done = resource_type.once && row.status == Status::Ready;
    if is_done {
        return None;
    }
    if row.status != Status::Ready {
        if let Some(waits) = waits(resource_type, row, observation) {
            return Some(waits);
        }
        let says = match (&row.problem, row.status) {
            (Some(problem), _) => format!("failed: {problem}"),
            (None, Status::Failed) => "failed".to_owned(),
            (None, _) => "in the middle of an apply that has not come to its end".to_owned(),
        };
        return Some((Health::Bad, says, apply()));
    }
    let observed = match observation? {
        Observation::Found(observed) => &observed.attributes,
        Observation::Gone => {
            let hint = "`mastoform plan` shows how it comes back".to_owned();
            return Some((Health::Bad, "gone".to_owned(), Some(hint)));
        }
        Observation::Foreign(_) => {
            let hint = "`mastoform drift` says more".to_owned();
            return Some((Health::Bad, "not this instance's".to_owned(), Some(hint)));
        }
        Observation::Failed(error) => return Some((Health::Bad, format!("could not be read: {error}"), None)),
    };
    let says = resource_type.ready.as_ref()?.report(observed)?;
    let health = match resource_type.condition(observed)? {
        Condition::Good => return Some((Health::Good, status_alone(resource_type, observed), None)),
        Condition::Passing => Health::Passing,
        Condition::Failed(_) | Condition::Waits(_) | Condition::Stopped(_) | Condition::Going => Health::Bad,
    };
    let hint = condition::advice(condition::verdict(resource_type, row, Some(observed)));
    Some((health, says, hint))
}

/// The report on something that an apply waits for a person to do.
fn waits(resource_type: &ResourceType, row: &Row, observation: Option<&Observation>) -> Option<Found> {
    let Some(Observation::Found(observed)) = observation.filter(|_| row.problem.is_none()) else { return None };
    let Condition::Waits(_) = resource_type.condition(&observed.attributes)? else { return None };
    let says = resource_type.ready.as_ref()?.report(&observed.attributes)?;
    let hint = condition::advice(condition::verdict(resource_type, row, Some(&observed.attributes)));
    Some((Health::Bad, says, hint))
}

/// A good status needs no reason.
fn status_alone(resource_type: &ResourceType, observed: &Value) -> String {
    resource_type.ready.as_ref().and_then(|ready| ready.status(observed)).unwrap_or_default().to_owned()
}

/// What a probe expects, with everything known.
#[derive(Clone, Debug, Default)]
pub struct Expectation {
    /// By paths into the answer, joined with dots.
    pub values: BTreeMap<String, Value>,
    pub hint: String,
}

/// The report on a probe.
pub fn probe(probe: &Probe, expected: &Expectation, answer: &Result<Value, Silence>) -> ProbeReport {
    let wrong = match answer {
        Ok(answer) => expected.values.iter().find_map(|(path, wanted)| difference(path, wanted, answer)),
        Err(silence) => Some(silence.to_string()),
    };
    let (health, says, hint) = match (wrong, answer) {
        (Some(wrong), _) => (Health::Bad, wrong, Some(expected.hint.clone()).filter(|hint| !hint.is_empty())),
        (None, Ok(answer)) => (Health::Good, said(&probe.says, answer), None),
        (None, Err(_)) => (Health::Bad, String::new(), None),
    };
    ProbeReport { name: probe.name.clone(), kind: probe.kind.name, health, says, hint, doc: probe.doc.clone() }
}

/// The report on a probe that takes a job, which nobody has asked for.
pub fn unasked(probe: &Probe) -> ProbeReport {
    let (says, hint) = ("not asked, since it takes a task of its own", "mastoform status --jobs");
    ProbeReport {
        name: probe.name.clone(),
        kind: probe.kind.name,
        health: Health::Unasked,
        says: says.to_owned(),
        hint: Some(hint.to_owned()),
        doc: probe.doc.clone(),
    }
}

/// A text with the values of an answer in it.
fn said(text: &str, answer: &Value) -> String {
    let mut said = text.to_owned();
    for path in placeholders(text) {
        let value = at(answer, path).map(shown).unwrap_or_default();
        said = said.replace(&format!("{{{path}}}"), &value);
    }
    said
}

fn at<'a>(answer: &'a Value, path: &str) -> Option<&'a Value> {
    answer.at(&path.split('.').collect::<Vec<_>>()).filter(|value| !value.is_null())
}

/// The most characters of an answer that are shown.
const SHOWN: usize = 80;

/// A value of an answer, which may be as long as its sender likes.
fn shown(value: &Value) -> String {
    let text = match value {
        Tree::Number(number) => number.to_string(),
        value => value.as_text().map_or_else(|| value.to_string(), str::to_owned),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// How an answer differs from what is expected at a path; `None` if it does not.
fn difference(path: &str, wanted: &Value, answer: &Value) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let Some(found) = at(answer, path) else { return Some(format!("the answer has no {name}{}", led(answer))) };
    let text = found.as_text();
    let (is_met, how) = match wanted {
        Tree::List(any) => {
            let any_text: Vec<String> = any.iter().map(shown).collect();
            (any.iter().any(|one| is_same(found, one)), format!("instead of {}", any_text.join(" or ")))
        }
        Tree::Map(entries) => match entries.iter().next() {
            Some((how, wanted)) => {
                let word = wanted.as_text().unwrap_or_default();
                match how.as_str() {
                    "begins" => (text.is_some_and(|text| text.starts_with(word)), format!("instead of {word}...")),
                    "contains" => (text.is_some_and(|text| text.contains(word)), format!("without {word} in it")),
                    "version" => {
                        (text.is_some_and(|text| version(text) == version(word)), format!("instead of {word}"))
                    }
                    "most" => {
                        let is_enough = found.as_number().zip(wanted.as_number()).is_some_and(|(is, most)| is <= most);
                        (is_enough, format!("and should be at most {}", shown(wanted)))
                    }
                    _ => {
                        let is_enough =
                            found.as_number().zip(wanted.as_number()).is_some_and(|(is, least)| is >= least);
                        (is_enough, format!("and should be at least {}", shown(wanted)))
                    }
                }
            }
            None => (true, String::new()),
        },
        one => (is_same(found, one), format!("instead of {}", shown(one))),
    };
    let led = if path == "status" { led(answer) } else { String::new() };
    (!is_met).then(|| format!("{name} is {} {how}{led}", shown(found)))
}

/// Where an answer sends on to.
fn led(answer: &Value) -> String {
    at(answer, "headers.location").map(|to| format!(", and it leads to {}", shown(to))).unwrap_or_default()
}

fn is_same(found: &Value, wanted: &Value) -> bool {
    found == wanted || found.as_number().zip(wanted.as_number()).is_some_and(|(found, wanted)| found == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> Value {
        Value::from_json(&serde_json::from_str(json).expect("JSON"))
    }

    fn told(path: &str, wanted: &str, found: &str) -> Option<String> {
        difference(path, &answer(wanted), &answer(found))
    }

    #[test]
    fn an_answer_is_compared_with_what_is_expected() {
        assert_eq!(told("status", "200", r#"{"status": 200}"#), None);
        assert_eq!(told("status", "[101, 401]", r#"{"status": 401}"#), None);
        assert_eq!(told("status", "200", r#"{"status": 503}"#).as_deref(), Some("status is 503 instead of 200"));
        assert_eq!(
            told("status", "[101, 401]", r#"{"status": 404}"#).as_deref(),
            Some("status is 404 instead of 101 or 401")
        );
        let elsewhere = r#"{"status": 302, "headers": {"location": "https://elsewhere.example/"}}"#;
        assert_eq!(
            told("status", "200", elsewhere).as_deref(),
            Some("status is 302 instead of 200, and it leads to https://elsewhere.example/")
        );
        assert_eq!(told("json.version", "1", "{}").as_deref(), Some("the answer has no version"));
    }

    #[test]
    fn an_answer_is_compared_as_the_blueprint_says() {
        let version = r#"{"version": "v4.7.6"}"#;
        assert_eq!(told("json.version", version, r#"{"json": {"version": "4.7.6+fork"}}"#), None);
        assert_eq!(
            told("json.version", version, r#"{"json": {"version": "4.7.5"}}"#).as_deref(),
            Some("version is 4.7.5 instead of v4.7.6")
        );
        assert_eq!(told("text", r#"{"contains": "OK"}"#, r#"{"text": "OK\n"}"#), None);
        assert_eq!(
            told("text", r#"{"begins": "OK"}"#, r#"{"text": "no"}"#).as_deref(),
            Some("text is no instead of OK...")
        );
        assert_eq!(told("days", r#"{"least": 21}"#, r#"{"days": 21}"#), None);
        assert_eq!(
            told("days", r#"{"least": 21}"#, r#"{"days": 20}"#).as_deref(),
            Some("days is 20 and should be at least 21")
        );
        assert!(told("days", r#"{"least": 21}"#, r#"{"days": "many"}"#).is_some());
        assert_eq!(told("days", r#"{"most": 21}"#, r#"{"days": 21}"#), None);
        assert_eq!(
            told("days", r#"{"most": 21}"#, r#"{"days": 21.5}"#).as_deref(),
            Some("days is 21.5 and should be at most 21")
        );
    }

    #[test]
    fn no_answer_is_shown_as_long_as_it_is() {
        let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(10_000));
        let said = told("text", r#""OK""#, &long).expect("another text");
        assert!(said.len() < 200, "{said}");
        assert_eq!(super::said("{json.a} and {json.b}", &answer(r#"{"json": {"a": 1}}"#)), "1 and ");
    }
}
