//! The parts that all types share: the account, the log of calls, the limits, errors of unknown types. And the proxy in between.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::future::join_all;
use mastoform::address::{Address, Identity};
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;
use mastoform::provider::{ErrorKind, Observation, Provider, Target};
use mastoform::value::Value;
use serde_json::json;

use super::whole::{program, ready, said};
use super::{Life, default_vpc};
use crate::support::emulator::{REGION, free_port};
use crate::support::proxy::{Mishap, Proxy};
use crate::support::{ministack, moto};

#[tokio::test]
async fn the_account_is_asked_once() {
    let moto = moto::start();
    let aws = moto.aws();
    assert_eq!(aws.account().await.unwrap().id, moto.account());
    assert_eq!(aws.account().await.unwrap().id, moto.account());
    assert_eq!(aws.endpoint_overrides(), [moto.endpoint().to_owned()].into());
    let calls = aws.calls().snapshot();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].operation.as_str(), calls[0].attempts, calls[0].status),
        ("sts:GetCallerIdentity", 1, Some(200))
    );
    assert!(calls[0].succeeded && calls[0].region == REGION && !calls[0].duration.is_zero());
}

#[tokio::test]
async fn both_emulators_start() {
    for emulator in [moto::start(), ministack::start(), moto::start(), ministack::start()] {
        assert_eq!(emulator.aws().account().await.unwrap().id, emulator.account());
    }
}

/// Whoever is refused for asking too often asks more slowly from then on.
#[tokio::test]
async fn what_was_refused_for_haste_is_asked_more_slowly() {
    /// Fewer than go at once after a rest, and more than come back while a refused call is tried again.
    const AT_ONCE: usize = 32;
    let moto = moto::start();
    let waiting = async |mut refusals: u32| {
        let mood = move |action: &str| {
            let refuses = action == "DescribeLoadBalancers" && refusals > 0;
            refusals -= u32::from(refuses);
            refuses.then_some(Mishap::Refuse("Throttling"))
        };
        let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(mood));
        let aws = moto.at(proxy.endpoint()).aws();
        let clients = aws.clients(REGION);
        let ask = async || drop(clients.elb().describe_load_balancers().send().await.expect("answered in the end"));
        ask().await;
        join_all((0..AT_ONCE).map(|_| ask())).await;
        let calls = aws.calls().snapshot();
        assert!(
            calls.iter().all(|call| call.succeeded && call.operation == "elasticloadbalancing:DescribeLoadBalancers")
        );
        (calls[0].attempts, calls.iter().filter(|call| !call.waited.is_zero()).count())
    };
    assert_eq!(waiting(0).await, (1, 0));
    // Two refusals empty the bucket, and leave a quarter of its rate: two tokens a second.
    let (attempts, waited) = waiting(2).await;
    assert!(attempts == 3 && waited > 0, "{attempts} attempts, {waited} calls waited");
}

/// The SDK repeats what only reads. The engine alone repeats what makes something, after it has looked.
#[tokio::test]
async fn a_lost_answer_to_a_creation_is_not_repeated_unseen() {
    let moto = moto::start();
    let losing = |action: &str| (action != "RegisterTaskDefinition").then_some(Mishap::Refuse("ThrottlingException"));
    let attempts = async |mood: fn(&str) -> Option<Mishap>, reads: bool| {
        let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(mood));
        let aws = moto.at(proxy.endpoint()).aws();
        let ecs = aws.clients(REGION);
        match reads {
            true => drop(ecs.ecs().describe_clusters().send().await.expect_err("refused")),
            false => drop(ecs.ecs().create_cluster().cluster_name("social").send().await.expect_err("refused")),
        }
        aws.calls().snapshot()[0].attempts
    };
    assert_eq!(attempts(losing, false).await, 1);
    assert!(attempts(losing, true).await > 1);

    // With the engine's own repetition there is one revision, though its first answer is lost.
    let mut lost = false;
    let mood = move |action: &str| {
        let loses = action == "RegisterTaskDefinition" && !lost;
        lost |= loses;
        loses.then_some(Mishap::LoseAnswer)
    };
    let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(mood));
    let aws = moto.at(proxy.endpoint()).aws();
    let creation = super::creation(&super::type_of("ecs.task_definition"), REGION, super::ecs::mastodon());
    aws.create(&creation).await.expect_err("its answer is lost");
    aws.create(&creation).await.expect("found");
    let revisions = aws.clients(REGION).ecs().list_task_definitions().send().await.expect("listed");
    assert_eq!(revisions.task_definition_arns().len(), 1);
}

