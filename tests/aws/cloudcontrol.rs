//! Types that no handler is written for, against a server of our own: no emulator has the Cloud Control API.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mastoform::apply::Outcome;
use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::{Action, Cause, Plan};
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;
use mastoform::provider::{Creation, ErrorKind, Observation, Owner, Provider, Target, Update};
use mastoform::spec::{OverlayFile, Specs};
use mastoform::value::{Known, Value};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};

use super::kill::tag_as_aws_would;
use super::whole::{program, ready, said};
use super::{LINEAGE, creation, text, type_of};
use crate::program::own_types;
use crate::support::cloudcontrol::{CloudControl, Fate};
use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::{Instance, Script};
use crate::support::{moto, say};

const TOPIC: &str = "AWS::SNS::Topic";
const BOX: &str = "AWS::Toy::Box";

const TOPICS: &str = r#"
[topic]
doc = "A topic."
cfn = "AWS::SNS::Topic"
terraform = "aws_sns_topic"
identity = ["arn"]
price.free = "It is a test."
[topic.attributes]
name = { type = "string", required = true, immutable = true, cfn = "TopicName", doc = "Its name." }
display_name = { type = "string", doc = "What people see." }
tracing = { type = "string", default = "PassThrough", cfn = "TracingConfig", doc = "Whether calls are traced." }
arn = { type = "string", computed = true, known = "created", cfn = "TopicArn", format = "arn:aws:sns:{region}:{account}:{name}", doc = "Its full name." }
"#;

/// All that makes a type hard to carry out.
const BOXES: &str = r#"
[box]
doc = "A box on a shelf."
cfn = "AWS::Toy::Box"
terraform = false
identity = ["shelf", "id"]
price.free = "It is a toy."
[box.attributes]
shelf = { type = "string", required = true, immutable = true, doc = "Where it stands." }
key = { type = "string", write_only = true, doc = "What opens it." }
labels = { type = "map", of = "string", cfn = "Tags[Key=*].Value", doc = "Tags that somebody has chosen." }
limits.weight = { type = "integer", cfn = { path = "Limits[Name=weight].Value", text = true }, doc = "The most it bears." }
limits.height = { type = "integer", cfn = { path = "Limits[Name=height].Value", text = true }, doc = "The highest it takes." }
id = { type = "string", computed = true, known = "created", doc = "Its id." }

[nothing]
doc = "Something that CloudFormation does not know."
cfn = "AWS::Toy::Nothing"
terraform = false
identity = ["name"]
price.free = "It is not there."
[nothing.attributes]
name = { type = "string", required = true, immutable = true, doc = "Its name." }
"#;

const BLUEPRINT: &str = r#"
[instance]
name = "${config.name}"
region = "${config.region}"
title = "${config.name}"
[input.name]
type = "string"
required = true
doc = "Its name."
[input.region]
type = "string"
required = true
doc = "Where it is."
[input.display]
type = "string"
optional = true
doc = "What people see."
[input.topics]
type = "bool"
default = true
doc = "Whether there is one."
[sns.topic.alarms]
when = "config.topics"
name = "${config.name}-alarms"
display_name = "${config.display}"
"#;

const EXAMPLE: &str = "name = \"social\"\nregion = \"eu-central-1\"\ndisplay = \"Alarms\"\n";

fn specs() -> Specs {
    let types = [("sns", TOPICS), ("toy", BOXES)].map(|(service, text)| OverlayFile {
        name: format!("types/{service}.toml"),
        types_of: Some(service.to_owned()),
        text: text.to_owned(),
    });
    let blueprint = OverlayFile { name: "own.toml".to_owned(), types_of: None, text: BLUEPRINT.to_owned() };
    Specs::from_files(types.into_iter().chain([blueprint])).unwrap_or_else(|problems| panic!("{problems}"))
}

fn script(text: &str) -> Script {
    let (mut specs, evaluator) = (specs(), Evaluator::new());
    let (config, _) = config::read(&SourceFile::new("mastodon.toml", text), &mut specs.blueprint, &evaluator)
        .unwrap_or_else(|problems| panic!("{problems}"));
    Script { specs, config, evaluator }
}

