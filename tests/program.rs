//! The program as people run it, where it is neither a plan nor a mistake nor a story.

use std::path::Path;
use std::process::Command;

use mastoform::provider::sim::SECRET_MARK;
use serde_json::Value as Json;

use crate::support::case::{data, files, program, run};
use crate::support::instance::{EXAMPLE, fast_folder};

const FAST: [&str; 3] = ["--sandbox", "--sandbox-speed", "10000"];

/// A folder with the example.
fn project() -> tempfile::TempDir {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    folder
}

/// The file, as a schema sees it.
fn as_json(toml: &str) -> Json {
    let value: toml::Value = toml::from_str(toml).expect("valid TOML");
    serde_json::to_value(value).expect("JSON")
}

#[test]
fn no_secret_is_said_or_kept() {
    let folder = project();
    let mut texts: Vec<(String, Vec<u8>)> = Vec::new();
    let all: [&[&str]; 12] = [
        &["plan", "--out", "state/first.plan"],
        &["apply", "state/first.plan", "--yes", "--json", "-vv"],
        &["plan", "--json"],
        &["output", "--json"],
        &["state", "list", "--json"],
        &["drift", "--json", "-vv"],
        &["status", "--json", "-vv"],
        &["export", "cloudformation", "state/cloudformation", "-vv"],
        &["export", "terraform", "state/terraform", "-vv"],
        &["explain", "rds.cluster.database.master_password"],
        &["show", "state/first.plan", "--json"],
        &["apply", "--yes", "-vv"],
    ];
    for words in all {
        let output = run(folder.path(), &[&FAST[..], words].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        texts.push((format!("standard output of {words:?}"), output.stdout));
        texts.push((format!("standard error of {words:?}"), output.stderr));
    }
    let kept = files(&folder.path().join("state"));
    assert!(kept.iter().any(|(name, _)| name.ends_with("social.json")), "a state is among them");
    texts.extend(kept.into_iter().map(|(name, bytes)| (name.display().to_string(), bytes)));
    for (name, bytes) in texts {
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET_MARK), "there is a secret in {name}");
    }
}

