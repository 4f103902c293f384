//! Exports of a small world of its own.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::*;
use crate::provider::{Holder, Observed};
use crate::spec::{OverlayFile, Specs};

const TYPES: &str = r#"
[store]
doc = "Holds things."
cfn = "AWS::Toy::Store"
terraform = { type = "aws_toy_store", parts = { aws_toy_rule = { id = "{name}:{*}", store = "{name}" } } }
identity = ["name"]
price.free = "It is a toy."
[store.attributes]
name = { type = "string", required = true, immutable = true, cfn = "StoreName", terraform = "store_name", doc = "Its name." }
version = { type = "string", compare = "version_prefix", doc = "Its version." }
size = { type = "integer", default = 3, cfn = { path = "Attributes[Key=size.of_it].Value", text = true }, doc = "Its size." }
open = { type = "bool", default = false, cfn = { path = "Attributes[Key=open].Value", values = { true = "YES", false = "NO" } }, doc = "Whether it is open." }
rules = { type = "map", of = "json", cfn = "Rules[Name=*].Document", terraform = "aws_toy_rule[name=*].document", doc = "Its rules." }
check.path = { type = "string", doc = "Where it is checked." }
check.every = { type = "integer", default = 30, doc = "How often." }
limits.low = { type = "integer", default = 1, cfn = "Bounds{Kind=plain}.Low", terraform = "bounds[kind=plain].low", doc = "The least." }
limits.high = { type = "integer", default = 9, cfn = "Bounds{Kind=plain}.High", terraform = "bounds[kind=plain].high", doc = "The most." }
password = { type = "string", sensitive = true, write_only = true, doc = "Its password." }
at_once = { type = "bool", write_only = true, default = false, cfn = false, doc = "Without waiting." }
hidden = { type = "string", sensitive = true, write_only = true, left_out = "It stays, too.", doc = "Its secret." }
recipe = { type = "string", write_only = true, left_out = "It stays.", doc = "How it is made." }
arn = { type = "string", computed = true, known = "created", doc = "Its full name." }

[secret]
doc = "Holds a secret."
cfn = { type = "AWS::Toy::Secret", tags = "Tags" }
terraform = "aws_toy_secret"
identity = ["arn"]
price.free = "It is a toy."
[secret.attributes]
title = { type = "string", doc = "Its title." }
arn = { type = "string", computed = true, known = "created", doc = "Its full name." }
values = { type = "map", of = "string", computed = true, sensitive = true, cfn = "{{resolve:toys:{arn}:{*}}}", terraform = false, doc = "What it holds." }

[rule]
doc = "Who may go where."
cfn = { type = { by = "way", in = "AWS::Toy::In", out = "AWS::Toy::Out" }, id = { Id = "{id}", Store = "{store}" }, tags = false }
terraform = { type = { by = "way", in = "aws_toy_in", out = "aws_toy_out" }, id = "{store}/{id}" }
identity = ["id"]
price.free = "It is a toy."
[rule.attributes]
way = { type = "string", cfn = false, terraform = false, doc = "In or out." }
store = { type = "string", refers_to = "toy.store", terraform = { reference = "arn" }, doc = "Where." }
other = { type = "string", cfn = { by = "way", in = "Source", out = "Destination" }, doc = "The other side." }
id = { type = "string", computed = true, known = "created", doc = "Its id." }

[entry]
doc = "An entry of a store."
cfn = { inside = "store", path = "Entries[]", value = "what" }
terraform = false
identity = ["store", "what"]
taggable = false
proof = { parent = "store" }
price.free = "It is a toy."
[entry.attributes]
store = { type = "string", refers_to = "toy.store", doc = "Where." }
what = { type = "string", doc = "What." }
"#;

fn types() -> Types {
    let file = OverlayFile { name: "types/toy.toml".into(), types_of: Some("toy".into()), text: TYPES.into() };
    let specs = Specs::from_files([file]).unwrap_or_else(|problems| panic!("{problems}"));
    let problems = specs.lint().0.into_iter().map(|problem| problem.to_string());
    let problems: Vec<String> = problems.filter(|problem| problem.contains("toy")).collect();
    assert_eq!(problems, Vec::<String>::new());
    (*specs.types).clone()
}

