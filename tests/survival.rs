//! The program as a process that is killed, stopped, cut off and run twice at once: nothing is ever lost.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use mastoform::address::Address;
use mastoform::provider::sim::{Options, Sim};
use mastoform::spec::Specs;
use mastoform::state::{Lock, Paths, State};
use serde_json::Value as Json;

use crate::support::case::{data, program, run};
use crate::support::instance::{EXAMPLE, fast_folder, leave_over};
use crate::support::say;

const FAST: [&str; 3] = ["--sandbox", "--sandbox-speed", "10000"];
/// So slow that an apply is still at work when it is killed.
const SLOW: [&str; 3] = ["--sandbox", "--sandbox-speed", "300"];

fn project() -> tempfile::TempDir {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    folder
}

fn state_file(folder: &Path) -> std::path::PathBuf {
    folder.join("state/sandbox/social.json")
}

/// The state file without what differs from run to run: its lineage, how often it was changed, and what follows from
/// these.
fn content(folder: &Path) -> String {
    let text = fs_err::read_to_string(state_file(folder)).expect("a state");
    let own = ["lineage", "serial", "parent", "digest"].map(|name| format!("  \"{name}\": "));
    text.lines()
        .filter(|line| !own.iter().any(|start| line.starts_with(start)))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Waits until an apply has recorded so many things. Whether it has; not, if it ended before.
fn has_recorded(running: &mut Child, folder: &Path, records: usize) -> bool {
    let journal = folder.join("state/sandbox/social.journal");
    let recorded = || fs_err::read_to_string(&journal).unwrap_or_default().matches("\"record\":").count();
    while recorded() < records {
        if running.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    true
}

fn start(folder: &Path, words: &[&str]) -> Child {
    program(folder, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn signal(running: &Child, name: &str) {
    let sent = Command::new("/bin/kill").args([name, &running.id().to_string()]).status().expect("there is kill");
    assert!(sent.success());
}

fn everything(stderr: &mut ChildStderr) -> String {
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("text");
    text
}

fn nothing_is_left_to_do(folder: &Path) {
    let plan: Json = serde_json::from_str(&data(folder, &["--sandbox", "plan", "--json"])).expect("JSON");
    assert_eq!(plan["changes"], Json::Array(Vec::new()));
}

#[test]
fn killed_at_any_moment_the_state_is_the_same_to_the_byte_in_the_end() {
    let undisturbed = project();
    data(undisturbed.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let expected = content(undisturbed.path());
    let mut kills = 0;
    for round in 0..12 {
        let folder = project();
        // Twice in each apply: the second one while it takes up the first.
        for records in [1 + round * 17, 3 + round * 7] {
            let mut apply = start(folder.path(), &[&SLOW[..], &["apply", "--yes", "-q"]].concat());
            if has_recorded(&mut apply, folder.path(), records) {
                apply.kill().expect("killed");
                kills += 1;
            }
            apply.wait().expect("a child");
        }
        let last = run(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
        assert!(last.status.success(), "round {round}: {}", said(&last));
        assert_eq!(content(folder.path()), expected, "round {round}");
        nothing_is_left_to_do(folder.path());
    }
    assert!(kills >= 20, "{kills}");
    say(&format!("sandbox kills survived: {kills}"));
}

#[test]
fn of_two_at_once_one_wins_and_the_other_says_who() {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let file = folder.path().join("mastodon.toml");
    let mut refused = 0;
    const ROUNDS: usize = 100;
    for round in 0..ROUNDS {
        let days = 5 + round % 7;
        fs_err::write(&file, format!("{EXAMPLE}\n[logs]\nretention_days = {}\n", [1, 3, 5, 7, 14][days % 5]))
            .expect("written");
        let words = [&FAST[..], &["apply", "--yes", "-q"]].concat();
        let both = [start(folder.path(), &words), start(folder.path(), &words)];
        let ends = both.map(|child| child.wait_with_output().expect("it ends"));
        assert!(ends.iter().any(|end| end.status.success()), "round {round}: {}{}", said(&ends[0]), said(&ends[1]));
        for end in ends.iter().filter(|end| !end.status.success()) {
            assert_eq!(end.status.code(), Some(1), "{}", said(end));
            assert!(said(end).contains("is at work on this instance"), "{}", said(end));
            refused += 1;
        }
        State::read(&state_file(folder.path())).unwrap_or_else(|error| panic!("{error}"));
    }
    nothing_is_left_to_do(folder.path());
    assert!(refused > 0, "they never met");
    say(&format!("pairs of applies tried: {ROUNDS}, refused: {refused}"));
}

#[test]
fn who_plans_while_an_apply_is_at_work_is_told_and_disturbs_nobody() {
    let folder = project();
    let mut apply = start(folder.path(), &[&SLOW[..], &["apply", "--yes", "-q"]].concat());
    assert!(has_recorded(&mut apply, folder.path(), 5));
    let plan = run(folder.path(), &["--sandbox", "plan"]);
    assert!(plan.status.success(), "{}", said(&plan));
    assert!(said(&plan).contains("`mastoform apply` is at work on this instance since "), "{}", said(&plan));
    let end = apply.wait_with_output().expect("it ends");
    assert!(end.status.success(), "{}", said(&end));
    nothing_is_left_to_do(folder.path());
}

#[test]
fn the_lock_of_the_killed_is_free() {
    let folder = project();
    let mut apply = start(folder.path(), &[&SLOW[..], &["apply", "--yes", "-q"]].concat());
    assert!(has_recorded(&mut apply, folder.path(), 5));
    let lock = folder.path().join("state/sandbox/social.lock");
    assert_eq!(Lock::holder(&lock).expect("there").map(|holder| holder.pid), Some(apply.id()));
    apply.kill().expect("killed");
    apply.wait().expect("a child");
    assert_eq!(Lock::holder(&lock).expect("there"), None);
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
}

#[test]
fn the_first_signal_lets_what_runs_come_to_its_end() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let folder = project();
        // Nobody is waited for here.
        let text = fs_err::read_to_string(folder.path().join("mastodon.toml")).expect("a file");
        let text = text.replacen("\nname ", "\ncertificates = \"existing\"\nname ", 1) + "\n[dns]\ncheck = false\n";
        fs_err::write(folder.path().join("mastodon.toml"), text).expect("written");
        let mut apply = start(folder.path(), &[&SLOW[..], &["apply", "--yes"]].concat());
        assert!(has_recorded(&mut apply, folder.path(), 20), "{name}");
        signal(&apply, name);
        let end = apply.wait_with_output().expect("it ends");
        assert_eq!(end.status.code(), Some(130), "{name}: {}", said(&end));
        assert!(said(&end).contains("Stopped: ") && !said(&end).contains("Still going on"), "{name}: {}", said(&end));
        let state = State::read(&state_file(folder.path())).expect("whole").expect("there");
        assert!(!state.rows.is_empty() && !folder.path().join("state/sandbox/social.journal").exists(), "{name}");
        data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
        nothing_is_left_to_do(folder.path());
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_person() {
    let folder = project();
    let words = ["--sandbox-person", "never", "apply", "--yes", "--wait", "1h"];
    let mut apply = start(folder.path(), &[&FAST[..], &words].concat());
    let mut stderr = apply.stderr.take().expect("piped");
    let mut lines = BufReader::new(&mut stderr);
    let mut line = String::new();
    while !line.contains("dns.record.web waits for you") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("text"), 0, "it ended too early");
    }
    signal(&apply, "-INT");
    assert_eq!(apply.wait().expect("it ends").code(), Some(130));
    let rest = everything(&mut stderr);
    assert!(rest.contains("DNS records to enter:") && rest.contains("it continues from here"), "{rest}");
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    nothing_is_left_to_do(folder.path());
}

#[test]
fn the_second_signal_leaves_at_once_and_says_what_goes_on() {
    let folder = project();
    // At the pace of AWS: a database would take minutes.
    let mut apply = start(folder.path(), &["--sandbox", "--sandbox-speed", "1", "apply", "--yes"]);
    assert!(has_recorded(&mut apply, folder.path(), 30));
    let mut stderr = apply.stderr.take().expect("piped");
    let mut lines = BufReader::new(&mut stderr);
    signal(&apply, "-INT");
    let mut line = String::new();
    while !line.contains("Stopping: nothing new is started") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("text"), 0, "it ended too early");
    }
    signal(&apply, "-INT");
    assert_eq!(apply.wait().expect("it ends").code(), Some(130));
    let rest = everything(&mut stderr);
    assert!(rest.contains("Still going on by itself: ") && rest.contains("it continues from here"), "{rest}");
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    nothing_is_left_to_do(folder.path());
}

#[test]
fn a_reader_that_goes_away_does_not_stop_an_apply() {
    let folder = project();
    let mut apply = start(folder.path(), &[&SLOW[..], &["apply", "--yes"]].concat());
    assert!(has_recorded(&mut apply, folder.path(), 5));
    drop(apply.stdout.take());
    drop(apply.stderr.take());
    apply.wait().expect("it ends");
    assert!(!folder.path().join("state/sandbox/social.journal").exists(), "it came to its end");
    nothing_is_left_to_do(folder.path());
}

#[test]
fn what_people_have_stored_is_not_deleted_by_a_mere_yes() {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let renamed = EXAMPLE.replace("[database]", "[database]\nname = \"other\"");
    fs_err::write(folder.path().join("mastodon.toml"), renamed).expect("written");
    let before = content(folder.path());
    let refused = run(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains("what people have stored here will be gone: rds.cluster.database"));
    assert!(said(&refused).contains("add --confirm social"), "{}", said(&refused));
    let other = run(folder.path(), &[&FAST[..], &["apply", "--yes", "--confirm", "sozial"]].concat());
    assert_eq!(other.status.code(), Some(1), "{}", said(&other));
    assert_eq!(content(folder.path()), before);
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "--confirm", "social", "-q"]].concat());
    nothing_is_left_to_do(folder.path());
}

