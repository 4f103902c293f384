//! Settings that the blueprint's patterns and checks accept, warn of and refuse.

use std::collections::{BTreeMap, BTreeSet};

use mastoform::address::Address;
use mastoform::config;
use mastoform::diagnostic::{Diagnostics, SourceFile};
use mastoform::expr::Evaluator;
use mastoform::plan::resolve::{World, resolve};
use mastoform::provider::sim::{Entry, Operation};
use mastoform::session;
use mastoform::spec::Specs;
use mastoform::value::{Tree, Value};

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
    assert!(of("v4.5.9").contains("v4.5 gets fixes until 20 February 2027, and none afterwards"), "{}", of("v4.5.9"));
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
    assert_eq!(said("extra_env = { SMTP_DOMAIN = \"\" }"), Ok(String::new()));
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
fn what_was_probably_meant_is_asked_back() {
    for (line, expected) in [
        ("version = \"4.8.0\"", "did you mean `v4.8.0`?"),
        ("web_domain = \"https://A.example/\"", "did you mean `a.example`?"),
        ("web_domain = \"m\u{fc}nchen.example\"", "did you mean `xn--mnchen-3ya.example`?"),
    ] {
        let problems = said_instead("name   =", &format!("{line}\nname   =")).expect_err(line);
        assert!(problems.contains(expected), "{problems}");
    }
}

#[test]
fn a_variable_that_sounds_like_a_secret_is_warned_of() {
    for name in ["MY_SECRET_TOKEN", "STRIPE_API_KEY", "OTHER_PASSWORD", "SMS_ACCESS_KEY"] {
        let warnings = said(&format!("extra_env = {{ {name} = \"x\" }}")).expect("a warning");
        assert!(warnings.contains("sounds like a secret"), "{name}: {warnings}");
    }
    // What Mastodon knows and only sounds like it, or is refused anyway, is not warned of besides.
    for name in mastodon_variables() {
        let told = said(&format!("extra_env = {{ {name} = \"x\" }}")).unwrap_or_default();
        assert!(!told.contains("sounds like a secret"), "{name}");
    }
}

/// Every variable that Mastodon reads.
fn mastodon_variables() -> impl Iterator<Item = &'static str> {
    include_str!("../specs/mastodon-env-4.7.txt").lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The words stand at the section of the file in which the setting would be, not at a comment.
#[test]
fn a_warning_about_a_default_points_at_its_section() {
    let warnings = said_instead("credentials = ", "# credentials = ").expect("a warning");
    let at = EXAMPLE.lines().position(|line| line == "[mail]").expect("a section") + 1;
    assert!(warnings.contains(&format!("mastodon.toml:{at}:2")), "{warnings}");
}

#[test]
fn a_default_that_does_not_fit_points_at_what_it_is_made_of() {
    let long = format!("domain = \"{}.org\"", "a".repeat(60));
    let problems = said_instead("domain = \"social.example.org\"", &long).expect_err("too long");
    assert_eq!(problems.matches("the default of `media.domain`").count(), 1, "{problems}");
    assert!(problems.contains("mastodon.toml:") && !problems.contains("specs/"), "{problems}");
}

/// What reads a resource whose expression fails is not wrong itself.
#[tokio::test]
async fn one_wrong_expression_is_one_mistake() {
    let text = format!("{EXAMPLE}\n[patch.\"elb.target_group.web\"]\nname = \"${{1/0}}\"\n");
    let problems = Instance::new().go(&text, false).await.expect_err("refused");
    let [problem] = &problems.0[..] else { panic!("{problems}") };
    assert_eq!(problem.message, "it divides by zero");
}

#[test]
fn a_patch_of_a_type_names_the_addresses_of_it() {
    let problems = said_instead("[mail]", "[patch.\"rds.cluster\"]\nport = 1\n[mail]").expect_err("refused");
    assert!(problems.contains("an address has a name behind the type: `rds.cluster.database`"), "{problems}");
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
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    let (_, warnings) = session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}"));
    let warnings = warnings.to_string();
    assert!(warnings.contains("this patch has no effect: no elasticache.cluster.cache is made"), "{warnings}");
}

#[test]
fn variables_that_connect_mastodon_with_what_is_built_are_refused() {
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/x-AbCdEf";
    for name in ["DB_HOST", "REDIS_DRIVER", "S3_KEY_PREFIX", "S3_PERMISSION", "RAILS_ENV"] {
        for table in [format!("[extra_env]\n{name} = \"x\"\n"), format!("[extra_secrets]\n{name} = \"{secret}\"\n")] {
            let problems = said_instead("[mail]", &format!("{table}[mail]")).expect_err(name);
            assert!(problems.contains("connects Mastodon with what is built here"), "{problems}");
        }
    }
}

