//! Settings that the blueprint's patterns and checks accept, warn of and refuse.

use mastoform::config;
use mastoform::diagnostic::{Diagnostics, SourceFile};
use mastoform::expr::Evaluator;
use mastoform::plan::resolve::{World, resolve};
use mastoform::session;
use mastoform::spec::Specs;
use mastoform::value::Value;

use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance, Script};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// What is said of the example with these lines before its tables.
fn said(lines: &str) -> Result<String, String> {
    let mut specs = Specs::read(&[]).expect("valid specs");
    let source = SourceFile::new("mastodon.toml", format!("{lines}\n{EXAMPLE}"));
    match config::read(&source, &mut specs.blueprint, &Evaluator::new()) {
        Ok((_, warnings)) => Ok(warnings.to_string()),
        Err(problems) => Err(problems.to_string()),
    }
}

#[test]
fn images_are_named_by_tag_or_by_digest() {
    for image in ["ghcr.io/mastodon/mastodon:v4.7.6", "registry.example:5000/fork:v1", "glitch:v4.7.6"] {
        assert_eq!(said(&format!("image = \"{image}\"")), Ok(String::new()), "{image}");
    }
    for setting in ["image", "streaming_image", "psql.image"] {
        let by_digest = format!("{setting} = \"ghcr.io/mastodon/mastodon@{DIGEST}\"");
        assert_eq!(said(&by_digest), Ok(String::new()));
        for wrong in ["ghcr.io/mastodon/mastodon", "ghcr.io/mastodon/mastodon@sha256:0123", "a:v1 --privileged"] {
            let problems = said(&format!("{setting} = \"{wrong}\"")).expect_err(wrong);
            assert!(problems.contains(setting) && problems.contains("mastodon.toml:1"), "{problems}");
        }
    }
}

#[test]
fn migrations_are_left_out_by_nobody() {
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/x-AbCdEf";
    for table in [
        "[extra_env]\nSKIP_POST_DEPLOYMENT_MIGRATIONS = \"false\"\n".to_owned(),
        format!("[extra_secrets]\nSKIP_POST_DEPLOYMENT_MIGRATIONS = \"{secret}\"\n"),
    ] {
        let problems = said_instead("[mail]", &format!("{table}[mail]")).expect_err("refused");
        assert!(problems.contains("the database never gets its last changes"), "{problems}");
    }
}

#[test]
fn releases_that_are_not_secure_are_warned_of() {
    let of = |version: &str| said(&format!("version = \"{version}\"")).expect("valid");
    assert!(of("v4.7.3").contains("v4.7.3 has known holes: v4.7.6 or newer has not"), "{}", of("v4.7.3"));
    assert!(of("v4.7.1").contains("avoid v4.7.1: it leaks threads"), "{}", of("v4.7.1"));
    for fine in ["v4.7.6", "v4.7.12", "v4.8.0", "v4.6.5"] {
        assert_eq!(of(fine), "", "{fine}");
    }
}

#[test]
fn plain_redis_is_warned_about() {
    let warnings = said("redis.engine = \"redis\"").expect("a warning");
    assert!(warnings.contains("neither TLS nor a token") && warnings.contains("mastodon.toml:1"), "{warnings}");
    assert_eq!(said("redis.engine = \"valkey\""), Ok(String::new()));
}

#[tokio::test]
async fn a_headers_policy_of_ones_own_takes_the_place_of_ours() {
    const OWN: &str = "eaab4381-ed33-4a86-88ca-d9558dc6cd63";
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let text = format!("media.headers_policy = \"{OWN}\"\n{EXAMPLE}");
    let (plan, outcome) = instance.go(&text, true).await.expect("applies");
    let mut names = changed(&plan);
    names.sort();
    assert_eq!(names, ["delete cloudfront.response_headers_policy.media", "update cloudfront.distribution.media"]);
    completed(outcome);
    let state = instance.state().expect("a state");
    let row = &state.rows[&"cloudfront.distribution.media".parse().expect("an address")];
    let id = row.inputs.at(&["default_cache_behavior", "response_headers_policy_id"]).and_then(|id| id.as_text());
    assert_eq!(id, Some(OWN));
}