fn aws(server: &CloudControl) -> Aws {
    Aws::with_config(server.config(), Calls::new()).with_types(&specs().types)
}

async fn go(instance: &Instance, server: &CloudControl, text: &str, apply: bool) -> (Plan, Option<Outcome>) {
    let done = instance.go_by(Arc::new(aws(server)), &script(text), apply, None).await;
    let (plan, outcome, _) = done.unwrap_or_else(|problems| panic!("{problems}"));
    (plan, outcome)
}

async fn applied(instance: &Instance, server: &CloudControl, text: &str) -> Plan {
    let (plan, outcome) = go(instance, server, text, true).await;
    assert!(matches!(outcome, Some(Outcome::Completed(_))), "{outcome:#?}");
    plan
}

async fn nothing_to_do(instance: &Instance, server: &CloudControl, text: &str) {
    let (plan, _) = go(instance, server, text, false).await;
    assert!(plan.is_empty(), "{:#?}", plan.changes);
}

async fn destroyed(instance: &Instance, server: &CloudControl) {
    let (_, outcome) = instance.destroy_by(Arc::new(aws(server)), &specs(), None).await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:#?}");
}

/// The tags of properties.
fn tags(properties: &serde_json::Value) -> BTreeMap<&str, &str> {
    let list = properties["Tags"].as_array().expect("tags");
    list.iter().map(|one| (one["Key"].as_str().expect("a key"), one["Value"].as_str().expect("a value"))).collect()
}

#[tokio::test]
async fn a_topic_is_made_changed_mended_and_deleted() {
    let (server, instance) = (CloudControl::start(), Instance::new());
    applied(&instance, &server, EXAMPLE).await;
    let topics = server.all(TOPIC);
    assert_eq!(topics.len(), 1, "{topics:?}");
    assert_eq!(topics[0]["TopicName"], "social-alarms");
    assert_eq!(topics[0]["DisplayName"], "Alarms");
    assert_eq!(topics[0].get("TracingConfig"), None, "what nobody sets is not sent");
    let expected =
        [("mastoform:address", "sns.topic.alarms"), ("mastoform:instance", "social"), ("mastoform:lineage", "lineage")];
    assert_eq!(tags(&topics[0]), BTreeMap::from(expected));
    let state = instance.state().expect("a state");
    let row = &state.rows[&"sns.topic.alarms".parse().expect("an address")];
    let arn = "arn:aws:sns:eu-central-1:123456789012:social-alarms";
    assert_eq!(row.identity.as_ref().map(|identity| identity.as_str()), Some(arn));
    assert_eq!(text(&row.facts, "arn"), arn);
    nothing_to_do(&instance, &server, EXAMPLE).await;

    // A change sends what changes, and nothing else.
    server.calls("UpdateResource");
    let louder = EXAMPLE.replace("Alarms", "Red alert");
    let plan = applied(&instance, &server, &louder).await;
    assert!(matches!(plan.changes[0].action, Action::Update { .. }), "{:#?}", plan.changes);
    let sent = server.calls("UpdateResource");
    assert_eq!(sent.len(), 1, "{sent:?}");
    let patch: serde_json::Value =
        serde_json::from_str(sent[0]["PatchDocument"].as_str().expect("text")).expect("JSON");
    assert_eq!(patch, json!([{ "op": "replace", "path": "/DisplayName", "value": "Red alert" }]));
    nothing_to_do(&instance, &server, &louder).await;

    // Somebody changes it by hand, or takes it away.
    for by_hand in [json!("Something else"), json!(null)] {
        server.edit(TOPIC, "DisplayName", by_hand);
        let (plan, _) = go(&instance, &server, &louder, false).await;
        assert_eq!(plan.changes[0].causes, [Cause::Drift], "{:#?}", plan.changes);
        applied(&instance, &server, &louder).await;
        assert_eq!(server.all(TOPIC)[0]["DisplayName"], "Red alert");
    }

    // An attribute that leaves the file leaves the topic.
    let plain = EXAMPLE.replace("display = \"Alarms\"\n", "");
    applied(&instance, &server, &plain).await;
    assert_eq!(server.all(TOPIC)[0].get("DisplayName"), None);
    nothing_to_do(&instance, &server, &plain).await;

    // It is deleted by hand, and made again.
    server.clear(TOPIC);
    applied(&instance, &server, &plain).await;
    assert_eq!(server.all(TOPIC).len(), 1);

    applied(&instance, &server, &format!("{plain}topics = false\n")).await;
    assert_eq!(server.all(TOPIC).len(), 0);
    applied(&instance, &server, &plain).await;
    destroyed(&instance, &server).await;
    assert_eq!(server.all(TOPIC).len(), 0);
}