/// What a setting of its own, a secret or a container decides, whatever extra_env says, is on a list.
#[test]
fn no_variable_of_ours_is_overruled_in_silence() {
    let specs = Specs::read(&[]).expect("valid specs");
    let local = |name: &str| {
        let Some(Tree::Map(entries)) = specs.blueprint.locals.get(name).map(|local| &local.tree) else {
            panic!("no table local.{name}")
        };
        entries.keys().cloned().collect::<Vec<_>>()
    };
    let mut decided = local("secrets");
    for table in ["web_settings", "streaming_settings", "sidekiq_settings"] {
        decided.extend(local(table));
    }
    // A harmless one: whoever sets it gets what they asked for in two of three containers.
    decided.retain(|name| name != "MALLOC_ARENA_MAX");
    for name in decided {
        let said = said_instead("[mail]", &format!("[extra_env]\n{name} = \"1\"\n[mail]"));
        assert!(said.as_ref().map_or(true, |warnings| !warnings.is_empty()), "{name} is overruled in silence");
    }
}

#[tokio::test]
async fn ports_that_extra_env_needs_can_be_opened() {
    let instance = Instance::new();
    let text = |lines: &str| EXAMPLE.replacen("[mail]", &format!("{lines}\n[mail]"), 1);
    let open = text("[network]\negress_ports = { elasticsearch = 9200, ldap = 636 }");
    completed(instance.go(&open, true).await.expect("applies").1);
    let rules: Vec<i64> = instance
        .sim
        .objects()
        .iter()
        .filter(|entry| entry.object.attributes.get("cidr_ipv4").is_some())
        .filter(|entry| entry.object.attributes.get("direction").and_then(Tree::as_text) == Some("egress"))
        .filter_map(|entry| entry.object.attributes.get("from_port").and_then(Tree::as_integer))
        .collect();
    for port in [80, 443, 587, 636, 9200] {
        assert_eq!(rules.iter().filter(|rule| **rule == port).count(), 1, "{port}: {rules:?}");
    }
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(
        changed(&plan),
        [
            "delete ec2.security_group_rule.tasks_egress_extra[\"ldap\"]",
            "delete ec2.security_group_rule.tasks_egress_extra[\"elasticsearch\"]"
        ]
    );
}

#[test]
fn a_port_that_nothing_lets_through_is_warned_of() {
    let of = |lines: &str| said_instead("[mail]", &format!("{lines}\n[mail]"));
    let warned = of("[extra_env]\nES_PORT = \"9200\"").expect("valid");
    assert!(warned.contains("add it to network.egress_ports"), "{warned}");
    for fine in [
        "[extra_env]\nES_PORT = \"443\"",
        "[extra_env]\nES_PORT = \"9200\"\n[network]\negress_ports = { elasticsearch = 9200 }",
    ] {
        assert_eq!(of(fine), Ok(String::new()), "{fine}");
    }
    let twice = of("[network]\negress_ports = { web = 443 }").expect_err("refused");
    assert!(twice.contains("without an entry in network.egress_ports"), "{twice}");
    let none = of("[network]\negress_ports = { web = 70000 }").expect_err("refused");
    assert!(none.contains("egress_ports.web"), "{none}");
}

/// IAM takes its time to know a role everywhere, so the roles of the first tasks are there long before these.
#[test]
fn roles_wait_for_nothing_that_takes_minutes() {
    let Script { specs, config, evaluator } = Script::read(&[], EXAMPLE).expect("valid");
    let lookups = BTreeMap::new();
    let world =
        World { specs: &specs, config: &config, lookups: &lookups, previous: &Value::Null, evaluator: &evaluator };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    for role in ["iam.role.execution", "iam.role.tasks"] {
        let mut open = vec![role.parse::<Address>().expect("an address")];
        let mut seen = BTreeSet::new();
        while let Some(address) = open.pop() {
            let Some(node) = graph.nodes.get(&address) else { continue };
            let seconds = node.resource_type.expect.create.as_secs();
            assert!(seconds <= 60, "{role} waits for {address}");
            open.extend(node.depends_on.keys().filter(|needed| seen.insert((*needed).clone())).cloned());
        }
    }
}

/// The attributes of a resource as the cloud has them, if it is there.
fn shown(instance: &Instance, address: &str) -> Option<Value> {
    let found = |entry: &Entry| entry.object.address.as_ref().is_some_and(|at| at.to_string() == address);
    instance.sim.objects().into_iter().find(found).map(|entry| entry.object.attributes)
}

