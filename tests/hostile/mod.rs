//! Files of strangers. Nothing in them moves a cursor, hides, or is a command or markup where it is shown; and whatever
//! is in them, a command ends soon and in its own way.

mod fuzz;

use std::path::Path;

use mastoform::address::Address;
use mastoform::inert::is_unseen;
use mastoform::state::{State, Status, history};
use mastoform::value::{Tree, Value};

use crate::support::case::{files, run};
use crate::support::instance::{EXAMPLE, fast_folder};

/// Something of everything that does more than to be seen.
const CANARY: &str = "kanarie\u{1b}[1A\u{1b}[2K\u{9b}2K\u{1b}]0;x\u{7}\r\n::error::owned\n  ##[error]x\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{2028}<img src=x>@org/team";

const SANDBOX: [&str; 3] = ["--sandbox", "--sandbox-speed", "10000"];

fn poison(value: &Value) -> Value {
    match value {
        Tree::Text(text) => Tree::Text(format!("{text}{CANARY}")),
        Tree::List(items) => Tree::List(items.iter().map(poison).collect()),
        Tree::Map(entries) => {
            let mut all: std::collections::BTreeMap<String, Value> =
                entries.iter().map(|(key, entry)| (key.clone(), poison(entry))).collect();
            all.insert(CANARY.to_owned(), Tree::Text(CANARY.to_owned()));
            Tree::Map(all)
        }
        other => other.clone(),
    }
}

/// Fails if a stream holds anything that a terminal or a runner of workflows would obey.
fn assert_inert(bytes: &[u8], colours: bool, what: &str) {
    let text = String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| panic!("{what}: no text"));
    let mut bare = text.clone();
    if colours {
        // Colours of ours: nothing but numbers between the bracket and the `m`.
        let parts: Vec<&str> = text.split("\u{1b}[").collect();
        let (first, rest) = parts.split_first().expect("a part");
        bare = (*first).to_owned();
        for part in rest {
            let (numbers, after) = part.split_once('m').unwrap_or_else(|| panic!("{what}: {part:?}"));
            assert!(numbers.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{what}: {numbers:?}");
            assert!(!numbers.split(';').any(|number| matches!(number, "5" | "8" | "38" | "48")), "{what}: {numbers:?}");
            bare.push_str(after);
        }
    }
    for line in bare.split('\n') {
        assert!(!line.contains(|character| is_unseen(character) && character != '\t'), "{what}: {line:?}");
        assert!(!line.trim_start().starts_with("::"), "{what}: {line:?}");
        assert!(!line.contains("##["), "{what}: {line:?}");
    }
}

/// A folder in which the example is applied, and then everything that may hold a text holds the canary.
fn poisoned() -> tempfile::TempDir {
    let folder = fast_folder();
    let file = folder.path().join("mastodon.toml");
    fs_err::write(&file, EXAMPLE).expect("written");
    let plan = run(folder.path(), &[&SANDBOX[..], &["plan", "--out", "first.plan"]].concat());
    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    let applied = run(folder.path(), &[&SANDBOX[..], &["apply", "--yes"]].concat());
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));

    let path = folder.path().join("state/sandbox/social.json");
    let mut state = State::read(&path).expect("a state").expect("there");
    for (number, row) in state.rows.values_mut().enumerate() {
        row.inputs = poison(&row.inputs);
        row.facts = poison(&row.facts);
        row.problem = Some(CANARY.to_owned());
        if number % 7 == 0 {
            row.status = Status::Failed;
        }
    }
    let first = state.rows.values().next().cloned().expect("a row");
    let odd = Address::new(
        "logs.log_group.x".parse::<Address>().expect("an address").type_name,
        "x",
        Some(CANARY.to_owned()),
    );
    state.rows.insert(odd, mastoform::state::Row { identity: Some(mastoform::address::Identity::new("odd")), ..first });
    state.settings = poison(&state.settings);
    state.lookups = state.lookups.iter().map(|(address, value)| (address.clone(), poison(value))).collect();
    state.write(&path).expect("written");

    let paths = mastoform::state::Paths::new(folder.path().join("state/sandbox"), "social");
    let entry = history::Entry {
        format: history::FORMAT,
        when: CANARY.to_owned(),
        who: Some(CANARY.to_owned()),
        command: CANARY.to_owned(),
        outcome: CANARY.to_owned(),
        seconds: u64::MAX,
        expected_seconds: u64::MAX,
        durations: [("rds.cluster".to_owned(), [("create".to_owned(), u64::MAX), (CANARY.to_owned(), 1)].into())]
            .into(),
        ..history::Entry::default()
    };
    history::append(&paths, &entry).expect("added");

    let quoted = serde_json::to_string(CANARY).expect("JSON").replace("\u{7f}", "");
    let quoted: String = quoted
        .chars()
        .map(
            |character| {
                if is_unseen(character) { format!("\\U{:08x}", u32::from(character)) } else { character.to_string() }
            },
        )
        .collect();
    let text = format!(
        "{EXAMPLE}\n[extra_env]\nX = {quoted}\n[patch.\"ssm.parameter.{}\"]\ndescription = {quoted}\n",
        first_parameter(&state)
    );
    fs_err::write(&file, text).expect("written");
    folder
}

