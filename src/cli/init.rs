//! `mastoform init [DOMAIN]`: writes a first `mastodon.toml`. Never over an existing one.

use std::io::ErrorKind;

use super::ui::variable;
use super::{CommandError, Exit, InitArguments, Ui, files};
use crate::config::init::init;
use crate::file;
use crate::ops::Settings;
use crate::spec::Blueprint;
use crate::spec::blueprint::Input;
use crate::value::Value;

pub fn run(ui: &Ui, options: &Settings, arguments: &InitArguments) -> Result<Exit, CommandError> {
    let specs = files::read_specs(options)?;
    let region = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(variable);
    let given = given(&specs.blueprint, arguments.domain.as_deref(), region)?;
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let text = init(&specs.blueprint, &given);
    let path = options.file.display();
    match file::create_new(&options.file, text.as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(CommandError::failure(format!("{path} exists already, and is left as it is"))
                .hint("take another folder, or another name with `--file`"));
        }
        Err(error) => return Err(error.into()),
    }
    ui.say(&format!("Wrote {path}. Every setting is in it, with its default."));
    ui.hint("edit it, then see what it would cost with `mastoform cost`, and what would be made with `mastoform plan`");
    ui.hint("editors can help once they have `mastoform schema > mastodon.schema.json`");
    Ok(Exit::Done)
}

/// What the user, and the environment, say already.
fn given(
    blueprint: &Blueprint,
    domain: Option<&str>,
    region: Option<String>,
) -> Result<Vec<(&'static str, String)>, CommandError> {
    let input = |name: &str| blueprint.inputs.iter().find(|input| input.name() == name);
    let fits = |name: &str, value: &str| input(name).is_some_and(|input| complaint(input, value).is_none());
    let mut given = Vec::new();
    if let Some(domain) = domain {
        if let Some(complaint) = input("domain").and_then(|input| complaint(input, domain)) {
            return Err(CommandError::failure(format!("the domain {complaint}: {domain}"))
                .hint("write it as in people's addresses, for example social.example.org"));
        }
        given.push(("domain", domain.to_owned()));
        // The first part of the domain is a good name, where it can be one.
        let name: String = domain.split('.').next().unwrap_or_default().chars().take(20).collect();
        if fits("name", &name) {
            given.push(("name", name));
        }
    }
    given.extend(region.filter(|region| fits("region", region)).map(|region| ("region", region)));
    Ok(given)
}

fn complaint(input: &Input, value: &str) -> Option<String> {
    input.limits.complaint(&Value::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::ui::captured::ui;
    use crate::spec::Specs;

    #[test]
    fn a_domain_gives_a_name_where_it_can_be_one() {
        let specs = Specs::read(&[]).expect("valid specs");
        let named = |domain: &str| given(&specs.blueprint, Some(domain), Some("eu-west-3".into())).expect("valid");
        let expected = [
            ("domain", "toot.example.org".to_owned()),
            ("name", "toot".to_owned()),
            ("region", "eu-west-3".to_owned()),
        ];
        assert_eq!(named("toot.example.org"), expected);
        assert_eq!(named("4.example.org").len(), 2);
        assert!(given(&specs.blueprint, Some("no domain"), None).is_err());
    }

    #[test]
    fn an_existing_file_is_left_alone_and_a_new_one_is_valid() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        let (ui, _, err) = ui(false, "");
        let arguments = InitArguments { domain: Some("toot.example.org".into()) };
        run(&ui, &options, &arguments).expect("written");
        assert!(err.take().contains("mastoform schema"));
        let text = fs_err::read_to_string(&options.file).expect("there");
        assert!(text.contains("\ndomain = \"toot.example.org\"\n"), "{text}");
        files::Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
        let error = run(&ui, &options, &arguments).expect_err("it exists");
        assert_eq!(error.exit(), Exit::Failure);
    }
}
