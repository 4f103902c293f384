//! Certificates.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Life, assert_error, creation, look_up, text, type_of};
use crate::support::emulator::REGION;
use crate::support::moto;
use mastoform::address::{Address, Identity};
use mastoform::provider::aws::Aws;
use mastoform::provider::{Creation, ErrorKind, Observation, Provider, Target};
use mastoform::value::Value;

#[tokio::test]
async fn an_issued_certificate_is_found() {
    let moto = moto::start();
    let aws = moto.aws();
    let arn = request(&aws, "social.example").await;
    let found = issued(&aws, "social.example").await;
    assert_eq!(text(&found, "arn"), arn);
    assert_eq!(text(&found, "domain_name"), "social.example");
    assert_eq!(text(&found, "status"), "ISSUED");
}

/// Nothing is built on a certificate that a browser would refuse.
#[tokio::test]
async fn a_certificate_must_cover_the_names_it_is_for() {
    let moto = moto::start();
    let aws = moto.aws();
    let arn = request(&aws, "*.example").await;
    issued_within(&aws, "*.example", &arn).await;
    let covering = |names: &[&str]| json!({ "domain_name": "*.example", "status": "ISSUED", "covers": names });
    let found = look_up(&aws, "acm.certificate", covering(&["social.example", "files.example"])).await;
    assert_eq!(text(&found.expect("it covers both"), "arn"), arn);
    let refused = look_up(&aws, "acm.certificate", covering(&["social.example", "files.social.example"])).await;
    let message = refused.expect_err("one is a part deeper").to_string();
    assert!(
        message.contains("the certificate for *.example in eu-central-1 is not good for files.social.example"),
        "{message}"
    );
}

/// Further names of a certificate are not in moto's lists: the handler's own tests are about them.
#[tokio::test]
async fn a_name_is_preferred_to_a_wildcard() {
    let moto = moto::start();
    let aws = moto.aws();
    request(&aws, "example.com").await;
    let wildcard = request(&aws, "*.example.com").await;
    assert_eq!(text(&issued(&aws, "social.example.com").await, "arn"), wildcard);
    let exact = request(&aws, "social.example.com").await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let later = request(&aws, "*.example.com").await;
    assert_eq!(text(&issued_within(&aws, "*.example.com", &later).await, "arn"), later);
    assert_eq!(text(&issued_within(&aws, "social.example.com", &exact).await, "arn"), exact);
}

#[tokio::test]
async fn the_latest_certificate_is_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    request(&aws, "social.example").await;
    // moto tells when a certificate was made in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let latest = request(&aws, "social.example").await;
    assert_eq!(text(&issued_within(&aws, "social.example", &latest).await, "arn"), latest);
}

#[tokio::test]
async fn a_missing_certificate_is_named_with_its_region() {
    let moto = moto::start();
    let aws = moto.aws();
    request(&aws, "other.example").await;
    let missing =
        look_up(&aws, "acm.certificate", json!({ "domain_name": "social.example", "status": "ISSUED" })).await;
    let message = missing.as_ref().unwrap_err().to_string();
    assert!(message.contains(REGION) && message.contains("social.example"), "{message}");
    assert_error(missing, ErrorKind::NotFound, "acm:ListCertificates");
}

#[tokio::test]
async fn a_certificate_is_observed_until_it_is_gone() {
    let moto = moto::start();
    let aws = moto.aws();
    let arn = request(&aws, "social.example").await;
    let target = Target {
        address: Address::new(type_of("acm.certificate"), "web", None),
        region: REGION.to_owned(),
        identity: Identity::new(&*arn),
        recorded: Value::Null,
        owner: None,
    };
    let seen = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
    let Some(Observation::Found(seen)) = seen else { panic!("{seen:?}") };
    assert_eq!(text(&seen.attributes, "domain_name"), "social.example");
    aws.clients(REGION).acm().delete_certificate().certificate_arn(&arn).send().await.unwrap();
    let seen = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
    assert!(matches!(seen, Some(Observation::Gone)), "{seen:?}");
}

async fn request(aws: &Aws, domain: &str) -> String {
    let answer = aws.clients(REGION).acm().request_certificate().domain_name(domain).send().await.unwrap();
    answer.certificate_arn.unwrap()
}

/// Waits until a certificate for `domain` is issued, and answers it.
async fn issued(aws: &Aws, domain: &str) -> Value {
    wait(aws, domain, |_| true).await
}

/// Waits until the certificate found for `domain` is this one; answers another if this one is never found.
async fn issued_within(aws: &Aws, domain: &str, arn: &str) -> Value {
    wait(aws, domain, |found| text(found, "arn") == arn).await
}

async fn wait(aws: &Aws, domain: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let found = look_up(aws, "acm.certificate", json!({ "domain_name": domain, "status": "ISSUED" })).await;
        match found {
            Ok(found) if is_wanted(&found) || started.elapsed() > Duration::from_secs(5) => return found,
            Err(error) if started.elapsed() > Duration::from_secs(5) => panic!("{error}"),
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}

/// moto issues a certificate by itself, and tells the record that proves it at once.
#[tokio::test]
async fn a_requested_certificate_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({ "domain_name": "social.example", "key_algorithm": "RSA_2048" });
    let certificate = Life::of("acm.certificate")
        .gap("alternative_validation_name") // There is no second name.
        .gap("alternative_validation_value")
        .repeats()
        .create(&aws, attributes)
        .await;
    certificate.shows(json!({ "validation_kind": "CNAME" })).await;
    certificate.end().await;
}

/// The record that proves each of two names is told; a certificate with other names is none that was lost.
#[tokio::test]
async fn a_certificate_of_two_names_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let one = creation(&type_of("acm.certificate"), REGION, json!({ "domain_name": "web.example" }));
    let two = json!({ "domain_name": "web.example", "alternative_name": "social.example" });
    // A request of its own: AWS answers one with the same token with the certificate of the first.
    let two = Creation { token: "f".repeat(32), ..creation(&type_of("acm.certificate"), REGION, two) };
    let made = aws.create(&one).await.expect("requested").identity;
    assert_eq!(aws.find(&two).await.expect("looked for"), []);
    let other = aws.create(&two).await.expect("requested").identity;
    // moto lists no other names, so what was made with two is not among those with two.
    assert_ne!(made, other);
    let target = Target {
        address: two.address.clone(),
        region: REGION.to_owned(),
        identity: other,
        recorded: Value::Null,
        owner: None,
    };
    let Some(Observation::Found(shown)) = aws.observe(std::slice::from_ref(&target)).await.remove(&two.address) else {
        panic!("it is not there")
    };
    let text = |name: &str| shown.attributes.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
    assert_eq!(
        (text("domain_name"), text("alternative_name")),
        ("web.example".to_owned(), "social.example".to_owned())
    );
    assert!(text("validation_name").ends_with(".web.example"), "{}", text("validation_name"));
    assert!(text("alternative_validation_name").ends_with(".social.example"), "{shown:?}");
}
