//! Exports of whole instances: everything of the specs is in one, and whoever imports one meets what was there.

#[cfg(feature = "python")]
mod judges;
mod terraform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mastoform::address::{Address, Identity};
use mastoform::apply::Outcome;
use mastoform::export::{Instance as Exported, Subject, cloudformation};
use mastoform::provider::{Observation, Observations, Provider, read_only};
use mastoform::session;
use mastoform::spec::blueprint::InputShape;
use mastoform::spec::counterpart::{Kind, Tool, leaves, pascal};
use mastoform::spec::{OverlayFile, Specs, Types};
use mastoform::state::{Row, State};
use mastoform::value::Value;
use serde_json::Value as Json;

use crate::support::instance::{EXAMPLE, Instance, Script};

const ODD: &str = include_str!("odd.toml");
const MORE: &str = include_str!("more.toml");

/// The regions that instances are exported for.
const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "eu-west-1"];

/// An instance that was made, with what the cloud shows of it.
pub struct Made {
    pub instance: Instance,
    pub state: State,
    pub observations: Observations,
    pub script: Script,
}

impl Made {
    pub fn subject(&self) -> Subject<'_> {
        Subject { state: &self.state, observations: Some(&self.observations), types: self.types() }
    }

    pub fn types(&self) -> &Types {
        &self.script.specs.types
    }
}

fn overlay() -> Vec<OverlayFile> {
    vec![OverlayFile { name: "more/more.toml".into(), types_of: None, text: MORE.into() }]
}

/// Makes the instance of a file in a region.
pub async fn made(text: &str, overlay: &[OverlayFile], region: &str) -> Made {
    let text = text.replace(REGIONS[0], region);
    let script = Script::read(overlay, &text).unwrap_or_else(|problems| panic!("{problems}"));
    let instance = Instance::new();
    let provider: Arc<dyn Provider> = instance.sim.clone();
    let (plan, outcome, _) = instance.go_by(provider.clone(), &script, true, None).await.expect("a plan");
    assert!(matches!(outcome, Some(Outcome::Completed(_))), "{:?} {outcome:?}", plan.refusals);
    let state = instance.state().expect("a state");
    let observations = session::inspect(&read_only(&provider), &script.specs.types, &state).await.expect("shown");
    Made { instance, state, observations, script }
}

/// The instances that together have everything: names, files and overlays.
pub fn all() -> Vec<(&'static str, &'static str, Vec<OverlayFile>)> {
    vec![("example", EXAMPLE, Vec::new()), ("odd", ODD, Vec::new()), ("more", EXAMPLE, overlay())]
}