/// What is done in a life, and what is there afterwards.
const LIFE: [(&str, bool, usize); 4] = [
    (EXAMPLE, false, 1),
    ("name = \"social\"\nregion = \"eu-central-1\"\ndisplay = \"Red alert\"\n", false, 1),
    ("name = \"social\"\nregion = \"eu-central-1\"\ntopics = false\n", false, 0),
    (EXAMPLE, true, 0),
];

/// More calls than a life has.
const LONGEST_LIFE: usize = 40;

/// Goes through a life and dies at one of its calls, once before AWS hears of it and once after its effect; then goes on.
/// `false`: there is no such call.
async fn dies_at(nth: usize, fate: Fate) -> bool {
    let (server, instance) = (CloudControl::start(), Instance::new());
    let (count, died) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counted, dying) = (Arc::clone(&count), Arc::clone(&died));
    server.watch(move |_| {
        if counted.fetch_add(1, Ordering::Relaxed) != nth {
            return Fate::Answered;
        }
        dying.notify_one();
        fate
    });
    let mut was_killed = false;
    for (file, destroys, left) in LIFE {
        let label = format!("call {nth}, {fate:?}, {file:?}");
        let deed = async {
            match destroys {
                true => destroyed(&instance, &server).await,
                false => drop(applied(&instance, &server, file).await),
            }
        };
        let killed = tokio::select! {
            () = deed => false,
            () = died.notified() => true,
        };
        if killed {
            was_killed = true;
            match destroys {
                true => destroyed(&instance, &server).await,
                false => drop(applied(&instance, &server, file).await),
            }
        }
        let topics = server.all(TOPIC);
        assert_eq!(topics.len(), left, "{label}: {topics:?}");
        if !destroys {
            nothing_to_do(&instance, &server, file).await;
        }
        assert!(!instance.paths().journal().exists(), "{label}");
    }
    was_killed
}

// The lives go on side by side: each mostly waits.
#[tokio::test]
async fn a_life_goes_on_after_a_death_at_any_call() {
    let deaths = async {
        for fate in [Fate::LostBefore, Fate::LostAfter] {
            let lives = (0..LONGEST_LIFE).map(|nth| dies_at(nth, fate));
            let mut running = JoinSet::new();
            lives.for_each(|life| drop(running.spawn_local(life)));
            let deaths = running.join_all().await.into_iter().filter(|died| *died).count();
            assert!((15..LONGEST_LIFE).contains(&deaths), "{deaths}");
            say(&format!("crash points tried: {deaths} (Cloud Control, {fate:?})"));
        }
    };
    LocalSet::new().run_until(deaths).await;
}

/// A creation that is under way when the program dies is waited for by the next one, and not asked for again.
#[tokio::test]
async fn an_interrupted_creation_is_taken_over_and_not_made_twice() {
    let (server, instance) = (CloudControl::start(), Instance::new());
    let accepted = Arc::new(Notify::new());
    let telling = Arc::clone(&accepted);
    server.watch(move |call| {
        if call == "GetResourceRequestStatus" {
            telling.notify_one();
            return Fate::LostBefore;
        }
        Fate::Answered
    });
    tokio::select! {
        () = async { drop(applied(&instance, &server, EXAMPLE).await) } => panic!("it was killed before"),
        () = accepted.notified() => {}
    }
    assert_eq!(server.all(TOPIC).len(), 0, "AWS is still at it");
    server.watch(|_| Fate::Answered);
    applied(&instance, &server, EXAMPLE).await;
    assert_eq!(server.all(TOPIC).len(), 1);
    assert_eq!(server.requests("CREATE"), 1);
    nothing_to_do(&instance, &server, EXAMPLE).await;
}