fn value(json: Json) -> Value {
    Value::from_json(&json)
}

fn row(identity: &str, inputs: Json, facts: Json, depends_on: &[&str]) -> Row {
    Row {
        status: Status::Ready,
        identity: Some(Identity::new(identity)),
        replaced: Vec::new(),
        region: "eu-central-1".to_owned(),
        protect: false,
        problem: None,
        inputs: value(inputs),
        facts: value(facts),
        depends_on: depends_on.iter().map(|address| address.parse().expect("an address")).collect(),
    }
}

/// A store, its secret, a rule and an entry of it.
fn state() -> State {
    let mut state = State::new("lineage", "play", "eu-central-1");
    let store = json!({
        "name": "play", "version": "17", "open": true, "password": {"secret": "${toy.secret.key.values.password}"},
        "rules": {"a": {"Allow": "arn:toy:secret:key-123456/*", "Never": "${aws:x}"}}, "recipe": "hex128",
        "hidden": {"secret": "${size(config.name)}"},
    });
    let rows = [
        (
            "toy.secret.key",
            row("arn:toy:secret:key-123456", json!({"title": "Key"}), json!({"arn": "arn:toy:secret:key-123456"}), &[]),
        ),
        ("toy.store.main", row("play", store, json!({"arn": "arn:toy:store:play"}), &["toy.secret.key"])),
        (
            "toy.rule.way[\"in\"]",
            row(
                "r-1",
                json!({"way": "in", "store": "play", "other": "play"}),
                json!({"id": "r-1"}),
                &["toy.store.main"],
            ),
        ),
        ("toy.entry.one", row("play|1", json!({"store": "play", "what": "1"}), json!({}), &["toy.store.main"])),
    ];
    state.rows = rows.into_iter().map(|(address, row)| (address.parse().expect("an address"), row)).collect();
    state
}

fn template(state: &State, observations: Option<&Observations>) -> cloudformation::Export {
    let types = types();
    let subject = Subject { state, observations, types: &types };
    let instance = Instance::new(&subject, Tool::CloudFormation).unwrap_or_else(|error| panic!("{error}"));
    cloudformation::export(&instance)
}

fn observed(state: &State, address: &str, attributes: Json) -> Observations {
    let shown = state.rows.iter().map(|(found, row)| {
        let mut attributes = if found.to_string() == address { value(attributes.clone()) } else { row.inputs.clone() };
        for (name, fact) in row.facts.as_map().into_iter().flatten() {
            attributes.set(&[name], fact.clone());
        }
        let identity = row.identity.clone().expect("an identity");
        (found.clone(), Observation::Found(Observed { identity, attributes, tags: None }))
    });
    shown.collect()
}

#[test]
fn values_stand_where_cloudformation_keeps_them() {
    let export = template(&state(), None);
    let store = &export.template["Resources"]["ToyStoreMain"];
    assert_eq!(store["Type"], "AWS::Toy::Store");
    assert_eq!((&store["DeletionPolicy"], &store["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")));
    let properties = &store["Properties"];
    assert_eq!(properties["Attributes"], json!([{"Key": "open", "Value": "YES"}, {"Key": "size.of_it", "Value": "3"}]));
    assert_eq!(properties["Bounds"], json!({"Kind": "plain", "High": 9, "Low": 1}), "all of it has defaults");
    assert_eq!(properties.get("CheckPath").or(properties.get("Check")), None, "nobody says where");
    assert_eq!(properties.get("AtOnce"), None);
    assert_eq!(properties["Tags"][0], json!({"Key": "mastoform:address", "Value": "toy.store.main"}),);
    assert_eq!(export.template["Resources"]["ToySecretKey"]["Properties"]["Tags"]["mastoform:lineage"], "lineage");
    assert_eq!(export.template.get("Outputs"), None, "an import refuses them");
}

