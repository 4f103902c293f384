//! Small plans, made by hand.

use std::collections::BTreeMap;

use super::super::outline::nothing;
use super::super::{Options, plan_json, stripped};
use super::plan;
use crate::address::{Address, Identity};
use crate::plan::change::{Fingerprint, Raised, Reasons};
use crate::plan::{Action, AttributeChange, Cause, Change, Plan, Purpose, Refusal};
use crate::spec::types::{Impact, Order, Types};
use crate::spec::{OverlayFile, Specs};
use crate::value::{AttributePath, Missing, Planned, Unknown, Value};

const RDS: &str = r#"
[cluster]
doc = "A cluster."
identity = ["identifier"]
notice = { brief = "People wait for some seconds.", data_loss = "Everything is lost." }
[cluster.attributes]
identifier = { type = "string", doc = "Name." }
master_password = { type = "string", sensitive = true, doc = "Secret." }
serverless_v2.max = { type = "number", doc = "Most." }
login.password = { type = "string", sensitive = true, doc = "Secret." }
login.name = { type = "string", doc = "Name." }
"#;

const ECS: &str = r#"
[task_definition]
doc = "What runs."
identity = ["arn"]
[task_definition.attributes]
arn = { type = "string", computed = true, doc = "Name." }
[task_definition.attributes.containers]
type = "list"
keyed_by = "name"
doc = "Containers."
[task_definition.attributes.containers.of]
name = { type = "string", doc = "Name." }
image = { type = "string", doc = "Image." }
command = { type = "list", of = "string", doc = "Command." }
environment = { type = "map", of = "string", doc = "Settings." }
"#;

