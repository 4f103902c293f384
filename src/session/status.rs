//! Whether the running instance works: the cloud is asked about its resources, and the instance itself what the probes
//! of the blueprint ask, all at once. Nothing is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{SessionError, check_identity};
use crate::address::Address;
use crate::apply::late::{Existing, Revealed};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Late, TemplateTree};
use crate::plan;
use crate::plan::resolve::{self, Facts, Graph, ResourceScope, World};
use crate::plan::status::{self, Expectation, Report};
use crate::provider::probe::{Asks, Rehearsal};
use crate::provider::{Lookup, Question, Reader, Silence};
use crate::refresh;
use crate::spec::probe::{self, Probe};
use crate::state::State;
use crate::value::{Tree, Value};

/// A probe with everything known.
struct Asked<'specs> {
    probe: &'specs Probe,
    /// Nothing is asked as long as something that the question is made of is not there.
    question: Result<Asking, Silence>,
    expected: Expectation,
}

/// Who is asked.
#[derive(Clone, Debug)]
enum Asking {
    Instance(Question),
    Cloud(Lookup),
    /// A job of the blueprint, by name. Somebody else runs it, since nothing here may change anything.
    Job(String),
}

/// What jobs of the blueprint have found out, by their names.
pub type Found = BTreeMap<String, Result<Value, Silence>>;

/// The jobs that probes ask with these settings.
///
/// # Errors
///
/// Probes that cannot be evaluated.
pub fn jobs(world: &World<'_>, graph: &Graph, state: &State) -> Result<Vec<String>, SessionError> {
    let asked = questions(world, graph, state)?;
    let job = |asked: &Asked<'_>| asked.probe.job().filter(|_| asked.question.is_ok()).map(str::to_owned);
    Ok(asked.iter().filter_map(job).collect())
}

/// Asks everything. `found` is what jobs have found out; `None` if nobody wants to know.
///
/// # Errors
///
/// Credentials of another account, and probes that cannot be evaluated. Whatever else goes wrong is in the report.
pub async fn status(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    graph: &Graph,
    state: &State,
    found: Option<&Found>,
) -> Result<Report, SessionError> {
    let asked = questions(world, graph, state)?;
    let types = &world.specs.types;
    let targets = refresh::targets(types, state);
    let mut asking = JoinSet::new();
    for (number, asked) in asked.iter().enumerate() {
        let reader = Arc::clone(reader);
        match asked.question.clone() {
            Ok(Asking::Instance(question)) => {
                asking.spawn(async move { (number, reader.ask(&question).await) });
            }
            Ok(Asking::Cloud(lookup)) => {
                asking.spawn(async move { (number, looked_up(&*reader, &lookup).await) });
            }
            Ok(Asking::Job(_)) | Err(_) => {}
        }
    }
    let read = async {
        match reader.account().await {
            Ok(account) => {
                check_identity(state, None, Some(&account))?;
                let mut observations = refresh::look(&**reader, &targets).await;
                refresh::part_foreign(types, &targets, &mut observations);
                Ok((None, status::resources(state, &observations, types)))
            }
            Err(error) => Ok((Some(error.to_string()), Vec::new())),
        }
    };
    let answers = async {
        let mut answers = BTreeMap::new();
        while let Some(joined) = asking.join_next().await {
            match joined {
                Ok((number, answer)) => {
                    answers.insert(number, answer);
                }
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        answers
    };
    let (read, mut answers): (Result<_, SessionError>, _) = tokio::join!(read, answers);
    let (unread, resources) = read?;
    let probes = asked.iter().enumerate().map(|(number, asked)| {
        let answer = match &asked.question {
            Ok(Asking::Job(job)) => match found.map(|found| found.get(job)) {
                None => return status::unasked(asked.probe),
                Some(answer) => answer.cloned().unwrap_or_else(|| Err(Silence::new("it was not run"))),
            },
            Ok(_) => answers.remove(&number).unwrap_or_else(|| Err(Silence::new("it was not asked"))),
            Err(silence) => Err(silence.clone()),
        };
        status::probe(asked.probe, &asked.expected, &answer)
    });
    Ok(Report { unread, resources, probes: probes.collect() })
}

/// The probes that these settings ask for, in the order of the blueprint.
fn questions<'specs>(world: &World<'specs>, graph: &Graph, state: &State) -> Result<Vec<Asked<'specs>>, Diagnostics> {
    world.evaluator.begin();
    let revealed = Revealed::new();
    let existing = Existing { state, graph, revealed: &revealed };
    let scope = ResourceScope { world, each: None, facts: &existing };
    let mut asked = Vec::new();
    for probe in &world.specs.blueprint.probes {
        let is_wanted = match &probe.when {
            Some(when) => world.evaluator.condition(when, &scope).map_err(Diagnostics::from)?,
            None => true,
        };
        if is_wanted {
            asked.push(one(probe, &scope, &existing, state).map_err(Diagnostics::from)?);
        }
    }
    Ok(asked)
}

