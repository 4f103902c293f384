//! The content delivery network.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudfront::types::{
    CachePolicyQueryStringBehavior, CachePolicyQueryStringsConfig, CustomErrorResponse, CustomErrorResponses,
    QueryStringNames, ResponseHeadersPolicyServerTimingHeadersConfig, ResponseHeadersPolicyXssProtection,
};
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;
use mastoform::provider::{Deletion, ErrorKind, Observation, Provider};
use serde_json::json;

use super::{Life, assert_error, creation, make, type_of};
use crate::support::emulator::{REGION, types};
use crate::support::{ministack, moto};

/// One of AWS's own cache policies: CachingOptimized.
const CACHE_POLICY: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
/// One of AWS's own headers policies: SimpleCORS.
const HEADERS_POLICY: &str = "60669652-455b-4ae9-85a4-c4c02393f86c";
const CERTIFICATE: &str = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";

fn control(name: &str) -> serde_json::Value {
    json!({
        "name": name,
        "description": "CloudFront reads the media of Mastodon",
        "origin_kind": "s3",
        "signing_behavior": "always",
        "signing_protocol": "sigv4",
    })
}

fn distribution(control: Option<&str>) -> serde_json::Value {
    json!({
        "enabled": true,
        "aliases": ["files.example.org"],
        "comment": "Media of example.org",
        "price_class": "PriceClass_100",
        "http_version": "http2and3",
        "ipv6": true,
        "default_cache_behavior": behavior(),
        "viewer_certificate": {
            "acm_certificate_arn": CERTIFICATE,
            "minimum_protocol_version": "TLSv1.2_2021",
            "ssl_support_method": "sni-only",
        },
        "origins": [{
            "id": "media",
            "domain_name": "media.s3.eu-central-1.amazonaws.com",
            "origin_access_control_id": control,
        }],
    })
}

fn behavior() -> serde_json::Value {
    json!({
        "target_origin_id": "media",
        "viewer_protocol_policy": "redirect-to-https",
        "allowed_methods": ["GET", "HEAD", "OPTIONS"],
        "cached_methods": ["GET", "HEAD"],
        "compress": true,
        "cache_policy_id": CACHE_POLICY,
        "response_headers_policy_id": HEADERS_POLICY,
    })
}

#[tokio::test]
async fn a_distribution_lives() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let id = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    let mut media = Life::of("cloudfront.distribution").repeats().create(&aws, distribution(Some(&id))).await;
    media.shows(json!({ "status": "Deployed", "geo_restriction": { "kind": "none", "locations": [] } })).await;
    media.update(json!({ "comment": "Media" })).await;
    media.update(json!({ "price_class": "PriceClass_All", "http_version": "http2", "ipv6": false })).await;
    media.update(json!({ "default_root_object": "index.html", "enabled": false })).await;
    media.update(json!({ "aliases": ["files.example.org", "media.example.org"] })).await;
    media.update(json!({ "geo_restriction": { "kind": "whitelist", "locations": ["DE", "FR"] } })).await;
    let mut changed = behavior();
    changed["compress"] = json!(false);
    changed["response_headers_policy_id"] = json!(null);
    let observed = media.update(json!({ "default_cache_behavior": changed, "enabled": true })).await;
    let policy = observed.attributes.at(&["default_cache_behavior", "response_headers_policy_id"]);
    assert!(policy.is_some_and(|policy| policy.is_null()), "{policy:?}");
    media.end().await;
}

fn headers(name: &str) -> serde_json::Value {
    json!({
        "name": name,
        "comment": "Media of example.org",
        "cors": {
            "allow_origins": ["*"], "allow_headers": ["*"], "allow_methods": ["GET", "HEAD", "OPTIONS"],
            "expose_headers": ["*"], "override": true,
        },
        "security": {
            "content_security_policy": "default-src 'none'; form-action 'none'",
            "content_type_options": true,
            "frame_options": "DENY",
            "referrer_policy": "same-origin",
            "strict_transport_security": { "max_age_seconds": 31_536_000 },
            "override": true,
        },
    })
}