/// A lost answer is asked for again with the same client token.
#[tokio::test]
async fn a_lost_answer_makes_nothing_twice() {
    for fate in [Fate::LostBefore, Fate::LostAfter] {
        let (server, instance) = (CloudControl::start(), Instance::new());
        let mut lost = false;
        server.watch(move |call| match call == "CreateResource" && !std::mem::replace(&mut lost, true) {
            true => fate,
            false => Fate::Answered,
        });
        applied(&instance, &server, EXAMPLE).await;
        assert_eq!((server.all(TOPIC).len(), server.requests("CREATE")), (1, 1), "{fate:?}");
    }
}

#[tokio::test]
async fn what_fails_for_now_is_asked_for_again_with_another_token() {
    let (server, instance) = (CloudControl::start(), Instance::new());
    server.fail("CREATE", "Throttling", "slow down");
    applied(&instance, &server, EXAMPLE).await;
    assert_eq!((server.all(TOPIC).len(), server.requests("CREATE")), (1, 2));
    server.fail("UPDATE", "ResourceConflict", "not now");
    applied(&instance, &server, &EXAMPLE.replace("Alarms", "Red alert")).await;
    assert_eq!((server.all(TOPIC)[0]["DisplayName"].as_str(), server.requests("UPDATE")), (Some("Red alert"), 2));
    server.fail("DELETE", "Throttling", "slow down");
    destroyed(&instance, &server).await;
    assert_eq!((server.all(TOPIC).len(), server.requests("DELETE")), (0, 2));
}

/// A creation that failed in an earlier run says nothing of this one.
#[tokio::test]
async fn a_creation_that_failed_before_is_asked_for_anew() {
    let server = CloudControl::start();
    let creation = creation(&type_of("sns.topic"), REGION, json!({ "name": "social-alarms" }));
    server.fail("CREATE", "AccessDenied", "you may not");
    let refused = aws(&server).create(&creation).await.expect_err("refused");
    assert_eq!((refused.kind, refused.code.as_deref()), (ErrorKind::Denied, Some("AccessDenied")));
    // Another process: it knows nothing of the first one.
    aws(&server).create(&creation).await.expect("made");
    assert_eq!(server.all(TOPIC).len(), 1);
}

#[tokio::test]
async fn what_is_not_ours_is_neither_taken_nor_changed_nor_deleted() {
    let (server, instance) = (CloudControl::start(), Instance::new());
    server.put(TOPIC, json!({ "TopicName": "social-alarms", "DisplayName": "Somebody's" }));
    let (_, outcome) = go(&instance, &server, EXAMPLE, true).await;
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    assert!(report.failed[0].message.contains("AlreadyExists"), "{:#?}", report.failed);
    assert_eq!(server.all(TOPIC)[0]["DisplayName"], "Somebody's");
    server.clear(TOPIC);

    // Ours, until somebody else takes it.
    applied(&instance, &server, EXAMPLE).await;
    let other = json!([{ "Key": "mastoform:instance", "Value": "other" }]);
    server.edit(TOPIC, "Tags", other.clone());
    server.edit(TOPIC, "DisplayName", "Somebody's".into());
    let (_, outcome) = instance.destroy_by(Arc::new(aws(&server)), &specs(), None).await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:#?}");
    assert_eq!(server.calls("DeleteResource").len() + server.calls("UpdateResource").len(), 0);
    assert_eq!(server.all(TOPIC)[0]["Tags"], other);
}

#[tokio::test]
async fn a_refused_value_is_reported_at_its_line() {
    let (server, instance) = (CloudControl::start(), Instance::new());
    let message = "Model validation failed (#/DisplayName: expected maxLength: 100, actual: 6)";
    server.fail("CREATE", "InvalidRequest", message);
    let (_, outcome) = go(&instance, &server, EXAMPLE, true).await;
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let failure = &report.failed[0];
    assert!(failure.message.starts_with("cloudformation:CreateResource: InvalidRequest: Model"), "{failure:#?}");
    let location = failure.location.as_ref().expect("a place");
    assert_eq!(location.to_string(), "mastodon.toml:3");
}

