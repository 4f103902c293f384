//! Records that a person is asked for, against a DNS server on loopback.

use mastoform::provider::aws::dns::{Dns, Finding};

use crate::support::dns::{Says, Server};

const NAME: &str = "social.example.org";
const TARGET: &str = "social-1.eu-central-1.elb.amazonaws.com";

async fn look(server: &Server) -> Finding {
    Dns::at(vec![server.address]).look(NAME, "CNAME", TARGET, None).await
}

fn wrong(finding: Finding) -> String {
    match finding {
        Finding::Wrong(what) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_record_is_missing_then_there_whatever_its_case() {
    let server = Server::start().await;
    // Whoever enters records where the zone is not served sees where it is.
    let place = " at ns1.example.org, where example.org is served";
    assert_eq!(look(&server).await, Finding::Missing(place.to_owned()));
    server.record(NAME, "CNAME", &TARGET.to_uppercase());
    assert_eq!(look(&server).await, Finding::Present);
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_udp_is_asked_for_over_tcp() {
    let server = Server::start().await;
    server.say(NAME, Says::Long(vec![("CNAME", TARGET.to_owned())]));
    assert_eq!(look(&server).await, Finding::Present);
}

#[tokio::test]
async fn another_target_is_named_with_the_zone_that_says_it() {
    let server = Server::start().await;
    server.record(NAME, "CNAME", "old.example.net");
    let said = wrong(look(&server).await);
    assert_eq!(said, "it points at old.example.net, say the name servers of example.org");
}

#[tokio::test]
async fn a_name_that_the_providers_form_made_longer_is_found() {
    let server = Server::start().await;
    server.record("social.example.org.example.org", "CNAME", TARGET);
    let said = wrong(look(&server).await);
    assert_eq!(
        said,
        "it stands at social.example.org.example.org: your provider adds example.org to what you type, so type social alone"
    );
}

#[tokio::test]
async fn at_the_top_of_a_zone_the_same_addresses_are_as_good() {
    let server = Server::start().await;
    server.record(NAME, "A", "192.0.2.7");
    server.record(TARGET, "A", "192.0.2.7");
    assert_eq!(look(&server).await, Finding::Present);
    // A proxy, or another server.
    server.record(NAME, "A", "198.51.100.9");
    let said = wrong(look(&server).await);
    assert!(said.starts_with("it has the addresses 198.51.100.9, which are not those of social-1"), "{said}");
    assert!(said.ends_with("a proxy before it hides where it points"), "{said}");
}

/// Each has a sentence of its own, for each has another remedy.
const WITHOUT_ANSWER: [(Says, &str); 2] = [
    (
        Says::Refuses,
        "refuse to answer, as for a zone that is served elsewhere: look which servers your registrar has for it",
    ),
    (Says::Fails, "fail to answer, as for a zone whose signatures are broken"),
];

#[tokio::test]
async fn servers_that_refuse_or_fail_are_no_missing_record() {
    let server = Server::start().await;
    for (says, sentence) in WITHOUT_ANSWER {
        server.say(NAME, says);
        assert_eq!(wrong(look(&server).await), format!("the name servers of example.org {sentence}"));
    }
}

/// That says nothing of the record: a firewall may stand between.
#[tokio::test]
async fn servers_that_do_not_answer_are_named() {
    let server = Server::start().await;
    server.say(NAME, Says::Mute);
    let said = "the name servers of example.org do not answer in time".to_owned();
    assert_eq!(look(&server).await, Finding::Silent(said));
    server.say("example.org", Says::Silent);
    assert_eq!(look(&server).await, Finding::Unknown, "nobody knows whom to ask");
}

#[tokio::test]
async fn texts_are_compared_as_a_whole() {
    let server = Server::start().await;
    server.record("_dmarc.example.org", "TXT", "v=DMARC1; p=none");
    let dns = Dns::at(vec![server.address]);
    let look = async |value: &str, accepts: Option<&str>| dns.look("_dmarc.example.org", "TXT", value, accepts).await;
    assert_eq!(look("v=DMARC1; p=none", None).await, Finding::Present);
    let said = wrong(look("v=DMARC1; p=reject", None).await);
    assert_eq!(said, "the name servers of example.org have v=DMARC1; p=none");
    // Whoever has one of this kind needs no other.
    assert_eq!(look("v=DMARC1; p=reject", Some("v=dmarc1")).await, Finding::Present);
    wrong(look("v=DMARC1; p=reject", Some("v=DMARC2")).await);
}

fn servers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const OURS: [&str; 2] = ["ns-1.awsdns-00.org", "ns-2.awsdns-01.com"];

async fn delegation(server: &Server, name: &str) -> Finding {
    Dns::at(vec![server.address]).delegation(name, &servers(&OURS)).await
}

/// The zone above says where a zone is served: it leads there or, where it is served by the same servers, answers.
#[tokio::test]
async fn a_zone_is_served_once_the_one_above_leads_to_its_servers() {
    let server = Server::start().await;
    assert_eq!(delegation(&server, NAME).await, Finding::Missing(String::new()));
    server.say(NAME, Says::Leads(servers(&["NS-2.awsdns-01.com", "ns-1.awsdns-00.org"])));
    assert_eq!(delegation(&server, NAME).await, Finding::Present);
    server.say(NAME, Says::Leads(servers(&OURS[..1])));
    assert_eq!(delegation(&server, NAME).await, Finding::Present, "one that answers is enough");
    server.say(NAME, Says::Records(vec![("NS", OURS[0].to_owned()), ("NS", OURS[1].to_owned())]));
    assert_eq!(delegation(&server, NAME).await, Finding::Present);
    // The name is there, and is no zone.
    server.record(NAME, "A", "192.0.2.7");
    assert_eq!(delegation(&server, NAME).await, Finding::Missing(String::new()));
}

#[tokio::test]
async fn other_servers_than_those_of_the_zone_are_named() {
    let server = Server::start().await;
    for led in [&["ns1.registrar.example"][..], &[OURS[0], "ns1.registrar.example"]] {
        server.say(NAME, Says::Leads(servers(led)));
        let said = wrong(delegation(&server, NAME).await);
        assert!(said.starts_with("the name servers of example.org lead to "), "{said}");
        assert!(said.contains("ns1.registrar.example"), "{said}");
    }
    for (says, sentence) in WITHOUT_ANSWER {
        server.say(NAME, says);
        let said = wrong(delegation(&server, NAME).await);
        assert_eq!(said, format!("the name servers of example.org {sentence}"));
    }
    server.say(NAME, Says::Silent);
    assert!(matches!(delegation(&server, NAME).await, Finding::Silent(_)));
}

/// Above a domain that somebody has registered stands a single word.
#[tokio::test]
async fn a_registered_domain_is_led_to_by_the_registry() {
    let server = Server::start().await;
    server.say("org", Says::Records(vec![("NS", "a0.registry.example".to_owned())]));
    server.say("example.org", Says::Leads(servers(&["ns1.registrar.example"])));
    let said = wrong(delegation(&server, "example.org").await);
    assert!(said.starts_with("the name servers of org lead to ns1.registrar.example"), "{said}");
    server.say("example.org", Says::Leads(servers(&OURS)));
    assert_eq!(delegation(&server, "example.org").await, Finding::Present);
}