#[tokio::test]
async fn a_headers_policy_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let mut policy =
            Life::of("cloudfront.response_headers_policy").repeats().create(&aws, headers("social-media")).await;
        policy
            .shows(json!({
                "cors": { "allow_credentials": false, "max_age_seconds": 600 },
                "security": { "strict_transport_security": { "include_subdomains": false, "preload": false } },
            }))
            .await;
        policy.update(json!({ "comment": "Media", "name": "social-eu-media" })).await;
        let closed = json!({
            "allow_origins": ["https://example.org"], "allow_headers": ["Range"], "allow_methods": ["GET"],
            "allow_credentials": true, "max_age_seconds": 60, "override": false,
        });
        policy.update(json!({ "cors": closed })).await;
        policy.shows(json!({ "cors": { "expose_headers": [] } })).await;
        policy.update(json!({ "security": { "frame_options": "SAMEORIGIN", "override": false } })).await;
        let observed = policy.shows(json!({ "security": { "content_type_options": false, "override": false } })).await;
        let csp = observed.attributes.at(&["security", "content_security_policy"]);
        assert!(csp.is_some_and(|csp| csp.is_null()), "{csp:?}");

        // Back to AWS's defaults: no such headers at all.
        policy.update(json!({ "comment": null, "cors": null, "security": null })).await;
        let observed = policy.shows(json!({ "comment": "" })).await;
        for header in ["cors", "security"] {
            assert!(observed.attributes.get(header).is_some_and(|found| found.is_null()), "{observed:?}");
        }
        policy.end().await;
    }
}

#[tokio::test]
async fn headers_of_others_stay_in_the_policy() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut policy = Life::of("cloudfront.response_headers_policy").create(&aws, headers("media")).await;
    let clients = aws.clients(REGION);
    let answer = clients.cloudfront().get_response_headers_policy().id(policy.identity()).send().await.unwrap();
    let mut config = answer.response_headers_policy.unwrap().response_headers_policy_config.unwrap();
    let xss = ResponseHeadersPolicyXssProtection::builder().protection(true).r#override(true).build().unwrap();
    config.security_headers_config.as_mut().unwrap().xss_protection = Some(xss.clone());
    let timing = ResponseHeadersPolicyServerTimingHeadersConfig::builder().enabled(true).sampling_rate(5.0).build();
    config.server_timing_headers_config = Some(timing.unwrap());
    let request = clients.cloudfront().update_response_headers_policy().id(policy.identity());
    request.set_if_match(answer.e_tag).response_headers_policy_config(config).send().await.unwrap();

    policy.update(json!({ "security": null })).await;
    let answer = clients.cloudfront().get_response_headers_policy().id(policy.identity()).send().await.unwrap();
    let config = answer.response_headers_policy.unwrap().response_headers_policy_config.unwrap();
    assert_eq!(config.security_headers_config.and_then(|security| security.xss_protection), Some(xss));
    assert!(config.server_timing_headers_config.is_some_and(|timing| timing.enabled()));
}

#[tokio::test]
async fn a_headers_policy_in_use_is_not_deleted() {
    let moto = moto::start();
    let aws = moto.aws();
    let control = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    let policy = Life::of("cloudfront.response_headers_policy").create(&aws, headers("media")).await;
    let bucket = make(&aws, "s3.bucket", json!({ "bucket": "headers-policy-in-use" })).await;
    let mut attributes = distribution(Some(&control));
    attributes["default_cache_behavior"]["response_headers_policy_id"] = json!(policy.identity());
    attributes["origins"][0]["domain_name"] = json!(format!("{bucket}.s3.eu-central-1.amazonaws.com"));
    make(&aws, "cloudfront.distribution", attributes).await;
    assert_error(aws.delete(&policy.target()).await, ErrorKind::NotYet, "cloudfront:DeleteResponseHeadersPolicy");
}

