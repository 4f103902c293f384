//! Judges that know AWS and not this program: cfn-lint has AWS's schemas of every resource, region by region; checkov has
//! and cdk-nag have rules of people who look after security. All read what is exported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use mastoform::address::Address;
use mastoform::export::{Instance as Exported, cloudformation};
use mastoform::spec::counterpart::Tool;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Made, ODD, REGIONS, all, made};
use crate::support::instance::{EXAMPLE, example, fast_folder};
use crate::support::{npm, python, say};

/// What cfn-lint has to say of the templates in a folder, as one of a region: code, and what it says.
fn linted(folder: &Path, region: &str) -> Vec<String> {
    let python = python::environment("cfn-lint", include_str!("../support/requirements-cfn-lint.txt"));
    let mut templates: Vec<_> =
        fs_err::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    templates.sort();
    assert!(!templates.is_empty());
    let command = ["-c", "from cfnlint.runner import main; main()", "--format", "json", "--regions", region, "--"];
    let output = Command::new(python).args(command).args(&templates).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let findings: Json = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let findings = findings.as_array().expect("a list").iter().map(|finding| {
        let said = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let file = said("Filename").rsplit('/').next().unwrap_or_default().to_owned();
        let path = finding["Location"]["Path"].to_string();
        format!("{} {file} {path}: {}", finding["Rule"]["Id"].as_str().unwrap_or_default(), said("Message"))
    });
    findings.collect()
}

fn template(made: &Made) -> String {
    let files = cloudformation::files(&made.subject()).unwrap_or_else(|error| panic!("{error}"));
    files.into_iter().find(|file| file.name == "template.json").expect("a template").text
}

#[tokio::test]
async fn cfn_lint_finds_nothing_in_any_template() {
    for region in REGIONS {
        let folder = fast_folder();
        for (name, text, overlay) in all() {
            let made = made(text, &overlay, region).await;
            fs_err::write(folder.path().join(format!("{name}.json")), template(&made)).expect("written");
        }
        assert_eq!(linted(folder.path(), region), Vec::<String>::new(), "{region}");
    }
}

/// The judge looks: what AWS would refuse is found.
#[tokio::test]
async fn cfn_lint_finds_a_version_and_a_retention_that_aws_does_not_have() {
    let made = made(EXAMPLE, &[], REGIONS[0]).await;
    let mut patched: Json = serde_json::from_str(&template(&made)).expect("JSON");
    let mut patch = |resource: &str, property: &str, value: Json| {
        let place = &mut patched["Resources"][resource]["Properties"][property];
        assert!(!place.is_null(), "{resource} has no {property}");
        *place = value;
    };
    patch("RdsClusterDatabase", "EngineVersion", json!("17.99"));
    patch("LogsLogGroupMastodon", "RetentionInDays", json!(15));
    let folder = fast_folder();
    fs_err::write(folder.path().join("patched.json"), patched.to_string()).expect("written");
    let found = linted(folder.path(), REGIONS[0]);
    let codes: Vec<&str> = found.iter().filter_map(|finding| finding.split(' ').next()).collect();
    assert_eq!(codes, ["E3030", "E3690"], "{found:#?}");
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    checkov: BTreeMap<String, Reason>,
    cdk_nag: BTreeMap<String, Reason>,
}

/// What is found, and why that is as it should be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    what: String,
    why: String,
}

/// The rules that a judge finds broken, each with where.
type Found = BTreeMap<String, BTreeSet<String>>;

/// The most that checkov may find in the example.
const MOST: usize = 8;

/// What checkov finds in a file.
fn checked(file: &Path, framework: &str) -> Found {
    let python = python::environment("checkov", include_str!("../support/requirements-checkov.txt"));
    let output = Command::new(python)
        .args(["-c", "import sys; from checkov.main import Checkov; sys.exit(Checkov().run())", "--file"])
        .arg(file)
        .args(["--framework", framework, "--skip-download", "--output", "json", "--quiet", "--compact"])
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Json = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["summary"]["parsing_errors"], 0, "{report}");
    assert!(report["summary"]["passed"].as_u64() > Some(80), "it has looked: {}", report["summary"]);
    let mut found = Found::new();
    for finding in report["results"]["failed_checks"].as_array().expect("a list") {
        let said = |key: &str| finding[key].as_str().expect("a text").to_owned();
        found.entry(said("check_id")).or_default().insert(said("resource"));
    }
    found
}

