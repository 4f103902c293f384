//! Who may use whom: the layers of the house, read off the `use crate::` lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mastoform::address::TypeName;
use mastoform::spec::Specs;
use mastoform::spec::types::Shape;
use regex::Regex;

/// For each module, the modules it may use.
const MAY_USE: [(&str, &[&str]); 22] = [
    ("secret", &[]),
    ("file", &["inert"]),
    ("inert", &[]),
    ("alphabet", &["inert"]),
    ("address", &["inert", "alphabet"]),
    ("diagnostic", &["inert"]),
    ("value", &["secret", "address"]),
    ("document", &["diagnostic", "value"]),
    ("expr", &["value", "secret", "address", "diagnostic", "document", "inert"]),
    ("spec", &["expr", "document", "value", "address", "diagnostic", "inert"]),
    ("cost", &["spec", "expr", "value", "address", "diagnostic"]),
    ("config", &["spec", "expr", "document", "value", "address", "diagnostic"]),
    ("state", &["value", "file", "address", "diagnostic", "inert", "alphabet"]),
    ("provider", &["spec", "document", "value", "secret", "file", "address", "diagnostic", "inert"]),
    (
        "plan",
        &[
            "cost",
            "config",
            "spec",
            "state",
            "expr",
            "document",
            "provider",
            "value",
            "secret",
            "address",
            "diagnostic",
            "alphabet",
        ],
    ),
    ("refresh", &["plan", "state", "provider", "spec", "value", "address", "diagnostic"]),
    ("export", &["plan", "state", "provider", "expr", "spec", "value", "address", "diagnostic", "inert"]),
    ("apply", &["plan", "state", "provider", "expr", "spec", "value", "secret", "address", "diagnostic"]),
    (
        "session",
        &[
            "apply",
            "refresh",
            "plan",
            "cost",
            "config",
            "state",
            "provider",
            "expr",
            "spec",
            "value",
            "address",
            "diagnostic",
            "inert",
        ],
    ),
    (
        "render",
        &[
            "plan",
            "cost",
            "state",
            "config",
            "expr",
            "spec",
            "document",
            "provider",
            "value",
            "address",
            "diagnostic",
            "inert",
        ],
    ),
    (
        "ops",
        &[
            "session",
            "apply",
            "plan",
            "config",
            "state",
            "provider",
            "expr",
            "spec",
            "value",
            "address",
            "diagnostic",
            "inert",
        ],
    ),
    (
        "cli",
        &[
            "ops",
            "export",
            "session",
            "apply",
            "refresh",
            "render",
            "plan",
            "cost",
            "config",
            "state",
            "provider",
            "expr",
            "spec",
            "document",
            "value",
            "secret",
            "file",
            "address",
            "diagnostic",
            "inert",
            "alphabet",
        ],
    ),
];