/// Of a fleet one instance was handed over: it is not changed, and neither are the others, for the run has not asked about
/// less than all.
#[test]
fn a_fleet_leaves_alone_what_was_handed_over() {
    let folder = project();
    let text = fs_err::read_to_string(folder.path().join("mastodon.toml")).expect("a file");
    let instances = folder.path().join("instances");
    fs_err::create_dir_all(&instances).expect("made");
    for name in ["alpha", "beta"] {
        let own = text
            .replace("\"social\"", &format!("{name:?}"))
            .replace("social.example.org", &format!("{name}.example.org"));
        fs_err::write(instances.join(format!("{name}.toml")), own).expect("written");
    }
    let go = |words: &[&str]| {
        let output = run(folder.path(), &[&FAST[..], words].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(go(&["-f", "instances", "apply", "--yes"]).0, Some(0));
    assert_eq!(go(&["-f", "instances/beta.toml", "state", "hand-over"]).0, Some(0));
    for name in ["alpha", "beta"] {
        let path = instances.join(format!("{name}.toml"));
        let text = fs_err::read_to_string(&path).expect("a file");
        fs_err::write(&path, text + "\n[logs]\nretention_days = 30\n").expect("written");
    }
    let states = || files(&instances.join("state"));
    let is_kept =
        |(name, _): &(std::path::PathBuf, Vec<u8>)| name.extension().is_some_and(|extension| extension == "json");
    let before: Vec<_> = states().into_iter().filter(is_kept).collect();
    for words in [&["apply", "--yes"][..], &["destroy", "--confirm", "alpha beta"]] {
        let (code, said) = go(&[&["-f", "instances"], words].concat());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("beta was handed over") && said.contains("nothing was changed, because 1"), "{said}");
        assert!(states().into_iter().filter(is_kept).eq(before.clone()), "{words:?}");
    }
    let (code, said) = go(&["-f", "instances", "--only", "alpha", "apply", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    let (_, said) = go(&["-f", "instances", "plan"]);
    assert!(said.contains("warning: beta was handed over"), "{said}");
}

/// The trace has names and times of all calls, and `-v` adds them up; neither holds anything that was sent.
#[test]
fn every_call_is_traced_and_counted() {
    let folder = project();
    let trace = folder.path().join("calls.jsonl");
    let words = ["apply", "--yes", "-v", "--trace", "calls.jsonl"];
    let applied = run(folder.path(), &[&FAST[..], &words].concat());
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let text = fs_err::read_to_string(&trace).expect("a trace");
    assert!(!text.contains(SECRET_MARK) && !text.contains("social.example.org"), "{text}");
    let calls: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let creations = calls.iter().filter(|call| call["operation"] == "ssm:CreateParameter").count();
    assert!(creations > 10, "{text}");
    assert!(calls.iter().all(|call| call["outcome"] == "ok" && call["attempts"] == 1), "{text}");
    let said = String::from_utf8_lossy(&applied.stderr).into_owned();
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!("{} calls in ", calls.len())) && last.contains("longest chain"), "{said}");

    let nowhere = run(folder.path(), &[&FAST[..], &["plan", "--trace", "no/such/folder"]].concat());
    assert_eq!(nowhere.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(said.contains("no/such/folder"), "{said}");
}

/// What is done is in the journal and in the state before anything else happens, so the program may die at any time.
#[test]
fn a_killed_apply_is_taken_up_again() {
    let folder = project();
    let journal = folder.path().join("state/sandbox/social.journal");
    let mut apply = program(folder.path(), &["--sandbox", "apply", "--yes", "-q"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    while fs_err::read_to_string(&journal).unwrap_or_default().matches("\"record\":").count() < 60 {
        assert!(apply.try_wait().expect("a child").is_none(), "it ended before it could be killed");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    apply.kill().expect("killed");
    apply.wait().expect("a child");
    data(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
    let plan: Json = serde_json::from_str(&data(folder.path(), &["--sandbox", "plan", "--json"])).expect("JSON");
    assert_eq!(plan["changes"], Json::Array(Vec::new()));
    assert!(!journal.exists());
}

/// Two commands work on two instances at once, in one simulated cloud: each finds everything that it has made.
#[test]
fn commands_at_once_share_the_sandbox() {
    let folder = fast_folder();
    let names = ["alpha", "beta"];
    for name in names {
        let text = EXAMPLE
            .replace("name   = \"social\"", &format!("name   = \"{name}\""))
            .replace("social.", &format!("{name}."));
        fs_err::write(folder.path().join(format!("{name}.toml")), text).expect("written");
    }
    let words = |name: &str, words: &[&str]| {
        let file = format!("{name}.toml");
        [&FAST[..], &["-f", &file], words].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let applies = names.map(|name| {
        let words = words(name, &["apply", "--yes", "-q"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        program(folder.path(), &words).stdout(std::process::Stdio::null()).spawn().expect("it starts")
    });
    for mut apply in applies {
        assert!(apply.wait().expect("a child").success());
    }
    for name in names {
        let words = words(name, &["plan", "--json"]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let plan: Json = serde_json::from_str(&data(folder.path(), &words)).expect("JSON");
        assert_eq!(plan["changes"], Json::Array(Vec::new()), "{name}");
    }
}

#[test]
fn the_schema_accepts_the_example_and_nothing_wrong() {
    let folder = project();
    let schema: Json = serde_json::from_str(&data(folder.path(), &["schema"])).expect("JSON");
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
    let complaints = |toml: &str| -> Vec<String> {
        validator.iter_errors(&as_json(toml)).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    assert_eq!(complaints(EXAMPLE), Vec::<String>::new());
    assert_eq!(complaints(&format!("{EXAMPLE}\n[patch.\"rds.cluster.database\"]\nport = 1\n")), Vec::<String>::new());
    for (wrong, instead) in [
        ("max_capacity = 1", "max_capacity = 500"),
        ("run_mode = \"production\"", "run_mode = \"sleeping\""),
        ("protect = false", "protect = \"no\""),
        ("[database]", "[databse]"),
        ("region = \"eu-central-1\"", ""),
    ] {
        assert!(EXAMPLE.contains(wrong));
        assert_ne!(complaints(&EXAMPLE.replacen(wrong, instead, 1)), Vec::<String>::new(), "{instead}");
    }
}

#[test]
fn the_first_file_is_valid_in_every_way() {
    let folder = fast_folder();
    run(folder.path(), &["init", "example.org"]);
    data(folder.path(), &["validate"]);
    let text = fs_err::read_to_string(folder.path().join("mastodon.toml")).expect("written");
    let schema: Json = serde_json::from_str(&data(folder.path(), &["schema"])).expect("JSON");
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
    validator.validate(&as_json(&text)).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn graphs_are_the_same_each_time() {
    let folder = project();
    let print = |format: &str| {
        let words = ["graph", "--format", format];
        let graph = data(folder.path(), &words);
        assert_eq!(graph, data(folder.path(), &words));
        graph
    };
    let mermaid = print("mermaid");
    let node = |address: &str| {
        let line = mermaid.lines().find(|line| line.contains(&format!("[\"{address}\"]"))).expect("a node");
        line.trim().split('[').next().unwrap_or_default().to_owned()
    };
    let edge = format!("  {} --> {}", node("secretsmanager.secret.database"), node("rds.cluster.database"));
    assert!(mermaid.starts_with("flowchart LR") && mermaid.lines().any(|line| line == edge), "{mermaid}");
    let dot = print("dot");
    let edge = "\"secretsmanager.secret.database\" -> \"rds.cluster.database\"";
    assert!(dot.starts_with("digraph mastoform") && dot.contains(edge), "{dot}");
    assert!(print("svg").starts_with("<svg"), "a picture");
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = data(Path::new("/"), &["completions", shell]);
        assert!(script.contains("mastoform") && script.contains("detailed-exitcode"), "{shell}: {script}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let names = data(Path::new("/"), &["man", "--list"]);
    assert!(names.lines().any(|name| name == "iam-policy"), "{names}");
    assert!(names.lines().any(|name| name == "state-list") && !names.contains("help"), "{names}");
    for name in names.lines() {
        let page = data(Path::new("/"), &["man", name]);
        assert!(page.starts_with(".ie") || page.contains(".TH mastoform"), "{name}: {page}");
        assert!(page.contains("state") && page.contains("SYNOPSIS"), "{name}: {page}");
    }
    let output = run(Path::new("/"), &["man", "nothing"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("there is no command \"nothing\"") && said.contains("man --list"), "{said}");
}

/// What AWS cannot be asked for is said before anything is asked. The sandbox makes it.
#[test]
fn a_type_that_nobody_can_ask_aws_for_is_refused_before_anything_is_asked() {
    const TYPES: &str = "[queue]\ndoc = \"A queue.\"\nidentity = [\"name\"]\ncfn = CFN\nterraform = false\n[queue.price]\nunknown = \"Nobody has looked.\"\n\
        [queue.permissions]\nunscoped = [\"sqs:CreateQueue\"]\ncreate = [\"sqs:CreateQueue\"]\n\
        [queue.attributes]\nname = { type = \"string\", required = true, immutable = true, doc = \"Its name.\" }\n";
    let folder = project();
    let overlay = folder.path().join("overlay");
    fs_err::create_dir_all(overlay.join("types")).expect("made");
    fs_err::write(overlay.join("own.toml"), "[sqs.queue.jobs]\nname = \"jobs\"\n").expect("written");
    let describe = |cfn: &str| {
        fs_err::write(overlay.join("types/sqs.toml"), TYPES.replace("CFN", cfn)).expect("written");
    };
    for cfn in ["false", "{ type = \"AWS::SQS::Queue\", tags = false }"] {
        describe(cfn);
        for words in [&["validate"][..], &["plan", "--offline"], &["apply", "--yes"]] {
            let output = run(folder.path(), &[words, &["--specs", "overlay"]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            assert!(said.contains("error[unsupported-type]") && said.contains("overlay/own.toml:1:1"), "{said}");
        }
        data(folder.path(), &["validate", "--specs", "overlay", "--sandbox"]);
    }
    describe("\"AWS::SQS::Queue\"");
    data(folder.path(), &["validate", "--specs", "overlay"]);
}

/// Writes the files that the page on own types shows.
pub fn own_types(folder: &Path) {
    let page = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-types.md")).expect("a page");
    let mut files = Vec::new();
    for block in page.split("```toml\n# ").skip(1) {
        let (name, text) = block.split_once('\n').expect("a name");
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(&path, text.split("```").next().expect("a file")).expect("written");
        files.push(name);
    }
    assert_eq!(files, ["overlay/types/sns.toml", "overlay/topic.toml"]);
}

/// The files that the page shows are valid, the sandbox makes what they describe, and the policy has what it takes.
#[test]
fn the_page_on_own_types_says_what_works() {
    let folder = project();
    own_types(folder.path());
    data(folder.path(), &["validate", "--specs", "overlay"]);
    let plan = data(folder.path(), &["plan", "--offline", "--specs", "overlay"]);
    assert!(plan.lines().any(|line| line.contains("+ sns.topic.alarms ") && line.contains("create")), "{plan}");
    let of = |half: &[&str]| {
        let words = [&["iam-policy", "--offline", "--specs", "overlay"], half].concat();
        let parts = (1..=5).map(|part| run(folder.path(), &[&words[..], &["--part", &part.to_string()]].concat()));
        let texts: Vec<String> = parts
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .collect();
        assert!(!texts.is_empty(), "{half:?}");
        texts.concat()
    };
    let daily = of(&[]);
    for action in ["Create", "Get", "List", "Update", "Delete"] {
        let action = format!("\"cloudformation:{action}Resource");
        assert!(daily.contains(&action), "{action}: {daily}");
    }
    for action in
        ["sns:CreateTopic", "sns:SetTopicAttributes", "sns:DeleteTopic", "cloudformation:ListResourceRequests"]
    {
        assert!(daily.contains(&format!("\"{action}\"")), "{action}: {daily}");
    }
    let reading = of(&["--read-only"]);
    assert!(reading.contains("\"cloudformation:GetResource\"") && reading.contains("\"sns:GetTopicAttributes\""));
    assert!(!reading.contains("CreateResource") && !reading.contains("sns:CreateTopic"), "{reading}");
    assert!(!of(&["--bootstrap"]).contains("\"cloudformation:"));
}

/// A release as `.github/package` packs it, installed by `install.sh` from a folder instead of a server.
#[test]
fn a_release_is_installed_once_its_checksum_fits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = fast_folder();
    let copy = |from: &str| {
        let to = here.path().join(from);
        fs_err::create_dir_all(to.parent().expect("a folder")).expect("made");
        fs_err::copy(root.join(from), to).expect("copied");
    };
    for file in [".github/package", "install.sh", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        copy(file);
    }
    let machine = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-gnu" };
    let binary = Path::new(env!("CARGO_BIN_EXE_mastoform")).parent().expect("a folder");
    let packed = Command::new(here.path().join(".github/package"))
        .args([&format!("{machine}-{system}"), binary.to_str().expect("text")])
        .output()
        .expect("it starts");
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));

    let release = here.path().join("releases/latest/download");
    fs_err::create_dir_all(release.parent().expect("a folder")).expect("made");
    fs_err::rename(here.path().join("dist"), &release).expect("moved");
    let bin = here.path().join("bin");
    let install = |releases: &str| {
        let mut command = Command::new(here.path().join("install.sh"));
        command.env_remove("MASTOFORM_VERSION").env("MASTOFORM_BIN", &bin);
        match releases {
            "" => command.env_remove("MASTOFORM_RELEASES"),
            releases => command.env("MASTOFORM_RELEASES", releases),
        };
        command.output().expect("it starts")
    };
    let releases = format!("file://{}", here.path().join("releases").display());
    let archive = release.join(format!("mastoform-{machine}-{system}.tar.gz"));
    let whole = fs_err::read(&archive).expect("an archive");
    fs_err::write(&archive, &whole[..whole.len() - 1]).expect("written");
    for (releases, problem) in [(&*releases, "does not match its checksum"), ("", "set MASTOFORM_RELEASES")] {
        let refused = install(releases);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(problem), "{said}");
        assert!(!bin.exists(), "nothing is installed");
    }
    fs_err::write(&archive, &whole).expect("written");
    let done = install(&releases);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let version = Command::new(bin.join("mastoform")).arg("--version").output().expect("it starts");
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("mastoform "), "{version:?}");
}

/// What a schema of `docs/schemas/` has against a document.
fn complaints(schema: &str, document: &Json) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schemas/{schema}.schema.json"));
    let schema: Json = serde_json::from_str(&fs_err::read_to_string(path).expect("a schema")).expect("JSON");
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
    validator.iter_errors(document).map(|error| format!("{}: {error} in {document}", error.instance_path())).collect()
}

#[test]
fn what_is_printed_as_json_is_as_the_schemas_say() {
    let folder = project();
    let fits = |schema: &str, text: &str| {
        let document: Json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(complaints(schema, &document), Vec::<String>::new());
        document
    };
    let print = |words: &[&str]| data(folder.path(), &[&FAST[..], words].concat());
    let lines: Vec<Json> = print(&["apply", "--yes", "--json"]).lines().map(|line| fits("apply", line)).collect();
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!((events[0], events[events.len() - 1]), ("plan", "summary"));
    let count = |name: &str| events.iter().filter(|event| **event == name).count();
    assert_eq!((count("started"), count("finished")), (78, 78));
    let summary = &lines[lines.len() - 1];
    assert_eq!(summary["outputs"]["url"]["value"], "https://social.example.org");

    let nothing: Vec<Json> = print(&["apply", "--yes", "--json"]).lines().map(|line| fits("apply", line)).collect();
    assert_eq!((nothing.len(), &nothing[1]["outcome"]), (2, &Json::from("nothing")));
    fits("output", &print(&["output", "--json"]));
    fits("state-list", &print(&["state", "list", "--json"]));
    fits("state-show", &print(&["state", "show", "rds.cluster.database", "--json"]));
    let status = fits("status", &print(&["status", "--json"]));
    assert_eq!((&status["good"], status["probes"].as_array().map(Vec::len)), (&Json::from(true), Some(9)));
    let cloud = folder.path().join("state/sandbox/_cloud.json");
    let text = fs_err::read_to_string(&cloud).expect("a cloud");
    fs_err::write(&cloud, text.replace("\"retention_days\": 14", "\"retention_days\": 30")).expect("written");
    let drift = fits("drift", &print(&["drift", "--json"]));
    let somebody = drift["somebody"].as_array().expect("edits");
    assert!(somebody.iter().any(|edit| edit["address"] == "logs.log_group.mastodon"), "{somebody:?}");
    let file = folder.path().join("mastodon.toml");
    fs_err::write(&file, EXAMPLE.replacen("name   = ", "version = \"v4.7.8\"\nname   = ", 1)).expect("written");
    let drift = fits("drift", &print(&["drift", "--json"]));
    let edits = drift["yours"].as_array().expect("edits");
    assert!(edits.iter().any(|edit| edit["action"] == "run"), "{edits:?}");
    print(&["apply", "--yes", "--json"]).lines().for_each(|line| drop(fits("apply", line)));

    let history = fs_err::read_to_string(folder.path().join("state/sandbox/social.history.jsonl")).expect("a history");
    let entries: Vec<Json> = history.lines().map(|line| fits("history", line)).collect();
    assert_eq!((entries.len(), &entries[0]["counts"]["create"]), (2, &Json::from(73)), "nothing done is no history");
    assert_eq!(entries[1]["counts"]["run"], 3);
    assert!(entries[0].get("durations").is_none(), "the times of the sandbox are made up");
}

#[test]
fn estimates_come_from_the_history_of_the_instance() {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let file = folder.path().join("mastodon.toml");
    fs_err::write(&file, EXAMPLE.replace("max_capacity = 1", "max_capacity = 4")).expect("written");
    let plan = || data(folder.path(), &["--sandbox", "plan"]);
    assert!(plan().contains("About 3 min, no interruption."), "{}", plan());
    let history = folder.path().join("state/sandbox/social.history.jsonl");
    let mut text = fs_err::read_to_string(&history).expect("a history");
    let times = [(1, 1200), (2, 1500), (3, 60)].map(|(day, seconds)| {
        serde_json::json!({
            "format": 1, "when": format!("2026-03-0{day}T10:00:00Z"), "command": "apply", "serial": day,
            "outcome": "completed", "counts": {"update": 1}, "seconds": seconds, "expected_seconds": 180,
            "durations": {"rds.cluster": {"update": seconds}},
        })
    });
    for line in times {
        assert_eq!(complaints("history", &line), Vec::<String>::new());
        text.push_str(&format!("{line}\n"));
    }
    fs_err::write(&history, text).expect("written");
    assert!(plan().contains("About 20 min, no interruption."), "{}", plan());
    let explained = data(folder.path(), &["--sandbox", "explain", "rds.cluster.database"]);
    assert!(explained.contains("about 20 min to update, about 6 min to delete, as measured here"), "{explained}");
}

/// What came with a folder of specs would be deleted without it.
#[test]
fn a_forgotten_folder_of_specs_is_said_before_anything_goes() {
    let folder = project();
    fs_err::create_dir(folder.path().join("mine")).expect("a folder");
    let more = "[s3.bucket.more]\nbucket = \"more-of-social\"\nownership = \"BucketOwnerEnforced\"\n";
    fs_err::write(folder.path().join("mine/more.toml"), more).expect("written");
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "--specs", "mine"]].concat());
    let said = |words: &[&str]| {
        let output = run(folder.path(), words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(!said(&["--sandbox", "plan", "--specs", "mine"]).contains("no file of the specs"));
    let forgotten = said(&["--sandbox", "plan"]);
    assert!(
        forgotten.contains("no file of the specs describes") && forgotten.contains("s3.bucket.more"),
        "{forgotten}"
    );
    assert!(forgotten.contains("again with --specs"), "{forgotten}");
    // What a setting leaves out is described all the same.
    let text = EXAMPLE.replace("[mail]", "[redis]\nengine = \"redis\"\n[mail]");
    fs_err::write(folder.path().join("mastodon.toml"), text).expect("written");
    assert!(!said(&["--sandbox", "plan", "--specs", "mine"]).contains("no file of the specs"));
}

/// Who looks in AWS for what lives in the sandbox is told so.
#[test]
fn what_lives_in_the_sandbox_is_pointed_at() {
    let folder = project();
    let both = |words: &[&str]| {
        let output = run(folder.path(), words);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert!(!both(&["output"]).contains("--sandbox"), "there is nothing yet");
    assert!(both(&["output"]).contains("Nothing has been applied yet"));
    data(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
    for words in [&["output"][..], &["state", "list"], &["state", "show", "rds.cluster.database"]] {
        assert!(both(words).contains("in the sandbox: add --sandbox"), "{words:?}: {}", both(words));
    }
    assert!(!both(&["--sandbox", "output"]).contains("applied yet"));
    let saved = both(&["--sandbox", "plan", "--out", "next.plan"]);
    assert!(saved.contains("Saved. `mastoform --sandbox apply next.plan` does exactly this"), "{saved}");
    let several = both(&["--sandbox", "state", "show", "ec2.security_group_rule.tasks_egress"]);
    assert!(several.contains("there are `ec2.security_group_rule.tasks_egress[\"http\"]`"), "{several}");
}

/// What stands for several things is explained, too.
#[test]
fn sections_types_and_outputs_are_explained() {
    let folder = project();
    let mail = data(folder.path(), &["explain", "mail"]);
    assert!(mail.starts_with("[mail]") && mail.contains("mail.credentials") && !mail.contains("redis."), "{mail}");
    let cluster = data(folder.path(), &["explain", "rds.cluster"]);
    assert!(cluster.contains("rds.cluster.database") && cluster.contains("engine_version"), "{cluster}");
    let url = data(folder.path(), &["explain", "output.url"]);
    assert!(url.contains("Where the instance is.") && url.contains("https://social.example.org"), "{url}");
    let nothing = run(folder.path(), &["explain", "nothing.like.this"]);
    assert!(!nothing.status.success());
}