pub(super) fn types() -> std::sync::Arc<Types> {
    let file = |name: &str, text: &str| OverlayFile {
        name: format!("{name}.toml"),
        types_of: Some(name.to_owned()),
        text: text.to_owned(),
    };
    Specs::from_files([file("rds", RDS), file("ecs", ECS)]).expect("valid types").types
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

pub(super) fn change(name: &str, action: Action, causes: &[Cause]) -> Change {
    Change {
        address: address(name),
        region: "eu-central-1".into(),
        action,
        causes: causes.to_vec(),
        attributes: Vec::new(),
        unchanged_attributes: 0,
        impact: Impact::None,
        expected_seconds: 2,
        protect: false,
        was_protected: false,
        identity: Some(Identity::new("x-1")),
        leftovers: Vec::new(),
        marks: false,
        desired: None,
        depends_on: BTreeMap::new(),
        deletion: Value::Null,
        security: Vec::new(),
    }
}

pub(super) fn attribute(
    path: &[&str],
    before: impl Into<Value>,
    after: impl Into<Planned>,
    cause: Cause,
) -> AttributeChange {
    let (before, after) = (before.into(), after.into());
    AttributeChange {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        before: (!before.is_null()).then_some(before),
        after: (!after.is_null()).then_some(after),
        cause,
        also_drifted: false,
        forces_replacement: false,
        sensitive: false,
        impact: Impact::None,
        security: false,
    }
}

pub(super) fn written(line: usize) -> Cause {
    Cause::Written { location: format!("mastodon.toml:{line}") }
}

pub(super) fn update(attributes: &[&str]) -> Action {
    Action::Update { attributes: attributes.iter().map(|name| (*name).to_owned()).collect() }
}

fn replace(reason: &str, order: Order) -> Action {
    Action::Replace { because: Reasons::new(reason.to_owned(), []), order }
}

pub(super) fn plan_of(changes: Vec<Change>) -> Plan {
    Plan {
        purpose: Purpose::Apply,
        instance: "social".into(),
        title: "social.example.org".into(),
        region: "eu-central-1".into(),
        file: "mastodon.toml".to_owned(),
        made_from: Fingerprint { serial: 41, ..Fingerprint::default() },
        changes,
        unchanged: 46,
        refusals: Vec::new(),
        expected_seconds: 360,
        critical_path: Vec::new(),
        cost: None,
        raised: Vec::new(),
        notes: Vec::new(),
    }
}

fn text(of: &Plan, options: Options) -> String {
    stripped(&plan(of, &types(), &options))
}

#[test]
fn an_edit_shows_what_changes_and_why() {
    let group = address("elb.target_group.web");
    let definition = address("ecs.task_definition.mastodon");
    let cascade = |address: &Address| Cause::Cascade { address: Box::new(address.clone()) };
    let port = AttributeChange {
        also_drifted: false,
        forces_replacement: true,
        ..attribute(&["port"], Value::Integer(3000), Planned::Integer(3001), written(18))
    };
    let image = AttributeChange {
        also_drifted: false,
        forces_replacement: true,
        ..attribute(&["containers", "web", "image"], "mastodon:v4.3.1", "mastodon:v4.3.2", written(9))
    };
    let unknown = Planned::Leaf(Unknown {
        template: "${ecs.task_definition.mastodon.arn}".into(),
        references: vec![Missing { address: definition.clone(), attribute: AttributePath::parse("arn") }],
        sensitive: false,
    });
    let plan = plan_of(vec![
        Change {
            attributes: vec![attribute(&["serverless_v2", "max"], 2, 4, written(11))],
            unchanged_attributes: 13,
            impact: Impact::Brief,
            expected_seconds: 180,
            ..change("rds.cluster.database", update(&["serverless_v2"]), &[written(11)])
        },
        Change {
            attributes: vec![port],
            ..change("elb.target_group.web", replace("port", Order::CreateFirst), &[written(18)])
        },
        Change {
            attributes: vec![image],
            ..change("ecs.task_definition.mastodon", replace("containers.web.image", Order::CreateFirst), &[written(9)])
        },
        Change {
            attributes: vec![attribute(
                &["task_definition"],
                "arn:aws:ecs:eu-central-1:123456789012:task-definition/social:41",
                unknown,
                cascade(&definition),
            )],
            impact: Impact::Rolling,
            expected_seconds: 240,
            ..change("ecs.service.web", update(&["task_definition"]), &[cascade(&definition)])
        },
        Change {
            attributes: vec![attribute(&["group"], "a", "b", cascade(&group)), attribute(&["x"], 1, 2, written(2))],
            ..change("ecs.service.other", update(&["group", "x"]), &[written(2), cascade(&group)])
        },
    ]);
    assert_eq!(
        text(&plan, Options::default()),
        r#"social · social.example.org · eu-central-1 · state 41

  ± elb.target_group.web          replace  new one first, then x-1 goes
      port  3000 → 3001  mastodon.toml:18, cannot be changed in place
  ± ecs.task_definition.mastodon  replace  new one first, then x-1 goes
      containers["web"].image  mastodon:v4.3.1 → mastodon:v4.3.2
                               mastodon.toml:9, cannot be changed in place

  ~ rds.cluster.database          update   brief interruption, about 3 min
      People wait for some seconds.
      serverless_v2.max  2 → 4  mastodon.toml:11
      (13 unchanged attributes)
  ~ ecs.service.web               update   because ecs.task_definition.mastodon is replaced,
                                           rolling, no interruption, about 4 min
      task_definition  → new ecs.task_definition.mastodon (now social:41)
  ~ ecs.service.other             update   no interruption, under a minute
      group  a → b  because elb.target_group.web is replaced
      x      1 → 2  mastodon.toml:2

Plan: 0 to create, 3 to update, 2 to replace, 2 to delete (2 replaced); 46 unchanged.
About 6 min, worst: brief interruption.
What people notice: People wait for some seconds."#
    );
}

#[test]
fn nothing_to_do_says_so() {
    let plan = Plan { unchanged: 52, ..plan_of(Vec::new()) };
    assert_eq!(nothing(&plan), "Nothing to do: social is as mastodon.toml says; 52 resources unchanged.");
    assert!(text(&plan, Options::default()).ends_with(&nothing(&plan)));
}

#[test]
fn new_resources_are_a_line_each_unless_asked_for_more() {
    let secret =
        AttributeChange { sensitive: true, ..attribute(&["master_password"], Value::Null, "canary", Cause::New) };
    let login =
        Planned::Map(BTreeMap::from([("password".to_owned(), "canary".into()), ("name".to_owned(), "n".into())]));
    let plan = Plan {
        made_from: Fingerprint::default(),
        unchanged: 0,
        ..plan_of(vec![
            Change {
                attributes: vec![attribute(&["identifier"], Value::Null, "social", Cause::New), secret],
                expected_seconds: 240,
                identity: None,
                ..change("rds.cluster.database", Action::Create, &[Cause::New])
            },
            Change { identity: None, ..change("ecs.cluster.mastodon", Action::Create, &[Cause::New]) },
        ])
    };
    assert_eq!(
        text(&plan, Options::default()),
        r#"social · social.example.org · eu-central-1 · no state yet

  + rds.cluster.database  create   about 4 min
  + ecs.cluster.mastodon  create

Plan: 2 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged. About 6 min.
Security: this is a first apply, so all roles, policies, network rules and images are new."#
    );
    let verbose = text(&plan, Options { verbose: true, ascii: true, ..Options::default() });
    assert_eq!(
        verbose,
        r#"social | social.example.org | eu-central-1 | no state yet

  +   rds.cluster.database  create   about 4 min
      identifier       social
      master_password  (secret)
  +   ecs.cluster.mastodon  create

Plan: 2 to create, 0 to update, 0 to replace, 0 to delete; 0 unchanged. About 6 min.
Security: this is a first apply, so all roles, policies, network rules and images are new."#
    );
    let mut nested = plan.clone();
    nested.changes[0].attributes.push(attribute(&["login"], Value::Null, login, Cause::New));
    assert!(!text(&nested, Options { verbose: true, ..Options::default() }).contains("canary"));
    let json = plan_json(&nested, &types());
    assert!(!json.to_string().contains("canary"), "{json}");
    assert_eq!(json["version"], 1);
    assert_eq!(json["counts"]["create"], 2);
    assert_eq!(json["changes"][0]["attributes"][1]["sensitive"], true);
    assert_eq!(json["changes"][0]["attributes"][2]["after"]["name"], "n");
}

#[test]
fn drift_stands_apart_and_refusals_come_last() {
    let plan = Plan {
        refusals: vec![Refusal {
            address: address("rds.cluster.database"),
            reason: "rds.cluster.database is protected and would be deleted".into(),
            hint: "take the protection off in mastodon.toml and apply that first".into(),
            otherwise: None,
        }],
        ..plan_of(vec![
            Change {
                impact: Impact::DataLoss,
                expected_seconds: 360,
                ..change("rds.cluster.database", Action::Delete, &[Cause::Orphan])
            },
            Change {
                attributes: vec![attribute(&["retention_days"], 7, 30, Cause::Drift)],
                ..change("logs.log_group.mastodon", update(&["retention_days"]), &[Cause::Drift])
            },
            Change { identity: None, ..change("s3.bucket.media", Action::Create, &[Cause::Drift]) },
            change("ecs.service.web", Action::Adopt, &[Cause::Interrupted]),
            change("acm.certificate.media", Action::Forget, &[Cause::Drift]),
        ])
    };
    assert_eq!(
        text(&plan, Options { height: Some(10), ..Options::default() }),
        r#"social · social.example.org · eu-central-1 · state 41

Plan: 1 to create, 1 to update, 0 to replace, 1 to delete, 1 to adopt, 1 to forget; 46 unchanged.
About 6 min, worst: data loss.
What people notice: Everything is lost.

  - rds.cluster.database     delete   x-1, mastodon.toml no longer wants it, data loss, about 6 min
      Everything is lost.

  ← ecs.service.web          adopt    goes on with what an earlier run began
  - acm.certificate.media    forget   it is gone from AWS

Changed in AWS since the last apply, and set back. What should stay goes into mastodon.toml:
  ~ logs.log_group.mastodon  update   no interruption, under a minute
      retention_days  7 → 30  changed in AWS
  + s3.bucket.media          create   it was deleted in AWS

Refused, nothing will be done:
  rds.cluster.database is protected and would be deleted

hint: take the protection off in mastodon.toml and apply that first

Plan: 1 to create, 1 to update, 0 to replace, 1 to delete, 1 to adopt, 1 to forget; 46 unchanged.
About 6 min, worst: data loss.
What people notice: Everything is lost."#
    );
}

#[test]
fn long_values_are_compared_word_by_word() {
    let before =
        "grep -q OK /var/run/health && curl -s --noproxy localhost localhost:3000/health || exit 1 # web server";
    let after = before.replace("3000", "3001");
    let list = |words: &[&str]| Value::from(words.to_vec());
    let long = |last: &str| {
        list(&["CMD-SHELL", "bundle exec rails runner --environment production", "another long argument", last])
    };
    let plan = plan_of(vec![Change {
        attributes: vec![
            attribute(&["containers", "web", "environment", "CHECK"], before, after.as_str(), written(3)),
            attribute(&["containers", "web", "command"], long("one"), long("two").lift::<Unknown>(), written(4)),
            attribute(&["containers", "psql"], long("one"), Planned::Null, written(5)),
            attribute(&["containers", "web", "environment", "PORT"], Value::Null, "3001", written(6)),
        ],
        ..change("ecs.task_definition.mastodon", update(&["containers"]), &[written(3)])
    }]);
    let shown = text(&plan, Options { width: 80, ..Options::default() });
    assert_eq!(
        shown.split("\n\n").nth(1),
        Some(
            r#"  ~ ecs.task_definition.mastodon  update   no interruption, under a minute
      containers["web"]
        environment["CHECK"]  mastodon.toml:3
          - grep -q OK /var/run/…--noproxy localhost localhost:3000/health ||
            exit 1 # web server
          + grep -q OK /var/run/…--noproxy localhost localhost:3001/health ||
            exit 1 # web server
        command[3]            one → two         mastodon.toml:4
        environment["PORT"]   (unset) → "3001"  mastodon.toml:6
      containers["psql"]  mastodon.toml:5
        - [
        -   "CMD-SHELL"
        -   "bundle exec rails runner --environment production"
        -   "another long argument"
        -   "one"
        - ]"#
        )
    );
    assert!(shown.lines().all(|line| super::width(line) <= 80), "{shown}");
}

#[test]
fn many_creations_are_counted_and_nothing_else_is() {
    let new = |name: &str, number: usize| Change {
        identity: None,
        ..change(&format!("{name}[\"n{number:03}\"]"), Action::Create, &[Cause::New])
    };
    let mut changes: Vec<Change> = (0..110).map(|number| new("ssm.parameter.note", number)).collect();
    changes.extend((0..3).map(|number| new("logs.log_group.few", number)));
    changes.extend((0..9).map(|number| change(&format!("s3.bucket.old{number}"), Action::Delete, &[Cause::Orphan])));
    // What people notice is not folded, and what differs in its reason or time stands by itself.
    changes.push(Change { impact: Impact::Brief, ..new("ssm.parameter.note", 200) });
    let slow = |number| Change { expected_seconds: 300, ..new("ssm.parameter.other", number) };
    changes.extend((0..4).map(slow));
    changes.push(Change { causes: vec![Cause::Drift], ..new("ssm.parameter.note", 300) });
    let plan = plan_of(changes);
    let short = text(&plan, Options::default());
    for line in [
        "  + ssm.parameter.note ×110     create\n",
        "  + ssm.parameter.other ×4      create   about 5 min\n",
        "  + logs.log_group.few[\"n000\"]  create\n",
        "  + logs.log_group.few[\"n002\"]  create\n",
        "  + ssm.parameter.note[\"n200\"]  create   brief interruption\n",
        "  + ssm.parameter.note[\"n300\"]  create   it was deleted in AWS\n",
        "\n      Where there are many of a kind, they are only counted; -v names each.\n",
    ] {
        assert!(short.contains(line), "{line}\n{short}");
    }
    assert_eq!(short.matches("s3.bucket.old").count(), 9, "{short}");
    let verbose = text(&plan, Options { verbose: true, ..Options::default() });
    assert_eq!(verbose.matches("  + ssm.parameter.note[").count(), 112, "{verbose}");
    assert!(!verbose.contains('×') && !verbose.contains("only counted"), "{verbose}");
    let ascii = text(&plan, Options { ascii: true, ..Options::default() });
    assert!(ascii.contains("  +   ssm.parameter.note x110 "), "{ascii}");

    // As many as a first apply has are all told.
    let plan = plan_of((0..100).map(|number| new("ssm.parameter.note", number)).collect());
    assert_eq!(text(&plan, Options::default()).matches("  + ssm.parameter.note[").count(), 100);
}

/// What AWS raised is no step, and still something that people want to know of.
#[test]
fn what_aws_raised_by_itself_is_said_whether_or_not_there_is_something_to_do() {
    let version = Raised {
        address: address("rds.cluster.database"),
        path: vec!["engine_version".into()],
        wanted: "17.9".into(),
        is: "17.10".into(),
    };
    let sentence = "AWS raised engine_version of rds.cluster.database by itself, from 17.9 to 17.10. It stays so.";
    for changes in [Vec::new(), vec![change("ssm.parameter.note", Action::Create, &[Cause::New])]] {
        let plan = Plan { raised: vec![version.clone()], ..plan_of(changes) };
        let plain = text(&plan, Options::default()).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(sentence), "{plain}");
        let markdown = crate::render::plan_markdown(&plan, &types()).replace('\\', "");
        assert!(markdown.contains(sentence), "{markdown}");
    }
}
