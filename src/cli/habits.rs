//! What people who come from other tools type, and what it is called here.
//!
//! A word that is none of this program's gets a sentence, in place of the command whose spelling is nearest: that may be
//! `destroy`.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of other tools.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["changes", "check-plan", "diff", "preview"], "`mastoform plan` says what would change"),
    (&["deploy", "up", "update", "upgrade"], "`mastoform apply` does what `mastoform plan` says"),
    (&["check", "lint", "test"], "`mastoform validate` checks the file"),
    (
        &["refresh", "sync"],
        "`mastoform drift` compares with AWS, and `mastoform apply` sets back what somebody changed",
    ),
    (
        &["events", "history"],
        "state/NAME.history.jsonl has a line for each apply, and `git log -p state` what it changed",
    ),
    (&["down", "delete", "remove", "undeploy"], "`mastoform destroy` deletes everything"),
    (&["rollback", "revert", "undo"], "take mastodon.toml back with git, and apply it"),
    (&["import", "adopt"], "`mastoform apply --adopt-own` goes on with what carries the tags of the instance"),
    (
        &["taint", "untaint", "replace"],
        "nothing is made anew on demand: a change of the file is, where AWS cannot make it in place",
    ),
    (&["fmt", "format"], "mastodon.toml needs no form of its own: any formatter of TOML will do"),
    (&["ls", "list", "resources"], "`mastoform state list` lists what exists"),
    (&["logs", "log"], "`mastoform output logs` tells the command that shows what the containers print"),
    (&["config", "settings", "docs"], "`mastoform explain SETTING` explains a setting"),
    (&["workspace", "stack", "env"], "every instance has a file: `mastoform -f FILE`, once for each"),
    (&["version"], "`mastoform --version`"),
    (&["login", "configure"], "mastoform has no login: it uses the credentials of the AWS command line"),
    (&["ssh", "exec", "bash"], "`mastoform shell` opens a shell, `mastoform run -- COMMAND` runs a command"),
];

/// Options of other tools, as they are typed.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["-auto-approve", "--auto-approve", "--force", "--approve"], "`--yes` asks for no confirmation"),
    (&["-target", "--target"], "an apply does all of a plan, so that no part is forgotten"),
    (&["-var", "--var", "--set", "-var-file", "--var-file"], "settings stand in mastodon.toml, so that git has them"),
    (&["-out"], "`--out FILE`"),
    (&["-json"], "`--json`"),
    (&["-detailed-exitcode"], "`--detailed-exitcode`"),
    (&["-destroy", "--destroy"], "`mastoform destroy` shows what it would delete, and asks"),
    (&["-refresh-only", "--refresh-only"], "`mastoform drift` shows what somebody changed"),
    (&["--dry-run"], "`mastoform plan` changes nothing"),
];

/// What to tell about a mistake: the message, and the sentence. `typed` are the words of the command line.
pub fn advice(problem: &clap::Error, typed: &[String]) -> Option<(String, &'static str)> {
    let find = |table: &[(&[&str], &'static str)], word: &str| {
        table.iter().find(|(words, _)| words.contains(&word)).map(|(_, advice)| *advice)
    };
    match problem.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(ContextValue::String(word)) = problem.get(ContextKind::InvalidSubcommand) else { return None };
            find(COMMANDS, word).map(|advice| (format!("there is no command `{word}`"), advice))
        }
        ErrorKind::UnknownArgument => typed.iter().find_map(|word| {
            let name = word.split('=').next().unwrap_or_default();
            find(OPTIONS, name).map(|advice| (format!("there is no option `{name}` here"), advice))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::Arguments;
    use super::*;

    fn said(words: &[&str]) -> Option<(String, &'static str)> {
        let all: Vec<String> = ["mastoform"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        advice(&Arguments::try_parse_from(&all).expect_err("a mistake"), &all)
    }

    #[test]
    fn words_of_other_tools_are_translated() {
        let (message, sentence) = said(&["history"]).expect("a sentence");
        assert_eq!(message, "there is no command `history`");
        assert!(sentence.contains("git log -p state"), "{sentence}");
        let (message, sentence) = said(&["apply", "-auto-approve"]).expect("a sentence");
        assert_eq!(
            (message.as_str(), sentence),
            ("there is no option `-auto-approve` here", "`--yes` asks for no confirmation")
        );
        assert!(said(&["plan", "--target=x"]).is_some());
        assert_eq!(said(&["aply"]), None, "clap knows better");
        assert_eq!(said(&["plan", "--offlin"]), None);
    }

    #[test]
    fn no_word_of_other_tools_is_one_of_ours() {
        let command = Arguments::command();
        let ours: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        for word in COMMANDS.iter().flat_map(|(words, _)| *words) {
            assert!(!ours.contains(word), "{word} is a command");
        }
    }
}
