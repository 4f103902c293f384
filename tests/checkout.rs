//! A checkout that somebody has prepared: links, special files, tracked journals, repositories inside of repositories;
//! and what is lost or renamed by accident.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use fs_err::os::unix::fs::symlink;

use crate::support::case::{data, program, run};
use crate::support::instance::{EXAMPLE, fast_folder};

const FAST: [&str; 3] = ["--sandbox", "--sandbox-speed", "10000"];
/// Something that must neither be shown nor overwritten.
const CANARY: &str = "aws_secret_access_key = canary-that-must-not-sing";

/// A folder with the example.
fn project() -> tempfile::TempDir {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    folder
}

/// The same, applied.
fn applied() -> tempfile::TempDir {
    let folder = project();
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    folder
}

fn state(folder: &Path, extension: &str) -> PathBuf {
    folder.join("state/sandbox").join(format!("social.{extension}"))
}

fn all_said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What the program says, if it comes to its end.
fn run_to_the_end(folder: &Path, words: &[&str]) -> Output {
    let (out, err) = (folder.join(".stdout"), folder.join(".stderr"));
    let stream = |path: &Path| Stdio::from(fs_err::File::create(path).expect("made").into_parts().0);
    let mut command = program(folder, words);
    let mut child = command.stdin(Stdio::null()).stdout(stream(&out)).stderr(stream(&err)).spawn().expect("it starts");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().expect("killed");
            panic!("{words:?} does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let take = |path: &Path| {
        let bytes = fs_err::read(path).expect("there");
        fs_err::remove_file(path).expect("removed");
        bytes
    };
    Output { status, stdout: take(&out), stderr: take(&err) }
}

/// The program refuses a file, and shows nothing of it.
#[track_caller]
fn refused(folder: &Path, words: &[&str], because: &str) {
    let output = run_to_the_end(folder, words);
    let said = all_said(&output);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    assert!(said.contains(because) && said.contains("error[file-refused]"), "{words:?}: {said}");
    assert!(!said.contains("canary") && !said.contains("aws_secret"), "{words:?}: {said}");
}