/// A state in which somebody wrote that an object of theirs, or of ours, was left behind.
#[test]
fn what_a_forged_state_would_delete_is_not_deleted_by_a_mere_yes() {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let path = state_file(folder.path());
    let mut state = State::read(&path).expect("readable").expect("there");
    let types = Specs::read(&[]).expect("valid specs").types;
    let cloud = folder.path().join("state/sandbox/_cloud.json");
    let sim = Sim::open(types, Some(cloud), Options::default()).expect("a cloud");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let named = Some(("identifier", "prod-dc"));
    let left = runtime.block_on(leave_over(&sim, &state, "rds.cluster.database", named));
    drop(sim);
    let row = state.rows.get_mut(&"rds.cluster.database".parse().expect("an address")).expect("a row");
    row.replaced.push(left);
    state.write(&path).expect("written");
    let before = content(folder.path());
    let plan = run(folder.path(), &["--sandbox", "plan", "--fail-on", "security,data-loss"]);
    assert_eq!(plan.status.code(), Some(7), "{}", said(&plan));
    assert!(said(&plan).contains("1 to delete (1 left over)") && said(&plan).contains("deletes prod-dc too"));
    assert!(said(&plan).contains("--fail-on data-loss: it deletes what people have stored"), "{}", said(&plan));
    assert!(!said(&plan).contains("--fail-on security"), "{}", said(&plan));
    let refused = run(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains("will be gone: rds.cluster.database (prod-dc)"), "{}", said(&refused));
    assert_eq!(content(folder.path()), before);
    // A fleet does not even ask.
    fs_err::copy(folder.path().join("mastodon.toml"), folder.path().join("other.toml")).expect("copied");
    let fleet = ["--sandbox", "-f", "mastodon.toml", "--only", "social", "apply", "--yes"];
    let refused = run(folder.path(), &fleet);
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(
        said(&refused).contains("what people have stored goes only with the name of the instance"),
        "{}",
        said(&refused)
    );
    assert_eq!(content(folder.path()), before);
}

