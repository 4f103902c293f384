//! Secrets of a real run over HTTP: the values that were generated are in no file and on no stream, however much is said.

use std::path::Path;
use std::time::Duration;

use mastoform::provider::aws::Aws;

use super::whole::{own, program, ready, said};
use crate::support::case::files;
use crate::support::emulator::REGION;
use crate::support::instance::{EXAMPLE, example};
use crate::support::moto;
use crate::support::proxy::{Mishap, Proxy};

/// Every secret in the account: texts, and the values of JSON texts.
async fn secrets(aws: &Aws) -> Vec<String> {
    let clients = aws.clients(REGION);
    let client = clients.secretsmanager();
    let listed = client.list_secrets().send().await.expect("listed");
    let mut secrets = Vec::new();
    for entry in listed.secret_list() {
        let value = client.get_secret_value().secret_id(entry.arn().expect("an ARN")).send().await.expect("read");
        let text = value.secret_string().expect("a text").to_owned();
        match serde_json::from_str::<serde_json::Value>(&text) {
            Ok(serde_json::Value::Object(fields)) => {
                secrets.extend(fields.values().filter_map(|field| field.as_str()).map(str::to_owned));
            }
            _ => secrets.push(text),
        }
    }
    secrets
}

fn search(name: &str, text: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(text);
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "a secret of {} bytes is in {name}", secret.len());
    }
}

fn search_files(folder: &Path, secrets: &[String]) {
    let kept = files(folder);
    assert!(kept.iter().any(|(name, _)| name.ends_with("social.json")), "a state is among them");
    for (name, bytes) in kept {
        search(&name.display().to_string(), &bytes, secrets);
    }
}

/// The example with an owner, whose account a job makes.
fn owned(changes: &[(&str, &str)]) -> String {
    format!("{}\n[owner]\nname = \"Ada\"\nemail = \"ada@example.org\"\n", example(changes))
}

/// What whoever may look at tasks and their definitions sees, in CloudTrail or by asking.
async fn tasks(aws: &Aws) -> String {
    let clients = aws.clients(REGION);
    let mut seen = String::new();
    let definitions = clients.ecs().list_task_definitions().send().await.expect("listed");
    for arn in definitions.task_definition_arns() {
        let definition = clients.ecs().describe_task_definition().task_definition(arn).send().await.expect("one");
        seen.push_str(&format!("{:?}\n", definition.task_definition()));
    }
    for status in ["RUNNING", "STOPPED"] {
        let listed = clients.ecs().list_tasks().cluster("social").desired_status(status.into()).send().await;
        let arns = listed.expect("listed").task_arns.filter(|arns| !arns.is_empty());
        if let Some(arns) = arns {
            let tasks = clients.ecs().describe_tasks().cluster("social").set_tasks(Some(arns)).send().await;
            seen.push_str(&format!("{:?}\n", tasks.expect("tasks").tasks()));
        }
    }
    seen
}

#[tokio::test]
async fn no_generated_secret_leaves_secrets_manager() {
    let emulator = moto::start();
    let aws = emulator.aws();
    let folder = ready(&emulator);
    let file = folder.path().join("mastodon.toml");
    fs_err::write(&file, own(&emulator, &owned(&[]))).expect("written");
    // The loudest that can be had, also of the SDK.
    let ends_with = |code: i32, words: &[&str]| {
        let mut command = program(&emulator, folder.path(), words);
        command.env("RUST_LOG", "trace").arg("-vvvv").args(["--trace", "calls.jsonl"]);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        output
    };
    let loud = |words: &[&str]| ends_with(0, words);
    let mut streams = vec![("apply", loud(&["apply", "--yes"]))];
    streams.push(("outputs", loud(&["output"])));
    streams.push(("a job", loud(&["run", "--", "bin/tootctl", "version"])));
    // A plan full of changes, as text and as JSON, with everything that is made anew in it.
    let all = owned(&[
        (r#"run_mode = "production""#, r#"run_mode = "debug""#),
        ("[database]", "[redis]\nengine = \"redis\"\n\n[database]\nname = \"other\""),
    ]);
    fs_err::write(&file, own(&emulator, &all)).expect("written");
    for words in [&["plan"][..], &["plan", "--json"], &["plan", "--markdown", "--html", "plan.html"], &["drift"]] {
        streams.push(("a plan", loud(words)));
    }
    for tool in ["cloudformation", "terraform"] {
        streams.push(("an export", loud(&["export", tool, tool])));
    }
    streams.push(("a saved plan", loud(&["plan", "--out", "all.plan"])));
    // Mail by SES: a user with a key. Nobody proves the domain, which is waited for.
    let line = EXAMPLE.lines().find(|line| line.starts_with("credentials = ")).expect("a line");
    let by_ses = owned(&[(line, "provider = \"ses\"")]);
    fs_err::write(&file, own(&emulator, &by_ses)).expect("written");
    streams.push(("an apply with a user", ends_with(6, &["apply", "--yes", "--wait", "0"])));
    streams.push(("a plan with a user", loud(&["plan", "--json"])));
    let secrets = secrets(&aws).await;
    assert!(secrets.len() >= 10, "{} secrets", secrets.len());
    let keys = aws.clients(REGION).iam().list_access_keys().user_name("social-eu-central-1-mail").send().await;
    let [key] = &keys.expect("keys").access_key_metadata[..] else { panic!("not one key") };
    assert!(secrets.iter().any(|secret| Some(secret.as_str()) == key.access_key_id()), "the user's key is among them");
    assert!(secrets.iter().all(|secret| secret.len() >= 16), "none is too short to be looked for");
    let tasks = tasks(&aws).await;
    assert!(tasks.contains("OWNER_EMAIL") && tasks.contains("social/owner"), "the owner's job is among them");
    search("a task or its definition", tasks.as_bytes(), &secrets);
    for (name, output) in &streams {
        search(name, &output.stdout, &secrets);
        search(name, &output.stderr, &secrets);
    }
    search_files(folder.path(), &secrets);
}

/// What AWS complains about may repeat what it was sent.
#[tokio::test]
async fn an_error_with_a_secret_in_it_is_told_without_it() {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let echo = |action: &str| (action == "CreateDBCluster").then_some(Mishap::Echo);
    let proxy = Proxy::moody(emulator.host(), Duration::ZERO, Box::new(echo));
    let words = ["apply", "--yes", "-vv"];
    let output = program(&emulator.at(proxy.endpoint()), folder.path(), &words).output().expect("it runs");
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("MasterUserPassword=***"), "{}", said(&output));
    let secrets = secrets(&emulator.aws()).await;
    search("standard error", &output.stderr, &secrets);
    search_files(folder.path(), &secrets);
}