fn one<'specs>(
    probe: &'specs Probe,
    scope: &ResourceScope<'_>,
    existing: &Existing<'_>,
    state: &State,
) -> Result<Asked<'specs>, Diagnostic> {
    let entries =
        |trees: &BTreeMap<String, TemplateTree>| known(Tree::Map(scope.world.evaluator.entries(trees, scope)?));
    let value = |tree: &TemplateTree| known(scope.world.evaluator.tree(tree, scope)?);
    let hint = value(&probe.hint)?.ok().as_ref().and_then(Tree::as_text).unwrap_or_default().to_owned();
    let (asks, values) = (entries(&probe.asks)?, entries(&probe.expect)?);
    // What runs is what the last apply has made.
    let answer = value(&probe.rehearsal.answer)?;
    let question = match (&asks, &values) {
        (Ok(_), Ok(_)) if *probe.kind == probe::LOOKUP => lookup(probe, scope)?,
        (Ok(_), Ok(_)) if *probe.kind == probe::JOB => Ok(Asking::Job(probe.job().unwrap_or_default().to_owned())),
        (Ok(asks), Ok(_)) => Ok(Asking::Instance(Question {
            name: probe.name.clone(),
            asks: self::asks(probe, asks),
            patience: probe.patience,
            rehearsal: rehearsal(probe, existing, state, answer.unwrap_or_default()),
        })),
        (Err(silence), _) | (_, Err(silence)) => Err(silence.clone()),
    };
    let values = values.ok().as_ref().and_then(Tree::as_map).cloned().unwrap_or_default();
    Ok(Asked { probe, question, expected: Expectation { values, hint } })
}

/// What a probe of the cloud asks it.
fn lookup(probe: &Probe, scope: &ResourceScope<'_>) -> Result<Result<Asking, Silence>, Diagnostic> {
    let nothing = || Silence::new("nothing is looked up");
    let Some(resource) = probe.lookup(&scope.world.specs.blueprint) else { return Ok(Err(nothing())) };
    let Some(filters) = &resource.lookup else { return Ok(Err(nothing())) };
    let filters = match known(scope.world.evaluator.tree(filters, scope)?)? {
        Ok(filters) => filters,
        Err(silence) => return Ok(Err(silence)),
    };
    let region = resolve::region(scope.world, resource, scope)?;
    let address = Address::new(resource.type_name.clone(), resource.name.clone(), None);
    Ok(Ok(Asking::Cloud(Lookup { address, region, filters, is_part: false })))
}

async fn looked_up(reader: &dyn Reader, lookup: &Lookup) -> Result<Value, Silence> {
    match reader.lookup(lookup).await {
        Ok(found) => Ok(Value::Map([("found".to_owned(), found)].into())),
        Err(error) => Err(Silence::new(format!("AWS could not be asked: {error}"))),
    }
}

/// The value, or what it lacks.
fn known(tree: Tree<Late>) -> Result<Result<Value, Silence>, Diagnostic> {
    Ok(tree.try_convert(&mut |late| match late {
        Late::Unknown(unknown) => {
            let missing = unknown.references.first().map(|missing| missing.address.to_string());
            Err(Silence::new(format!("{} is not there yet", missing.unwrap_or(unknown.template))))
        }
        // Lint has refused it.
        Late::Secret(_) => Err(Silence::new("a secret is not sent")),
    }))
}

/// The question of a probe of each kind.
fn asks(probe: &Probe, asks: &Value) -> Asks {
    let text = |name: &str| asks.get(name).and_then(Tree::as_text).unwrap_or_default().to_owned();
    let optional = |name: &str| asks.get(name).and_then(Tree::as_text).map(str::to_owned);
    let texts = |name: &str| {
        let items = asks.get(name).and_then(Tree::as_list).unwrap_or_default().iter();
        items.filter_map(|item| item.as_text().map(str::to_owned)).collect()
    };
    if *probe.kind == probe::WEBSOCKET {
        Asks::WebSocket { url: text("url"), protocol: optional("protocol") }
    } else if *probe.kind == probe::CERTIFICATE {
        Asks::Certificate { host: text("host") }
    } else {
        Asks::Http { url: text("url"), follow: texts("follow") }
    }
}

/// What a simulated cloud goes by: of what is needed, what these settings ask for, as far as the state knows it.
fn rehearsal(probe: &Probe, existing: &Existing<'_>, state: &State, answer: Value) -> Rehearsal {
    let owner = plan::owner(state);
    let mut rehearsal = Rehearsal { answer, ..Rehearsal::default() };
    for (name, _) in &probe.rehearsal.needs {
        for address in existing.instances(name) {
            match state.rows.get(&address).and_then(|row| Some((row, row.identity.clone()?))) {
                Some((row, identity)) => rehearsal.needs.push(refresh::target(&owner, &address, row, identity)),
                None => rehearsal.lacks = true,
            }
        }
    }
    rehearsal
}
