//! The state of a running instance, on one screen and as JSON.

use serde_json::{Value as Json, json};

use super::Options;
use super::layout::{pad, width};
use super::style::{Role, Signs, paint};
use crate::inert::printable;
use crate::plan::status::{Health, Report};

/// The version of the JSON form.
pub const FORMAT: u64 = 1;

/// Everything, without a newline at the end. `title` says whose state it is.
pub fn status(report: &Report, title: &str, options: &Options) -> String {
    let signs = options.signs();
    let resources = report.resources.iter();
    let resources: Vec<Line> = resources
        .map(|found| Line {
            name: found.address.to_string(),
            health: found.health,
            says: &found.says,
            hint: found.hint.as_deref(),
        })
        .collect();
    let probes = report.probes.iter();
    let probes: Vec<Line> = probes
        .map(|found| Line {
            name: found.name.clone(),
            health: found.health,
            says: &found.says,
            hint: found.hint.as_deref(),
        })
        .collect();
    let columns = resources.iter().chain(&probes).map(|line| width(&line.name)).max().unwrap_or(0);
    let mut text = format!("{}\n", paint(Role::Heading, title));
    if let Some(unread) = &report.unread {
        text.push_str(&format!("\n  {} AWS could not be asked: {}\n", sign(Health::Bad, signs), printable(unread)));
    }
    for lines in [&resources, &probes] {
        if !lines.is_empty() {
            text.push('\n');
        }
        for line in lines {
            text.push_str(&shown(line, columns, signs));
        }
    }
    text.push_str(&format!("\n{}", summary(report)));
    text
}

/// The last line.
pub fn summary(report: &Report) -> String {
    match report.counts() {
        (all, 0) => format!("All {all} work."),
        (all, 1) => format!("1 of {all} does not work."),
        (all, bad) => format!("{bad} of {all} do not work."),
    }
}

struct Line<'a> {
    name: String,
    health: Health,
    says: &'a str,
    hint: Option<&'a str>,
}

fn sign(health: Health, signs: &Signs) -> String {
    let (role, sign) = match health {
        Health::Good => (Role::Good, signs.good),
        Health::Passing => (Role::Warning, signs.update),
        Health::Bad => (Role::Error, signs.bad),
        Health::Unasked => (Role::Quiet, signs.unasked),
    };
    paint(role, &pad(sign, width(signs.good).max(width(signs.bad))))
}

fn shown(line: &Line<'_>, columns: usize, signs: &Signs) -> String {
    let indent = " ".repeat(columns + 6 + width(signs.good).saturating_sub(1));
    let says = printable(line.says);
    let mut text = format!("  {} {}  {says}\n", sign(line.health, signs), pad(&printable(&line.name), columns));
    // In one piece, since it may be a command.
    if let Some(hint) = line.hint {
        text.push_str(&format!("{indent}{}\n", paint(Role::Hint, &printable(hint))));
    }
    text
}

/// As [`status`], for programs.
pub fn status_json(report: &Report, instance: &str, region: &str, serial: u64) -> Json {
    json!({
        "format": FORMAT,
        "instance": instance,
        "region": region,
        "serial": serial,
        "good": report.is_good(),
        "unread": report.unread,
        "resources": report.resources,
        "probes": report.probes,
    })
}

#[cfg(test)]
mod tests {
    use super::super::stripped;
    use super::*;
    use crate::plan::status::{ProbeReport, ResourceReport};

    fn everything() -> Report {
        let resource = |address: &str, health, says: &str, hint: Option<&str>| ResourceReport {
            address: address.parse().expect("an address"),
            health,
            says: says.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let probe = |name: &str, health, says: &str, hint: Option<&str>| ProbeReport {
            name: name.to_owned(),
            kind: "http",
            health,
            says: says.to_owned(),
            hint: hint.map(str::to_owned),
            doc: "It answers.".to_owned(),
        };
        Report {
            unread: None,
            resources: vec![
                resource("ecs.service.mastodon", Health::Passing, "IN_PROGRESS", None),
                resource("rds.cluster.database", Health::Bad, "stopped", Some("start it")),
            ],
            probes: vec![
                probe("api", Health::Good, "Mastodon 4.7.6 answers", None),
                probe("queues", Health::Unasked, "not asked", Some("ask")),
                probe("media", Health::Bad, "status is 503\u{202e} instead of 200", Some("wait a minute")),
            ],
        }
    }

    #[test]
    fn everything_is_told_on_one_screen() {
        let options = Options { ascii: true, ..Options::default() };
        assert_eq!(
            stripped(&status(&everything(), "social", &options)),
            "social\n\n\
             \x20 ~  ecs.service.mastodon  IN_PROGRESS\n\
             \x20 !! rds.cluster.database  stopped\n\
             \x20                          start it\n\n\
             \x20 ok api                   Mastodon 4.7.6 answers\n\
             \x20 -- queues                not asked\n\
             \x20                          ask\n\
             \x20 !! media                 status is 503\\u{202e} instead of 200\n\
             \x20                          wait a minute\n\n\
             2 of 4 do not work."
        );
        let mut calm = everything();
        calm.resources.pop();
        calm.probes.pop();
        assert_eq!(summary(&calm), "All 2 work.", "what is being changed works");
        calm.unread = Some("no credentials".to_owned());
        assert_eq!(summary(&calm), "1 of 3 does not work.");
        assert!(stripped(&status(&calm, "social", &options)).contains("!! AWS could not be asked: no credentials\n"));
    }

    #[test]
    fn everything_is_as_the_schema_says() {
        let schema: Json = serde_json::from_str(include_str!("../../docs/schemas/status.schema.json")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        let unread = Report { unread: Some("no credentials".to_owned()), ..everything() };
        for report in [everything(), unread, Report::default()] {
            let json = status_json(&report, "social", "eu-central-1", 41);
            validator.validate(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
        }
    }
}