fn visit(folder: &Path, module: Option<&str>, found: &mut Vec<(String, String, String)>) {
    let mut entries: Vec<_> =
        fs_err::read_dir(folder).expect("src").map(|entry| entry.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let owner = module.map_or_else(|| stem.clone(), str::to_owned);
        if path.is_dir() {
            visit(&path, Some(&owner), found);
        } else if !matches!(owner.as_str(), "lib" | "main") {
            let text = fs_err::read_to_string(&path).expect("a source file");
            // Tests may use whatever they need.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            if stem == "tests" {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                for part in line.split("crate::").skip(1) {
                    let used: String = part.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                    let comment = line.trim_start().starts_with("//");
                    if used != owner && !used.is_empty() && !comment {
                        found.push((owner.clone(), used, format!("{}:{}", path.display(), number + 1)));
                    }
                }
            }
        }
    }
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_USE.into_iter().collect();
    let mut found = Vec::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), None, &mut found);
    assert!(found.len() > 100, "the search finds nothing");
    let wrong: Vec<String> = found
        .iter()
        .filter(|(owner, used, _)| !allowed.get(owner.as_str()).is_some_and(|uses| uses.contains(&used.as_str())))
        .map(|(owner, used, place)| format!("{place}: {owner} may not use {used}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_specs_and_the_aws_provider_know_mastodon_and_aws_attributes() {
    let mut wrong = Vec::new();
    let words =
        ["LOCAL_DOMAIN", "sidekiq", "puma", "SECRET_KEY_BASE", "engine_version", "security_groups", "web_command"];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).expect("src") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "aws") {
                    folders.push(path);
                }
                continue;
            }
            let text = fs_err::read_to_string(&path).expect("a source file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
                wrong.extend(
                    words
                        .iter()
                        .filter(|word| line.contains(*word))
                        .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Exports are written from what the specs say of each type: none is known by name, neither ours nor another tool's.
#[test]
fn no_export_knows_a_type_by_name() {
    let specs = mastoform::spec::Specs::read(&[]).expect("valid specs");
    let mut names = BTreeSet::new();
    for resource_type in specs.types.values() {
        names.insert(resource_type.name.to_string());
        for tool in mastoform::spec::counterpart::Tool::ALL {
            let counterpart = resource_type.counterpart(tool);
            names.extend(counterpart.names().into_iter().map(str::to_owned));
            names.extend(counterpart.parts.keys().cloned());
        }
    }
    assert!(names.len() > 60, "{names:?}");
    let mut wrong = Vec::new();
    for (name, bytes) in crate::support::case::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export")) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
        for (number, line) in lines {
            let known = names.iter().filter(|known| line.contains(known.as_str()));
            wrong.extend(known.map(|known| format!("{}:{}: {known}", name.display(), number + 1)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// A graph is made once for what was gathered, and kept with the plan: whoever carries the plan out or draws it takes that
/// one. Those below make one each, from a file and facts of their own.
#[test]
fn a_graph_is_made_in_one_place_for_each_set_of_facts() {
    const MAKERS: [(&str, &str); 13] = [
        ("src/ops/proposal.rs", "the plan of an apply"),
        ("src/session/errand.rs", "what a task of a command is made of, over what was looked at just now"),
        ("src/session/neighbours.rs", "looks for the resources of an instance that has no state"),
        ("src/cli/cost.rs", "a file, whatever exists"),
        ("src/cli/drift.rs", "the plan that drift is read off, or that of an edited copy of the file"),
        ("src/cli/explain/mod.rs", "the file and the state as they are"),
        ("src/cli/explain/setting.rs", "a copy of the file with another setting"),
        ("src/cli/fleet/plan.rs", "a plan of one instance among others"),
        ("src/cli/graph.rs", "a drawing without a plan"),
        ("src/cli/iam_policy.rs", "a plan over nothing"),
        ("src/cli/output.rs", "the outputs as the state knows them"),
        ("src/cli/status.rs", "what probes read of the state"),
        ("src/cli/validate.rs", "a plan over nothing"),
    ];
    let call = Regex::new(r"(?:^|[^.:A-Za-z_])resolve\(|resolve::resolve\(").expect("a pattern");
    let mut found = BTreeMap::new();
    for (name, bytes) in crate::support::case::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let name = Path::new("src").join(name);
        if name.starts_with("src/provider") || name.starts_with("src/expr") || name.ends_with("tests.rs") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//") && !line.contains("fn resolve("));
        let calls = lines.filter(|line| call.is_match(line)).count();
        if calls > 0 {
            found.insert(name.display().to_string(), calls);
        }
    }
    let expected: BTreeMap<String, usize> = MAKERS.iter().map(|(name, _)| ((*name).to_owned(), 1)).collect();
    assert_eq!(found, expected, "each of these makes a graph, and no other; once");
}

/// Files are opened by `file`, which follows no link. Programs are run by `cli::git` and `cli::shell` alone.
#[test]
fn files_are_opened_and_programs_run_in_one_place() {
    let openers = [
        "fs_err::read(",
        "fs_err::read_to_string(",
        "fs_err::write(",
        "fs_err::copy(",
        "fs_err::rename(",
        "fs_err::create_dir",
        "fs_err::File::open(",
        "fs_err::File::create(",
        "OpenOptions::new",
        "NamedTempFile::new",
        "tempfile_in(",
    ];
    let runs = &["Command::new("][..];
    let allowed = [("src/file.rs", &openers[..]), ("src/cli/git.rs", runs), ("src/cli/shell.rs", runs)];
    let mut wrong = Vec::new();
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).expect("src") {
            let name = folder.join(entry.expect("entry").file_name());
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&name);
            if path.is_dir() {
                folders.push(name);
                continue;
            }
            let text = fs_err::read_to_string(&path).expect("a source file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            if path.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            for word in openers.iter().chain(&["Command::new("]).filter(|word| text.contains(*word)) {
                if !allowed.iter().any(|(file, words)| Path::new(file) == name && words.contains(word)) {
                    wrong.push(format!("{}: {word}", name.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The texts of a source file, without its tests and comments.
fn texts(source: &str) -> Vec<String> {
    let program = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = program.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n").replace("'\"'", "' '").replace("'\\\"'", "' '");
    let text = Regex::new(r##"(?s)r#"(.*?)"#|"((?:[^"\\]|\\.)*)""##).expect("valid");
    let found = text.captures_iter(&code).filter_map(|found| found.get(1).or(found.get(2)));
    found.map(|found| found.as_str().to_owned()).collect()
}

/// What a message puts into a command that people paste, unless the same file makes it a word of a shell before.
fn unquoted(source: &str) -> Vec<String> {
    let commands = "mastoform|git|aws|terraform|tofu|ls|cat|cp|mv|rm|chmod|chown|mkdir|kill|psql|docker|curl|ssh|sudo";
    let command = Regex::new(&format!(r"`(?:{commands})\b[^`]*`")).expect("valid");
    let value = Regex::new(r"\{([^{}]*)\}").expect("valid");
    let mut wrong = Vec::new();
    for text in texts(source) {
        for found in command.find_iter(&text.replace("{{", "").replace("}}", "")) {
            for placed in value.captures_iter(found.as_str()) {
                let name = placed[1].split(':').next().unwrap_or_default();
                let is_constant =
                    !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_uppercase() || letter == b'_');
                let made = [
                    format!("let {name} = shell("),
                    format!("let {name} = shell_path("),
                    // A word of this program: one of two that stand in the source.
                    format!("let {name} = if "),
                ];
                if !is_constant && (name.is_empty() || !made.iter().any(|made| source.contains(made))) {
                    wrong.push(found.as_str().to_owned());
                }
            }
        }
    }
    wrong
}

/// A name in a command of a message is one word, whatever it holds: people paste such commands.
#[test]
fn every_value_in_a_command_of_a_message_is_one_word_of_a_shell() {
    let told = |line: &str| unquoted(&format!("{line}\n#[cfg(test)]\nmod tests {{}}"));
    assert_eq!(told(r#"format!("run `git rm {path}`")"#), ["`git rm {path}`"]);
    assert_eq!(told(r#"format!("run `git rm {}`", path)"#), ["`git rm {}`"]);
    assert_eq!(told("let path = shell_path(path);\nformat!(\"run `git rm {path}`\")"), Vec::<String>::new());
    assert_eq!(told(r#"format!("`mastoform explain {LIMIT}`")"#), Vec::<String>::new());
    let mut wrong = Vec::new();
    let mut commands = 0;
    let files = crate::support::case::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (path, bytes) in files.into_iter().filter(|(path, _)| path.file_stem().is_some_and(|stem| stem != "tests")) {
        let source = String::from_utf8(bytes).expect("text");
        commands += texts(&source).iter().filter(|text| text.contains("`mastoform ")).count();
        wrong.extend(unquoted(&source).into_iter().map(|command| format!("{}: {command}", path.display())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(commands > 20, "{commands}");
}

#[test]
fn every_test_file_is_part_of_the_one_binary() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let main = fs_err::read_to_string(tests.join("main.rs")).expect("main.rs");
    for entry in fs_err::read_dir(&tests).expect("tests") {
        let path = entry.expect("entry").path();
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_module = path.join("mod.rs").exists() || (path.extension().is_some_and(|e| e == "rs") && stem != "main");
        if is_module {
            assert!(main.contains(&format!("mod {stem};")), "tests/{stem} is forgotten in tests/main.rs");
        }
    }
}

#[test]
fn links_between_our_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "benches/README.md",
        "specs/README.md",
        "state/README.md",
        "tests/plans/README.md",
    ]
    .iter()
    .map(|name| root.join(name))
    .filter(|path| path.exists())
    .collect();
    for entry in fs_err::read_dir(root.join("docs")).expect("docs") {
        pages.push(entry.expect("entry").path());
    }
    let mut broken = Vec::new();
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = fs_err::read_to_string(page).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !page.parent().expect("a folder").join(target).exists()
            {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Every operation that makes something stands in the table of its service, which says why a second request makes
/// nothing new; and every entry has its operation.
#[cfg(feature = "aws")]
#[test]
fn every_operation_that_makes_something_says_what_a_second_one_does() {
    use mastoform::provider::aws::service::SERVICES;

    const VERBS: [&str; 7] = ["Create", "Register", "Run", "Request", "Authorize", "Allocate", "Copy"];
    let mut named = BTreeSet::new();
    for (_, text) in handlers() {
        for line in text.lines().filter(|line| line.starts_with("const ") || line.contains("const OPERATION")) {
            for word in line.split('"').skip(1).step_by(2) {
                let Some((_, operation)) = word.split_once(':') else { continue };
                if VERBS.iter().any(|verb| operation.starts_with(verb)) && operation != "CreateTags" {
                    named.insert(word.to_owned());
                }
            }
        }
    }
    let of_service = |service: &&'static mastoform::provider::aws::service::Service| {
        let service = *service;
        service.makes.iter().map(move |(operation, _)| format!("{}:{operation}", service.prefix))
    };
    let is_said = |operation: &String| VERBS.iter().any(|verb| operation.contains(&format!(":{verb}")));
    let listed: BTreeSet<String> = SERVICES.iter().flat_map(of_service).filter(is_said).collect();
    assert!(named.len() > 20, "{named:?}");
    assert_eq!(named, listed);
}

/// The sources of the AWS provider without their tests, by path in its folder.
fn handlers() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws");
    let files = crate::support::case::files(&folder).into_iter().map(|(name, bytes)| {
        let text = String::from_utf8_lossy(&bytes);
        (name.display().to_string(), text.split("#[cfg(test)]").next().unwrap_or_default().to_owned())
    });
    files.collect()
}

/// AWS's defaults are data: an attribute that has one in `specs/types` has a value when its handler is called.
#[test]
fn no_handler_states_a_default_of_aws() {
    let reading = Regex::new(r#"optional_\w+\("(\w+)"\)\?\s*\.(unwrap_or|map_or)"#).expect("a pattern");
    let types = Specs::read(&[]).expect("valid specs").types;
    let (mut looked, mut wrong) = (0, Vec::new());
    for (name, text) in handlers() {
        let Some((service, kind)) = name.strip_suffix(".rs").and_then(|name| name.split_once('/')) else { continue };
        let Some(found) = types.get(&TypeName::new(service, kind)) else { continue };
        looked += 1;
        let mut filled = BTreeSet::new();
        for (name, attribute) in found.attributes.iter().filter(|(_, attribute)| attribute.has_default()) {
            filled.insert(name);
            if let Shape::Object(children) = &attribute.shape {
                filled.extend(children.keys());
            }
        }
        wrong.extend(
            reading
                .captures_iter(&text)
                .map(|captures| captures[1].to_owned())
                .filter(|attribute| filled.contains(attribute))
                .map(|attribute| format!("{name}: {attribute}")),
        );
    }
    assert!(looked > 20, "{looked}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A word like `aWS`: what is left of an abbreviation whose first letter was made small, to go on with a sentence.
fn broken_abbreviation(text: &str) -> Option<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.into_iter().find(|word| {
        let mut letters = word.chars();
        letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && word.len() > 2
            && letters.all(|letter| letter.is_ascii_uppercase())
    })
}

#[test]
fn no_text_has_a_broken_abbreviation() {
    assert_eq!(broken_abbreviation("# invalid-value: aWS would refuse"), Some("aWS"));
    assert_eq!(broken_abbreviation("an AWS region, a vCPU or 12GB"), Some("vCPU"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for folder in ["src", "specs", "docs", "tests/errors", "tests/plans", "tests/sessions"] {
        for (name, bytes) in crate::support::case::files(&root.join(folder)) {
            // A line feed that is written as `\n` joins its letter to the next word.
            let text = String::from_utf8_lossy(&bytes).replace("\\n", " ").replace("vCPU", "");
            broken.extend(broken_abbreviation(&text).map(|word| format!("{folder}/{}: {word}", name.display())));
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

/// The tests that promises name are there: each `module::name` is a function in a file of that module, or with `*` a
/// module.
#[test]
fn every_promise_names_tests_that_exist() {
    for page in ["docs/guarantees.md", "SECURITY.md"] {
        names_tests_that_exist(page);
    }
}

fn names_tests_that_exist(page: &str) {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs_err::read_to_string(root.join(page)).expect("readable");
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        for (name, bytes) in crate::support::case::files(&root.join(folder)) {
            if name.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        let (module, last) = name.rsplit_once("::").expect("a path");
        let is_there = match last {
            "*" => {
                let file = module.trim_end_matches("::tests").replace("::", "/");
                ["src", "tests"].iter().any(|folder| {
                    let path = root.join(folder).join(&file);
                    path.with_extension("rs").exists() || path.join("mod.rs").exists()
                })
            }
            function => sources.contains(&format!("fn {function}(")),
        };
        assert!(is_there, "{page} names {name}");
    }
}