#[tokio::test]
async fn errors_are_of_the_kinds_of_their_codes() {
    let server = CloudControl::start();
    let aws = aws(&server);
    for (code, kind) in [
        ("AccessDenied", ErrorKind::Denied),
        ("UnauthorizedTaggingOperation", ErrorKind::Denied),
        ("InvalidCredentials", ErrorKind::Credentials),
        ("AlreadyExists", ErrorKind::Conflict),
        ("NotFound", ErrorKind::NotYet),
        ("ResourceConflict", ErrorKind::NotYet),
        ("Throttling", ErrorKind::Throttled),
        ("ServiceLimitExceeded", ErrorKind::Quota),
        ("InvalidRequest", ErrorKind::Invalid),
        ("NotUpdatable", ErrorKind::Invalid),
        ("NetworkFailure", ErrorKind::Network),
        ("NotStabilized", ErrorKind::Unknown),
        ("GeneralServiceException", ErrorKind::Unknown),
        ("ServiceInternalError", ErrorKind::Unknown),
        ("ServiceTimeout", ErrorKind::Unknown),
        ("InternalFailure", ErrorKind::Unknown),
    ] {
        server.fail("CREATE", code, "no");
        let creation = creation(&type_of("sns.topic"), REGION, json!({ "name": code }));
        let error = aws.create(&creation).await.expect_err(code);
        assert_eq!((error.kind, error.operation.as_str()), (kind, "cloudformation:CreateResource"), "{code}");
        assert_eq!(error.code.as_deref(), Some(code));
    }
    let target = |kind: &str, identity: &str| Target {
        address: creation(&type_of(kind), REGION, json!({})).address,
        region: REGION.to_owned(),
        identity: mastoform::address::Identity::new(identity),
        recorded: Value::Null,
        owner: None,
    };
    let gone = target("sns.topic", "arn:nothing");
    let observed = aws.observe(std::slice::from_ref(&gone)).await.remove(&gone.address);
    assert!(matches!(observed, Some(Observation::Gone)), "{observed:?}");
    // A type that is not there is no resource that is gone.
    let wrong = target("toy.nothing", "a");
    let observed = aws.observe(std::slice::from_ref(&wrong)).await.remove(&wrong.address);
    let Some(Observation::Failed(error)) = observed else { panic!("{observed:?}") };
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Invalid, Some("TypeNotFoundException")));
    assert_eq!(aws.delete(&wrong).await.expect_err("no such type").kind, ErrorKind::Invalid);
    aws.delete(&gone).await.expect("what is gone is deleted");
    let update = Update { target: gone, desired: Known::Null, changed: Vec::new() };
    assert_eq!(aws.update(&update).await.expect_err("gone").kind, ErrorKind::NotFound);
}

