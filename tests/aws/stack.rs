//! The stack of an export beside the instance that it was exported from: two accounts of one moto. CloudFormation makes in one
//! what `apply` has made in the other, and both are read by the same handlers.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use mastoform::address::{Address, Identity};
use mastoform::export::cloudformation::logical_name;
use mastoform::plan::diff;
use mastoform::provider::aws::Aws;
use mastoform::provider::{Observation, Provider, Target};
use mastoform::spec::Specs;
use mastoform::spec::types::ResourceType;
use mastoform::state::State;
use mastoform::value::{Tree, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::whole::{own, program, said};
use super::{look_up, look_up_in};
use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::example;
use crate::support::{moto, python};

/// moto as a server, with what its CloudFormation lacks.
const SCRIPT: &str = r#"
import os, sys
sys.path.insert(0, os.environ["EXPORTS"])
import stack
stack.help_along()

from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
"#;

/// Gaps of moto's CloudFormation: the beginning of what is found, and why.
#[derive(Debug, Deserialize)]
struct Known {
    gaps: BTreeMap<String, String>,
}

fn known() -> Known {
    let text = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws/stack.toml")).expect("a list");
    toml::from_str(&text).expect("gaps")
}

/// What names the same in both accounts: each text of the first with that of the second.
struct Names(BTreeMap<String, String>);

impl Names {
    fn add(&mut self, ours: &str, theirs: &str) {
        if ours != theirs && !ours.is_empty() {
            self.0.insert(ours.to_owned(), theirs.to_owned());
        }
    }

    /// A value of the first account in the names of the second.
    fn translated(&self, value: &Value) -> Value {
        // What contains another name comes first.
        let mut names: Vec<_> = self.0.iter().collect();
        names.sort_by_key(|(ours, _)| std::cmp::Reverse(ours.len()));
        let text = names.iter().fold(value.to_json().to_string(), |text, (ours, theirs)| text.replace(*ours, theirs));
        Value::from_json(&serde_json::from_str::<Json>(&text).expect("JSON"))
    }
}

/// What they have, with what we have where moto has left a reference to something that it does not make.
fn resolved(ours: &Value, theirs: &Value) -> Value {
    match (ours, theirs) {
        (_, Tree::Text(text)) if text.contains("GetAtt") => ours.clone(),
        (Tree::Map(ours), Tree::Map(theirs)) => {
            let entry = |(key, value): (&String, &Value)| {
                (key.clone(), ours.get(key).map_or_else(|| value.clone(), |own| resolved(own, value)))
            };
            Tree::Map(theirs.iter().map(entry).collect())
        }
        (Tree::List(ours), Tree::List(theirs)) if ours.len() == theirs.len() => {
            Tree::List(ours.iter().zip(theirs).map(|(own, value)| resolved(own, value)).collect())
        }
        _ => theirs.clone(),
    }
}

fn target(address: &Address, region: &str, identity: Identity) -> Target {
    Target { address: address.clone(), region: region.to_owned(), identity, recorded: Value::Null, owner: None }
}

/// What the stack calls a resource that we call `ours`.
fn identity(found: &ResourceType, ours: &str, physical: &str) -> Identity {
    match found.identity.len() {
        1 => found.identity_in(physical).unwrap_or_else(|| Identity::new(physical)),
        // Names that somebody has chosen, which are the same in both.
        _ => Identity::new(ours),
    }
}

/// Certificates for both domains of the example. moto issues each some time after it was requested.
async fn certificates(emulator: &Emulator) {
    let aws = emulator.aws();
    let wanted = [(REGION, "social.example.org"), ("us-east-1", "media.social.example.org")];
    for (region, domain) in wanted {
        let clients = aws.clients(region);
        clients.acm().request_certificate().domain_name(domain).send().await.expect("a certificate");
    }
    for (region, domain) in wanted {
        let issued = json!({ "domain_name": domain, "status": "ISSUED" });
        let mut left = 100;
        while look_up_in(&aws, region, "acm.certificate", issued.clone()).await.is_err() {
            assert!(left > 0, "the certificate of {domain} is not issued");
            left -= 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// What an account has of its own, and a template names: the default network, its subnets, the certificate.
async fn own_things(aws: &Aws) -> Vec<String> {
    let mut found = super::default_subnets(aws).await;
    found.sort();
    found.push(super::default_vpc(aws).await);
    let wanted = json!({ "domain_name": "social.example.org" });
    let certificate = look_up(aws, "acm.certificate", wanted).await.expect("a certificate");
    found.push(super::text(&certificate, "arn"));
    found
}

#[tokio::test]
async fn what_cloudformation_makes_of_an_export_is_what_apply_has_made() {
    let exports = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/export");
    let server = moto::server_with(SCRIPT, &[("EXPORTS", exports)]);
    let (ours, theirs) = (moto::account_in(&server), moto::account_in(&server));
    certificates(&ours).await;
    let folder = tempfile::tempdir().expect("a folder");
    // moto gives a group of subnets no name in a stack, and two accounts have their zones in another order.
    let text = example(&[("run_mode = ", "certificates = \"existing\"\nrun_mode = ")])
        + "\n[network]\nzones = 0\nsubnet_groups = false\n";
    fs_err::write(folder.path().join("mastodon.toml"), own(&ours, &text)).expect("written");
    for words in [&["apply", "--yes"][..], &["export", "cloudformation", "stack"]] {
        let output = program(&ours, folder.path(), words).output().expect("the program runs");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    }

    // Names of buckets are the world's, and ours hold the number of the account.
    let template = fs_err::read_to_string(folder.path().join("stack/template.json")).expect("a template");
    let file = folder.path().join("theirs.json");
    fs_err::write(&file, template.replace(ours.account(), theirs.account())).expect("written");
    let python = python::environment("moto", include_str!("../support/requirements.txt"));
    let script = format!("{exports}/stack.py");
    let output = Command::new(python).arg(script).arg(&file).args([REGION, "made"]).envs(theirs.environment()).output();
    let output = output.expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let called: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).expect("names");

    let types = Specs::read(&[]).expect("valid specs").types;
    let state = State::read(&folder.path().join("state/social.json")).expect("read").expect("a state");
    let mut pairs = Vec::new();
    for (address, row) in &state.rows {
        let (Some(own), Some(physical)) = (&row.identity, called.get(&logical_name(address))) else { continue };
        let there = identity(&types[&address.type_name], own.as_str(), physical);
        pairs.push((target(address, &row.region, own.clone()), target(address, &row.region, there)));
    }
    let (here, there): (Vec<Target>, Vec<Target>) = pairs.into_iter().unzip();
    let (ours_shown, theirs_shown) = (ours.aws(), theirs.aws());
    let (ours_shown, theirs_shown) = tokio::join!(ours_shown.observe(&here), theirs_shown.observe(&there));

    let mut names = Names(BTreeMap::new());
    names.add(ours.account(), theirs.account());
    let mut both = Vec::new();
    let mut wrong = BTreeSet::new();
    for (own, other) in here.iter().zip(&there) {
        names.add(own.identity.as_str(), other.identity.as_str());
        match (&ours_shown[&own.address], &theirs_shown[&own.address]) {
            (Observation::Found(own_shown), Observation::Found(other_shown)) => {
                for (name, value) in own_shown.attributes.as_map().into_iter().flatten() {
                    let is_computed = types[&own.address.type_name].attributes[name].computed;
                    let other = other_shown.attributes.get(name).and_then(Tree::as_text);
                    if let (true, Some(ours), Some(theirs)) = (is_computed, value.as_text(), other) {
                        names.add(ours, theirs);
                    }
                }
                both.push((&own.address, own_shown, other_shown));
            }
            (own_shown, other_shown) => {
                let said = |shown: &Observation| format!("{shown:?}").chars().take(60).collect::<String>();
                wrong.insert(format!("{}: {} {}", own.address, said(own_shown), said(other_shown)));
            }
        }
    }
    // The network and the certificate are each account's own.
    let (here, there) = (own_things(&ours.aws()).await, own_things(&theirs.aws()).await);
    here.iter().zip(&there).for_each(|(ours, theirs)| names.add(ours, theirs));
    let mut compared = BTreeSet::new();
    for (address, own, other) in &both {
        for (name, attribute) in &types[&address.type_name].attributes {
            let Some(value) = own.attributes.get(name).filter(|value| !value.is_null()) else { continue };
            if attribute.computed || attribute.write_only {
                continue;
            }
            compared.insert(format!("{}.{name}", address.type_name));
            let value = names.translated(value);
            let other = resolved(&value, other.attributes.get(name).unwrap_or(&Value::Null));
            if !diff::same(&value, &other, attribute) {
                wrong.insert(format!("{}.{name}: {value} {other}", address.type_name));
            }
        }
    }
    let gaps = known().gaps;
    assert!(gaps.values().all(|why| why.split(' ').count() > 3), "every one has its reason");
    let is_gap = |found: &String| gaps.keys().any(|gap| found.starts_with(gap.as_str()));
    let unknown: Vec<&String> = wrong.iter().filter(|found| !is_gap(found)).collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    let idle = gaps.keys().filter(|gap| !wrong.iter().any(|found| found.starts_with(gap.as_str())));
    let idle: Vec<&String> = idle.collect();
    assert!(idle.is_empty(), "moto has learned these: {idle:?}");
    assert!(both.len() > 30 && compared.len() > 60, "{} {compared:?}", both.len());
}
