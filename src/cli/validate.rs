//! `mastoform validate`: everything that is wrong with `mastodon.toml` and the specs, without a network.
//!
//! What the file asks for is planned against nothing, as if it were all new: so every attribute is looked at, too.

use super::files::Project;
use super::{CommandError, Exit, Ui};
use crate::diagnostic::Diagnostics;
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::session::{self, Gathered};
use crate::state::State;

pub fn run(ui: &Ui, options: &Settings) -> Result<Exit, CommandError> {
    let (project, mut warnings) = Project::read(options)?;
    let (resources, more) = check(&project)?;
    warnings.extend(more.0);
    ui.diagnostics(&warnings);
    let file = options.file.display();
    match resources {
        Some(count) => ui.say(&format!("{file} is valid: {count} resources")),
        None => ui.say(&format!("{file} is valid as far as can be said without asking AWS what exists")),
    }
    Ok(Exit::Done)
}

/// Plans an instance against nothing. Gives the number of its resources, unless that depends on what exists, and
/// warnings.
pub(super) fn check(project: &Project) -> Result<(Option<usize>, Diagnostics), CommandError> {
    // The last answers of lookups, where there are any: some resources may depend on them.
    let (lookups, previous, account) = match State::read(&project.paths.state()) {
        Ok(Some(state)) => (state.lookups, state.settings, state.account),
        Ok(None) | Err(_) => Default::default(),
    };
    let world = project.world(&lookups, &previous);
    match resolve(&world) {
        Ok(graph) => {
            let mut nothing = State::new("", project.config.name.as_str(), project.config.region.as_str());
            nothing.account = account;
            let gathered = Gathered { lookups: lookups.clone(), ..Gathered::offline(nothing) };
            let (_, warnings) = session::plan(&world, &graph, &gathered)?;
            Ok((Some(graph.nodes.len()), warnings))
        }
        Err(problems) => {
            let (unknown, wrong): (Vec<_>, Vec<_>) = problems.0.into_iter().partition(|problem| problem.is_open());
            if !wrong.is_empty() || unknown.is_empty() {
                return Err(Diagnostics(wrong).into());
            }
            Ok((None, Diagnostics::default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::ui::captured::ui;

    const EXAMPLE: &str = include_str!("../../mastodon.toml");

    #[test]
    fn the_example_is_valid() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, EXAMPLE).expect("written");
        let (ui, _, err) = ui(false, "");
        assert_eq!(run(&ui, &options).unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let said = err.take();
        assert!(said.contains(" is valid: ") && said.ends_with(" resources\n"), "{said}");
    }

    /// The account is the one that the state knows. Without one, all settings are at least in the same.
    #[test]
    fn a_secret_of_another_account_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        let problem = |text: &str| {
            fs_err::write(&options.file, text).expect("written");
            let (ui, ..) = ui(false, "");
            run(&ui, &options).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let media = EXAMPLE.to_owned()
            + "\n[media]\naccess = \"group\"\n\
               credentials = \"arn:aws:secretsmanager:eu-central-1:210987654321:secret:social/media-AbCdEf\"\n";
        let other = "is in account 210987654321, and others of its settings are in 123456789012";
        let said = problem(&media);
        assert!(said.contains(other) || said.contains("is in account 123456789012, and others"), "{said}");
        assert_eq!(problem(EXAMPLE), "");
        let mut state = State::new("lineage", "social", "eu-central-1");
        fs_err::create_dir(folder.path().join("state")).expect("made");
        for (account, expected) in [
            ("210987654321", "`mail.credentials` is in account 123456789012, and the instance is in 210987654321"),
            // Nobody's: what a simulated cloud has left.
            ("123456789012", ""),
        ] {
            state.account = Some(account.to_owned());
            state.write(&folder.path().join("state/social.json")).expect("written");
            let said = problem(EXAMPLE);
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
        }
    }

    #[test]
    fn problems_of_the_file_and_of_a_patch_come_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        let text = format!("{EXAMPLE}\nmin_capacit = 1\n[patch.\"rds.cluster.database\"]\nengine_versio = \"17\"\n");
        fs_err::write(&options.file, text).expect("written");
        let (ui, ..) = ui(false, "");
        let problems = run(&ui, &options).expect_err("wrong").to_string();
        assert!(problems.contains("min_capacit`") && problems.contains("`engine_versio`"), "{problems}");
    }
}