#[test]
fn what_others_have_made_is_referred_to() {
    let resources = template(&state(), None).template["Resources"].take();
    let store = &resources["ToyStoreMain"]["Properties"];
    assert_eq!(
        store["Rules"],
        json!([{"Name": "a", "Document": {"Allow": {"Fn::Sub": "${ToySecretKey.Arn}/*"}, "Never": "${aws:x}"}}])
    );
    let rule = &resources["ToyRuleWayIn"];
    assert_eq!(rule["Type"], "AWS::Toy::In");
    assert_eq!(rule["Properties"], json!({"Store": {"Ref": "ToyStoreMain"}, "Source": "play"}));
}

#[test]
fn a_secret_is_read_from_where_it_is() {
    let export = template(&state(), None);
    let store = &export.template["Resources"]["ToyStoreMain"]["Properties"];
    assert_eq!(store["Password"], json!({"Fn::Sub": "{{resolve:toys:${ToySecretKey.Arn}:password}}"}));
    assert_eq!(store.get("Recipe"), None);
    let omission = |name: &str, why: &str| Omission { what: format!("toy.store.main.{name}"), why: why.to_owned() };
    assert_eq!(export.omissions, [omission("hidden", "It stays, too."), omission("recipe", "It stays.")]);
    let mut state = state();
    let elsewhere = json!({"secret": "${size(config.name)}"});
    let address: Address = "toy.store.main".parse().expect("an address");
    state.rows.get_mut(&address).expect("a row").inputs.set(&["password"], value(elsewhere));
    let mut export = template(&state, None);
    let store = export.template["Resources"]["ToyStoreMain"]["Properties"].take();
    assert_eq!(store.get("Password"), None, "a secret that CloudFormation cannot read is left out");
    let unread = export.omissions.iter().find(|omission| omission.what == "toy.store.main.password");
    assert!(unread.is_some_and(|omission| omission.why.contains("cannot read")), "{:?}", export.omissions);
}

#[test]
fn an_import_names_each_resource_as_its_type_says() {
    let imports = template(&state(), None).imports;
    let identifier = |name: &str| {
        let imports = imports.as_array().expect("a list");
        imports.iter().find(|import| import["LogicalResourceId"] == name).map(|import| &import["ResourceIdentifier"])
    };
    assert_eq!(identifier("ToyStoreMain"), Some(&json!({"StoreName": "play"})));
    assert_eq!(identifier("ToySecretKey"), Some(&json!({"Arn": "arn:toy:secret:key-123456"})));
    assert_eq!(identifier("ToyRuleWayIn"), Some(&json!({"Id": "r-1", "Store": "play"})));
    assert_eq!(identifier("ToyEntryOne"), None, "it is a part of the store");
}

#[test]
fn an_entry_stands_in_the_resource_that_it_names() {
    let mut state = state();
    let entries = |state: &State| {
        let export = template(state, None);
        let omitted: BTreeSet<String> = export.omissions.iter().map(|omission| omission.what.clone()).collect();
        (export.template["Resources"]["ToyStoreMain"]["Properties"]["Entries"].clone(), omitted)
    };
    assert_eq!(entries(&state).0, json!(["1"]));
    let address: Address = "toy.entry.one".parse().expect("an address");
    state.rows.get_mut(&address).expect("a row").inputs = value(json!({"store": "another", "what": "1"}));
    let (none, omitted) = entries(&state);
    assert_eq!(none, Json::Null);
    assert!(omitted.contains("toy.entry.one"), "{omitted:?}");
}

#[test]
fn a_stack_is_of_one_region() {
    let mut state = state();
    let address: Address = "toy.entry.one".parse().expect("an address");
    state.rows.get_mut(&address).expect("a row").region = "us-east-1".to_owned();
    let omissions = template(&state, None).omissions;
    assert!(omissions[0].why.contains("us-east-1"), "{omissions:?}");
    // Nor does anything refer to what the stack does not have.
    let address: Address = "toy.store.main".parse().expect("an address");
    state.rows.get_mut(&address).expect("a row").region = "us-east-1".to_owned();
    let template = template(&state, None).template;
    assert!(!template.to_string().contains("ToyStoreMain"), "{template:#}");
}