#[test]
fn a_pipeline_may_stop_at_what_widens_rights() {
    let folder = project();
    let gate = ["--sandbox", "plan", "-q", "--fail-on", "security", "--detailed-exitcode"];
    assert_eq!(run(folder.path(), &gate).status.code(), Some(7), "a first apply gives every right");
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    assert_eq!(run(folder.path(), &gate).status.code(), Some(0));
    let write = |more: &str| {
        fs_err::write(folder.path().join("mastodon.toml"), format!("{EXAMPLE}\n{more}")).expect("written");
    };
    write("[logs]\nretention_days = 30\n");
    assert_eq!(run(folder.path(), &gate).status.code(), Some(2));
    write("[patch.\"iam.role.tasks\"]\nmanaged_policy_arns = [\"arn:aws:iam::aws:policy/AdministratorAccess\"]\n");
    let plan = run(folder.path(), &[&gate[..], &["--out", "kept.plan"]].concat());
    assert_eq!(plan.status.code(), Some(7), "{}", said(&plan));
    let shown = run(folder.path(), &["show", "kept.plan", "--fail-on", "security"]);
    assert_eq!(shown.status.code(), Some(7), "{}", said(&shown));
    assert!(said(&shown).contains("Security: 1 change widens rights, or may: iam.role.tasks."), "{}", said(&shown));
    let fleet = ["--sandbox", "-f", "mastodon.toml", "--only", "social", "plan", "--fail-on", "security"];
    assert_eq!(run(folder.path(), &fleet).status.code(), Some(7));
}