/// An identifier of two parts, a property that AWS never shows, tags of one's own, a type without a list.
#[tokio::test]
async fn a_hard_type_is_carried_out_too() {
    let server = CloudControl::start();
    let aws = aws(&server);
    let attributes = json!({
        "shelf": "top", "key": "k1", "labels": { "team": "operations" }, "limits": { "weight": 10, "height": 20 },
    });
    let made = creation(&type_of("toy.box"), REGION, attributes.clone());
    let created = aws.create(&made).await.expect("made");
    assert_eq!(created.identity.as_str(), "top|box-1");
    let present = server.all(BOX).remove(0);
    assert_eq!(present["Limits"], json!([{ "Name": "height", "Value": "20" }, { "Name": "weight", "Value": "10" }]));
    assert_eq!(tags(&present).len(), 4);
    assert_eq!(aws.create(&made).await.expect("found").identity, created.identity, "the same token, the same box");
    assert_eq!(server.all(BOX).len(), 1);
    assert_eq!(
        aws.find(&made).await.expect("asked"),
        std::slice::from_ref(&created.identity),
        "among the requests of the last days"
    );
    let others =
        Creation { tags: BTreeMap::from([("mastoform:lineage".to_owned(), "other".to_owned())]), ..made.clone() };
    assert_eq!(aws.find(&others).await.expect("asked"), []);

    let owner = Owner {
        instance: "test".into(),
        region: REGION.into(),
        lineage: LINEAGE.into(),
        account: None,
        accepts_unmarked: false,
    };
    let target = Target {
        address: made.address.clone(),
        region: REGION.to_owned(),
        identity: created.identity,
        recorded: Value::from_json(&attributes),
        owner: Some(Arc::new(owner)),
    };
    let seen = async || match aws.observe(std::slice::from_ref(&target)).await.remove(&target.address) {
        Some(Observation::Found(observed)) => observed,
        other => panic!("{other:?}"),
    };
    let observed = seen().await;
    let expected = json!({
        "shelf": "top", "id": "box-1", "labels": { "team": "operations" }, "limits": { "weight": 10, "height": 20 },
    });
    assert_eq!(observed.attributes.to_json(), expected, "our own tags are nobody's choice, and the key is not told");
    assert!(made.tags.iter().all(|(key, value)| observed.tags.as_ref().expect("tags").get(key) == Some(value)));

    // A change keeps what it is not about, repeats what AWS cannot read, and leaves our tags where they are.
    let desired = json!({ "shelf": "top", "key": "k1", "labels": { "team": "press" }, "limits": { "weight": 11 } });
    let desired = Value::from_json(&desired).lift();
    let changed = ["labels", "limits"].map(str::to_owned).to_vec();
    aws.update(&Update { target: target.clone(), desired, changed }).await.expect("changed");
    let present = server.all(BOX).remove(0);
    assert_eq!(present["Key"], "k1");
    assert_eq!(present["Limits"], json!([{ "Name": "weight", "Value": "11" }]));
    assert_eq!((tags(&present)["team"], tags(&present).len()), ("press", 4));
    let more = BTreeMap::from([("mastoform:lineage".to_owned(), "l2".to_owned())]);
    aws.mark(&target, &more).await.expect("marked");
    assert_eq!(tags(&server.all(BOX)[0])["mastoform:lineage"], "l2");
    assert_eq!(tags(&server.all(BOX)[0])["team"], "press");
    aws.delete(&target).await.expect("deleted");
    assert_eq!(server.all(BOX).len(), 0);
}

/// What was made long ago is in no request any more: it is found in the list of all, page by page.
#[tokio::test]
async fn what_was_made_long_ago_is_found_by_its_tags_or_its_name() {
    let server = CloudControl::start();
    let aws = aws(&server);
    let wanted = creation(&type_of("sns.topic"), REGION, json!({ "name": "c" }));
    let ours: Vec<_> = wanted.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    for name in ["a", "b", "c", "d", "e"] {
        let tags = if name == "c" { json!(ours) } else { json!([]) };
        server.put(TOPIC, json!({ "TopicName": name, "Tags": tags }));
    }
    let arn = |name: &str| format!("arn:aws:sns:eu-central-1:123456789012:{name}");
    let found = async |creation: &Creation| {
        let found = aws.find(creation).await.expect("asked");
        found.iter().map(|identity| identity.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&wanted).await, [arn("c")]);
    let another = creation(&type_of("sns.topic"), REGION, json!({ "name": "e" }));
    let by_name = Creation { tags: BTreeMap::new(), ..another };
    assert_eq!(found(&by_name).await, [arn("e")]);

    let look_up = async |name: &str| super::look_up(&aws, "sns.topic", json!({ "name": name })).await;
    assert_eq!(text(&look_up("d").await.expect("found"), "arn"), arn("d"));
    assert_eq!(look_up("f").await.expect_err("none").kind, ErrorKind::NotFound);
}

/// An attribute that leaves the file goes back to AWS's default, which only the specs say.
#[tokio::test]
async fn an_attribute_goes_back_to_its_default() {
    let server = CloudControl::start();
    let aws = aws(&server);
    let made = creation(&type_of("sns.topic"), REGION, json!({ "name": "a", "tracing": "Active" }));
    let created = aws.create(&made).await.expect("made");
    let target = Target {
        address: made.address,
        region: REGION.to_owned(),
        identity: created.identity,
        recorded: Value::Null,
        owner: None,
    };
    let desired = Value::from_json(&json!({ "name": "a" })).lift();
    aws.update(&Update { target, desired, changed: vec!["tracing".to_owned()] }).await.expect("changed");
    assert_eq!(server.all(TOPIC)[0]["TracingConfig"], "PassThrough");
}

