//! Names in a living instance: the blueprint may make them differently, and nothing is replaced.

use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::{Action, Plan};
use mastoform::spec::{OverlayFile, Specs};

use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance, Script, example};

/// How the names that AWS knows in all regions are made now, and how they were made before.
const NAMES: [(&str, &str, &str); 3] = [
    (
        "iam.role.execution",
        "${shorten(config.name + '-' + config.region + '-execution', 64)}",
        "${config.name}-execution",
    ),
    ("iam.role.tasks", "${shorten(config.name + '-' + config.region + '-tasks', 64)}", "${config.name}-tasks"),
    (
        "cloudfront.origin_access_control.media",
        "${shorten(config.name + '-' + config.region + '-media', 64)}",
        "${config.name}-media",
    ),
];

/// The specs as they were when names had no region in them.
fn from_before(text: &str) -> Script {
    let now = Specs::read(&[]).expect("valid specs");
    let files = now.files.iter().map(|file| {
        let service = file.name.strip_prefix("specs/types/").and_then(|name| name.strip_suffix(".toml"));
        let mut text = file.text.clone();
        for (_, new, old) in NAMES {
            text = text.replace(new, old);
        }
        OverlayFile { name: file.name.clone(), types_of: service.map(str::to_owned), text }
    });
    let mut specs = Specs::from_files(files).expect("valid specs");
    let evaluator = Evaluator::new();
    let (config, _) = config::read(&SourceFile::new("mastodon.toml", text), &mut specs.blueprint, &evaluator)
        .unwrap_or_else(|problems| panic!("{problems}"));
    Script { specs, config, evaluator }
}

async fn living_from_before() -> Instance {
    let instance = Instance::new();
    let applied = instance.go_by(instance.sim.clone(), &from_before(EXAMPLE), true, None).await;
    completed(applied.unwrap_or_else(|problems| panic!("{problems}")).1);
    for (address, _, old) in NAMES {
        assert_eq!(name_of(&instance, address), old.replace("${config.name}", "social"));
    }
    instance
}

fn name_of(instance: &Instance, address: &str) -> String {
    let state = instance.state().expect("a state");
    let row = &state.rows[&address.parse().expect("an address")];
    row.inputs.get("name").and_then(|name| name.as_text()).expect("a name").to_owned()
}

fn action<'plan>(plan: &'plan Plan, address: &str) -> Option<&'plan Action> {
    plan.changes.iter().find(|change| change.address.to_string() == address).map(|change| &change.action)
}

#[tokio::test]
async fn a_new_instance_has_its_region_in_names_of_the_whole_account() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    assert_eq!(name_of(&instance, "iam.role.execution"), "social-eu-central-1-execution");
    assert_eq!(name_of(&instance, "iam.role.tasks"), "social-eu-central-1-tasks");
    assert_eq!(name_of(&instance, "cloudfront.origin_access_control.media"), "social-eu-central-1-media");
    assert_eq!(name_of(&instance, "cloudfront.response_headers_policy.media"), "social-eu-central-1-media");
}

/// Every name without a region in it would be shared by two instances of one name in two regions.
#[test]
fn names_in_global_services_have_the_region_in_them() {
    let specs = Specs::read(&[]).expect("valid specs");
    let mut seen = 0;
    for resource in specs.blueprint.resources.values().filter(|resource| resource.lookup.is_none()) {
        let is_global = ["iam", "cloudfront"].contains(&&*resource.type_name.service);
        let Some(name) = resource.attributes.get("name").filter(|_| is_global) else { continue };
        let mut reads = Vec::new();
        name.each_leaf(&mut |template| reads.extend(template.references().map(ToString::to_string)));
        let address = format!("{}.{}", resource.type_name, resource.name);
        assert!(reads.iter().any(|read| read == "config.region"), "{address}: {reads:?}");
        assert!(resource.keep.iter().any(|kept| kept == "name"), "{address} keeps its name");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

#[tokio::test]
async fn a_living_instance_keeps_its_names() {
    let instance = living_from_before().await;
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);

    // Other changes go through with the old name, too.
    let maintenance = example(&[(r#"run_mode = "production""#, r#"run_mode = "maintenance""#)]);
    let (plan, outcome) = instance.go(&maintenance, true).await.expect("applies");
    assert!(matches!(action(&plan, "iam.role.tasks"), Some(Action::Update { .. })), "{:?}", changed(&plan));
    completed(outcome);
    assert_eq!(name_of(&instance, "iam.role.tasks"), "social-tasks");
    let (plan, _) = instance.go(&maintenance, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn a_role_made_anew_takes_the_new_name() {
    let instance = living_from_before().await;
    assert!(instance.sim.remove_behind_our_back("iam.role.execution"));
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert!(matches!(action(&plan, "iam.role.execution"), Some(Action::Create)), "{:?}", changed(&plan));
    completed(outcome);
    assert_eq!(name_of(&instance, "iam.role.execution"), "social-eu-central-1-execution");
    assert_eq!(name_of(&instance, "iam.role.tasks"), "social-tasks");

    let elsewhere = format!("{EXAMPLE}\n[patch.\"iam.role.tasks\"]\npath = \"/mastodon/\"\n");
    let (plan, outcome) = instance.go(&elsewhere, true).await.expect("applies");
    assert!(matches!(action(&plan, "iam.role.tasks"), Some(Action::Replace { .. })), "{:?}", changed(&plan));
    completed(outcome);
    assert_eq!(name_of(&instance, "iam.role.tasks"), "social-eu-central-1-tasks");
    let (plan, _) = instance.go(&elsewhere, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn the_users_own_name_wins() {
    let instance = living_from_before().await;
    let own = format!("{EXAMPLE}\n[patch.\"iam.role.execution\"]\nname = \"starts-mastodon\"\n");
    let (plan, outcome) = instance.go(&own, true).await.expect("applies");
    assert!(matches!(action(&plan, "iam.role.execution"), Some(Action::Replace { .. })), "{:?}", changed(&plan));
    completed(outcome);
    assert_eq!(name_of(&instance, "iam.role.execution"), "starts-mastodon");
}
