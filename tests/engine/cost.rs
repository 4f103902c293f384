//! What an instance costs: the worked examples behind the table of prices, and what a plan says of it.

use std::collections::BTreeMap;

use mastoform::config;
use mastoform::cost::{Amounts, Estimate, Money};
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::cost::price_left_over;
use mastoform::plan::drift::LeftOver;
use mastoform::plan::resolve::{World, resolve};
use mastoform::session::{self, Gathered};
use mastoform::spec::pricing::Pricing;
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::State;
use mastoform::value::Value;

use super::completed;
use crate::support::instance::{EXAMPLE, Instance, Script, example};

/// What the file costs where nobody has asked AWS anything.
fn estimate_over(overlay: &[OverlayFile], text: &str) -> Estimate {
    let Script { specs, config, evaluator } =
        &Script::read(overlay, text).unwrap_or_else(|problems| panic!("{problems}"));
    let nothing = BTreeMap::new();
    let world = World { specs, config, lookups: &nothing, previous: &Value::Null, evaluator };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    session::cost(&world, &graph).unwrap_or_else(|problems| panic!("{problems}"))
}

fn estimate(text: &str) -> Estimate {
    estimate_over(&[], text)
}

/// The assumptions of the worked examples: one task on Spot with 1 vCPU and 4 GB, 5 GB of database and 10 million reads and
/// writes, 20 GB of media, 50 GB delivered, nine secrets, one zone of DNS, no mail; 2, 3 and 3 public addresses.
fn worked_example(region: &str) -> String {
    let secret = |name: &str| format!("arn:aws:secretsmanager:{region}:123456789012:secret:social/{name}-AbCdEf");
    format!(
        "name = 'social'\ndomain = 'social.example.org'\nregion = '{region}'\nmail.credentials = '{}'\n\
         task = {{ cpu = 1024, memory = 4096, spot = true }}\ndatabase = {{ min_capacity = 0.5, max_capacity = 1 }}\n\
         [extra_secrets]\nX = '{}'\nY = '{}'\n\
         [cost]\ndatabase_capacity = [0.5, 0.75, 1]\ndatabase_gb = 5\ndatabase_io_millions = 10\nbackup_gb = 0\n\
         media_gb = 20\nmedia_writes = 100_000\nmedia_reads = 300_000\ncdn_gb = 50\ncdn_requests = 500_000\n\
         load_balancer_zones = [1, 2, 2]\nload_balancer_units = 0.1\nlogs_gb = 2\negress_gb = 90\nmails = 0\n\
         dns_zones = 1\ndns_queries_millions = 1\n",
        secret("mail"),
        secret("x"),
        secret("y"),
    )
}

#[test]
fn the_worked_examples_come_out() {
    let examples = [("us-east-1", [99.07, 124.62, 175.51]), ("eu-central-1", [112.79, 141.99, 201.31])];
    for (region, expected) in examples {
        let estimate = estimate(&worked_example(region));
        assert_eq!(estimate.gaps, [], "{region}");
        for (amount, expected) in estimate.total().each().into_iter().zip(expected) {
            let off = (amount.dollars() / expected - 1.0).abs();
            assert!(off < 0.02, "{region}: {amount} instead of {expected}");
        }
    }
}