fn cached(name: &str) -> serde_json::Value {
    json!({
        "name": name, "comment": "Media of example.org", "min_ttl_seconds": 1, "default_ttl_seconds": 86400,
        "max_ttl_seconds": 604800, "gzip": true, "brotli": true,
    })
}

#[tokio::test]
async fn a_cache_policy_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let mut policy = Life::of("cloudfront.cache_policy").repeats().create(&aws, cached("social-media")).await;
        policy.shows(json!({ "cookies": "none", "headers": "none", "query_strings": "none" })).await;
        policy.update(json!({ "max_ttl_seconds": 172800, "name": "social-eu-media", "comment": null })).await;
        policy.update(json!({ "query_strings": "all", "gzip": false, "brotli": null })).await;
        policy.shows(json!({ "comment": "", "brotli": false, "cookies": "none" })).await;
        policy.end().await;
    }
}

#[tokio::test]
async fn a_cache_policy_that_somebody_changed_is_seen_and_set_back() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut policy = Life::of("cloudfront.cache_policy").create(&aws, cached("media")).await;
    let clients = aws.clients(REGION);
    let answer = clients.cloudfront().get_cache_policy().id(policy.identity()).send().await.unwrap();
    let mut config = answer.cache_policy.unwrap().cache_policy_config.unwrap();
    let names = QueryStringNames::builder().quantity(1).items("v").build().unwrap();
    let queries = CachePolicyQueryStringsConfig::builder()
        .query_string_behavior(CachePolicyQueryStringBehavior::Whitelist)
        .query_strings(names)
        .build()
        .unwrap();
    config.parameters_in_cache_key_and_forwarded_to_origin.as_mut().unwrap().query_strings_config = Some(queries);
    let request = clients.cloudfront().update_cache_policy().id(policy.identity()).set_if_match(answer.e_tag);
    request.cache_policy_config(config).send().await.unwrap();
    policy.shows(json!({ "query_strings": "whitelist" })).await;
    policy.update(json!({ "query_strings": "none" })).await;
    policy.shows(json!({ "query_strings": "none" })).await;
}

#[tokio::test]
async fn a_cache_policy_in_use_is_not_deleted() {
    let moto = moto::start();
    let aws = moto.aws();
    let control = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    let policy = Life::of("cloudfront.cache_policy").create(&aws, cached("media")).await;
    let bucket = make(&aws, "s3.bucket", json!({ "bucket": "cache-policy-in-use" })).await;
    let mut attributes = distribution(Some(&control));
    attributes["default_cache_behavior"]["cache_policy_id"] = json!(policy.identity());
    attributes["origins"][0]["domain_name"] = json!(format!("{bucket}.s3.eu-central-1.amazonaws.com"));
    make(&aws, "cloudfront.distribution", attributes).await;
    assert_error(aws.delete(&policy.target()).await, ErrorKind::NotYet, "cloudfront:DeleteCachePolicy");
}

#[tokio::test]
async fn attributes_go_back_to_their_defaults() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let id = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    let mut media = Life::of("cloudfront.distribution").create(&aws, distribution(Some(&id))).await;
    media
        .update(json!({
            "aliases": null, "comment": null, "price_class": null, "http_version": null, "ipv6": null,
            "default_root_object": null, "viewer_certificate": null, "geo_restriction": null,
            "origins": [{
                "id": "media",
                "domain_name": "media.s3.eu-central-1.amazonaws.com",
                "origin_access_identity": "origin-access-identity/cloudfront/E1",
            }],
        }))
        .await;
    let observed = media
        .shows(json!({
            "aliases": [], "comment": "", "price_class": "PriceClass_All", "http_version": "http2", "ipv6": false,
            "default_root_object": "", "geo_restriction": { "kind": "none", "locations": [] },
        }))
        .await;
    let certificate = observed.attributes.at(&["viewer_certificate", "acm_certificate_arn"]);
    assert!(certificate.is_some_and(|certificate| certificate.is_null()), "{certificate:?}");
    let origin = &observed.attributes.get("origins").and_then(|origins| origins.as_list()).unwrap()[0];
    let control = origin.get("origin_access_control_id");
    assert!(control.is_some_and(|control| control.is_null()), "{origin}");
    media.end().await;
}

