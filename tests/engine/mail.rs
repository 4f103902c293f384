//! Mail by SES: a domain and addresses that a person proves, the records of it, and what AWS lets the account do.

use std::collections::BTreeMap;
use std::time::Duration;

use mastoform::address::TypeName;
use mastoform::apply::Outcome;
use mastoform::plan::resolve::{World, resolve};
use mastoform::provider::sim::Person;
use mastoform::session;
use mastoform::value::Value;
use serde_json::json;

use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance, Script, example};

const OWN: &str = "credentials = \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/mail-AbCdEf\"";

/// The example with mail by SES, and more settings of it.
fn by_ses(more: &str) -> String {
    example(&[(OWN, &format!("provider = \"ses\"\n{more}"))])
}

fn at_route53(text: &str) -> String {
    format!("{text}\n[dns]\nprovider = \"route53\"\n")
}

/// What a run left waiting: addresses, and what to do.
fn waiting(outcome: Option<Outcome>) -> BTreeMap<String, String> {
    let Some(Outcome::Waiting(report)) = outcome else { panic!("{outcome:#?}") };
    report.waiting.into_iter().map(|(address, advice)| (address.to_string(), advice)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_domain_waits_for_the_records_that_a_person_enters() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    let text = by_ses("verified_addresses = [\"ada@example.org\"]");
    let outcome = instance.go(&text, true).await.expect("runs").1;
    let done: Vec<String> =
        outcome.as_ref().expect("a run").report().done.iter().map(|done| done.address.to_string()).collect();
    for early in ["ses.configuration_set.mail", "ses.smtp_user.mail", "ecs.run.prepare"] {
        assert!(done.iter().any(|name| name == early), "{early}: {done:?}");
    }
    let waiting = waiting(outcome);
    let of_mail: Vec<&str> =
        waiting.keys().map(String::as_str).filter(|name| name.contains("mail") || name.contains("ses")).collect();
    assert_eq!(
        of_mail,
        [
            "dns.record.mail_dkim_1",
            "dns.record.mail_dkim_2",
            "dns.record.mail_dkim_3",
            "dns.record.mail_dmarc",
            "dns.record.mail_return",
            "dns.record.mail_spf",
            "ses.address_identity.verified[\"ada@example.org\"]",
            "ses.domain_identity.mail",
        ]
    );
    let domain = &waiting["ses.domain_identity.mail"];
    assert!(
        domain.starts_with("AWS sends mail of social.example.org as soon as it finds the DNS records "),
        "{domain}"
    );
    assert_eq!(domain.matches("._domainkey.social.example.org").count(), 3, "{domain}");
    let address = &waiting["ses.address_identity.verified[\"ada@example.org\"]"];
    assert_eq!(address, "open the link in the mail that AWS has sent to ada@example.org; it is good for a day");
    let returns = &waiting["dns.record.mail_return"];
    assert_eq!(
        returns,
        "create the DNS record bounce.social.example.org MX 10 feedback-smtp.eu-central-1.amazonses.com"
    );
    let spf = &waiting["dns.record.mail_spf"];
    assert_eq!(spf, "create the DNS record bounce.social.example.org TXT v=spf1 include:amazonses.com ~all");
}

#[tokio::test(start_paused = true)]
async fn one_apply_comes_to_its_end_with_a_person_and_the_next_plan_is_empty() {
    let instance = Instance::with_a_person(Person::Takes(Duration::from_secs(20 * 60)));
    let text = by_ses("verified_addresses = [\"ada@example.org\"]\nproduction_access = true");
    let (plan, outcome) = instance.go(&text, true).await.expect("applies");
    assert!(changed(&plan).contains(&"run ses.production_access.asked".to_owned()), "{:?}", changed(&plan));
    completed(outcome);
    let (plan, _) = instance.go(&text, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn at_route_53_the_records_are_made_and_prove_the_domain() {
    let instance = Instance { wait: Duration::from_secs(15 * 60), ..Instance::with_a_person(Person::Never) };
    let text = at_route53(&by_ses(""));
    completed(instance.go(&text, true).await.expect("applies").1);
    let kinds: Vec<String> = instance
        .sim
        .objects()
        .iter()
        .filter(|object| object.object.address.as_ref().is_some_and(|address| address.name.starts_with("mail_")))
        .map(|object| {
            let shown = |name: &str| object.shown.get(name).map(ToString::to_string).unwrap_or_default();
            format!("{} {}", shown("kind"), shown("values"))
        })
        .collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    assert!(kinds.contains(&r#""TXT" ["\"v=DMARC1; p=none\""]"#.to_owned()), "{kinds:?}");
    let (plan, _) = instance.go(&text, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_ses_or_comes_to_it_loses_nothing_else() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (plan, outcome) = instance.go(&by_ses(""), true).await.expect("applies");
    let mut touched = changed(&plan);
    touched.retain(|what| !what.contains(".mail"));
    touched.sort();
    let expected = [
        "replace ecs.task_definition.job",
        "replace ecs.task_definition.mastodon",
        "update ecs.service.mastodon",
        "update iam.policy.boundary",
        "update iam.role.execution",
    ];
    assert_eq!(touched, expected);
    completed(outcome);
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    completed(outcome);
    assert!(changed(&plan).contains(&"delete ses.smtp_user.mail".to_owned()), "{:?}", changed(&plan));
    assert!(instance.sim.objects().iter().all(|object| &*object.type_name.service != "ses"));
}

/// The containers get name and password from the secret of the user, and log in.
#[tokio::test(start_paused = true)]
async fn mastodon_logs_in_as_the_user() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(&at_route53(&by_ses("")), true).await.expect("applies").1);
    let state = instance.state().expect("a state");
    let user = &state.rows[&"ses.smtp_user.mail".parse().expect("an address")];
    let secret = user.facts.get("secret_arn").and_then(Value::as_text).expect("an ARN").to_owned();
    let definition = &state.rows[&"ecs.task_definition.mastodon".parse().expect("an address")];
    let containers = definition.inputs.get("containers").and_then(Value::as_list).expect("containers");
    let readers: Vec<&Value> = containers
        .iter()
        .filter(|container| container.at(&["secrets", "SMTP_PASSWORD"]).is_some_and(|found| !found.is_null()))
        .collect();
    assert_eq!(readers.len(), 2, "web and Sidekiq");
    for container in readers {
        let text = |path: &[&str]| container.at(path).and_then(Value::as_text).unwrap_or_default().to_owned();
        assert_eq!(text(&["secrets", "SMTP_LOGIN"]), format!("{secret}:login::"));
        assert_eq!(text(&["secrets", "SMTP_PASSWORD"]), format!("{secret}:password::"));
        assert_eq!(text(&["environment", "SMTP_AUTH_METHOD"]), "plain");
        assert_eq!(text(&["environment", "SMTP_SERVER"]), "email-smtp.eu-central-1.amazonaws.com");
        assert_eq!(text(&["labels", "mastoform.mail"]).len(), 64, "another key starts them anew");
    }
}

/// What a plan says of an account about which AWS says this.
async fn said(text: &str, account: serde_json::Value) -> String {
    let instance = Instance::new();
    let name = TypeName::new("ses", "account");
    instance.sim.put(&name, "eu-central-1", Value::from_json(&account), BTreeMap::new());
    let Script { specs, config, evaluator } = &Script::read(&[], text).expect("a valid file");
    let gathered = instance.gather(text, false).await.expect("gathered");
    let world = World { specs, config, lookups: &gathered.lookups, previous: &Value::Null, evaluator };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}")).1.to_string()
}

#[tokio::test]
async fn the_sandbox_and_its_limits_are_said() {
    let account = |production: bool, sending: bool, review: &str| {
        json!({
            "production": production, "sending": sending, "mails_a_day": 200.0, "mails_a_second": 1.0,
            "review": review,
        })
    };
    for (production, sending, review, expected) in [
        (false, true, "NONE", "200 mails a day, and only to verified addresses"),
        (false, true, "NONE", "mail.production_access asks AWS for more"),
        (false, true, "PENDING", "somebody at AWS still looks at the request"),
        (false, true, "DENIED", "AWS has refused more"),
        (true, false, "GRANTED", "AWS has stopped sending mail for this account"),
    ] {
        let said = said(&by_ses(""), account(production, sending, review)).await;
        assert!(said.contains(expected), "{review}: {said}");
    }
    assert_eq!(said(&by_ses(""), account(true, true, "GRANTED")).await, "");
    // Whoever has another mail server is told nothing of it.
    assert_eq!(said(EXAMPLE, account(false, false, "NONE")).await, "");
}

#[test]
fn settings_that_contradict_ses_are_refused() {
    let refused = |text: &str| Script::read(&[], text).err().map(|problems| problems.to_string()).unwrap_or_default();
    let own = by_ses(OWN);
    assert!(refused(&own).contains("leave out mail.server, mail.credentials"), "{}", refused(&own));
    for (more, expected) in [
        ("server = \"mail.example.org\"", "makes name and password at Amazon SES"),
        ("authentication = \"none\"", "makes name and password at Amazon SES"),
        ("from = \"ada@example.com\"", "mail.from is no address of it"),
        ("from = \"ada@badsocial.example.org\"", "mail.from is no address of it"),
        ("return_domain = \"social.example.org\"", "must be a subdomain of mail.domain"),
        ("return_domain = \"bounce.example.org\"", "must be a subdomain of mail.domain"),
    ] {
        let said = refused(&by_ses(more));
        assert!(said.contains(expected), "{more}: {said}");
    }
    for fine in [
        "from = \"Ada <ada@social.example.org>\"",
        "from = \"ada@mail.social.example.org\"",
        "domain = \"example.org\"",
    ] {
        assert_eq!(refused(&by_ses(fine)), "", "{fine}");
    }
    let idle = example(&[(OWN, &format!("{OWN}\nproduction_access = true"))]);
    assert!(refused(&idle).contains("are for mail.provider = \"ses\""), "{}", refused(&idle));
    let elsewhere = by_ses("").replace("eu-central-1", "ap-east-1");
    assert!(refused(&elsewhere).contains("Amazon SES is not in this region"), "{}", refused(&elsewhere));
}

/// A sandbox in which everybody could send anything would be none.
#[tokio::test]
async fn the_simulated_account_is_in_the_sandbox() {
    let instance = Instance::new();
    let gathered = instance.gather(&by_ses(""), false).await.expect("gathered");
    let account = &gathered.lookups[&"ses.account.current".parse().expect("an address")];
    assert_eq!(account.get("production"), Some(&Value::Bool(false)), "{account}");
    assert_eq!(account.get("mails_a_day"), Some(&Value::Number(200.0)), "{account}");
}