/// Each line of the examples, to the cent: label, resource and what it comes to typically in us-east-1.
#[test]
fn each_line_of_an_example_is_explained() {
    let estimate = estimate(&worked_example("us-east-1"));
    let lines: Vec<String> = estimate
        .lines
        .iter()
        .map(|line| {
            let whose = line.address.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(line.doc.ends_with('.') && !line.unit.is_empty(), "{}: not explained", line.label);
            format!("{whose} {}: {}", line.label, line.amount.typical)
        })
        .collect();
    let secrets = ["database", "encryption", "rails", "redis", "redis_url", "vapid"];
    let secret = |name: &&str| format!("secretsmanager.secret.{name} secret: $0.40");
    let mut expected: Vec<String> = [
        // 1 vCPU on Spot for $0.01288561 an hour, 4 GB for $0.00141493 each.
        "ecs.service.mastodon processor: $9.41",
        "ecs.service.mastodon memory: $4.13",
        // 0.75 units, which is between the least and the most.
        "rds.instance.database capacity: $65.70",
        "rds.cluster.database storage: $0.50",
        "rds.cluster.database reads and writes: $2.00",
        "rds.cluster.database backups: $0.00",
        "elasticache.replication_group.cache nodes: $9.34",
        // One address of the task, two of the load balancer.
        "ecs.service.mastodon public addresses of tasks: $3.65",
        "elb.load_balancer.public load balancer: $16.43",
        "elb.load_balancer.public what it carries: $0.58",
        "elb.load_balancer.public public addresses: $7.30",
        "s3.bucket.media storage: $0.46",
        "s3.bucket.media old versions of files: $0.02",
        "s3.bucket.media files written: $0.50",
        "s3.bucket.media files read: $0.12",
        "cloudfront.distribution.media delivery: $0.00",
        "cloudfront.distribution.media requests: $0.00",
        " mails sent by Amazon SES: $0.00",
        " secrets of your own: $1.20",
        " zones of your DNS: $0.50",
        " questions to your DNS: $0.40",
        "ecs.service.mastodon traffic to the internet: $0.00",
        "logs.log_group.mastodon log entries: $0.00",
        "logs.log_group.mastodon kept log entries: $0.00",
        "logs.log_group.database log entries: $0.00",
        "logs.log_group.database kept log entries: $0.00",
    ]
    .map(str::to_owned)
    .to_vec();
    expected.extend(secrets.iter().map(secret));
    let (mut found, mut wanted) = (lines.clone(), expected);
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn the_sum_of_the_lines_is_the_total_and_that_of_the_groups_too() {
    let script = Script::read(&[], EXAMPLE).expect("valid");
    let groups = &script.specs.prices.table().expect("sound").groups;
    for region in ["us-east-1", "eu-central-1", "eu-south-2"] {
        let estimate = estimate(&example(&[("eu-central-1\"", &format!("{region}\""))]));
        let of_lines: Amounts = estimate.lines.iter().map(|line| line.amount).sum();
        let of_groups: Amounts = groups.iter().map(|(name, _)| estimate.of_group(name)).sum();
        let of_resources: Amounts = estimate.by_resource().into_values().sum();
        assert_eq!([of_lines, of_groups, of_resources], [estimate.total(); 3], "{region}");
    }
}

/// Every type says what it costs; lint refuses one that does not. Here is which of the blueprint's cost nothing.
#[test]
fn every_resource_in_use_has_a_price_or_costs_nothing() {
    let estimate = estimate(EXAMPLE);
    assert_eq!(estimate.gaps, []);
    let script = Script::read(&[], EXAMPLE).expect("valid");
    for (type_name, _) in script.specs.blueprint.resources.keys() {
        let is_priced =
            estimate.lines.iter().any(|line| line.address.as_ref().is_some_and(|a| a.type_name == *type_name));
        let pricing = script.specs.types[type_name].pricing.as_ref().expect("says what it costs");
        match pricing {
            Pricing::Free(why) => assert!(!is_priced && why.ends_with('.'), "{type_name}"),
            Pricing::Items { items, .. } => {
                // A cluster of Redis is there instead of one of Valkey; a cluster of containers costs only with insights;
                // a user for mail is there with SES alone, and a zone is made on wish.
                let absent = ["elasticache.cluster", "ecs.cluster", "route53.zone", "ses.smtp_user"];
                let may_be_absent = absent.contains(&type_name.to_string().as_str());
                assert!(!items.is_empty() && (is_priced || may_be_absent), "{type_name}");
            }
            Pricing::Unknown(why) => panic!("{type_name}: {why}"),
        }
    }
}

#[test]
fn what_has_no_price_is_a_gap_and_no_guess() {
    let elsewhere = estimate(&example(&[("eu-central-1\"", "eu-south-2\"")]));
    let why: Vec<&str> = elsewhere.gaps.iter().map(|gap| gap.why.as_str()).collect();
    assert!(why.contains(&"there is no price of alb.hour in eu-south-2"), "{why:?}");
    assert!(elsewhere.lines.iter().all(|line| line.group == "rest"), "only what costs the same everywhere has one");
    let odd = estimate(&format!("{EXAMPLE}\n[redis]\nnode_type = 'cache.r9z.huge'\nsnapshot_days = 3\n"));
    let gaps: Vec<String> = odd.gaps.iter().map(|gap| format!("{}: {}", gap.label, gap.why)).collect();
    assert_eq!(
        gaps,
        [
            "nodes: there is no price of elasticache_valkey.cache.r9z.huge_hour",
            "snapshots: There is no price here of the snapshots that are kept beyond the first, which costs nothing.",
        ]
    );
}

#[test]
fn a_table_of_ones_own_takes_the_place_of_the_programs() {
    let prices = "[meta]\nformat = 1\ncurrency = 'USD'\nhours_per_month = 730\ncollected = '2027-01'\n\
                  [groups]\ncache = 'Cache'\n[price.elasticache_valkey.cache_t4g_micro_hour]\nunit = 'node-hour'\n\
                  per = 'hour'\nusd.eu-central-1 = { usd = 1, at = '2027-01-02', trust = 'single', from = 'us' }\n";
    let overlay = |text: &str| [OverlayFile { name: "mine/prices.toml".into(), types_of: None, text: text.into() }];
    let estimate = estimate_over(&overlay(prices), EXAMPLE);
    assert_eq!(estimate.collected, "2027-01");
    assert_eq!(estimate.total().typical, Money::cents(73_000));
    assert!(!estimate.gaps.is_empty(), "what it does not have has no price");
    let wrong = Script::read(&overlay(&prices.replace("'us'", "''")), EXAMPLE).err().expect("refused");
    assert!(wrong.to_string().starts_with("mine/prices.toml:11:"), "{wrong}");
    let titles = Script::read(&overlay(&prices.replace("'Cache'", "5")), EXAMPLE).err().expect("refused");
    assert!(titles.to_string().starts_with("mine/prices.toml:7:"), "{titles}");
    let of_expense =
        "[expense.coffee]\nlabel = 'coffee'\ngroup = 'rest'\nprice = 'coffee.cup'\nquantity = 9\ndoc = 'Black.'\n";
    let own_rule = OverlayFile { name: "mine/more.toml".into(), types_of: None, text: of_expense.into() };
    let [own_prices] = overlay(prices);
    let wrong = Script::read(&[own_prices, own_rule], EXAMPLE).err().expect("refused");
    assert_eq!(
        wrong.to_string(),
        "mine/more.toml:4:9: no price is called `coffee.cup`",
        "a rule of one's own is checked"
    );
}

/// A plan says what it does to the bill: nothing, the whole, the difference of two, and nothing left.
#[tokio::test]
async fn a_plan_says_what_it_does_to_the_bill() {
    let instance = Instance::new();
    let (first, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    completed(outcome);
    let first = first.cost.expect("a cost");
    assert_eq!(first.before, Amounts::default(), "nothing was there");
    assert_eq!(first.after, first.groups.iter().map(|share| share.after).sum());
    // The network of the cloud has three zones, of which a new instance takes two, as was assumed before anybody asked.
    let assumed = estimate(EXAMPLE).total();
    assert_eq!((first.after - assumed).each().map(ToString::to_string), ["$0.00", "$0.00", "$0.00"]);
    let (calm, _) = instance.go(EXAMPLE, false).await.expect("a plan");
    assert!(calm.is_empty() && calm.cost.is_none(), "a plan that does nothing does not ask for prices");
    let bigger = example(&[("max_capacity = 1", "max_capacity = 3")]);
    let (plan, _) = instance.go(&bigger, false).await.expect("a plan");
    let cost = plan.cost.expect("a cost");
    // Two units more at most, at $0.14 an hour. What it takes on average does not grow with what it may take.
    assert_eq!(cost.difference().each().map(ToString::to_string), ["$0.00", "$0.00", "$204.40"]);
    assert_eq!(cost.before, first.after);
    // The cluster is changed, and the instance that computes for it is paid for.
    let names: Vec<&str> = cost.resources.iter().map(|share| share.name.as_str()).collect();
    assert_eq!(names, ["rds.instance.database"]);
}

/// With a table of prices that cannot be read, a plan that does nothing is made all the same: it never asks for one.
#[tokio::test]
async fn a_plan_that_does_nothing_reads_no_prices() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let gathered = instance.gather(EXAMPLE, false).await.unwrap_or_else(|error| panic!("{error}"));
    let broken = OverlayFile { name: "prices.toml".into(), types_of: None, text: "[meta]\n".into() };
    let plan = |text: &str| {
        let mut specs = Specs::read(std::slice::from_ref(&broken)).expect("specs");
        let evaluator = Evaluator::new();
        let source = SourceFile::new("mastodon.toml", text);
        let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator).expect("valid");
        let world = World {
            specs: &specs,
            config: &config,
            lookups: &gathered.lookups,
            previous: &Value::Null,
            evaluator: &evaluator,
        };
        let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
        session::plan(&world, &graph, &gathered)
            .map(|(plan, _)| plan.is_empty())
            .map_err(|problems| problems.to_string())
    };
    assert_eq!(plan(EXAMPLE), Ok(true));
    let asked = plan(&example(&[("max_capacity = 1", "max_capacity = 3")])).expect_err("a broken table");
    assert!(asked.contains("prices.toml:1:") && asked.contains("`format` must be 1"), "{asked}");
}