#[tokio::test]
async fn what_others_set_stays() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let id = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    let mut media = Life::of("cloudfront.distribution").create(&aws, distribution(Some(&id))).await;
    let clients = aws.clients(REGION);
    let answer = clients.cloudfront().get_distribution_config().id(media.identity()).send().await.unwrap();
    let mut config = answer.distribution_config.unwrap();
    let page = CustomErrorResponse::builder().error_code(403).response_page_path("/403.html").response_code("404");
    let pages = CustomErrorResponses::builder().quantity(1).items(page.build().unwrap()).build().unwrap();
    config.custom_error_responses = Some(pages.clone());
    config.price_class = Some("PriceClass_200".into());
    config.origins.as_mut().unwrap().items[0].connection_attempts = Some(2);
    let request = clients.cloudfront().update_distribution().id(media.identity()).set_if_match(answer.e_tag);
    request.distribution_config(config).send().await.unwrap();
    media.shows(json!({ "price_class": "PriceClass_200" })).await;

    let origins = json!([{
        "id": "media",
        "domain_name": "other.s3.eu-central-1.amazonaws.com",
        "origin_access_control_id": id,
    }]);
    media.update(json!({ "price_class": "PriceClass_100", "origins": origins })).await;
    let answer = clients.cloudfront().get_distribution_config().id(media.identity()).send().await.unwrap();
    let config = answer.distribution_config.unwrap();
    assert_eq!(config.custom_error_responses, Some(pages));
    assert_eq!(config.origins().unwrap().items()[0].connection_attempts(), Some(2));

    // What changes nothing makes no new version.
    media.update(json!({ "price_class": "PriceClass_100" })).await;
    let again = clients.cloudfront().get_distribution_config().id(media.identity()).send().await.unwrap();
    assert_eq!(again.e_tag, answer.e_tag);
}

#[tokio::test]
async fn a_distribution_is_disabled_before_it_is_deleted() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let media = Life::of("cloudfront.distribution").create(&aws, distribution(None)).await;
    assert_eq!(aws.delete(&media.target()).await, Ok(Deletion::Again));
    media.shows(json!({ "enabled": false })).await;
    assert_eq!(aws.delete(&media.target()).await, Ok(Deletion::Accepted));
    media.end().await;
}

/// moto refuses a repeated creation as AWS does.
#[tokio::test]
async fn a_repeated_creation_finds_its_distribution() {
    let moto = moto::start();
    let aws = moto.aws();
    let id = make(&aws, "cloudfront.origin_access_control", control("media")).await;
    // moto forgets it.
    let story = Life::of("cloudfront.distribution").gap("origins.origin_access_control_id");
    let mut media = story.repeats().create(&aws, distribution(Some(&id))).await;
    media.update(json!({ "comment": "Media", "default_cache_behavior": behavior() })).await;
    media.end().await;
}

#[tokio::test]
async fn somebody_elses_distribution_is_not_adopted() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut wanted = creation(&type_of("cloudfront.distribution"), REGION, distribution(None));
    aws.create(&wanted).await.unwrap();
    wanted.tags.insert("mastoform:instance".to_owned(), "other".to_owned());
    assert_eq!(aws.find(&wanted).await, Ok(Vec::new()));
    // The token is one creation's alone, so whoever has it must be ours: it only cannot be found yet.
    assert_error(aws.create(&wanted).await, ErrorKind::NotYet, "cloudfront:CreateDistribution");
}

#[tokio::test]
async fn an_origin_access_control_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let mut life = Life::of("cloudfront.origin_access_control").create(&aws, control("media")).await;
        life.update(json!({ "description": "Other" })).await;
        life.update(json!({ "name": "pictures", "signing_behavior": "no-override" })).await;
        let clients = aws.clients(REGION);
        let answer = clients.cloudfront().get_origin_access_control().id(life.identity()).send().await.unwrap();
        let mut config = answer.origin_access_control.unwrap().origin_access_control_config.unwrap();
        config.signing_behavior = "never".into();
        let request = clients.cloudfront().update_origin_access_control().id(life.identity());
        let request = request.set_if_match(answer.e_tag).origin_access_control_config(config);
        request.send().await.unwrap();
        life.shows(json!({ "signing_behavior": "never", "name": "pictures" })).await;
        life.end().await;
    }
}