#[test]
fn no_file_is_read_through_a_link_or_from_a_pipe() {
    let folder = applied();
    let folder = folder.path();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (secret, pipe) = (elsewhere.path().join("credentials"), elsewhere.path().join("pipe"));
    fs_err::write(&secret, CANARY).expect("written");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("made");
    fs_err::create_dir_all(folder.join("overlay/types")).expect("made");
    let sandbox = |words: &[&'static str]| -> Vec<&'static str> { [&FAST[..], words].concat() };
    let readers: [(&str, &[&[&str]]); 10] = [
        (
            "mastodon.toml",
            &[
                &["validate"],
                &["plan"],
                &["drift"],
                &["apply", "--yes"],
                &["explain", "domain"],
                &["status"],
                &["output", "dns"],
                &["cost"],
                &["graph"],
                &["iam-policy"],
                &["run", "--", "true"],
                &["shell"],
                &["psql"],
                &["console"],
            ],
        ),
        ("overlay/more.toml", &[&["validate", "--specs", "overlay"]]),
        ("overlay/types/more.toml", &[&["validate", "--specs", "overlay"]]),
        (
            "state/sandbox/social.json",
            &[
                &["plan"],
                &["plan", "--offline"],
                &["drift"],
                &["output"],
                &["output", "dns"],
                &["status"],
                &["state", "list"],
                &["state", "hand-over"],
                &["export", "terraform", "export"],
                &["run", "--", "true"],
                &["psql"],
            ],
        ),
        (
            "state/sandbox/social.journal",
            &[
                &["plan"],
                &["drift"],
                &["apply", "--yes"],
                &["state", "list"],
                &["state", "hand-over"],
                &["export", "cloudformation", "export"],
                &["status"],
            ],
        ),
        (
            "state/sandbox/social.lock",
            &[&["plan"], &["drift"], &["apply", "--yes"], &["destroy", "--confirm", "social"]],
        ),
        ("state/sandbox/social.history.jsonl", &[&["plan"], &["apply", "--yes"]]),
        ("state/sandbox/_cloud.json", &[&["plan"], &["drift"], &["status"], &["export", "terraform", "export"]]),
        ("change.plan", &[&["show", "change.plan"], &["apply", "change.plan", "--yes"]]),
        ("state/sandbox/social.lock", &[&["state", "restore", "social"]]),
    ];
    for (name, commands) in readers {
        let path = folder.join(name);
        let before = fs_err::read(&path).ok();
        for target in [secret.as_path(), &pipe, Path::new("/dev/zero"), Path::new("/nowhere")] {
            fs_err::remove_file(&path).ok();
            symlink(target, &path).expect("linked");
            // What holds for one target holds for the others; some are tried with all of them.
            let all = target == secret;
            for words in commands.iter().take(if all { commands.len() } else { 4 }) {
                refused(folder, &sandbox(words), "is a symbolic link, and links are not followed");
            }
        }
        fs_err::remove_file(&path).expect("removed");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("made");
        for words in commands.iter().take(4) {
            refused(folder, &sandbox(words), "is not a regular file");
        }
        fs_err::remove_file(&path).expect("removed");
        if let Some(before) = before {
            fs_err::write(&path, before).expect("written");
        }
    }
    assert_eq!(fs_err::read_to_string(&secret).expect("there"), CANARY, "and nothing was written into it");
    assert!(!folder.join("export").exists());
    let large = format!("{EXAMPLE}\n# {}\n", "x".repeat(1 << 20));
    fs_err::write(folder.join("mastodon.toml"), large).expect("written");
    refused(folder, &["validate"], "mastodon.toml is larger than 1 MiB");
}

#[test]
fn a_fleet_is_not_read_through_links_either() {
    let folder = project();
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs_err::write(elsewhere.path().join("secret.toml"), CANARY).expect("written");
    symlink(elsewhere.path().join("secret.toml"), folder.path().join("other.toml")).expect("linked");
    let output = run(folder.path(), &["validate", "-f", "."]);
    let said = all_said(&output);
    assert!(said.contains("other.toml is a symbolic link") && !said.contains("canary"), "{said}");
    fs_err::create_dir(folder.path().join("instances")).expect("made");
    symlink(elsewhere.path(), folder.path().join("instances/eu")).expect("linked");
    let output = run(folder.path(), &["validate", "-f", "instances/*/*.toml"]);
    let said = all_said(&output);
    assert!(said.contains("instances/eu leads out of instances") && !said.contains("canary"), "{said}");
}

/// A link in the place of a file that a command writes: the command may refuse or go on, but not through the link.
#[test]
fn no_file_is_written_through_a_link() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let victim = elsewhere.path().join("precious");
    let untouched = |what: &str| {
        assert_eq!(fs_err::read_to_string(&victim).expect("there"), CANARY, "{what}");
        assert_eq!(fs_err::read_dir(elsewhere.path()).expect("there").count(), 1, "{what}");
    };
    fs_err::write(&victim, CANARY).expect("written");
    let folder = applied();
    let folder = folder.path();
    fs_err::write(folder.join("mastodon.toml"), EXAMPLE.replace("max_capacity = 1", "max_capacity = 4"))
        .expect("written");
    let names = ["json", "json.backup", "journal", "lock", "history.jsonl"].map(|extension| state(folder, extension));
    let others = [".gitignore", ".gitattributes", "_cloud.json"].map(|name| folder.join("state/sandbox").join(name));
    for path in names.iter().chain(&others) {
        let before = fs_err::read(path).ok();
        for target in [victim.clone(), elsewhere.path().join("new")] {
            fs_err::remove_file(path).ok();
            symlink(&target, path).expect("linked");
            for words in [&["apply", "--yes"][..], &["destroy", "--confirm", "social"], &["state", "restore", "--yes"]]
            {
                let output = run_to_the_end(folder, &[&FAST[..], words].concat());
                untouched(&format!("{} with {words:?}", path.display()));
                let is_ignored = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".git"));
                if !is_ignored && words[0] == "apply" {
                    assert_eq!(output.status.code(), Some(1), "{}: {}", path.display(), all_said(&output));
                }
                if is_ignored {
                    break;
                }
            }
            fs_err::remove_file(path).expect("still a link");
        }
        if let Some(before) = before {
            fs_err::write(path, before).expect("written");
        }
    }
    // What `state restore` keeps of a damaged file.
    fs_err::copy(state(folder, "json"), state(folder, "json.backup")).expect("copied");
    fs_err::write(state(folder, "json"), "{").expect("written");
    symlink(&victim, state(folder, "json.broken")).expect("linked");
    refused(folder, &[&FAST[..], &["state", "restore", "--yes"]].concat(), "json.broken is a symbolic link");
    untouched("state restore");
    // What the command line names.
    fs_err::remove_file(state(folder, "json.broken")).expect("removed");
    data(folder, &[&FAST[..], &["state", "restore", "--yes"]].concat());
    symlink(&victim, folder.join("link")).expect("linked");
    for option in ["--html", "--out", "--trace"] {
        refused(folder, &[&FAST[..], &["plan", option, "link"]].concat(), "link is a symbolic link");
        untouched(option);
    }
    assert_eq!(run(folder, &["init", "social.example.org", "-f", "link"]).status.code(), Some(1));
    untouched("init");
}