fn first_parameter(state: &State) -> String {
    let address = state.rows.keys().find(|address| address.to_string().starts_with("ssm.parameter.")).expect("one");
    address.name.clone()
}

#[test]
fn no_read_command_says_anything_that_is_obeyed() {
    let folder = poisoned();
    let state = State::read(&folder.path().join("state/sandbox/social.json")).expect("a state").expect("there");
    let some: Vec<String> = state.rows.keys().step_by(9).map(ToString::to_string).collect();
    let odd = state.rows.keys().find(|address| address.key.as_deref() == Some(CANARY)).expect("there").to_string();
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["validate"],
        vec!["plan"],
        vec!["plan", "-v"],
        vec!["plan", "--json"],
        vec!["plan", "--markdown"],
        vec!["plan", "--offline"],
        vec!["plan", "--html", "plan.html"],
        vec!["plan", "--out", "second.plan"],
        vec!["show", "second.plan"],
        vec!["show", "second.plan", "--json"],
        vec!["show", "second.plan", "--markdown"],
        vec!["show", "second.plan", "--html", "shown.html"],
        vec!["drift"],
        vec!["drift", "--json"],
        vec!["status"],
        vec!["status", "--json"],
        vec!["state", "list"],
        vec!["state", "list", "--json"],
        vec!["state", "show", CANARY_ADDRESS],
        vec!["state", "show", &odd],
        vec!["graph"],
        vec!["graph", "--format", "dot"],
        vec!["graph", "--format", "svg"],
        vec!["graph", "--plan"],
        vec!["output"],
        vec!["output", "--json"],
        vec!["explain", CANARY],
        vec!["output", CANARY],
        vec!["show", CANARY],
        vec!["--file", CANARY, "plan"],
    ];
    for address in &some {
        commands.push(vec!["state", "show", address]);
        commands.push(vec!["state", "show", address, "--json"]);
    }
    let mut seen = 0;
    for words in &commands {
        for colours in ["always", "never"] {
            let output = run(folder.path(), &[&SANDBOX[..], &["--color", colours], words].concat());
            assert!(output.status.code().is_some(), "{words:?} was killed");
            for stream in [&output.stdout, &output.stderr] {
                assert_inert(stream, colours == "always", &format!("{words:?}"));
                seen += usize::from(String::from_utf8_lossy(stream).contains("kanarie"));
            }
            if words.contains(&"--out") && colours == "always" {
                // Another run writes it again, and overwrites nothing.
                let _ = fs_err::remove_file(folder.path().join("second.plan"));
            }
            if words.contains(&"plan.html") || words.contains(&"shown.html") {
                let page = folder.path().join(words.last().expect("a name"));
                if page.exists() {
                    let text = fs_err::read_to_string(&page).expect("a page");
                    assert!(
                        !text.contains(|character| is_unseen(character) && !matches!(character, '\n' | '\t')),
                        "{words:?}"
                    );
                    assert!(!text.contains("<img src=x>"), "{words:?}");
                }
            }
        }
    }
    assert!(seen > 20, "the canary is nowhere to be seen: {seen}");
}

