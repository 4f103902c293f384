//! Mail by SES: identities, rules, the user who sends, and what AWS lets the account do.
//!
//! moto has a part of the API; what it lacks is added to it in `tests/support/moto_additions.py`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::{LINEAGE, Life, assert_error, creation, look_up, make, text, type_of};
use crate::support::emulator::{Emulator, REGION};
use crate::support::loopback::{Loopback, Reply};
use crate::support::moto;
use crate::support::proxy::{Mishap, Proxy};
use mastoform::provider::aws::Aws;
use mastoform::provider::{
    Creation, ErrorKind, Observation, Observed, Owner, Provider, ProviderError, Tags, Target, Update,
};
use mastoform::value::Value;

const USER: &str = "social-eu-central-1-mail";
const SECRET: &str = "social/mail";

fn policy(action: &str) -> Json {
    let resource = "arn:aws:ses:eu-central-1:123456789012:identity/social.example.org";
    let statement = json!({ "Sid": "Send", "Effect": "Allow", "Action": [action], "Resource": resource });
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

fn user() -> Json {
    json!({
        "name": USER,
        "policies": { "send": policy("ses:SendRawEmail") },
        "secret": SECRET,
        "description": "Name and password at Amazon SES",
    })
}

/// The keys that the user has.
async fn keys(aws: &Aws) -> Vec<String> {
    let clients = aws.clients(REGION);
    let listed = clients.iam().list_access_keys().user_name(USER).send().await.expect("keys");
    listed.access_key_metadata.into_iter().filter_map(|key| key.access_key_id).collect()
}

/// Name and password in the secret.
async fn stored(aws: &Aws) -> (String, String) {
    let clients = aws.clients(REGION);
    let answer = clients.secretsmanager().get_secret_value().secret_id(SECRET).send().await.expect("a secret");
    let value: Json = serde_json::from_str(answer.secret_string().expect("a text")).expect("JSON");
    let field = |name: &str| value[name].as_str().expect("a text").to_owned();
    assert_eq!(value.as_object().map(|fields| fields.len()), Some(2));
    (field("login"), field("password"))
}

/// As the engine reads it, on behalf of whoever made it.
fn owned(creation: &Creation) -> Target {
    let (instance, lineage) = ("test".to_owned(), LINEAGE.to_owned());
    let owner = Owner { instance, region: REGION.to_owned(), lineage, account: None, accepts_unmarked: false };
    Target {
        address: creation.address.clone(),
        region: REGION.to_owned(),
        identity: mastoform::address::Identity::new(USER),
        recorded: creation.attributes.plain().expect("no secrets"),
        owner: Some(Arc::new(owner)),
    }
}

async fn look(aws: &Aws, target: &Target) -> Observed {
    match aws.observe(std::slice::from_ref(target)).await.remove(&target.address) {
        Some(Observation::Found(observed)) => observed,
        other => panic!("{other:?}"),
    }
}

/// Asks for the same once more, as the engine does with what AWS reports as failed.
async fn again(aws: &Aws, creation: &Creation) -> Result<(), ProviderError> {
    let changed = vec!["description".to_owned(), "policies".to_owned()];
    aws.update(&Update { target: owned(creation), desired: creation.attributes.clone(), changed }).await
}

#[tokio::test]
async fn rules_for_mail_live() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({
        "name": "social-mail", "tls_policy": "REQUIRE", "reputation_metrics": true,
        "suppressed_reasons": ["BOUNCE", "COMPLAINT"],
    });
    let mut set = Life::of("ses.configuration_set").repeats().create(&aws, attributes).await;
    set.update(json!({ "tls_policy": "OPTIONAL", "suppressed_reasons": ["BOUNCE"] })).await;
    set.update(json!({ "reputation_metrics": false })).await;
    set.update(json!({ "tls_policy": null })).await;
    set.shows(json!({ "tls_policy": "OPTIONAL" })).await;
    let clients = aws.clients(REGION);
    let by_hand = clients.ses().put_configuration_set_reputation_options().configuration_set_name("social-mail");
    by_hand.reputation_metrics_enabled(true).send().await.expect("put");
    set.shows(json!({ "reputation_metrics": true })).await;
    set.end().await;
}