#[test]
fn a_folder_that_leads_out_of_the_project_is_refused() {
    for name in ["state", "state/sandbox"] {
        let (folder, elsewhere) = (project(), tempfile::tempdir().expect("a folder"));
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        symlink(elsewhere.path(), &path).expect("linked");
        for words in [&["plan"][..], &["apply", "--yes"], &["state", "list"], &["state", "restore", "social"]] {
            refused(folder.path(), &[&FAST[..], words].concat(), &format!("{name} leads out of "));
        }
        assert_eq!(fs_err::read_dir(elsewhere.path()).expect("there").count(), 0, "{name}");
    }
    // Within the project links are kept, and whoever names another folder means it.
    let (folder, elsewhere) = (project(), tempfile::tempdir().expect("a folder"));
    fs_err::create_dir(folder.path().join("real")).expect("made");
    symlink("real", folder.path().join("state")).expect("linked");
    data(folder.path(), &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    assert!(folder.path().join("real/sandbox/social.json").exists());
    let elsewhere_named = elsewhere.path().to_string_lossy().into_owned();
    data(folder.path(), &[&FAST[..], &["--state-dir", &elsewhere_named, "apply", "--yes", "-q"]].concat());
    assert!(elsewhere.path().join("sandbox/social.json").exists());
    // An overlay is named, its folder of types is not.
    fs_err::create_dir(folder.path().join("overlay")).expect("made");
    symlink(elsewhere.path(), folder.path().join("overlay/types")).expect("linked");
    refused(folder.path(), &["validate", "--specs", "overlay"], "overlay/types leads out of overlay");
}

/// Whoever plans a pull request names the same folders every time, and a branch can make links of them.
#[test]
fn a_folder_that_the_command_line_names_leads_nowhere_else_either() {
    let (folder, elsewhere) = (applied(), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    let text = format!("{CANARY}\n{EXAMPLE}");
    for name in ["credentials.toml", "mastodon.toml", "a.plan"] {
        fs_err::write(elsewhere.path().join(name), &text).expect("written");
    }
    fs_err::create_dir(elsewhere.path().join("sandbox")).expect("made");
    fs_err::write(elsewhere.path().join("sandbox/social.json"), CANARY).expect("written");
    let before = crate::support::case::files(elsewhere.path());
    symlink(elsewhere.path(), folder.join("ops")).expect("linked");
    let whole = folder.canonicalize().expect("there").join("ops/page.html").to_string_lossy().into_owned();
    let named: [&[&str]; 18] = [
        &["validate", "--specs", "ops"],
        &["validate", "-f", "ops"],
        &["validate", "-f", "ops/*.toml"],
        &["validate", "-f", "ops/mastodon.toml"],
        &["explain", "domain", "-f", "ops/mastodon.toml"],
        &["plan", "--state-dir", "ops"],
        &["apply", "--yes", "--state-dir", "ops"],
        &["state", "list", "--state-dir", "ops"],
        &["state", "restore", "social", "--yes", "--state-dir", "ops"],
        &["show", "ops/a.plan"],
        &["apply", "ops/a.plan", "--yes"],
        &["plan", "--html", "ops/page.html"],
        &["plan", "--html", &whole],
        &["plan", "--out", "./ops/new.plan"],
        &["plan", "--trace", "ops/trace.jsonl"],
        &["export", "terraform", "ops"],
        &["export", "cloudformation", "ops/deeper"],
        &["init", "other.example.org", "-f", "ops/new.toml"],
    ];
    for words in named {
        refused(folder, &[&FAST[..], words].concat(), "leads out of ");
        assert_eq!(crate::support::case::files(elsewhere.path()), before, "{words:?}");
    }
    assert!(!elsewhere.path().join("deeper").exists());
    // The place itself may be named.
    let page = elsewhere.path().join("page.html").to_string_lossy().into_owned();
    data(folder, &[&FAST[..], &["plan", "--html", &page]].concat());
}

/// What only reads and what only runs a task leaves every file of the project as it is.
#[test]
fn commands_write_nothing_but_what_they_name() {
    let folder = applied();
    let folder = folder.path();
    // The simulated cloud is what stands for AWS.
    let there = || -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        crate::support::case::files(folder).into_iter().filter(|(name, _)| !name.ends_with("_cloud.json")).collect()
    };
    let before = there();
    for words in [
        &["validate"][..],
        &["plan"],
        &["plan", "--offline"],
        &["drift"],
        &["status"],
        &["output"],
        &["output", "dns"],
        &["output", "dns", "--zone"],
        &["cost"],
        &["graph"],
        &["explain", "domain"],
        &["iam-policy"],
        &["schema"],
        &["state", "list"],
        &["state", "show", "rds.cluster.database"],
        &["shell"],
        &["psql"],
        &["console"],
        &["run", "--", "true"],
    ] {
        run(folder, &[&FAST[..], words].concat());
        assert_eq!(there(), before, "{words:?}");
    }
    data(folder, &[&FAST[..], &["export", "terraform", "export"]].concat());
    let mut now = there();
    now.retain(|name, _| !name.starts_with("export"));
    assert_eq!(now, before);
}

#[test]
fn pages_plans_and_traces_replace_nothing_but_their_own_kind() {
    let folder = applied();
    let folder = folder.path();
    let private =
        |name: &str| fs_err::metadata(folder.join(name)).expect("there").permissions().mode() & 0o777 == 0o600;
    let kinds = [
        ("--html", "page.html", "a page of a plan"),
        ("--out", "a.plan", "a saved plan"),
        ("--trace", "a.jsonl", "a trace of calls"),
    ];
    for (option, name, kind) in kinds {
        for foreign in
            ["mastodon.toml", "state/sandbox/social.json"].into_iter().chain(kinds.iter().map(|other| other.1))
        {
            if foreign == name || !folder.join(foreign).exists() {
                continue;
            }
            let before = fs_err::read(folder.join(foreign)).expect("there");
            let output = run(folder, &[&FAST[..], &["plan", option, foreign]].concat());
            let said = all_said(&output);
            assert_eq!(output.status.code(), Some(1), "{option} {foreign}: {said}");
            assert!(said.contains(&format!("{foreign} exists and is not {kind}")), "{said}");
            assert!(said.contains(&format!("choose another name with {option}")), "{said}");
            assert_eq!(fs_err::read(folder.join(foreign)).expect("there"), before, "{option} {foreign}");
        }
        for _ in 0..2 {
            data(folder, &[&FAST[..], &["plan", option, name]].concat());
            assert!(private(name), "{name}");
        }
    }
    assert!(data(folder, &["show", "a.plan", "--html", "page.html"]).contains("Nothing to do"));
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(words).current_dir(folder);
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("there is git");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

#[test]
fn a_journal_a_lock_and_a_backup_that_git_tracks_are_refused_before_they_are_read() {
    let folder = applied();
    let folder = folder.path();
    git(folder, &["init", "-q"]);
    git(folder, &["add", "-f", "state/sandbox/social.json"]);
    data(folder, &[&FAST[..], &["plan", "--offline"]].concat());
    for extension in ["journal", "lock", "json.backup"] {
        let path = state(folder, extension);
        let before = fs_err::read(&path).ok();
        fs_err::write(&path, CANARY).expect("written");
        let name = format!("state/sandbox/social.{extension}");
        git(folder, &["add", "-f", &name]);
        for words in [
            &["validate"][..],
            &["plan"],
            &["plan", "--offline"],
            &["apply", "--yes"],
            &["destroy", "--confirm", "social"],
            &["drift"],
            &["status"],
            &["output"],
            &["state", "list"],
            &["state", "hand-over"],
            &["export", "terraform", "export"],
            &["run", "--", "true"],
            &["psql"],
            &["state", "restore", "--yes"],
        ] {
            let output = run(folder, &[&FAST[..], words].concat());
            let said = all_said(&output);
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            let expected = format!("error[state-tracked]: git tracks {name}, which belongs to one machine only");
            assert!(said.contains(&expected) && said.contains("git rm --cached"), "{words:?}: {said}");
        }
        assert_eq!(fs_err::read_to_string(&path).expect("there"), CANARY);
        git(folder, &["rm", "-q", "--cached", &name]);
        fs_err::remove_file(&path).expect("removed");
        if let Some(before) = before {
            fs_err::write(&path, before).expect("written");
        }
    }
    data(folder, &[&FAST[..], &["plan"]].concat());
    let index = folder.join(".git/index");
    fs_err::write(&index, "DIRC").expect("written");
    let said = all_said(&run(folder, &[&FAST[..], &["plan"]].concat()));
    assert!(said.contains("cannot find out whether git tracks state/sandbox/social.lock"), "{said}");
}

/// A program that leaves a mark when it is run.
struct Canary {
    folder: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let canary = Self { folder };
        let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", canary.mark().display());
        let hooks = ["post-index-change", "reference-transaction", "post-checkout", "pre-commit", "fsmonitor-watchman"];
        for name in ["program", "git-remote-canary", "git-log"].iter().chain(&hooks) {
            let path = canary.folder.path().join(name);
            fs_err::write(&path, &script).expect("written");
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        }
        canary
    }

    fn mark(&self) -> PathBuf {
        self.folder.path().join("sung")
    }

    fn program(&self) -> String {
        self.folder.path().join("program").display().to_string()
    }

    /// Configuration that names the program wherever git would run one.
    fn configuration(&self) -> String {
        let (program, folder) = (self.program(), self.folder.path().display().to_string());
        let pagers: String =
            ["log", "show", "config", "rev-list", "cat-file"].map(|name| format!("\t{name} = {program}\n")).concat();
        let aliases: String =
            ["log", "show", "config", "rev-list", "cat-file"].map(|name| format!("\t{name} = !{program}\n")).concat();
        format!(
            "[core]\n\tfsmonitor = {program}\n\thooksPath = {folder}\n\tpager = {program}\n\tsshCommand = {program}\n\
             \teditor = {program}\n\taskPass = {program}\n\tgitProxy = {program}\n\talternateRefsCommand = {program}\n\
             [pager]\n{pagers}[alias]\n{aliases}\
             [log]\n\tshowSignature = true\n[gpg]\n\tprogram = {program}\n[gpg \"ssh\"]\n\tprogram = {program}\n\
             [diff]\n\texternal = {program}\n[diff \"canary\"]\n\ttextconv = {program}\n\tcommand = {program}\n\
             [filter \"canary\"]\n\tsmudge = {program}\n\tclean = {program}\n\tprocess = {program}\n\
             [credential]\n\thelper = !{program}\n[uploadpack]\n\tpackObjectsHook = {program}\n\
             [protocol]\n\tallow = always\n[protocol \"ext\"]\n\tallow = always\n\
             [remote \"origin\"]\n\turl = ext::{program}\n\tpromisor = true\n\tuploadpack = {program}\n\
             [trace2]\n\teventTarget = {folder}/sung\n"
        )
    }

    #[track_caller]
    fn must_be_silent(&self, what: &str) {
        let sung = fs_err::read_to_string(self.mark()).unwrap_or_default();
        assert!(sung.is_empty(), "{what} has run: {sung}");
    }

    /// What the program does on a real machine: with git, and with the hostile folder in reach.
    fn run(&self, folder: &Path, words: &[&str]) -> Output {
        let path = std::env::join_paths(
            std::env::split_paths(&path()).chain([PathBuf::from("."), PathBuf::from("state/sandbox")]),
        );
        let mut command = program(folder, &[&FAST[..], words].concat());
        command.env("PATH", path.expect("a search path")).env("HOME", self.folder.path());
        command.stdin(Stdio::null()).output().expect("it starts")
    }
}

#[expect(clippy::disallowed_methods, reason = "git is looked for where the tests were started")]
fn path() -> String {
    std::env::var("PATH").expect("a search path")
}

/// Adds a signed commit to the repository in `git_dir`, whose tree has the file as `name`.
fn commit_signed(git_dir: &Path, name: &str, content: &Path) {
    let git_dir_option = format!("--git-dir={}", git_dir.display());
    let here = content.parent().expect("a folder");
    let blob = git(here, &[&git_dir_option, "hash-object", "-w", "--no-filters", &content.display().to_string()]);
    let feed = |words: &[&str], text: &str| -> String {
        use std::io::Write;
        let mut command = Command::new("git");
        command.arg(&git_dir_option).args(words).current_dir(here).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("there is git");
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("fed");
        String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text").trim_end().to_owned()
    };
    let mut entry = format!("100644 blob {blob}\t{}\n", name.rsplit('/').next().expect("a name"));
    let mut tree = feed(&["mktree"], &entry);
    for folder in name.rsplit('/').skip(1) {
        entry = format!("040000 tree {tree}\t{folder}\n");
        tree = feed(&["mktree"], &entry);
    }
    let person = "Ada <ada@example.org> 1700000000 +0000";
    let signed = format!(
        "tree {tree}\nauthor {person}\ncommitter {person}\n\
         gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nstate\n"
    );
    let commit = feed(&["hash-object", "-t", "commit", "-w", "--stdin"], &signed);
    git(here, &[&git_dir_option, "update-ref", "refs/heads/main", &commit]);
}

#[test]
fn a_repository_runs_nothing_when_a_state_is_restored_or_applied() {
    let canary = Canary::new();
    let folder = applied();
    let folder = folder.path();
    let whole = fs_err::read(state(folder, "json")).expect("a state");
    let sandbox = folder.join("state/sandbox");
    git(folder, &["init", "-q", "-b", "main"]);
    commit_signed(&folder.join(".git"), "state/sandbox/social.json", &state(folder, "json"));
    fs_err::write(folder.join(".gitattributes"), "* diff=canary filter=canary\n").expect("written");
    fs_err::write(sandbox.join(".gitattributes"), "* diff=canary filter=canary\n").expect("written");
    fs_err::copy(canary.folder.path().join("program"), folder.join("git")).expect("copied");
    fs_err::copy(canary.folder.path().join("program"), sandbox.join("git")).expect("copied");

    // The configuration of the checkout itself, as in an archive that was unpacked.
    let own = folder.join(".git/config");
    let honest = fs_err::read_to_string(&own).expect("there");
    fs_err::write(&own, format!("{honest}{}", canary.configuration())).expect("written");
    let mut bait = Command::new("git");
    bait.args(["log", "-1"]).current_dir(&sandbox).output().expect("there is git");
    assert!(canary.mark().exists(), "a careless git would run it");
    fs_err::remove_file(canary.mark()).expect("removed");
    let restore = |expected: &str| {
        fs_err::remove_file(state(folder, "json.backup")).ok();
        fs_err::write(state(folder, "json"), "{").expect("written");
        let output = canary.run(folder, &["state", "restore", "social", "--yes"]);
        let said = all_said(&output);
        canary.must_be_silent("state restore");
        assert!(said.contains(expected), "{said}");
    };
    let edit = |capacity: &str| {
        let text = EXAMPLE.replace("max_capacity = 1", &format!("max_capacity = {capacity}"));
        fs_err::write(folder.join("mastodon.toml"), text).expect("written");
    };
    let other_commands = || {
        for words in [
            &["validate"][..],
            &["plan"],
            &["drift"],
            &["status"],
            &["output"],
            &["output", "dns"],
            &["cost"],
            &["graph"],
            &["explain", "domain"],
            &["iam-policy"],
            &["show", "a.plan"],
            &["state", "list"],
            &["state", "hand-over"],
            &["state", "hand-over", "--take-back"],
            &["export", "terraform", "export"],
            &["run", "--", "true"],
            &["shell"],
            &["psql"],
            &["console"],
        ] {
            canary.run(folder, words);
            canary.must_be_silent(words[0]);
        }
        let applied = canary.run(folder, &["apply", "--yes"]);
        assert!(applied.status.success(), "{}", all_said(&applied));
        canary.must_be_silent("apply");
    };
    restore("from git ");
    assert_eq!(fs_err::read(state(folder, "json")).expect("there"), whole, "restored to the letter");
    edit("2");
    other_commands();
    let applied_state = fs_err::read(state(folder, "json")).expect("there");

    // A bare repository among the files of the checkout, which git would take for the real one.
    fs_err::write(&own, honest).expect("written");
    git(folder, &["init", "-q", "--bare", "-b", "main", "state/sandbox"]);
    commit_signed(&sandbox, "social.json", &state(folder, "json"));
    fs_err::write(sandbox.join("config"), format!("[core]\n\tbare = true\n{}", canary.configuration()))
        .expect("written");
    let mut bait = Command::new("git");
    bait.args(["log", "-1"]).current_dir(&sandbox).output().expect("there is git");
    assert!(canary.mark().exists(), "a careless git would run it");
    fs_err::remove_file(canary.mark()).expect("removed");
    restore("no whole state of state/sandbox/social.json was found");
    fs_err::write(state(folder, "json"), applied_state).expect("written");
    edit("4");
    other_commands();
}

#[test]
fn the_person_in_the_history_is_the_one_git_knows() {
    let canary = Canary::new();
    let folder = project();
    let folder = folder.path();
    git(folder, &["init", "-q"]);
    git(folder, &["config", "user.name", "Grace"]);
    git(folder, &["config", "user.email", "grace@example.org"]);
    assert!(canary.run(folder, &["apply", "--yes"]).status.success());
    let history = fs_err::read_to_string(state(folder, "history.jsonl")).expect("a history");
    assert!(history.contains("Grace <grace@example.org>"), "{history}");
}

#[test]
fn a_state_is_restored_by_a_name_and_not_by_a_path() {
    let folder = applied();
    let outside = folder.path().join("victim.json");
    fs_err::write(&outside, "{}").expect("written");
    for name in ["../../victim", "/etc/passwd", "social/../social", ".", "social.json", "-x"] {
        let output = run(folder.path(), &["--sandbox", "state", "restore", "--yes", "--", name]);
        let said = all_said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(said.contains("the name of an instance must "), "{name}: {said}");
    }
    assert_eq!(fs_err::read_to_string(&outside).expect("there"), "{}");
}

#[test]
fn a_lost_state_is_said_before_anything_else() {
    let folder = applied();
    let folder = folder.path();
    fs_err::write(folder.join("mastodon.toml"), EXAMPLE.replace("max_capacity = 1", "max_capacity = 4"))
        .expect("written");
    data(folder, &[&FAST[..], &["apply", "--yes", "-q"]].concat());
    let whole = fs_err::read(state(folder, "json")).expect("a state");
    fs_err::remove_file(state(folder, "json")).expect("removed");
    let lost = |traces: &str| {
        for words in [
            &["plan"][..],
            &["plan", "--offline"],
            &["apply", "--yes"],
            &["destroy", "--confirm", "social"],
            &["drift"],
            &["status"],
            &["output"],
            &["state", "list"],
            &["plan", "-f", "mastodon.toml", "--only", "social"],
            &["apply", "-f", "mastodon.toml", "--only", "social", "--yes"],
        ] {
            let output = run(folder, &[&FAST[..], words].concat());
            let said = all_said(&output);
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            let expected = format!("there is no state/sandbox/social.json, but {traces}");
            assert!(said.contains(&expected) && said.contains("mastoform state restore social"), "{words:?}: {said}");
            assert!(!said.contains("73 to create"), "{words:?}: {said}");
        }
    };
    lost("a backup of it and a history up to serial 2");
    fs_err::rename(state(folder, "json.backup"), folder.join("kept")).expect("moved");
    lost("a history up to serial 2");
    fs_err::rename(state(folder, "history.jsonl"), folder.join("kept too")).expect("moved");
    git(folder, &["init", "-q"]);
    fs_err::write(state(folder, "json"), &whole).expect("written");
    git(folder, &["add", "-f", "state/sandbox/social.json"]);
    fs_err::remove_file(state(folder, "json")).expect("removed");
    lost("a version in git");
    // Whoever removes all of it begins anew.
    git(folder, &["rm", "-q", "--cached", "state/sandbox/social.json"]);
    assert!(data(folder, &[&FAST[..], &["plan", "--offline"]].concat()).contains("73 to create"));
    // And what is named is taken back.
    fs_err::rename(folder.join("kept"), state(folder, "json.backup")).expect("moved");
    data(folder, &[&FAST[..], &["state", "restore", "social", "--yes"]].concat());
    data(folder, &[&FAST[..], &["plan"]].concat());
}

#[test]
fn a_history_that_ends_with_a_complete_destroy_is_over() {
    let folder = applied();
    let folder = folder.path();
    let text = EXAMPLE.to_owned() + "\nprotect = false\n";
    let text = if EXAMPLE.contains("protect = false") { EXAMPLE.to_owned() } else { text };
    fs_err::write(folder.join("mastodon.toml"), text).expect("written");
    data(folder, &[&FAST[..], &["destroy", "--confirm", "social", "-q"]].concat());
    fs_err::remove_file(state(folder, "json")).expect("removed");
    assert!(state(folder, "json.backup").exists() && state(folder, "history.jsonl").exists());
    data(folder, &[&FAST[..], &["apply", "--yes", "-q"]].concat());
}

#[test]
fn a_changed_name_is_not_a_second_instance_of_one_domain() {
    let folder = applied();
    let folder = folder.path();
    let name = EXAMPLE.lines().find(|line| line.starts_with("name")).expect("a name");
    let renamed = |domain: &str| {
        let text = EXAMPLE.replace(name, "name = \"sociol\"").replace("\"social.example.org\"", domain);
        fs_err::write(folder.join("mastodon.toml"), text).expect("written");
    };
    renamed("\"social.example.org\"");
    for words in [&["validate"][..], &["plan"], &["plan", "--offline"], &["apply", "--yes"], &["output"]] {
        let output = run(folder, &[&FAST[..], words].concat());
        let said = all_said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(
            said.contains("error[twin]")
                && said.contains("the instance `social` has the domain \"social.example.org\" already"),
            "{said}"
        );
        assert!(said.contains("state/sandbox/social.json") && said.contains("set `name` back to \"social\""), "{said}");
    }
    assert!(!folder.join("state/sandbox/sociol.json").exists());
    // Another instance in the same folder is none of its business.
    renamed("\"other.example.org\"");
    assert!(data(folder, &[&FAST[..], &["plan", "--offline"]].concat()).contains("73 to create"));
}

#[test]
fn two_files_of_a_fleet_have_two_domains() {
    let folder = fast_folder();
    let folder = folder.path();
    let name = EXAMPLE.lines().find(|line| line.starts_with("name")).expect("a name");
    fs_err::write(folder.join("eu-1.toml"), EXAMPLE.replace(name, "name = \"eu-1\"")).expect("written");
    fs_err::write(folder.join("eu-9.toml"), EXAMPLE.replace(name, "name = \"eu-9\"")).expect("written");
    for words in [
        &["validate"][..],
        &["plan", "--offline"],
        &["apply", "--yes"],
        &["apply", "--yes", "--only", "eu-9"],
        &["drift"],
    ] {
        let output = run(folder, &[&FAST[..], &["-f", "."], words].concat());
        let said = all_said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        let expected = "./eu-1.toml and ./eu-9.toml have the same domain, \"social.example.org\"";
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    assert!(!folder.join("state").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_leaves_no_core_file() {
    let folder = project();
    let words = ["--sandbox", "--sandbox-speed", "1", "apply", "--yes"];
    let mut command = program(folder.path(), &words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut first = [0];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut first).expect("it has begun");
    let of_child = PathBuf::from(format!("/proc/{}", child.id()));
    let limits = fs_err::read_to_string(of_child.join("limits")).expect("limits");
    let memory = fs_err::metadata(of_child.join("mem")).expect("there").uid();
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    assert_eq!(memory, 0, "the memory belongs to root, whoever runs the program");
}

/// The documents tell people to try things out, and to put the folder into git.
#[test]
fn what_was_tried_out_is_not_put_into_git() {
    let folder = applied();
    let folder = folder.path();
    git(folder, &["init", "-q"]);
    git(folder, &["add", "."]);
    let staged = git(folder, &["diff", "--cached", "--name-only"]);
    assert_eq!(staged.lines().collect::<Vec<_>>(), ["mastodon.toml", "state/.gitignore"]);
}