/// Calls grow with the number of types, not of resources.
#[tokio::test]
async fn targets_of_one_type_are_one_call() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let mut groups = Vec::new();
    for number in 0..4 {
        let attributes = json!({ "group_name": format!("group-{number}"), "description": "test", "vpc_id": vpc_id });
        groups.push(Life::of("ec2.security_group").create(&aws, attributes).await.target());
    }
    for (number, target) in groups.iter_mut().enumerate() {
        target.address.name = format!("group_{number}");
    }
    let missing = Identity::new("sg-0123456789abcdef0");
    groups.push(Target {
        identity: missing,
        address: "ec2.security_group.missing".parse().unwrap(),
        ..groups[0].clone()
    });
    let before = aws.calls().snapshot().len();
    let observations = aws.observe(&groups).await;
    assert_eq!(aws.calls().snapshot().len() - before, 2, "the groups, and all their rules");
    assert_eq!(observations.values().filter(|answer| matches!(answer, Observation::Found(_))).count(), 4);
    assert!(matches!(observations[&groups[4].address], Observation::Gone));
}

#[tokio::test]
async fn an_unknown_type_is_an_answer_too() {
    let moto = moto::start();
    let address: Address = "games.chess.board".parse().unwrap();
    let target = Target {
        address: address.clone(),
        region: REGION.to_owned(),
        identity: Identity::new("one"),
        recorded: Value::Null,
        owner: None,
    };
    let answer = moto.aws().observe(&[target]).await.remove(&address);
    assert!(matches!(answer, Some(Observation::Failed(error)) if error.kind == ErrorKind::Invalid));
}

#[tokio::test]
async fn no_answer_is_a_network_error() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let config = moto::start().config().into_builder().endpoint_url(endpoint).build();
    let error = Aws::with_config(config, Calls::new()).account().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
}

/// Missing credentials are told apart from a missing network.
#[tokio::test]
async fn no_credentials_are_an_error_of_their_own() {
    #[derive(Debug)]
    struct Nobody;
    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("there is no profile")))
        }
    }
    let nobody = SharedCredentialsProvider::new(Nobody);
    let config = moto::start().config().into_builder().credentials_provider(nobody).build();
    let error = Aws::with_config(config, Calls::new()).account().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Credentials, "{error}");
}

/// The same group name in two regions is two groups.
#[tokio::test]
async fn regions_are_separate() {
    let aws = moto::start().aws();
    let clients = aws.clients("us-east-1");
    let vpcs = clients.ec2().describe_vpcs().send().await.unwrap();
    let attributes = json!({ "group_name": "tasks", "description": "test", "vpc_id": vpcs.vpcs()[0].vpc_id() });
    let there = Life::of("ec2.security_group").region("us-east-1").create(&aws, attributes).await;
    let attributes = json!({ "group_name": "tasks", "description": "test", "vpc_id": default_vpc(&aws).await });
    let here = Life::of("ec2.security_group").create(&aws, attributes).await;
    there.end().await;
    here.observe().await;
}

/// A proxy of the environment is for the way to AWS. It would read what is not encrypted.
#[test]
fn no_proxy_reads_what_stays_on_this_machine() {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let proxy = Proxy::start(emulator.endpoint().to_owned(), Duration::ZERO);
    let mut plan = program(&emulator, folder.path(), &["plan"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        plan.env(name, proxy.endpoint()).env(name.to_lowercase(), proxy.endpoint());
    }
    let output = plan.output().expect("it runs");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(proxy.take().len(), 0, "the proxy was asked");
}

/// The wave benchmark leaves out with it how fast the emulator is.
#[test]
fn what_a_proxy_remembers_is_asked_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let upstream = listener.local_addr().expect("an address").to_string();
    // Answers with the number of the call.
    thread::spawn(move || {
        for (number, client) in listener.incoming().flatten().enumerate() {
            assert!((&client).read(&mut [0; 1024]).is_ok_and(|read| read > 0), "a request");
            write!(&client, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n{number}").expect("written");
        }
    });
    let proxy = Proxy::remembering(upstream, Duration::ZERO);
    let ask = |region: &str, date: &str, body: &str| {
        let scope = format!("Authorization: AWS4 Credential=key/{region}/iam, Signature={date}");
        let length = body.len();
        let request =
            format!("POST / HTTP/1.1\r\nX-Amz-Date: {date}\r\n{scope}\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut client = TcpStream::connect(proxy.endpoint().trim_start_matches("http://")).expect("a proxy");
        client.write_all(request.as_bytes()).expect("sent");
        client.shutdown(Shutdown::Write).expect("no more");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer");
        answer.rsplit_once("\r\n").map(|(_, body)| body.to_owned()).expect("a body")
    };
    assert_eq!(ask("eu", "today", "Action=GetRole"), "0");
    assert_eq!(ask("eu", "later", "Action=GetRole"), "0");
    assert_eq!(ask("eu", "later", "Action=GetUser"), "1");
    assert_eq!(ask("us", "later", "Action=GetRole"), "2");
    assert_eq!(ask("us", "again", "Action=GetRole"), "2");
}