/// What some judge finds in the example and in the odd instance.
async fn found(judge: impl Fn(&Path) -> Found) -> [Found; 2] {
    let folder = fast_folder();
    let mut all = Vec::new();
    for (name, text) in [("example", EXAMPLE), ("odd", ODD)] {
        let file = folder.path().join(format!("{name}.json"));
        fs_err::write(&file, template(&made(text, &[], REGIONS[0]).await)).expect("written");
        all.push(judge(&file));
    }
    all.try_into().expect("two")
}

/// Each finding has its reason, and each reason its finding.
fn assert_accepted(found: &[Found], accepted: &BTreeMap<String, Reason>) {
    let found: BTreeMap<&String, &BTreeSet<String>> = found.iter().flatten().collect();
    let short = |reason: &&Reason| reason.what.is_empty() || reason.why.split(' ').count() < 4;
    assert!(accepted.values().find(short).is_none(), "every one has its reason");
    let new: Vec<_> = found.iter().filter(|(rule, _)| !accepted.contains_key(**rule)).collect();
    assert!(new.is_empty(), "not in accepted.toml: {new:#?}");
    let gone: Vec<_> = accepted.keys().filter(|rule| !found.contains_key(*rule)).collect();
    assert!(gone.is_empty(), "nothing is found any more, so these leave accepted.toml: {gone:#?}");
}

fn accepted() -> Accepted {
    toml::from_str(include_str!("accepted.toml")).expect("a list")
}

#[tokio::test]
async fn checkov_finds_what_is_accepted() {
    let found = found(|file| checked(file, "cloudformation")).await;
    assert_accepted(&found, &accepted().checkov);
    let [example, _] = &found;
    let number: usize = example.values().map(BTreeSet::len).sum();
    assert!(number <= MOST, "{number}: {example:#?}");
}

#[tokio::test]
async fn cdk_nag_finds_what_is_accepted() {
    let Some(modules) = npm::modules("cdk-nag", include_str!("../support/package-cdk-nag.json")) else {
        say("npm is not installed here, so cdk-nag was not asked");
        return;
    };
    let script = modules.join("nag.js");
    fs_err::write(&script, include_str!("nag.js")).expect("written");
    let judge = |file: &Path| {
        let output = Command::new("node").arg(&script).arg(file).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let report: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(report["looked"].as_u64() > Some(40), "it has looked: {report}");
        serde_json::from_value::<Found>(report["found"].clone()).expect("resources by rule")
    };
    assert_accepted(&found(judge).await, &accepted().cdk_nag);
}