#[test]
fn a_broken_state_is_explained_left_alone_and_taken_back() {
    let folder = project();
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).current_dir(folder.path()).output().expect("there is git");
        assert!(output.status.success(), "{}", said(&output));
    };
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    git(&["init", "-q"]);
    git(&["add", "-f", "mastodon.toml", "state/sandbox/social.json"]);
    git(&["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "applied"]);
    let path = state_file(folder.path());
    let whole = fs_err::read_to_string(&path).expect("a state");
    let broken = &whole[..whole.len() / 2];
    fs_err::write(&path, broken).expect("written");
    fs_err::remove_file(folder.path().join("state/sandbox/social.json.backup")).ok();
    let plan = run(folder.path(), &["--sandbox", "plan"]);
    assert_eq!(plan.status.code(), Some(1));
    assert!(said(&plan).contains("the state file ends in the middle"), "{}", said(&plan));
    assert!(said(&plan).contains("mastoform state restore"), "{}", said(&plan));
    assert_eq!(fs_err::read_to_string(&path).expect("there"), broken, "left as it was");
    let restored = run(folder.path(), &["--sandbox", "state", "restore", "--yes"]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(said(&restored).contains("git "), "{}", said(&restored));
    assert_eq!(fs_err::read_to_string(&path).expect("there"), whole);
    assert_eq!(fs_err::read_to_string(path.with_extension("json.broken")).expect("kept"), broken);
    nothing_is_left_to_do(folder.path());
    let again = run(folder.path(), &["--sandbox", "state", "restore", "--yes"]);
    assert!(said(&again).contains("is whole"), "{}", said(&again));
}

#[test]
fn two_branches_with_a_history_are_merged_by_git_without_a_question() {
    let folder = project();
    let git = |words: &[&str]| {
        let who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        let output = Command::new("git").args(who).args(words).current_dir(folder.path()).output();
        let output = output.expect("there is git");
        assert!(output.status.success(), "git {words:?}: {}", said(&output));
    };
    Paths::new(folder.path().join("state"), "social").make_folder().expect("a folder");
    let history = folder.path().join("state/social.history.jsonl");
    let commit = |lines: &str| {
        fs_err::write(&history, lines).expect("written");
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "applied"]);
    };
    git(&["init", "-q", "-b", "main"]);
    commit("{\"serial\":1}\n");
    git(&["switch", "-q", "-c", "other"]);
    commit("{\"serial\":1}\n{\"serial\":2,\"by\":\"Ada\"}\n");
    git(&["switch", "-q", "main"]);
    commit("{\"serial\":1}\n{\"serial\":2,\"by\":\"Bob\"}\n");
    git(&["merge", "-q", "other"]);
    let merged = fs_err::read_to_string(&history).expect("there");
    let mut lines: Vec<&str> = merged.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [r#"{"serial":1}"#, r#"{"serial":2,"by":"Ada"}"#, r#"{"serial":2,"by":"Bob"}"#]);
}

#[test]
fn a_state_folder_that_cannot_be_is_explained_before_anything_is_done() {
    let folder = project();
    fs_err::write(folder.path().join("state"), "in the way").expect("written");
    let apply = run(folder.path(), &[&FAST[..], &["apply", "--yes"]].concat());
    assert_eq!(apply.status.code(), Some(1), "{}", said(&apply));
    assert!(said(&apply).contains("state/sandbox"), "{}", said(&apply));
    assert_eq!(fs_err::read_to_string(folder.path().join("state")).expect("there"), "in the way");
}

#[test]
fn an_instance_is_destroyed_without_a_valid_file() {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    for broken in ["domain = ", "[databse]\nname = 1\n"] {
        fs_err::write(folder.path().join("mastodon.toml"), broken).expect("written");
        let shown = run(folder.path(), &["--sandbox", "state", "list"]);
        assert!(shown.status.success(), "{}", said(&shown));
    }
    fs_err::remove_file(folder.path().join("mastodon.toml")).expect("removed");
    data(folder.path(), &[&FAST[..], &["destroy", "--confirm", "social", "-q"]].concat());
    let state = State::read(&state_file(folder.path())).expect("whole").expect("there");
    assert_eq!(state.rows.len(), 0);
}

/// A state file of before, as after a merge that took one side whole: the cache lives, and no row knows of it.
#[test]
fn what_is_left_over_is_named_with_its_price() {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    let fast = ["--sandbox", "--sandbox-speed", "10000"];
    let go = |words: &[&str]| run(folder.path(), &[&fast[..], words].concat());
    assert!(go(&["apply", "--yes"]).status.success());
    let path = folder.path().join("state/sandbox/social.json");
    let mut state = State::read(&path).expect("a state").expect("there");
    let cache: Address = "elasticache.replication_group.cache".parse().expect("an address");
    state.rows.remove(&cache);
    for row in state.rows.values_mut() {
        row.depends_on.remove(&cache);
    }
    state.write(&path).expect("written");
    let drift = go(&["drift", "--detailed-exitcode"]);
    let said = String::from_utf8_lossy(&drift.stdout).into_owned();
    assert_eq!(drift.status.code(), Some(3), "{said}");
    assert!(said.contains("(made as elasticache.replication_group.cache, costs about $10.51 a month)"), "{said}");
    let stays = "is in no state, made as elasticache.replication_group.cache; it stays, and ";
    for (change, cost) in [("", "costs about $10.51 a month"), ("nonsense = 1\n", "what it costs is not known")] {
        fs_err::write(folder.path().join("mastodon.toml"), format!("{change}{EXAMPLE}")).expect("written");
        // It is not told its name, so it stops at the question.
        let said = String::from_utf8_lossy(&go(&["destroy", "--confirm", "other"]).stderr).into_owned();
        assert!(said.contains(&format!("{stays}{cost}")), "{said}");
    }
}