#[test]
fn a_value_is_what_the_cloud_reports() {
    let state = state();
    let rules = json!({"a": {"Allow": "arn:toy:secret:key-123456/*", "Never": "${aws:x}"}});
    let shown =
        json!({"name": "play", "version": "17.9", "size": 8, "rules": rules, "check": {"path": "/", "every": null}});
    let observations = observed(&state, "toy.store.main", shown);
    let store = template(&state, Some(&observations)).template["Resources"]["ToyStoreMain"]["Properties"].take();
    assert_eq!(store["Version"], "17.9", "the exact one: AWS lowers none");
    assert_eq!(store["Attributes"][1]["Value"], "8", "somebody has set it");
    assert_eq!(store["Attributes"][0]["Value"], "NO", "and unset this one, so it has its default");
    assert_eq!((&store["CheckPath"], &store["CheckEvery"]), (&Json::Null, &Json::Null));
    assert_eq!(store["Check"], json!({"Path": "/", "Every": 30}));
    assert!(store.get("Password").is_some(), "AWS never tells it");
}

/// Tags are those that are there. Those of AWS's own nobody may write.
#[test]
fn tags_are_those_that_somebody_has_set() {
    let state = state();
    let address: Address = "toy.store.main".parse().expect("an address");
    let mut observations = observed(&state, "", Json::Null);
    let Some(Observation::Found(shown)) = observations.get_mut(&address) else { panic!("not shown") };
    let tags = [("team", "a"), ("aws:cloudformation:stack-name", "b")];
    shown.tags = Some(tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    let store = template(&state, Some(&observations)).template["Resources"]["ToyStoreMain"]["Properties"].take();
    assert_eq!(store["Tags"], json!([{"Key": "team", "Value": "a"}]));
}

#[test]
fn what_is_under_way_gone_or_anothers_is_not_exported() {
    let types = types();
    let error = |state: &State, observations: Option<&Observations>| {
        Instance::new(&Subject { state, observations, types: &types }, Tool::Terraform)
            .expect_err("refused")
            .to_string()
    };
    let address: Address = "toy.store.main".parse().expect("an address");
    let mut begun = state();
    begun.rows.get_mut(&address).expect("a row").status = Status::Updating;
    assert_eq!(error(&begun, None), "toy.store.main is not finished");
    let mut replaced = state();
    replaced.rows.get_mut(&address).expect("a row").replaced = vec![Identity::new("old")];
    assert_eq!(error(&replaced, None), "toy.store.main is not finished");
    let state = state();
    let mut observations = observed(&state, "", Json::Null);
    observations.insert(address.clone(), Observation::Gone);
    assert_eq!(error(&state, Some(&observations)), "toy.store.main is gone");
    observations.insert(address, Observation::Foreign(Holder::default()));
    assert_eq!(error(&state, Some(&observations)), "toy.store.main is not this instance's: play carries other tags");
    assert_eq!(error(&State::new("lineage", "play", "eu-central-1"), None), "there is nothing to hand over");
}

/// CloudFormation would put a secret in the place of such a text, and has no escape for it.
#[test]
fn what_cloudformation_would_obey_is_not_exported_to_it() {
    let types = types();
    let address: Address = "toy.store.main".parse().expect("an address");
    let told = |inputs: &[(&[&str], Json)], tool: Tool| {
        let mut state = state();
        for (path, text) in inputs {
            state.rows.get_mut(&address).expect("a row").inputs.set(path, value(text.clone()));
        }
        let subject = Subject { state: &state, observations: None, types: &types };
        Instance::new(&subject, tool).err().map(|error| error.to_string())
    };
    let text = "a {{resolve:secretsmanager:prod/db:SecretString:password}} b";
    for (path, text, found) in [
        (&["name"][..], json!(text), "name holds the text `{{resolve:`"),
        (&["rules", "a", "Allow"], json!([text]), "rules holds the text `{{resolve:`"),
        (&["rules", text], json!({}), "rules holds the text `{{resolve:`"),
        (&["rules", "a", "Fn::ImportValue"], json!("x"), "rules holds a key `Ref` or `Fn::`"),
    ] {
        let expected = format!("toy.store.main.{found}, and CloudFormation would put something else in its place");
        assert_eq!(told(&[(path, text.clone())], Tool::CloudFormation), Some(expected));
        assert_eq!(told(&[(path, text)], Tool::Terraform), None);
    }
    assert_eq!(told(&[(&["name"], json!("{{ resolve:ssm:x }} {{name}}"))], Tool::CloudFormation), None);
    let mut observations = observed(&state(), "", Json::Null);
    if let Some(Observation::Found(observed)) = observations.get_mut(&address) {
        observed.tags = Some([("team".to_owned(), text.to_owned())].into());
    }
    let state = state();
    let subject = Subject { state: &state, observations: Some(&observations), types: &types };
    let error = Instance::new(&subject, Tool::CloudFormation).expect_err("refused").to_string();
    assert!(error.starts_with("toy.store.main.tags holds the text"), "{error}");
}

fn configuration(state: &State) -> (String, terraform::Export, String) {
    let types = types();
    let subject = Subject { state, observations: None, types: &types };
    let files = terraform::files(&subject).unwrap_or_else(|error| panic!("{error}"));
    let text = |name: &str| files.iter().find(|file| file.name == name).expect("a file").text.clone();
    let instance = Instance::new(&subject, Tool::Terraform).expect("an instance");
    (text("main.tf"), terraform::export(&instance), text("README.md"))
}

#[test]
fn terraform_refers_and_leaves_secrets_alone() {
    let (main, export, readme) = configuration(&state());
    let store = main.split("\n\n").find(|part| part.starts_with("resource \"aws_toy_store\"")).expect("a store");
    assert!(store.contains("  store_name = \"play\"\n"), "{store}");
    assert!(main.contains("  lifecycle {\n    ignore_changes = [password]\n  }\n"), "{main}");
    assert!(main.contains("  bounds {\n    high = 9\n    kind = \"plain\"\n    low  = 1\n  }\n"), "{main}");
    assert!(
        main.contains(
            "resource \"aws_toy_rule\" \"main_a\" {\n  \
             document = jsonencode({ Allow = \"${aws_toy_secret.key.arn}/*\", Never = \"$${aws:x}\" })\n  \
             name     = \"a\"\n  store    = aws_toy_store.main.store_name\n}\n"
        ),
        "{main}"
    );
    assert!(
        main.contains("resource \"aws_toy_in\" \"way_in\" {\n  other = \"play\"\n  store = aws_toy_store.main.arn\n")
    );
    let id = |address: &str| export.identifiers.get(address).map(String::as_str);
    assert_eq!(id("aws_toy_store.main"), Some("play"));
    assert_eq!(id("aws_toy_rule.main_a"), Some("play:a"));
    assert_eq!(id("aws_toy_in.way_in"), Some("play/r-1"));
    assert_eq!(export.untold["aws_toy_store.main"], ["at_once"]);
    for line in ["| `aws_toy_store.main` | `at_once` |", "toy.entry.one</code> | Terraform has no such thing. |"] {
        assert!(readme.contains(line), "{readme}");
    }
}

/// Two parts whose labels would be the same.
#[test]
fn no_two_resources_have_one_name() {
    let mut state = state();
    let main = state.rows.get(&"toy.store.main".parse().expect("an address")).cloned().expect("a row");
    for (name, rule) in [("a", "b_c"), ("a_b", "c")] {
        let inputs = value(json!({"name": name, "rules": {rule: {}}}));
        let address = format!("toy.store.{name}").parse().expect("an address");
        state.rows.insert(address, Row { identity: Some(Identity::new(name)), inputs, ..main.clone() });
    }
    let (main, ..) = configuration(&state);
    for name in ["a_b_c", "a_b_c_2"] {
        assert!(main.contains(&format!("resource \"aws_toy_rule\" \"{name}\"")), "{main}");
    }
}

#[test]
fn a_resource_elsewhere_has_a_provider_of_its_own() {
    let mut state = state();
    let address: Address = "toy.secret.key".parse().expect("an address");
    state.rows.get_mut(&address).expect("a row").region = "us-east-1".to_owned();
    let (main, ..) = configuration(&state);
    assert!(main.contains("provider \"aws\" {\n  alias  = \"us_east_1\"\n  region = \"us-east-1\"\n}\n"), "{main}");
    assert!(main.contains("resource \"aws_toy_secret\" \"key\" {\n  provider = aws.us_east_1\n"), "{main}");
}