#[tokio::test]
async fn a_domain_is_proven_by_the_records_that_its_creation_tells() {
    let moto = moto::start();
    let aws = moto.aws();
    make(&aws, "ses.configuration_set", json!({ "name": "social-mail" })).await;
    make(&aws, "ses.configuration_set", json!({ "name": "other-mail" })).await;
    let attributes = json!({
        "name": "social.example.org", "configuration_set": "social-mail",
        "mail_from": { "domain": "bounce.social.example.org", "on_failure": "USE_DEFAULT_VALUE" },
    });
    let mut domain = Life::of("ses.domain_identity").repeats().create(&aws, attributes).await;
    let seen = domain.shows(json!({ "status": "PENDING" })).await.attributes;
    for number in 1..=3 {
        let name = text(&seen, &format!("dkim_name_{number}"));
        let token = name.strip_suffix("._domainkey.social.example.org").expect("a token");
        assert_eq!(text(&seen, &format!("dkim_value_{number}")), format!("{token}.dkim.amazonses.com"));
    }
    domain.update(json!({ "configuration_set": "other-mail" })).await;
    domain.update(json!({ "mail_from": { "domain": "return.social.example.org" } })).await;

    let clients = aws.clients(REGION);
    let zone = clients.route53().create_hosted_zone().name("example.org").caller_reference("1").send().await.unwrap();
    let value = ResourceRecord::builder().value(text(&seen, "dkim_value_1")).build().unwrap();
    let set = ResourceRecordSet::builder().name(text(&seen, "dkim_name_1")).r#type(RrType::Cname).ttl(60);
    let set = set.resource_records(value).build().unwrap();
    let change = Change::builder().action(ChangeAction::Create).resource_record_set(set).build().unwrap();
    let batch = ChangeBatch::builder().changes(change).build().unwrap();
    let zone = zone.hosted_zone.expect("a zone");
    clients.route53().change_resource_record_sets().hosted_zone_id(zone.id()).change_batch(batch).send().await.unwrap();
    domain.shows(json!({ "status": "SUCCESS" })).await;
    domain.end().await;
}

#[tokio::test]
async fn an_address_waits_for_whoever_opens_the_link() {
    let moto = moto::start();
    let aws = moto.aws();
    let address = Life::of("ses.address_identity").repeats().create(&aws, json!({ "name": "ada@example.org" })).await;
    address.shows(json!({ "status": "SUCCESS" })).await;
    address.end().await;
}

#[tokio::test]
async fn an_identity_of_somebody_else_is_left_alone() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    for (type_name, name) in
        [("ses.domain_identity", "social.example.org"), ("ses.address_identity", "ada@example.org")]
    {
        clients.ses().create_email_identity().email_identity(name).send().await.expect("made");
        let refused = aws.create(&creation(&type_of(type_name), REGION, json!({ "name": name }))).await;
        let message = refused.as_ref().expect_err("refused").message.clone();
        assert!(message.starts_with(&format!("SES knows {name} in this region already")), "{message}");
        assert_error(refused, ErrorKind::Conflict, "ses:CreateEmailIdentity");
    }
}

#[tokio::test]
async fn a_user_lives_with_one_key_and_the_secret_that_holds_it() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut life = Life::of("ses.smtp_user").repeats().create(&aws, user()).await;
    let seen = life.shows(json!({ "status": "ready" })).await.attributes;
    let (login, password) = stored(&aws).await;
    assert_eq!(keys(&aws).await, [login.as_str()]);
    let bytes = STANDARD.decode(&password).expect("base64");
    assert_eq!((bytes.len(), bytes[0]), (33, 4), "a version and a signature");
    assert!(!seen.to_string().contains(&login) && !seen.to_string().contains(&password), "{seen}");

    life.update(json!({ "policies": { "only": policy("ses:SendEmail") } })).await;
    let shown = life.observe().await.attributes.get("policies").and_then(|shown| shown.as_map().cloned());
    assert_eq!(shown.unwrap().keys().collect::<Vec<_>>(), ["only"], "what is not wanted any more is gone");
    life.update(json!({ "description": "Sends mail" })).await;
    assert_eq!(stored(&aws).await, (login, password), "nothing of this made another key");

    // Whoever has lost the state knows the secret by a tag of the user.
    let forgetful = Target { recorded: mastoform::value::Value::Null, ..life.target() };
    assert_eq!(text(&look(&aws, &forgetful).await.attributes, "secret"), SECRET);
    life.end().await;
    let left = aws.clients(REGION).secretsmanager().list_secrets().send().await.expect("secrets");
    assert!(left.secret_list().is_empty(), "{left:?}");
}