#[tokio::test]
async fn a_repeated_origin_access_control_is_the_first_one() {
    let ministack = ministack::start();
    Life::of("cloudfront.origin_access_control").repeats().create(&ministack.aws(), control("media")).await.end().await;
}

/// No emulator has these, so [`IdentityServer`] answers as the API reference says.
#[tokio::test]
async fn an_origin_access_identity_lives() {
    let aws = IdentityServer::start();
    let attributes = json!({ "comment": "CloudFront <reads> the media of mastodon-eu-central-1" });
    let mut life = Life::of("cloudfront.origin_access_identity").repeats().create(&aws, attributes).await;
    life.shows(json!({
        "id": ID,
        "iam_arn": format!("arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity {ID}"),
        "s3_canonical_user_id": USER,
        "path": format!("origin-access-identity/cloudfront/{ID}"),
    }))
    .await;
    assert_eq!(life.identity(), ID);
    life.update(json!({ "comment": "Other" })).await;

    let clients = aws.clients(REGION);
    let answer = clients.cloudfront().get_cloud_front_origin_access_identity().id(ID).send().await.unwrap();
    let identity = answer.cloud_front_origin_access_identity.unwrap();
    let mut config = identity.cloud_front_origin_access_identity_config.unwrap();
    config.comment = "by hand".to_owned();
    let request = clients.cloudfront().update_cloud_front_origin_access_identity().id(ID);
    let request = request.cloud_front_origin_access_identity_config(config);
    let refused = request.clone().if_match("ETAG0").send().await.unwrap_err().into_service_error();
    assert!(refused.is_precondition_failed(), "the server refuses old versions, so updates above named the newest");
    request.set_if_match(answer.e_tag).send().await.unwrap();
    life.shows(json!({ "comment": "by hand" })).await;

    let target = life.target();
    life.end().await;
    assert!(matches!(aws.observe(std::slice::from_ref(&target)).await[&target.address], Observation::Gone));
}

const ID: &str = "E74FTE3AEXAMPLE";
const USER: &str = "cd13868f797c227fbea2830611a26fe0a21ba1b826ab4bed9b7771c9aEXAMPLE";

/// CloudFront with room for one origin access identity.
#[derive(Default)]
struct IdentityServer {
    identity: Option<Stored>,
}

struct Stored {
    reference: String,
    comment: String,
    version: u32,
}

struct Answer {
    status: &'static str,
    version: Option<u32>,
    body: String,
}