/// moto makes the stack, as far as it can: references lead to what they mean, and what is there then is what our own apply
/// has made.
#[tokio::test]
async fn the_stack_that_moto_makes_is_what_we_have_made() {
    // Gap: moto makes no certificate of a template.
    let text = example(&[("run_mode = ", "certificates = \"existing\"\nrun_mode = ")]);
    let made = made(&text, &[], REGIONS[0]).await;
    let folder = fast_folder();
    let (file, script) = (folder.path().join("template.json"), folder.path().join("stack.py"));
    fs_err::write(&file, template(&made)).expect("written");
    fs_err::write(&script, include_str!("stack.py")).expect("written");
    let python = python::environment("moto", include_str!("../support/requirements.txt"));
    let output = Command::new(python).arg(script).arg(file).arg(REGIONS[0]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let stack: Json = serde_json::from_slice(&output.stdout).expect("JSON");

    // Gap: moto does not know all types. Those it knows are all there.
    let gaps = [
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::OriginAccessControl",
        "AWS::CloudFront::ResponseHeadersPolicy",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::ElastiCache::ParameterGroup",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::ElastiCache::SubnetGroup",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::S3::BucketPolicy",
        "AWS::SecretsManager::Secret",
    ];
    let instance = Exported::new(&made.subject(), Tool::CloudFormation).expect("an instance");
    let template = cloudformation::export(&instance).template;
    let wanted = template["Resources"].as_object().expect("resources").iter();
    let wanted: BTreeMap<&str, &str> = wanted
        .map(|(name, found)| (name.as_str(), found["Type"].as_str().expect("a type")))
        .filter(|(_, kind)| !gaps.contains(kind))
        .collect();
    let found = stack["made"].as_object().expect("resources").iter();
    let found: BTreeMap<&str, &str> =
        found.map(|(name, kind)| (name.as_str(), kind.as_str().expect("a type"))).collect();
    assert_eq!(found, wanted);

    // Who may connect to whom, by the names of groups.
    let ingress = json!([
        ["social-cache", 6379, 6379, ["social-tasks"]],
        ["social-database", 5432, 5432, ["social-tasks"]],
        ["social-load-balancer", 80, 80, ["0.0.0.0/0"]],
        ["social-load-balancer", 443, 443, ["0.0.0.0/0"]],
        ["social-tasks", 3000, 3000, ["social-load-balancer"]],
        ["social-tasks", 4000, 4000, ["social-load-balancer"]],
    ]);
    assert_eq!(stack["ingress"], ingress);
    let redirect =
        json!({"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}});
    assert_eq!(stack["listeners"]["80"], redirect);
    assert!(stack["listeners"]["443"]["TargetGroupArn"].as_str().is_some_and(|arn| arn.contains("/social-web-3000/")));
    assert_eq!(stack["rules"], json!([["1", ["/api/v1/streaming", "/api/v1/streaming/*"], "social-streaming-4000"]]));
    assert_eq!(stack["service"], json!({"serviceName": "social", "desiredCount": 1}));
    assert_eq!(stack["bucket"]["Rules"][0]["ApplyServerSideEncryptionByDefault"], json!({"SSEAlgorithm": "AES256"}));
    // The rest as the state has it. What refers to something that moto does not make stays as it is.
    let inputs = |address: &str| made.state.rows[&address.parse::<Address>().expect("an address")].inputs.to_json();
    assert_eq!(stack["retention"], inputs("logs.log_group.mastodon")["retention_days"]);
    let group = inputs("elb.target_group.streaming");
    let check = &group["health_check"];
    assert_eq!(
        stack["target_groups"]["social-streaming-4000"],
        json!([group["port"], check["path"], check["timeout"]])
    );
    let is_resolved = |value: &&Json| !value.to_string().contains("GetAtt");
    let mut parameters = 0;
    for (address, row) in made.state.rows.iter().filter(|(address, _)| &*address.type_name.service == "ssm") {
        let inputs = row.inputs.to_json();
        let made = &stack["parameters"][inputs["name"].as_str().expect("a name")];
        if is_resolved(&made) {
            assert_eq!(*made, inputs["value"], "{address}");
            parameters += 1;
        }
    }
    assert_eq!(parameters, 12);
    for container in inputs("ecs.task_definition.mastodon")["containers"].as_array().expect("a list") {
        let made = &stack["containers"][container["name"].as_str().expect("a name")];
        for key in ["image", "cpu", "memory", "command", "essential"] {
            assert_eq!(made[key], container[key], "{key}");
        }
        assert_eq!(made["healthCheck"]["command"], container["health_check"]["command"]);
        assert_eq!(made["logConfiguration"]["options"]["awslogs-group"], container["log"]["group"]);
        let variables = made["environment"].as_array().expect("a list").iter().filter(is_resolved);
        let variables: Vec<_> = variables.map(|variable| (&variable["name"], &variable["value"])).collect();
        assert!(variables.len() > 20, "{variables:?}");
        for (name, value) in variables {
            assert_eq!(*value, container["environment"][name.as_str().expect("a name")], "{name}");
        }
        let secrets = made["secrets"].as_array().expect("a list").iter().map(|secret| &secret["name"]);
        let ours = container["secrets"].as_object().expect("a map").keys();
        assert!(secrets.eq(ours.map(|name| Json::from(name.as_str())).collect::<Vec<_>>().iter()));
    }
    let role = stack["roles"]["social-eu-central-1-tasks"]["media"].to_string();
    assert!(role.contains("arn:aws:s3:::social-example-org-media/*"), "{role}");
}
