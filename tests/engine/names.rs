//! Names in a living instance: the blueprint may make them differently, and nothing is replaced.

use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::{Action, Plan};
use mastoform::spec::types::{Order, Proof};
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
        // What proves whose something is must not be what another instance has, either.
        let telling = match &specs.types[&resource.type_name].proof {
            Proof::Name { attribute } => attribute.as_str(),
            _ => "name",
        };
        let Some(name) = resource.attributes.get(telling).filter(|_| is_global) else { continue };
        let mut reads = Vec::new();
        name.each_leaf(&mut |template| reads.extend(template.references().map(ToString::to_string)));
        let address = format!("{}.{}", resource.type_name, resource.name);
        assert!(reads.iter().any(|read| read == "config.region"), "{address}: {reads:?}");
        assert!(resource.keep.iter().any(|kept| kept == telling), "{address} keeps its name");
        seen += 1;
    }
    assert!(seen >= 7, "{seen}");
}

#[tokio::test]
async fn a_living_instance_keeps_its_names() {
    let instance = living_from_before().await;
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);

    // Other changes go through with the old name, too.
    let debug = example(&[(r#"run_mode = "production""#, r#"run_mode = "debug""#)]);
    let (plan, outcome) = instance.go(&debug, true).await.expect("applies");
    assert!(matches!(action(&plan, "iam.role.tasks"), Some(Action::Update { .. })), "{:?}", changed(&plan));
    completed(outcome);
    assert_eq!(name_of(&instance, "iam.role.tasks"), "social-tasks");
    let (plan, _) = instance.go(&debug, false).await.expect("plans");
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

/// A new object cannot stand beside the old one whose name it takes, whatever the identity is made of.
#[tokio::test]
async fn a_replacement_that_keeps_its_name_is_never_made_first() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let patches = [
        ("elb.target_group.web", "protocol = \"HTTPS\"", "name = \"social-web-tls\""),
        ("ec2.security_group.tasks", "description = \"Tasks\"", "group_name = \"social-tasks-2\""),
    ];
    for (address, patch, renamed) in patches {
        let same_name = format!("{EXAMPLE}\n[patch.\"{address}\"]\n{patch}\n");
        let (plan, _) = instance.go(&same_name, false).await.expect("plans");
        let Some(Action::Replace { order, .. }) = action(&plan, address) else { panic!("{:?}", changed(&plan)) };
        assert_eq!(*order, Order::DeleteFirst, "{address}");
        let refusal = plan.refusals.iter().find(|refusal| refusal.address.to_string() == address);
        let hint = refusal.map(|refusal| refusal.hint.as_str());
        assert_eq!(hint, Some("give it another name, so that the new one can be made first"), "{address}");

        let another_name = format!("{same_name}{renamed}\n");
        let (plan, outcome) = instance.go(&another_name, true).await.expect("applies");
        let Some(Action::Replace { order, .. }) = action(&plan, address) else { panic!("{:?}", changed(&plan)) };
        assert_eq!(*order, Order::CreateFirst, "{address}");
        completed(outcome);
        let (plan, _) = instance.go(&another_name, false).await.expect("plans");
        assert_eq!(changed(&plan), Vec::<String>::new());
        completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    }
}

/// Whoever adds a type that is made before its predecessor goes says what must differ between the two.
#[test]
fn every_type_that_is_made_first_says_which_name_must_differ() {
    let specs = Specs::read(&[]).expect("valid specs");
    for resource_type in specs.types.values().filter(|found| found.replace == Order::CreateFirst) {
        // AWS issues any number of certificates for one name.
        let is_alone = resource_type.name.to_string() == "acm.certificate";
        let is_revised = resource_type.attributes.contains_key("revision") || is_alone;
        let says = is_revised || resource_type.is_named() || !resource_type.unique.is_empty();
        assert!(says, "{}", resource_type.name);
    }
}

/// What still uses the old one goes only once the new one is there.
#[tokio::test]
async fn steps_that_would_wait_for_each_other_are_refused_and_no_bug() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let another_cache = example(&[("max_capacity = 1", "max_capacity = 1\n[redis]\nengine = \"redis\"")]);
    let text = format!("{another_cache}\n[patch.\"ec2.security_group.cache\"]\ndescription = \"Cache\"\n");
    let (plan, _) = instance.go(&text, false).await.unwrap_or_else(|problems| panic!("{problems}"));
    let refusal = plan.refusals.iter().find(|refusal| refusal.address.to_string() == "ec2.security_group.cache");
    let hint = refusal.map(|refusal| refusal.hint.as_str()).unwrap_or_default();
    assert!(hint.starts_with("give it another name"), "{:?}", plan.refusals);
}