impl IdentityServer {
    /// Serves until the test process ends.
    fn start() -> Aws {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut server = Self::default();
            for stream in listener.incoming() {
                server.serve(stream.unwrap());
            }
        });
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Aws::with_config(config, Calls::new()).with_types(types())
    }

    fn serve(&mut self, mut stream: TcpStream) {
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        let (head, body) = loop {
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && body.len() >= header(head, "content-length").map_or(0, |length| length.parse().unwrap())
            {
                break (head.to_owned(), body.to_owned());
            }
            let length = stream.read(&mut chunk).unwrap();
            assert!(length > 0, "the request ends early: {text}");
            request.extend_from_slice(&chunk[..length]);
        };
        let Answer { status, version, body } = self.answer(&head, &body);
        let version = version.map(|version| format!("ETag: ETAG{version}\r\n")).unwrap_or_default();
        let length = body.len();
        let headers = format!("Content-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n");
        write!(stream, "HTTP/1.1 {status}\r\n{headers}{version}\r\n{body}").unwrap();
    }

    fn answer(&mut self, head: &str, body: &str) -> Answer {
        const PATH: &str = "/2020-05-31/origin-access-identity/cloudfront";
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let path = path.split('?').next().unwrap();
        if path == "/" {
            return Answer::ok(
                "200 OK",
                None,
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                 <Arn>arn:aws:iam::123456789012:user/test</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>",
            );
        }
        let rest = path.strip_prefix(PATH).unwrap_or_else(|| panic!("{method} {path}"));
        if rest.is_empty() && method == "GET" {
            return Answer::ok("200 OK", None, &self.list());
        }
        if rest.is_empty() && method == "POST" {
            let (reference, comment) = (element(body, "CallerReference"), element(body, "Comment"));
            return match &self.identity {
                Some(stored) if (&stored.reference, &stored.comment) != (&reference, &comment) => {
                    Answer::error("409 Conflict", "CloudFrontOriginAccessIdentityAlreadyExists")
                }
                Some(stored) => stored.answer("201 Created"),
                None => self.identity.insert(Stored { reference, comment, version: 1 }).answer("201 Created"),
            };
        }
        let Some(stored) = &mut self.identity else {
            return Answer::error("404 Not Found", "NoSuchCloudFrontOriginAccessIdentity");
        };
        if !rest.starts_with(&format!("/{ID}")) {
            return Answer::error("404 Not Found", "NoSuchCloudFrontOriginAccessIdentity");
        }
        if method == "GET" {
            return stored.answer("200 OK");
        }
        match header(head, "if-match") {
            None => return Answer::error("400 Bad Request", "InvalidIfMatchVersion"),
            Some(version) if version != format!("ETAG{}", stored.version) => {
                return Answer::error("412 Precondition Failed", "PreconditionFailed");
            }
            Some(_) => {}
        }
        if method == "DELETE" {
            self.identity = None;
            return Answer::ok("204 No Content", None, "");
        }
        assert_eq!((method, rest), ("PUT", format!("/{ID}/config").as_str()));
        assert_eq!(element(body, "CallerReference"), stored.reference, "CloudFront refuses to change the reference");
        stored.comment = element(body, "Comment");
        stored.version += 1;
        stored.answer("200 OK")
    }

    fn list(&self) -> String {
        let summary = |stored: &Stored| {
            let comment = &stored.comment;
            format!(
                "<Items><CloudFrontOriginAccessIdentitySummary><Id>{ID}</Id>\
                 <S3CanonicalUserId>{USER}</S3CanonicalUserId><Comment>{comment}</Comment>\
                 </CloudFrontOriginAccessIdentitySummary></Items>"
            )
        };
        let (items, quantity) = (self.identity.as_ref().map(summary).unwrap_or_default(), self.identity.iter().count());
        format!(
            "<CloudFrontOriginAccessIdentityList xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Marker></Marker>\
             <MaxItems>100</MaxItems><IsTruncated>false</IsTruncated><Quantity>{quantity}</Quantity>{items}\
             </CloudFrontOriginAccessIdentityList>"
        )
    }
}

impl Stored {
    fn answer(&self, status: &'static str) -> Answer {
        let Self { reference, comment, version } = self;
        let body = format!(
            "<CloudFrontOriginAccessIdentity xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Id>{ID}</Id>\
             <S3CanonicalUserId>{USER}</S3CanonicalUserId><CloudFrontOriginAccessIdentityConfig>\
             <CallerReference>{reference}</CallerReference><Comment>{comment}</Comment>\
             </CloudFrontOriginAccessIdentityConfig></CloudFrontOriginAccessIdentity>"
        );
        Answer::ok(status, Some(*version), &body)
    }
}

impl Answer {
    fn ok(status: &'static str, version: Option<u32>, body: &str) -> Self {
        Self { status, version, body: body.to_owned() }
    }

    fn error(status: &'static str, code: &str) -> Self {
        let body = format!(
            "<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>refused</Message></Error><RequestId>1</RequestId></ErrorResponse>"
        );
        Self::ok(status, None, &body)
    }
}

fn header<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The text of an XML element, as it stands there.
fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    rest.split_once(&format!("</{name}>")).unwrap().0.to_owned()
}