/// Nothing is left at its default in all of them: so a template holds what comes of each setting.
#[test]
fn every_setting_is_written_in_one_of_the_instances() {
    let scripts: Vec<Script> = [EXAMPLE, ODD].map(|text| Script::read(&[], text).expect("valid")).into();
    let inputs = scripts[0].specs.blueprint.inputs.iter();
    // What a month brings changes the bill, and no resource.
    let inputs = inputs.filter(|input| input.shape != InputShape::Spread);
    let is_set = |path: &[String]| scripts.iter().any(|script| script.config.origin(path).is_some());
    let left: Vec<String> = inputs.filter(|input| !is_set(&input.path)).map(|input| input.name()).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn everything_of_the_specs_is_in_an_export_or_has_no_counterpart() {
    let mut written: BTreeMap<&str, BTreeSet<(String, String)>> = BTreeMap::new();
    for (_, text, overlay) in all() {
        let made = made(text, &overlay, REGIONS[0]).await;
        for tool in Tool::ALL {
            let instance = Exported::new(&made.subject(), tool).expect("an instance");
            written.entry(tool.key()).or_default().extend(match tool {
                Tool::CloudFormation => cloudformation::export(&instance).attributes,
                Tool::Terraform => mastoform::export::terraform::export(&instance).attributes,
            });
        }
    }
    let mut missing = Vec::new();
    let specs = Specs::read(&[]).expect("valid specs");
    for resource_type in specs.types.values().filter(|resource_type| resource_type.is_handed_over()) {
        for tool in Tool::ALL {
            if matches!(resource_type.counterpart(tool).kind, Kind::None) {
                continue;
            }
            for (path, attribute) in leaves(resource_type) {
                let top = path.split(['.', '[']).next().unwrap_or_default();
                let is_computed = attribute.computed || resource_type.attributes[top].computed;
                let is_marked = attribute.left_out.is_some() || attribute.place(tool).is_absent || is_computed;
                let is_written = written[tool.key()].contains(&(resource_type.name.to_string(), path.clone()));
                if is_marked == is_written {
                    missing.push(format!(
                        "{} in {}: {}.{path}",
                        if is_written { "marked" } else { "not" },
                        tool.title(),
                        resource_type.name
                    ));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The identity that an import hands over for an address; `None` if it hands over none.
fn imported(imports: &Json, made: &Made, address: &Address) -> Option<Identity> {
    let name = cloudformation::logical_name(address);
    let import = imports.as_array()?.iter().find(|import| import["LogicalResourceId"] == name)?;
    let identifier = import["ResourceIdentifier"].as_object()?;
    let resource_type = &made.types()[&address.type_name];
    match identifier.values().collect::<Vec<_>>()[..] {
        [only] => Some(Identity::new(only.as_str()?)),
        _ => identifier.values().find_map(|part| resource_type.identity_in(part.as_str()?)).or_else(|| {
            let own = |name: &String| Some(resource_type.attributes[name].cfn.plain().unwrap_or_else(|| pascal(name)));
            let parts = resource_type.identity.iter().map(|name| identifier.get(&own(name)?)?.as_str());
            Some(Identity::new(parts.collect::<Option<Vec<_>>>()?.join("|")))
        }),
    }
}

/// Whoever knows nothing but what the export names finds everything there, as the file wants it.
#[tokio::test]
async fn what_is_imported_is_the_whole_instance() {
    for (name, text, overlay) in all() {
        let made = made(text, &overlay, REGIONS[0]).await;
        let instance = Exported::new(&made.subject(), Tool::CloudFormation).expect("an instance");
        let imports = cloudformation::export(&instance).imports;
        let mut fresh = State::new(made.state.lineage.as_str(), made.state.instance.as_str(), REGIONS[0]);
        for (address, row) in &made.state.rows {
            // Of what is done nothing is imported, and nobody does it again.
            if !made.types()[&address.type_name].is_handed_over() {
                fresh.rows.insert(address.clone(), row.clone());
                continue;
            }
            let is_inside = matches!(made.types()[&address.type_name].cfn.kind, Kind::Inside { .. });
            let identity = imported(&imports, &made, address);
            // A stack is of one region, and knows nothing of what is asked of people.
            let is_left_out = row.region != REGIONS[0] || made.types()[&address.type_name].is_asked_for();
            assert_eq!(identity.is_none(), is_inside || is_left_out, "{name}: {address}");
            let identity = identity.or_else(|| row.identity.clone());
            fresh
                .rows
                .insert(address.clone(), Row { identity, inputs: Value::Null, facts: Value::Null, ..row.clone() });
        }
        let provider: Arc<dyn Provider> = made.instance.sim.clone();
        let shown = session::inspect(&read_only(&provider), made.types(), &fresh).await.expect("shown");
        let of_done = |address: &Address| !made.types()[&address.type_name].is_handed_over();
        for (address, row) in fresh.rows.iter_mut().filter(|(address, _)| !of_done(address)) {
            let Some(Observation::Found(observed)) = shown.get(address) else {
                panic!("{name}: {address} is not found")
            };
            let inputs = &made.state.rows[address].inputs;
            for (attribute, value) in observed.attributes.as_map().into_iter().flatten() {
                let is_computed = made.types()[&address.type_name].attributes[attribute].computed;
                let place = if is_computed { &mut row.facts } else { &mut row.inputs };
                place.set(&[attribute], value.clone());
            }
            // What the cloud never tells.
            for (attribute, value) in inputs.as_map().into_iter().flatten() {
                let described = &made.types()[&address.type_name].attributes[attribute];
                if described.write_only || described.sensitive {
                    row.inputs.set(&[attribute], value.clone());
                }
            }
        }
        let again = made.instance.beside("lineage");
        again.paths().make_folder().expect("made");
        fresh.write(&again.paths().state()).expect("written");
        let (plan, ..) = again.go_by(provider, &made.script, false, None).await.expect("a plan");
        assert!(plan.is_empty(), "{name}: {:#?}", plan.changes);
    }
}