/// The example with something else in place of a line of it.
fn said_instead(line: &str, other: &str) -> Result<String, String> {
    assert!(EXAMPLE.contains(line), "{line}");
    let mut specs = Specs::read(&[]).expect("valid specs");
    let source = SourceFile::new("mastodon.toml", EXAMPLE.replace(line, other));
    match config::read(&source, &mut specs.blueprint, &Evaluator::new()) {
        Ok((_, warnings)) => Ok(in_full(&warnings)),
        Err(problems) => Err(in_full(&problems)),
    }
}

/// With labels and hints, as people see it.
fn in_full(problems: &Diagnostics) -> String {
    problems.0.iter().map(|problem| anstream::adapter::strip_str(&problem.render()).to_string()).collect()
}

#[test]
fn windows_are_windows_of_half_an_hour_that_do_not_overlap() {
    let windows = |backup: &str, maintenance: &str| {
        let [backup, maintenance] =
            [("backup", backup), ("maintenance", maintenance)].map(|(name, window)| match window {
                "" => String::new(),
                window => format!("{name}_window = \"{window}\"\n"),
            });
        said_instead("[database]", &format!("[database]\n{backup}{maintenance}"))
    };
    for (backup, maintenance) in [
        ("02:00-03:00", "sun:04:00-sun:05:00"),
        ("23:30-00:30", "sun:00:30-sun:01:00"),
        ("05:00-06:00", "sat:23:45-sun:00:15"),
        ("00:00-00:30", "sun:23:30-mon:00:00"),
        ("", "sun:04:00-sun:05:00"),
        ("04:00-05:00", ""),
    ] {
        assert_eq!(windows(backup, maintenance), Ok(String::new()), "{backup} {maintenance}");
    }
    for (backup, maintenance, expected) in [
        ("04:00-05:00", "sun:04:30-sun:05:30", "overlap"),
        ("04:45-05:45", "sun:04:30-sun:05:30", "overlap"),
        ("23:30-00:30", "mon:00:15-mon:01:00", "overlap"),
        ("00:00-01:00", "sun:23:30-mon:00:30", "overlap"),
        ("02:00-02:15", "", "30 minutes"),
        ("", "sun:04:00-sun:04:00", "30 minutes"),
        ("25:00-26:00", "", "two times of day in UTC"),
        ("", "son:04:00-son:05:00", "two times of the week in UTC"),
    ] {
        let problems = windows(backup, maintenance).expect_err("refused");
        assert!(
            problems.contains(expected) && problems.contains("mastodon.toml:"),
            "{backup} {maintenance}: {problems}"
        );
    }
}

#[test]
fn names_that_aws_or_postgresql_keep_are_refused() {
    for (setting, name) in [("username", "admin"), ("username", "user"), ("name", "template1"), ("name", "select")] {
        let problems = said_instead("[database]", &format!("[database]\n{setting} = \"{name}\"")).expect_err(name);
        assert!(problems.contains(&format!("keeps this database.{setting} for itself")), "{problems}");
    }
}

#[test]
fn regions_are_known_or_warned_of_and_those_of_other_partitions_are_refused() {
    let region = |name: &str| said_instead("region = \"eu-central-1\"", &format!("region = \"{name}\""));
    assert_eq!(region("eu-north-1"), Ok(String::new()));
    let warnings = region("eu-centrl-1").expect("a warning");
    assert!(warnings.contains("no `region` called `eu-centrl-1` is known"), "{warnings}");
    assert!(warnings.contains("did you mean `eu-central-1`?"), "{warnings}");
    for other in ["us-gov-west-1", "cn-north-1", "us-iso-east-1"] {
        let problems = region(other).expect_err(other);
        assert!(problems.contains("CloudFront, which serves no region"), "{problems}");
    }
}

#[test]
fn images_of_different_versions_are_warned_of() {
    let warnings = said("image = \"ghcr.io/fork/mastodon:v4.7.7\"").expect("a warning");
    assert!(warnings.contains("image and streaming_image are of different versions"), "{warnings}");
    let both = "version = \"v4.7.7\"\nimage = \"ghcr.io/fork/mastodon:v4.7.7-glitch\"";
    assert_eq!(said(both), Ok(String::new()));
    for tag in ["main", "stable", "latest"] {
        let problems = said(&format!("image = \"ghcr.io/fork/mastodon:{tag}\"")).expect_err(tag);
        assert!(problems.contains("another version tomorrow"), "{problems}");
    }
}