/// An export holds what the state holds, and whoever opens its files sees all of it.
#[test]
fn no_exported_file_holds_what_is_unseen() {
    let folder = poisoned();
    let path = folder.path().join("state/sandbox/social.json");
    let mut state = State::read(&path).expect("a state").expect("there");
    for row in state.rows.values_mut() {
        row.status = Status::Ready;
    }
    state.write(&path).expect("written");
    for tool in ["cloudformation", "terraform"] {
        let words = ["export", tool, tool, "--offline"];
        let output = run(folder.path(), &[&SANDBOX[..], &words].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_inert(&output.stdout, false, &format!("{words:?}"));
        let mut seen = 0;
        for (name, bytes) in files(&folder.path().join(words[2])) {
            let text = String::from_utf8(bytes).expect("text");
            let unseen = text.chars().find(|character| is_unseen(*character) && *character != '\n');
            assert_eq!(unseen, None, "{}", name.display());
            assert!(!name.ends_with("README.md") || !text.contains("<img"), "{}", name.display());
            seen += usize::from(text.contains("kanarie"));
        }
        assert!(seen >= 1, "the canary is nowhere to be seen: {seen}");
    }
}

const CANARY_ADDRESS: &str = "rds.cluster.database";

/// A file that would never be read to its end, or use up the memory or the stack. A command says what is wrong.
#[test]
fn no_file_keeps_a_command_busy() {
    let head = EXAMPLE;
    let patch = |value: &str| format!("{head}\n[patch.\"iam.role.tasks\".policies]\nx = \"{value}\"\n");
    let thirty = vec!["1"; 30].join(",");
    let six = (0..6).fold("1".to_owned(), |inner, depth| format!("[{thirty}].map(x{depth}, {inner})"));
    let doubled = (0..26).fold("'abcdefgh'".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
    let terms = vec!["'a'"; 20_000].join(" + ");
    let parentheses = |depth: usize| patch(&format!("${{{}1{}}}", "(".repeat(depth), ")".repeat(depth)));
    let keys = |count: usize| format!("{}{head}", (0..count).map(|key| format!("k{key} = 1\n")).collect::<String>());
    let patches = |count: usize, value: &str| {
        let lines: String = (0..count).map(|key| format!("t{key} = \"{value}\"\n")).collect();
        format!("{head}\n[patch.\"iam.role.tasks\".policies]\n{lines}")
    };
    let hostile: Vec<(&str, String)> = vec![
        ("six loops in each other", patch(&format!("${{{six}}}"))),
        ("a value doubled 26 times", patch(&format!("${{{doubled}}}"))),
        ("20,000 terms", patch(&format!("${{{terms}}}"))),
        ("100 parentheses", parentheses(100)),
        ("10,000 parentheses", parentheses(10_000)),
        ("30,000 unknown keys", keys(30_000)),
        (
            "30,000 unknown attributes",
            patches(0, "")
                + &format!(
                    "[patch.\"rds.cluster.database\"]\n{}",
                    (0..30_000).map(|key| format!("k{key} = 1\n")).collect::<String>()
                ),
        ),
        (
            "10,000 unknown patches",
            format!("{head}\n{}", (0..10_000).map(|key| format!("[patch.\"a.b.c{key}\"]\n")).collect::<String>()),
        ),
        ("5,000 expressions", patches(5_000, "${config.name + 'x'}")),
        ("5,000 loops", patches(1_500, "${[1,2,3].map(a, a)[0]}")),
        ("10,000 lists in each other", format!("x = {}{}\n{head}", "[".repeat(10_000), "]".repeat(10_000))),
        ("10,000 tables in each other", format!("{} = 1\n{head}", vec!["a"; 10_000].join("."))),
        ("a line of a megabyte", format!("x = \"{}\"\n{head}", "y".repeat(1_000_000))),
        ("a key of a megabyte", format!("{} = 1\n{head}", "y".repeat(1_000_000))),
        ("a string of openings", patch(&"${".repeat(100_000))),
        ("a string of expressions", patch(&"${config.name}".repeat(50_000))),
        ("a hundred thousand mistakes", "= =\n".repeat(100_000)),
    ];
    for (what, text) in hostile {
        let folder = fast_folder();
        fs_err::write(folder.path().join("mastodon.toml"), text).expect("written");
        for words in [&["validate"][..], &["plan", "--offline"]] {
            let output = run(folder.path(), words);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let code = output.status.code();
            let fits = code == Some(1) || what.starts_with("5,000") && code == Some(0) || what.contains("expressions");
            assert!(fits && code.is_some(), "{what}, {words:?}: {:?} {said:.2000}", output.status);
            assert!(said.len() < 200_000, "{what}, {words:?}: {} bytes are said", said.len());
            assert!(!Path::new(folder.path()).join("core").exists());
        }
    }
}

/// A short overlay can mean very much: patterns that are compiled to megabytes, tables that multiply.
#[test]
fn no_overlay_keeps_a_command_busy() {
    let input = |number: usize, pattern: &str| {
        format!("[input.x{number}]\ntype = \"string\"\ndefault = \"a\"\npattern = '{pattern}'\ndoc = \"X.\"\n")
    };
    let block = |number: usize| {
        format!(
            "[ssm.parameter.x{number}]\neach = \"${{config.extra_env}}\"\nname = \"/social/x{number}/${{each.key}}\"\n\
             value = \"a\"\n"
        )
    };
    let entries: String = (0..300).map(|number| format!("K{number} = \"a\"\n")).collect();
    let table = format!("{EXAMPLE}\n[extra_env]\n{entries}");
    let choice = |number: usize| format!("[choice.x{number}]\nset = {{ \"task.spot\" = false }}\ndoc = \"X.\"\n");
    let hostile: [(&str, &str, String); 6] = [
        ("a set repeated", EXAMPLE, (0..100).map(|number| input(number, "^[^a]{1,90}[^b]{3,9000}$")).collect()),
        ("repetitions in each other", EXAMPLE, input(0, "((a{0,1000}){0,1000}){0,1000}")),
        ("many patterns", EXAMPLE, (0..5_000).map(|number| input(number, "^[a-z]{1,500}$")).collect()),
        ("tables that multiply", &table, (0..1_000).map(block).collect()),
        ("many choices", EXAMPLE, (0..10_000).map(choice).collect()),
        ("many values", EXAMPLE, format!("[local]\nx = [{}]\n", "0,".repeat(400_000))),
    ];
    for (what, file, overlay) in hostile {
        let folder = fast_folder();
        fs_err::write(folder.path().join("mastodon.toml"), file).expect("written");
        fs_err::create_dir(folder.path().join("own")).expect("made");
        fs_err::write(folder.path().join("own/own.toml"), overlay).expect("written");
        let output = run(folder.path(), &["plan", "--offline", "--specs", "own"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}: {said:.2000}");
        assert!(said.contains("error[expression-limit]") && said.contains("own/own.toml:"), "{what}: {said:.2000}");
    }
}

/// A serial has a successor, a duration an end.
#[test]
fn no_number_of_a_state_overflows() {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    let applied = run(folder.path(), &[&SANDBOX[..], &["apply", "--yes"]].concat());
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let path = folder.path().join("state/sandbox/social.json");
    let mut state = State::read(&path).expect("a state").expect("there");
    state.serial = mastoform::alphabet::LAST_SERIAL;
    state.write(&path).expect("the last serial is one");
    state.serial = u64::MAX;
    fs_err::write(&path, state.text()).expect("written");
    let plan = run(folder.path(), &[&SANDBOX[..], &["plan"]].concat());
    let said = String::from_utf8_lossy(&plan.stderr).into_owned();
    assert_eq!(plan.status.code(), Some(1), "{said}");
    assert!(said.contains("social.json:4") && said.contains("serial 18446744073709551615"), "{said}");
}