/// The program with the page's overlay, the server for the type of the page, and an emulator for everything else.
struct Story {
    emulator: Emulator,
    server: CloudControl,
    folder: tempfile::TempDir,
}

impl Story {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = program(&self.emulator, self.folder.path(), &[words, &["--specs", "overlay"]].concat());
        command.env("AWS_ENDPOINT_URL_CLOUDCONTROL", self.server.endpoint());
        command
    }

    fn run(&self, words: &[&str], code: i32) -> String {
        let output = self.command(words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        said(&output)
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.folder.path().join(file);
        let text = fs_err::read_to_string(&path).expect("text");
        assert!(text.contains(from), "{file} has no {from:?}");
        fs_err::write(path, text.replacen(from, to, 1)).expect("written");
    }
}

/// The example of the page, with a whole instance around it and the program killed on the way.
#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_the_page_lives_and_dies_with_its_instance() {
    let emulator = moto::start();
    let folder = ready(&emulator);
    own_types(folder.path());
    let story = Story { emulator, server: CloudControl::start(), folder };
    let setting =
        "[input.sender]\ntype = \"string\"\ndefault = \"Alarms\"\ndoc = \"Who sends alarms.\"\n\n[sns.topic.alarms]";
    story.edit("overlay/topic.toml", "[sns.topic.alarms]", setting);
    story.edit("overlay/topic.toml", "Alarms of ${config.domain}", "${config.sender} of the instance");
    story.run(&["validate"], 0);

    // It dies while AWS makes the topic.
    let (tell, told) = mpsc::channel();
    story.server.watch(move |call| match call {
        "GetResourceRequestStatus" => {
            let _ = tell.send(());
            Fate::LostBefore
        }
        _ => Fate::Answered,
    });
    let mut dying =
        story.command(&["apply", "--yes"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    told.recv_timeout(Duration::from_secs(60)).expect("the topic is asked for");
    dying.kill().expect("killed");
    dying.wait().expect("a child");
    tag_as_aws_would(&story.emulator, story.folder.path()).await;
    assert_eq!(story.server.all(TOPIC).len(), 0);
    story.server.watch(|_| Fate::Answered);
    story.run(&["apply", "--yes"], 0);
    assert_eq!((story.server.all(TOPIC).len(), story.server.requests("CREATE")), (1, 1));
    assert_eq!(story.server.all(TOPIC)[0]["DisplayName"], "Alarms of the instance");
    story.run(&["plan", "--detailed-exitcode"], 0);
    let outputs = story.run(&["output"], 0);
    assert!(outputs.contains("arn:aws:sns:eu-central-1:123456789012:social-alarms"), "{outputs}");

    // A change, and a value that AWS refuses.
    story.edit("mastodon.toml", "name", "sender = \"Red alert\"\nname");
    story.server.fail("UPDATE", "InvalidRequest", "Model validation failed (#/DisplayName: it is too loud)");
    let refused = story.run(&["apply", "--yes"], 1);
    assert!(refused.contains("mastodon.toml:5:10") && refused.contains("it is too loud"), "{refused}");
    story.run(&["apply", "--yes"], 0);
    assert_eq!(story.server.all(TOPIC)[0]["DisplayName"], "Red alert of the instance");

    // What somebody does by hand is seen, and set back.
    story.server.edit(TOPIC, "DisplayName", "Somebody's".into());
    let drift = story.run(&["drift", "--detailed-exitcode"], 3);
    assert!(drift.contains("sns.topic.alarms") && drift.contains("Somebody's"), "{drift}");
    story.run(&["apply", "--yes"], 0);
    assert_eq!(story.server.all(TOPIC)[0]["DisplayName"], "Red alert of the instance");
    story.run(&["destroy", "--confirm", "social"], 0);
    assert_eq!(story.server.all(TOPIC).len(), 0);
}