#[tokio::test]
async fn in_maintenance_nothing_of_mastodon_runs_and_the_load_balancer_shows_a_page() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let before = shown(&instance, "ecs.task_definition.mastodon");
    let maintenance = EXAMPLE.replacen("run_mode = \"production\"", "run_mode = \"maintenance\"", 1);
    let (plan, outcome) = instance.go(&maintenance, true).await.expect("applies");
    completed(outcome);
    assert_eq!(changed(&plan), ["create elb.listener_rule.maintenance", "update ecs.service.mastodon"]);
    assert_eq!(shown(&instance, "ecs.task_definition.mastodon"), before, "what runs again is what ran");
    let service = shown(&instance, "ecs.service.mastodon").expect("a service");
    assert_eq!(service.get("desired_count"), Some(&Value::Integer(0)));
    let rule = shown(&instance, "elb.listener_rule.maintenance").expect("a rule");
    let response = |key: &str| rule.at(&["action", "fixed_response", key]).and_then(Value::as_text);
    assert_eq!((response("status_code"), response("content_type")), (Some("503"), Some("text/html")));
    let page = response("body").expect("a page");
    assert!(page.contains("<h1>") && page.contains("social.example.org"), "{page}");
    assert_eq!(rule.get("path_patterns").map(ToString::to_string).as_deref(), Some(r#"["/*"]"#));
}

/// Nobody sees a bare error: the page is there before the tasks go, and goes when they are back.
#[tokio::test]
async fn the_page_of_maintenance_is_there_as_long_as_nothing_else_answers() {
    let instance = Instance::new();
    let maintenance = EXAMPLE.replacen("run_mode = \"production\"", "run_mode = \"maintenance\"", 1);
    let calls = async |text: &str| {
        instance.sim.clear_calls();
        completed(instance.go(text, true).await.expect("applies").1);
        let changes = |operation| matches!(operation, Operation::Create | Operation::Update | Operation::Delete);
        let calls = instance.sim.calls().into_iter().filter(|call| changes(call.operation));
        calls.map(|call| format!("{:?} {}", call.operation, call.address)).collect::<Vec<_>>()
    };
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let going = calls(&maintenance).await;
    let coming = calls(EXAMPLE).await;
    assert_eq!(going, ["Create elb.listener_rule.maintenance", "Update ecs.service.mastodon"]);
    assert_eq!(coming, ["Update ecs.service.mastodon", "Delete elb.listener_rule.maintenance"]);
}

#[tokio::test]
async fn people_see_a_page_of_ones_own() {
    let instance = Instance::new();
    let own = EXAMPLE.replacen("run_mode = \"production\"", "run_mode = \"maintenance\"", 1)
        + "\n[maintenance]\npage = \"<h1>Moving house</h1>\"\n";
    completed(instance.go(&own, true).await.expect("applies").1);
    let rule = shown(&instance, "elb.listener_rule.maintenance").expect("a rule");
    let body = rule.at(&["action", "fixed_response", "body"]);
    assert_eq!(body.and_then(Value::as_text), Some("<h1>Moving house</h1>"));
    let long = own.replace("Moving house", &"long ".repeat(300));
    let refused = instance.go(&long, false).await.err().map(|problems| problems.to_string()).unwrap_or_default();
    assert!(refused.contains("maintenance.page") && refused.contains("1024"), "{refused}");
}

#[tokio::test]
async fn keys_of_secrets_may_be_used_for_nothing_else() {
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let instance = Instance::new();
    let text = EXAMPLE.replacen("[mail]", &format!("[secrets]\nkms_keys = [\"{key}\"]\n[mail]"), 1);
    completed(instance.go(&text, true).await.expect("applies").1);
    let objects = instance.sim.objects();
    for address in ["iam.role.execution", "iam.policy.boundary"] {
        let is_it = |found: &Address| found.to_string() == address;
        let found = objects.iter().find(|entry| entry.object.address.as_ref().is_some_and(is_it)).expect("it is made");
        let policy = found.object.attributes.to_string();
        for part in ["kms:Decrypt", key, "secretsmanager.eu-central-1.amazonaws.com"] {
            assert!(policy.contains(part), "{address} lacks {part}: {policy}");
        }
    }
    let wrong = said_instead("[mail]", "[secrets]\nkms_keys = [\"alias/mine\"]\n[mail]").expect_err("refused");
    assert!(wrong.contains("the ARN of a key in KMS"), "{wrong}");
}

/// What a plan of the example with another text warns of, where the last apply had these settings.
async fn warned(text: &str, previous: &Value) -> String {
    let script = Script::read(&[], text).unwrap_or_else(|problems| panic!("{problems}"));
    let gathered = Instance::new().gather(text, false).await.expect("gathered");
    let world = World {
        specs: &script.specs,
        config: &script.config,
        lookups: &gathered.lookups,
        previous,
        evaluator: &script.evaluator,
    };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    let (_, warnings) = session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}"));
    warnings.to_string()
}