#[test]
fn nothing_is_set_to_an_empty_text_but_a_variable() {
    for (line, hint) in [
        ("image = \"\"", "leave the line out"),
        ("mail.server = \"\"", "leave the line out"),
        ("redis.parameter_group = \"\"", "leave the line out"),
    ] {
        let line = line.to_owned();
        let problems = match line.strip_prefix("mail.") {
            Some(rest) => said_instead("[mail]", &format!("[mail]\n{rest}")),
            None => said_instead("[mail]", &format!("{line}\n[mail]")),
        };
        let problems = problems.expect_err(&line);
        assert!(problems.contains("must not be empty") && problems.contains(hint), "{problems}");
    }
    assert_eq!(said("extra_env = { S3_PERMISSION = \"\" }"), Ok(String::new()));
}

#[test]
fn what_is_wrong_is_said_in_words_and_names_the_entry() {
    for (line, expected) in [
        ("version = \"4.8.0\"", "`version` must be v and three numbers, from v4.5.0 on, such as v4.7.6"),
        ("web_domain = \"https://a.example/\"", "`web_domain` must be a host name in lower case and without https://"),
        ("extra_env = { FOO = 3 }", "`extra_env.FOO` must be a string"),
    ] {
        let problems = said(line).expect_err(line);
        assert!(problems.contains(expected) && !problems.contains('^'), "{problems}");
    }
}

#[test]
fn variables_that_a_setting_decides_are_warned_of() {
    let warnings = said("extra_env = { WEB_CONCURRENCY = \"8\" }").expect("a warning");
    assert!(warnings.contains("use web.workers"), "{warnings}");
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/url-AbCdEf";
    let warnings = said(&format!("extra_secrets = {{ DATABASE_URL = \"{secret}\" }}")).expect("a warning");
    assert!(warnings.contains("streaming gets no extra_secrets"), "{warnings}");
}

#[tokio::test]
async fn a_mail_server_at_the_port_of_the_web_has_no_rule_of_its_own() {
    for port in [80, 443] {
        let instance = Instance::new();
        let text = EXAMPLE.replace("[mail]", &format!("[mail]\nport = {port}\nstarttls = \"always\""));
        let (plan, outcome) = instance.go(&text, true).await.expect("applies");
        assert!(!changed(&plan).iter().any(|name| name.contains("smtp")), "{:?}", changed(&plan));
        completed(outcome);
    }
}

#[tokio::test]
async fn two_rules_that_would_be_one_for_aws_are_refused() {
    let instance = Instance::new();
    let text = format!(
        "{EXAMPLE}\n[patch.'ec2.security_group_rule.tasks_egress[\"smtp\"]']\nfrom_port = 443\nto_port = 443\n"
    );
    let problems = instance.go(&text, false).await.expect_err("refused").to_string();
    assert!(
        problems.contains(
            "tasks_egress[\"https\"] and ec2.security_group_rule.tasks_egress[\"smtp\"] would be one for AWS"
        ),
        "{problems}"
    );
}

#[tokio::test]
async fn a_patch_of_what_is_not_made_is_warned_of() {
    let text = format!("{EXAMPLE}\n[patch.\"elasticache.cluster.cache\"]\nport = 6380\n");
    let script = Script::read(&[], &text).unwrap_or_else(|problems| panic!("{problems}"));
    let instance = Instance::new();
    let gathered = instance.gather(&text, false).await.expect("gathered");
    let world = World {
        specs: &script.specs,
        config: &script.config,
        lookups: &gathered.lookups,
        previous: &Value::Null,
        evaluator: &script.evaluator,
    };
    let graph = resolve(&world, &script.specs).unwrap_or_else(|problems| panic!("{problems}"));
    let (_, warnings) = session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}"));
    let warnings = warnings.to_string();
    assert!(warnings.contains("this patch has no effect: no elasticache.cluster.cache is made"), "{warnings}");
}