/// Settings that change what it costs, each with values.
const EDITS: [(&str, &[&str]); 9] = [
    ("database.max_capacity", &["1", "2", "16.5"]),
    ("database.min_capacity", &["0.5", "1"]),
    ("task.spot", &["true", "false"]),
    ("task.architecture", &["'X86_64'", "'ARM64'"]),
    ("task.count", &["0", "1"]),
    ("task.memory", &["4096", "6144"]),
    ("redis.node_type", &["'cache.t4g.micro'", "'cache.m7g.large'", "'cache.x9.huge'"]),
    ("redis.engine", &["'valkey'", "'redis'"]),
    ("logs.retention_days", &["14", "3653"]),
];

fn edited(choices: &[usize]) -> String {
    let lines = EDITS.iter().zip(choices).map(|((name, values), choice)| (name, values[choice % values.len()]));
    let mut text =
        "name = 'social'\ndomain = 'social.example.org'\nregion = 'eu-central-1'\nprotect = false\n".to_owned();
    for (name, value) in lines {
        text.push_str(&format!("{name} = {value}\n"));
    }
    text
}

#[test]
fn a_plan_costs_the_difference_of_the_two_totals() {
    let choices = proptest::collection::vec(0_usize..6, EDITS.len());
    let config = proptest::test_runner::Config { cases: 12, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome = runner.run(&(choices.clone(), choices), |(one, other)| {
        runtime.block_on(async {
            let instance = Instance::new();
            let (first, outcome) = instance.go(&edited(&one), true).await.expect("applies");
            completed(outcome);
            let (plan, _) = instance.go(&edited(&other), false).await.expect("a plan");
            let beside = Instance::new();
            let (anew, _) = beside.go(&edited(&other), false).await.expect("a plan");
            let (first, anew) = (first.cost.expect("a cost"), anew.cost.expect("a cost"));
            let Some(cost) = plan.cost else {
                proptest::prop_assert!(plan.is_empty());
                return Ok(());
            };
            proptest::prop_assert_eq!(cost.before, first.after);
            proptest::prop_assert_eq!(cost.after, anew.after);
            proptest::prop_assert_eq!(cost.difference(), anew.after - first.after);
            let of_resources: Amounts = cost.resources.iter().map(|share| share.after - share.before).sum();
            let of_groups: Amounts = cost.groups.iter().map(|share| share.after - share.before).sum();
            proptest::prop_assert_eq!([of_resources, of_groups], [cost.difference(); 2]);
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn what_is_left_over_costs_what_has_its_address_costs() {
    let Script { specs, config, evaluator } = &Script::read(&[], EXAMPLE).expect("valid");
    let lookups = BTreeMap::new();
    let world = World { specs, config, lookups: &lookups, previous: &Value::Null, evaluator };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    let state = State::new("lineage", "social", "eu-central-1");
    let (plan, _) = session::plan(&world, &graph, &Gathered::offline(state.clone())).expect("a plan");
    let thing = |address: Option<&str>| LeftOver {
        name: "arn:aws:x".to_owned(),
        address: address.map(str::to_owned),
        usd_a_month: None,
    };
    let addresses = ["elasticache.replication_group.cache", "iam.role.tasks", "s3.bucket.another", "no address"];
    let mut found: Vec<LeftOver> =
        addresses.map(|address| thing(Some(address))).into_iter().chain([thing(None)]).collect();
    price_left_over(&world, &state, &plan, &mut found).expect("prices");
    let costs: Vec<Option<f64>> = found.iter().map(|found| found.usd_a_month).collect();
    assert_eq!(costs, [Some(10.51), Some(0.0), None, None, None]);
}

/// A zone that is made goes with the instance, and is one of those that `cost.dns_zones` counts.
#[test]
fn a_zone_is_paid_once_whether_it_is_made_or_there_already() {
    let there = format!("{EXAMPLE}\n[dns]\nprovider = \"route53\"\n");
    let (there, made) = (estimate(&there), estimate(&format!("{there}create_zone = true\n")));
    assert_eq!(there.total(), made.total());
    let line =
        made.lines.iter().find(|line| line.address.as_ref().is_some_and(|a| a.to_string() == "route53.zone.own"));
    assert_eq!(line.expect("a line").amount.typical, Money::cents(50));
    let several = format!("{EXAMPLE}\n[cost]\ndns_zones = 3\n[dns]\nprovider = \"route53\"\n");
    assert_eq!(estimate(&several).total(), estimate(&format!("{several}create_zone = true\n")).total());
}