/// An answer as IAM gives it.
fn of_iam(action: &str, result: &str) -> String {
    let namespace = "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"";
    let result = format!("<{action}Result>{result}</{action}Result>");
    format!(
        "<{action}Response {namespace}>{result}<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
    )
}

/// The pair of AWS's documentation.
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const KEY_SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const PASSWORD: &str = "BF0/eIJm0ruTHsSjOkRuOGzGF+zeSyE3aiRzrzUQ8LwG";

/// An account that has nothing yet. A secret that is to be stored is answered by `store`, which is given the request.
fn empty(store: impl Fn(&str) -> (&'static str, String) + Send + Sync + 'static) -> Loopback {
    Loopback::start(move |request| {
        let details = format!(
            "<Path>/</Path><UserName>{USER}</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::123456789012:user/{USER}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        );
        let key = format!(
            "<AccessKey><UserName>{USER}</UserName><AccessKeyId>{KEY_ID}</AccessKeyId><Status>Active</Status><SecretAccessKey>{KEY_SECRET}</SecretAccessKey></AccessKey>"
        );
        let has = |action: &str| request.contains(&format!("Action={action}&"));
        let (status, body) = if has("CreateUser") {
            ("200 OK", of_iam("CreateUser", &format!("<User>{details}</User>")))
        } else if has("ListAccessKeys") {
            (
                "200 OK",
                of_iam("ListAccessKeys", "<AccessKeyMetadata></AccessKeyMetadata><IsTruncated>false</IsTruncated>"),
            )
        } else if has("CreateAccessKey") {
            ("200 OK", of_iam("CreateAccessKey", &key))
        } else if has("PutUserPolicy") {
            ("200 OK", of_iam("PutUserPolicy", ""))
        } else if has("DeleteAccessKey") {
            ("200 OK", of_iam("DeleteAccessKey", ""))
        } else if request.to_ascii_lowercase().contains("secretsmanager.describesecret") {
            ("400 Bad Request", json!({ "__type": "ResourceNotFoundException", "Message": "none" }).to_string())
        } else {
            store(request)
        };
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        Reply::Text(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    })
}

/// A provider over a server of the test.
fn over(server: &Loopback) -> Aws {
    moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws()
}

#[tokio::test]
async fn the_password_is_that_of_the_key_and_goes_into_the_secret_alone() {
    let server = empty(|_| {
        let arn = format!("arn:aws:secretsmanager:{REGION}:123456789012:secret:{SECRET}-AbCdEf");
        ("200 OK", json!({ "ARN": arn, "Name": SECRET }).to_string())
    });
    let aws = over(&server);
    let made = aws.create(&creation(&type_of("ses.smtp_user"), REGION, user())).await.expect("made");
    let sent = server.heads();
    let holding: Vec<&String> = sent.iter().filter(|request| request.contains(PASSWORD)).collect();
    let [request] = holding[..] else { panic!("{} requests hold the password", holding.len()) };
    let body: Json = serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let value: Json = serde_json::from_str(body["SecretString"].as_str().expect("a text")).expect("JSON");
    assert_eq!(value, json!({ "login": KEY_ID, "password": PASSWORD }));
    assert!(sent.iter().all(|request| !request.contains(KEY_SECRET)), "the key itself is sent nowhere");
    let told = format!("{made:?} {:?}", aws.calls().snapshot());
    assert!(!told.contains(PASSWORD) && !told.contains(KEY_SECRET) && !told.contains(KEY_ID), "{told}");
}

/// A key whose password cannot be stored is of no use: it goes at once. What AWS says about it may repeat what it was
/// sent.
#[tokio::test]
async fn a_key_that_cannot_be_stored_is_deleted_and_in_no_error() {
    let server = empty(|request| {
        let sent = request.split("\r\n\r\n").nth(1).unwrap_or_default();
        let problem = json!({ "__type": "InvalidParameterException", "Message": format!("cannot use {sent}") });
        ("400 Bad Request", problem.to_string())
    });
    let aws = over(&server);
    let refused = aws.create(&creation(&type_of("ses.smtp_user"), REGION, user())).await;
    let told = format!("{:?}", refused.as_ref().expect_err("refused"));
    assert!(told.contains("cannot use") && told.contains("***"), "{told}");
    assert!(!told.contains(PASSWORD) && !told.contains(KEY_SECRET), "{told}");
    assert_error(refused, ErrorKind::Invalid, "secretsmanager:CreateSecret");
    let sent = server.heads();
    let deleted = sent.iter().find(|request| request.contains("Action=DeleteAccessKey&")).expect("a deletion");
    assert!(deleted.contains(KEY_ID), "{deleted}");
}

/// The emulator by way of a proxy in which these calls go wrong, one after the other.
fn clumsy(moto: &Emulator, mishaps: &[(&'static str, Mishap)]) -> Aws {
    let left = Mutex::new(mishaps.to_vec());
    let mood = move |action: &str| {
        let mut left = left.lock().expect("no panic");
        let found = left.iter().position(|(name, _)| *name == action)?;
        Some(left.remove(found).1)
    };
    let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(mood));
    moto.at(proxy.endpoint()).aws()
}

/// The program dies with a key in its hands, at every moment at which it may have one. The next run leaves one key, which
/// is the one in the secret.
#[tokio::test]
async fn a_run_that_ends_between_key_and_secret_leaves_one_key_after_the_next() {
    let lost = Mishap::LoseAnswer;
    let refused = Mishap::Refuse("AccessDenied");
    let moments: [&[(&'static str, Mishap)]; 5] = [
        &[("CreateAccessKey", lost)],
        &[("CreateSecret", refused), ("DeleteAccessKey", refused)],
        &[("CreateSecret", lost)],
        &[("CreateSecret", lost), ("DeleteAccessKey", refused)],
        &[("PutUserPolicy", refused)],
    ];
    for mishaps in moments {
        let moto = moto::start();
        let aws = moto.aws();
        let creation = creation(&type_of("ses.smtp_user"), REGION, user());
        clumsy(&moto, mishaps).create(&creation).await.expect_err("it was interrupted");
        assert!(keys(&aws).await.len() < 2, "{mishaps:?}");
        assert_eq!(aws.find(&creation).await.map(|found| found.len()), Ok(1), "what was begun is found");
        aws.create(&creation).await.unwrap_or_else(|error| panic!("{mishaps:?}: {error}"));
        assert_eq!(keys(&aws).await, [stored(&aws).await.0], "{mishaps:?}");
        assert_eq!(text(&look(&aws, &owned(&creation)).await.attributes, "status"), "ready", "{mishaps:?}");
    }
}

#[tokio::test]
async fn what_somebody_did_to_the_key_is_seen_and_mended() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    let creation = creation(&type_of("ses.smtp_user"), REGION, user());
    aws.create(&creation).await.expect("made");
    let (first, _) = stored(&aws).await;
    let status = async || text(&look(&aws, &owned(&creation)).await.attributes, "status");

    clients.iam().create_access_key().user_name(USER).send().await.expect("another key");
    assert_eq!(status().await, "with a key too many");
    again(&aws, &creation).await.expect("mended");
    assert_eq!((status().await.as_str(), keys(&aws).await), ("ready", vec![first.clone()]));

    let before = look(&aws, &owned(&creation)).await.attributes;
    clients.iam().delete_access_key().user_name(USER).access_key_id(&first).send().await.expect("deleted");
    assert_eq!(status().await, "without its key");
    again(&aws, &creation).await.expect("mended");
    let (second, _) = stored(&aws).await;
    assert_eq!((status().await.as_str(), keys(&aws).await), ("ready", vec![second.clone()]));
    let after = look(&aws, &owned(&creation)).await.attributes;
    assert_ne!(text(&before, "version"), text(&after, "version"), "whoever reads the secret starts anew");
    assert_eq!(text(&before, "secret_arn"), text(&after, "secret_arn"));

    // The secret waits for its deletion, and is taken back.
    clients
        .secretsmanager()
        .delete_secret()
        .secret_id(SECRET)
        .recovery_window_in_days(7)
        .send()
        .await
        .expect("deleted");
    assert_eq!(status().await, "without its key");
    again(&aws, &creation).await.expect("mended");
    assert_eq!(status().await, "ready");

    // The user is gone, and the secret tells that there was one.
    let (held, _) = stored(&aws).await;
    clients.iam().delete_access_key().user_name(USER).access_key_id(held).send().await.expect("deleted");
    clients.iam().delete_user_policy().user_name(USER).policy_name("send").send().await.expect("deleted");
    clients.iam().delete_user().user_name(USER).send().await.expect("deleted");
    assert_eq!(status().await, "without its key");
    again(&aws, &creation).await.expect("mended");
    assert_eq!((status().await.as_str(), keys(&aws).await), ("ready", vec![stored(&aws).await.0]));
}

#[tokio::test]
async fn a_secret_or_user_of_somebody_else_is_left_alone() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    clients.secretsmanager().create_secret().name(SECRET).secret_string("theirs").send().await.expect("made");
    let creation = creation(&type_of("ses.smtp_user"), REGION, user());
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "secretsmanager:CreateSecret");
    assert_eq!(keys(&aws).await, Vec::<String>::new(), "no key was made for it");
    aws.delete(&owned(&creation)).await.expect("deleted");
    let theirs = clients.secretsmanager().get_secret_value().secret_id(SECRET).send().await.expect("still there");
    assert_eq!(theirs.secret_string(), Some("theirs"));
    clients.iam().create_user().user_name(USER).send().await.expect("made");
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "iam:CreateUser");
}

/// A state can name any secret of the account.
#[tokio::test]
async fn nothing_is_told_of_a_secret_that_only_the_state_calls_ours() {
    let moto = moto::start();
    let aws = moto.aws();
    let creation = creation(&type_of("ses.smtp_user"), REGION, user());
    aws.create(&creation).await.expect("made");
    let secrets = aws.clients(REGION).secretsmanager().clone();
    let theirs = secrets.create_secret().name("payroll").description("of theirs").secret_string("theirs");
    theirs.send().await.expect("made");
    let mut target = owned(&creation);
    assert_eq!(text(&look(&aws, &target).await.attributes, "status"), "ready");
    target.recorded.set(&["secret"], Value::Text("payroll".to_owned()));
    let seen = look(&aws, &target).await.attributes;
    assert_eq!(text(&seen, "status"), "without its key");
    for hidden in ["description", "secret_arn", "version"] {
        assert!(seen.get(hidden).is_none_or(Value::is_null), "{hidden}: {seen:?}");
    }
    aws.mark(&target, &Tags::from([("team".to_owned(), "operations".to_owned())])).await.expect("marked");
    let theirs = secrets.describe_secret().secret_id("payroll").send().await.expect("still there");
    assert_eq!(theirs.tags(), [], "it carries nothing of ours");
}

#[tokio::test]
async fn the_account_tells_its_limits_and_asks_for_more_once() {
    let moto = moto::start();
    let aws = moto.aws();
    let account = async || look_up(&aws, "ses.account", json!({})).await.expect("an account");
    let before = account().await;
    let said = json!({
        "mails_a_day": 200.0, "mails_a_second": 1.0, "mails_left": 200.0, "mails_sent": 0.0, "production": false,
        "reputation": "HEALTHY", "review": "NONE", "sending": true,
    });
    assert_eq!(before.to_json(), said);
    let attributes = json!({
        "domain": "social.example.org", "website": "https://social.example.org",
        "use_case": "A server of Mastodon", "contacts": ["ada@example.org"],
    });
    let request = creation(&type_of("ses.production_access"), REGION, attributes);
    for _ in 0..2 {
        let made = aws.create(&request).await.expect("asked");
        assert_eq!(made.identity.as_str(), "social.example.org");
    }
    assert_eq!(text(&account().await, "review"), "PENDING");
    let details = aws.clients(REGION).ses().get_account().send().await.expect("an account").details.expect("details");
    assert_eq!(details.use_case_description(), Some("A server of Mastodon"));
    assert_eq!(details.additional_contact_email_addresses(), ["ada@example.org"]);
    let target = Target { identity: mastoform::address::Identity::new("social.example.org"), ..owned(&request) };
    assert_eq!(text(&look(&aws, &target).await.attributes, "status"), "PENDING");
}