/// Addresses of people name the one domain, and Mastodon answers at the other.
#[tokio::test]
async fn two_domains_need_a_redirect_which_is_said_before_the_first_apply() {
    let text = format!("web_domain = \"web.example.org\"\n{EXAMPLE}");
    assert_eq!(warned(EXAMPLE, &Value::Null).await, "");
    let warnings = warned(&text, &Value::Null).await;
    for part in ["https://social.example.org/.well-known/webfinger", "redirect to web.example.org", "mastodon.toml:1"] {
        assert!(warnings.contains(part), "{warnings}");
    }
    let mut applied = Value::Null;
    applied.set(&["web_domain"], "web.example.org".into());
    assert_eq!(warned(&text, &applied).await, "");
    let outputs = Specs::read(&[]).expect("valid specs").blueprint.outputs;
    assert!(outputs.iter().any(|output| output.name == "webfinger"));
}

/// Neither a second name nor a rule for it where nothing asks for them.
#[tokio::test]
async fn the_load_balancer_serves_both_domains_where_it_shall() {
    let both = |more: &str| {
        let lines = "web_domain = \"web.example.org\"\nload_balancer.serves_domain = true\n";
        format!("{lines}{EXAMPLE}{more}")
    };
    for (more, made) in [
        ("", ["create dns.record.domain", "create dns.record.domain_certificate"]),
        (
            "\n[dns]\nprovider = \"route53\"\n",
            ["create route53.record.domain", "create route53.record.domain_certificate"],
        ),
    ] {
        let instance = Instance::new();
        let (plan, outcome) = instance.go(&both(more), true).await.expect("applies");
        completed(outcome);
        let names = changed(&plan);
        assert!(made.iter().all(|name| names.iter().any(|found| found == name)), "{names:?}");
        let certificate = shown(&instance, "acm.certificate.requested_web").expect("a certificate");
        let name = |key: &str| certificate.get(key).and_then(Value::as_text).unwrap_or_default().to_owned();
        assert_eq!(
            (name("domain_name").as_str(), name("alternative_name").as_str()),
            ("web.example.org", "social.example.org")
        );
        let rule = shown(&instance, "elb.listener_rule.domain").expect("a rule");
        assert_eq!(rule.get("host_headers").map(ToString::to_string).as_deref(), Some(r#"["social.example.org"]"#));
        let to = |key: &str| rule.at(&["action", "redirect", key]).and_then(Value::as_text).map(str::to_owned);
        assert_eq!(to("host").as_deref(), Some("web.example.org"));
        assert_eq!(to("status_code").as_deref(), Some("HTTP_301"));
        assert_eq!(to("protocol").as_deref(), Some("HTTPS"));
        let (again, _) = instance.go(&both(more), false).await.expect("plans");
        assert_eq!(changed(&again), [""; 0]);
    }
    let alone = Instance::new();
    completed(alone.go(&format!("web_domain = \"web.example.org\"\n{EXAMPLE}"), true).await.expect("applies").1);
    let certificate = shown(&alone, "acm.certificate.requested_web").expect("a certificate");
    assert!(certificate.get("alternative_name").is_none_or(Value::is_null));
    assert_eq!(shown(&alone, "elb.listener_rule.domain"), None);
}

#[tokio::test]
async fn what_serving_both_domains_means_is_said_before_the_first_apply() {
    let both = format!("web_domain = \"web.example.org\"\nload_balancer.serves_domain = true\n{EXAMPLE}");
    let warnings = warned(&both, &Value::Null).await;
    assert!(warnings.contains("all of https://social.example.org will lead to web.example.org"), "{warnings}");
    assert!(!warnings.contains("must redirect"), "{warnings}");
    let mut applied = Value::Null;
    applied.set(&["web_domain"], "web.example.org".into());
    assert_eq!(warned(&both, &applied).await, "");
    let idle = said("load_balancer.serves_domain = true").expect("valid");
    assert!(idle.contains("means nothing where web_domain is domain"), "{idle}");
}

/// What follows `domain` by its default is no second mistake.
#[tokio::test]
async fn another_domain_is_one_mistake() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let another = EXAMPLE.replacen("social.example.org\"", "other.example.org\"", 1);
    let problems = instance.go(&another, false).await.expect_err("refused");
    let frozen: Vec<&str> =
        problems.0.iter().filter(|found| found.code == "frozen").map(|found| found.message.as_str()).collect();
    assert_eq!(frozen, ["`domain` can never be changed"]);
    let both = format!("web_domain = \"web.example.org\"\n{another}");
    let problems = instance.go(&both, false).await.expect_err("refused");
    assert_eq!(problems.0.iter().filter(|found| found.code == "frozen").count(), 2, "{problems}");
}

#[test]
fn streaming_does_not_follow_another_database_in_silence() {
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/x-AbCdEf";
    for name in ["DATABASE_URL", "REDIS_PASSWORD"] {
        let warned = said_instead("[mail]", &format!("[extra_secrets]\n{name} = \"{secret}\"\n[mail]")).expect("valid");
        assert!(warned.contains("streaming gets no extra_secrets"), "{warned}");
    }
}

/// What a plan says when the file of a living instance gets another version.
async fn noted(from: &str, to: &str, more: &str) -> Vec<String> {
    let instance = Instance::new();
    let of = |version: &str| format!("version = \"{version}\"\n{EXAMPLE}{more}");
    completed(instance.go(&of(from), true).await.expect("applies").1);
    assert_eq!(instance.go(&of(from), false).await.expect("plans").0.notes, [""; 0], "no upgrade");
    instance.go(&of(to), false).await.expect("plans").0.notes
}

#[tokio::test]
async fn a_plan_says_what_an_upgrade_brings() {
    assert_eq!(
        noted("v4.6.5", "v4.7.6", "").await,
        ["Mastodon v4.6.5 to v4.7.6: 18 migrations before the new containers, 8 after them (long), a snapshot first. \
          Notes: https://github.com/mastodon/mastodon/releases/tag/v4.7.6"]
    );
    assert_eq!(
        noted("v4.7.6", "v4.8.0", "\n[upgrade]\nsnapshot = false\n").await,
        ["Mastodon v4.7.6 to v4.8.0: migrations that this mastoform does not know, without a snapshot. \
          Notes: https://github.com/mastodon/mastodon/releases/tag/v4.8.0"]
    );
    assert_eq!(
        noted("v4.7.5", "v4.7.6", "").await,
        ["Mastodon v4.7.5 to v4.7.6: the same minor version, a snapshot first. \
          Notes: https://github.com/mastodon/mastodon/releases/tag/v4.7.6"]
    );
}

#[tokio::test]
async fn a_plan_says_what_else_an_upgrade_takes() {
    let search = "\n[extra_env]\nES_ENABLED = \"true\"\n";
    let notes = noted("v4.5.3", "v4.6.5", search).await;
    assert_eq!(
        notes.get(1).map(String::as_str),
        Some("After this upgrade the search index must be made anew: mastoform run -- bin/tootctl search deploy")
    );
    assert_eq!(noted("v4.5.3", "v4.6.5", "").await.len(), 1, "where there is an index");
    assert_eq!(noted("v4.6.4", "v4.6.5", search).await.len(), 1);
}

#[test]
fn a_zone_that_is_made_holds_every_name_and_is_at_route_53() {
    let own = |more: &str| said(&format!("dns.create_zone = true\ndns.provider = \"route53\"\n{more}"));
    assert_eq!(own(""), Ok(String::new()));
    assert_eq!(own("dns.zone = \"example.org\"\n"), Ok(String::new()));
    let elsewhere = said("dns.create_zone = true").expect_err("refused");
    assert!(elsewhere.contains("so it takes dns.provider = \"route53\""), "{elsewhere}");
    for (outside, zone) in [
        ("media.domain = \"media.example.net\"\n", "social.example.org"),
        ("dns.zone = \"example.net\"\n", "example.net"),
        // Not a part of a name, but the end of a word.
        ("dns.zone = \"ocial.example.org\"\n", "ocial.example.org"),
    ] {
        let refused = own(outside).expect_err(outside);
        assert!(
            refused.contains(&format!("the zone that dns.create_zone makes is {zone}, and web_domain")),
            "{refused}"
        );
    }
    let two = "web_domain = \"web.example.org\"\nload_balancer.serves_domain = true\n";
    let refused = own(two).expect_err("the other domain");
    assert!(refused.contains("makes is social.example.org, and"), "{refused}");
    let warned = own(&format!("{two}dns.zone = \"example.org\"\n")).expect("valid");
    assert!(!warned.contains("dns.create_zone"), "{warned}");
}
