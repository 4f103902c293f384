//! Buckets and their policies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, VersioningConfiguration,
};
use mastoform::provider::aws::Aws;
use mastoform::provider::{Deletion, ErrorKind, Observation, Provider};
use serde_json::json;

use super::{Life, assert_error, creation, make, type_of};

use crate::support::emulator::{Emulator, REGION};
use crate::support::proxy::{Mishap, Proxy};
use crate::support::{ministack, moto};

/// An account in each emulator. Tests share emulators, and names of buckets are unique in the world, so every test has
/// a name of its own.
fn both() -> [Emulator; 2] {
    [moto::start(), ministack::start()]
}

/// S3 refuses one of two changes of a bucket at the same time. What it refuses is changed after the others.
#[tokio::test]
async fn a_setting_that_is_refused_beside_another_comes_after_it() {
    const BUCKET: &str = "settings-side-by-side";
    let moto = moto::start();
    let mut refused = 0;
    let refuse = move |action: &str| {
        let is_second = action.ends_with("?ownershipControls") && action.starts_with("PUT");
        refused += usize::from(is_second);
        (is_second && refused == 1).then_some(Mishap::Refuse("OperationAborted"))
    };
    let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(refuse));
    let aws = moto.at(proxy.endpoint()).aws();
    let attributes = json!({
        "bucket": BUCKET, "encryption": { "algorithm": "AES256" }, "ownership": "BucketOwnerEnforced",
        "abort_incomplete_uploads_days": 7,
    });
    let bucket = Life::of("s3.bucket").create(&aws, attributes).await;
    let calls = aws.calls().snapshot();
    let puts = calls.iter().filter(|call| call.operation == "s3:PutBucketOwnershipControls").count();
    assert_eq!(puts, 2, "one is refused");
    // Nothing but what is ours can be in it, and AWS encrypts like that by itself.
    let idle = ["s3:PutBucketEncryption", "s3:GetBucketLifecycleConfiguration"];
    let made = calls.iter().position(|call| call.operation == "s3:PutBucketLifecycleConfiguration").expect("set");
    assert!(calls[..made].iter().all(|call| !idle.contains(&call.operation.as_str())), "{calls:?}");
    bucket.end().await;
}

#[tokio::test]
async fn a_bucket_lives() {
    const BUCKET: &str = "a-bucket-lives";
    for emulator in both() {
        let aws = emulator.aws();
        let closed = json!({
            "block_public_acls": true, "block_public_policy": true,
            "ignore_public_acls": true, "restrict_public_buckets": true,
        });
        let attributes = json!({
            "bucket": BUCKET,
            "public_access_block": closed,
            "encryption": { "algorithm": "AES256" },
            "ownership": "BucketOwnerEnforced",
            "abort_incomplete_uploads_days": 7,
            "empty_on_delete": false,
        });
        let mut bucket = Life::of("s3.bucket").repeats().create(&aws, attributes).await;
        bucket
            .shows(json!({
                "arn": format!("arn:aws:s3:::{BUCKET}"),
                "regional_domain_name": format!("{BUCKET}.s3.{REGION}.amazonaws.com"),
            }))
            .await;
        bucket.update(json!({ "public_access_block": { "block_public_acls": false } })).await;
        bucket.shows(json!({ "public_access_block": { "block_public_policy": true } })).await;
        bucket.update(json!({ "encryption": { "algorithm": "aws:kms", "kms_key_id": "alias/media" } })).await;
        bucket.update(json!({ "ownership": "BucketOwnerPreferred", "abort_incomplete_uploads_days": 3 })).await;

        let clients = aws.clients(REGION);
        clients.s3().delete_public_access_block().bucket(BUCKET).send().await.unwrap();
        bucket
            .shows(json!({ "public_access_block": { "block_public_acls": false, "block_public_policy": false } }))
            .await;
        clients.s3().delete_bucket_ownership_controls().bucket(BUCKET).send().await.unwrap();
        bucket.shows(json!({ "ownership": "ObjectWriter" })).await;

        // Back to AWS's defaults.
        bucket.update(json!({ "public_access_block": null, "encryption": null, "ownership": null })).await;
        bucket
            .shows(json!({
                "public_access_block": closed,
                "encryption": { "algorithm": "AES256" },
                "ownership": "BucketOwnerEnforced",
            }))
            .await;
        bucket.end().await;
    }
}

/// moto and ministack keep versions and expire none, so what is asked for is looked at.
#[tokio::test]
async fn a_bucket_keeps_versions_for_a_while() {
    const BUCKET: &str = "with-versions";
    for emulator in both() {
        let aws = emulator.aws();
        let attributes = json!({
            "bucket": BUCKET,
            "versioning": true,
            "abort_incomplete_uploads_days": 7,
            "old_versions": { "days": 7, "delete_markers": true },
            "old_versions_below": { "prefix": "cache/", "days": 1 },
            "empty_on_delete": true,
        });
        let mut bucket = Life::of("s3.bucket").repeats().create(&aws, attributes).await;
        let ours = ["abort-incomplete-uploads", "old-versions", "old-versions-below"];
        assert_eq!(rules_of(&aws, BUCKET).await, ours);
        let clients = aws.clients(REGION);
        let s3 = clients.s3();
        s3.put_object().bucket(BUCKET).key("a.png").body(b"picture".to_vec().into()).send().await.unwrap();
        s3.delete_object().bucket(BUCKET).key("a.png").send().await.unwrap();
        let kept = s3.list_object_versions().bucket(BUCKET).send().await.unwrap();
        assert_eq!((kept.versions().len(), kept.delete_markers().len()), (1, 1));

        bucket.update(json!({ "old_versions": { "days": 30, "delete_markers": false } })).await;
        bucket.update(json!({ "abort_incomplete_uploads_days": 3, "old_versions_below": null })).await;
        assert_eq!(rules_of(&aws, BUCKET).await, ours[..2]);
        bucket.update(json!({ "versioning": null })).await;
        let seen = bucket.shows(json!({ "versioning": false })).await;
        let prefix = seen.attributes.get("old_versions_below").and_then(|below| below.get("prefix"));
        assert!(prefix.is_some_and(|prefix| prefix.is_null()), "{seen:?}");
        // What was kept stays until its rule removes it, or the bucket goes.
        let kept = s3.list_object_versions().bucket(BUCKET).send().await.unwrap();
        assert_eq!((kept.versions().len(), kept.delete_markers().len()), (1, 1));
        // Gap: moto cannot remove the mark of a deletion while no versions are kept.
        bucket.update(json!({ "versioning": true })).await;
        bucket.end().await;
    }
}

#[tokio::test]
async fn rules_of_others_stay_in_the_lifecycle() {
    const BUCKET: &str = "rules-of-others";
    for emulator in both() {
        let aws = emulator.aws();
        let mut bucket = Life::of("s3.bucket").create(&aws, json!({ "bucket": BUCKET })).await;
        let clients = aws.clients(REGION);
        let rule = LifecycleRule::builder()
            .id("exports")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("exports/").build())
            .expiration(LifecycleExpiration::builder().days(30).build());
        let rules = BucketLifecycleConfiguration::builder().rules(rule.build().unwrap()).build().unwrap();
        let request = clients.s3().put_bucket_lifecycle_configuration().bucket(BUCKET);
        request.lifecycle_configuration(rules).send().await.unwrap();

        bucket.update(json!({ "abort_incomplete_uploads_days": 7 })).await;
        assert_eq!(rules_of(&aws, BUCKET).await, ["abort-incomplete-uploads", "exports"]);
        bucket.update(json!({ "abort_incomplete_uploads_days": null })).await;
        assert_eq!(rules_of(&aws, BUCKET).await, ["exports"]);
        let observed = bucket.observe().await;
        assert!(observed.attributes.get("abort_incomplete_uploads_days").is_some_and(|days| days.is_null()));

        clients.s3().delete_bucket_lifecycle().bucket(BUCKET).send().await.unwrap();
        bucket.update(json!({ "abort_incomplete_uploads_days": 7 })).await;
        bucket.update(json!({ "abort_incomplete_uploads_days": null })).await;
        let gone = clients.s3().get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap_err();
        assert_eq!(gone.into_service_error().code(), Some("NoSuchLifecycleConfiguration"));
    }
}

async fn rules_of(aws: &Aws, bucket: &str) -> Vec<String> {
    let clients = aws.clients(REGION);
    let answer = clients.s3().get_bucket_lifecycle_configuration().bucket(bucket).send().await.unwrap();
    let mut rules: Vec<String> = answer.rules().iter().filter_map(|rule| rule.id()).map(str::to_owned).collect();
    rules.sort();
    rules
}

#[tokio::test]
async fn a_bucket_of_another_region_lives_there() {
    for emulator in both() {
        for region in ["us-east-1", "eu-west-3"] {
            let aws = emulator.aws();
            let name = format!("media-in-{region}");
            let attributes = json!({ "bucket": name, "ownership": "BucketOwnerEnforced" });
            let bucket = Life::of("s3.bucket").region(region).repeats().create(&aws, attributes).await;
            bucket.shows(json!({ "regional_domain_name": format!("{name}.s3.{region}.amazonaws.com") })).await;
            let clients = aws.clients(region);
            let location = clients.s3().get_bucket_location().bucket(&name).send().await.unwrap();
            let location = location.location_constraint().map(|constraint| constraint.as_str()).unwrap_or_default();
            assert_eq!(location, if region == "us-east-1" { "" } else { region });
            bucket.end().await;
        }
    }
}

#[tokio::test]
async fn somebody_elses_bucket_is_not_adopted() {
    for emulator in both() {
        let aws = emulator.aws();
        for region in ["us-east-1", REGION] {
            let name = format!("by-hand-{region}");
            let clients = aws.clients(region);
            let mut request = clients.s3().create_bucket().bucket(&name);
            if region != "us-east-1" {
                let configuration =
                    aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(region.into());
                request = request.create_bucket_configuration(configuration.build());
            }
            request.send().await.unwrap();
            let creation = creation(&type_of("s3.bucket"), region, json!({ "bucket": name }));
            assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
            assert_error(aws.create(&creation).await, ErrorKind::Conflict, "s3:CreateBucket");
        }
    }
}

#[tokio::test]
async fn a_bucket_with_objects_is_deleted_only_if_told_so() {
    const BUCKET: &str = "with-objects";
    for emulator in both() {
        let aws = emulator.aws();
        let mut bucket =
            Life::of("s3.bucket").create(&aws, json!({ "bucket": BUCKET, "empty_on_delete": false })).await;
        let clients = aws.clients(REGION);
        let s3 = clients.s3();
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let put = |key: &str| s3.put_object().bucket(BUCKET).key(key).body(b"picture".to_vec().into());
        put("before versions.png").send().await.unwrap();
        s3.put_bucket_versioning().bucket(BUCKET).versioning_configuration(versioning).send().await.unwrap();
        put("avatars/1.png").send().await.unwrap();
        put("avatars/1.png").send().await.unwrap();
        put("avatars/2 & é.png").send().await.unwrap();
        s3.delete_object().bucket(BUCKET).key("avatars/1.png").send().await.unwrap();
        s3.create_multipart_upload().bucket(BUCKET).key("video.mp4").send().await.unwrap();

        let target = bucket.target();
        assert_error(aws.delete(&target).await, ErrorKind::Invalid, "s3:DeleteBucket");
        assert!(matches!(aws.observe(&[target]).await.values().next(), Some(Observation::Found(_))));

        bucket.update(json!({ "empty_on_delete": true })).await;
        bucket.end().await;
    }
}

#[tokio::test]
async fn a_big_bucket_is_emptied_in_pages() {
    const BUCKET: &str = "big-bucket";
    let ministack = ministack::start();
    let aws = ministack.aws();
    let bucket = Life::of("s3.bucket").create(&aws, json!({ "bucket": BUCKET, "empty_on_delete": true })).await;
    let clients = aws.clients(REGION);
    let mut uploads = tokio::task::JoinSet::new();
    for task in 0..8 {
        let clients = clients.clone();
        uploads.spawn(async move {
            for number in 0..200 {
                let request = clients.s3().put_object().bucket(BUCKET).key(format!("{task}/{number}"));
                request.send().await.unwrap();
            }
        });
    }
    uploads.join_all().await;
    assert_eq!(aws.delete(&bucket.target()).await, Ok(Deletion::Accepted));
    bucket.end().await;
}

#[tokio::test]
async fn a_bucket_policy_lives() {
    const BUCKET: &str = "with-policy";
    for emulator in both() {
        let aws = emulator.aws();
        make(&aws, "s3.bucket", json!({ "bucket": BUCKET })).await;
        let policy = |prefix: &str| {
            json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Sid": "CloudFrontReadsMedia",
                    "Effect": "Allow",
                    "Principal": { "Service": "cloudfront.amazonaws.com" },
                    "Action": "s3:GetObject",
                    "Resource": format!("arn:aws:s3:::{BUCKET}/{prefix}*"),
                    "Condition": {
                        "StringEquals": { "AWS:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1" },
                    },
                }],
            })
        };
        let attributes = json!({ "bucket": BUCKET, "policy": policy("") });
        let mut life = Life::of("s3.bucket_policy").repeats().create(&aws, attributes).await;
        life.update(json!({ "policy": policy("media/") })).await;
        let clients = aws.clients(REGION);
        let by_hand = policy("by-hand/").to_string();
        clients.s3().put_bucket_policy().bucket(BUCKET).policy(by_hand).send().await.unwrap();
        life.shows(json!({ "policy": policy("by-hand/") })).await;
        let target = life.target();
        life.end().await;

        // The bucket may be gone before its policy.
        clients.s3().delete_bucket().bucket(BUCKET).send().await.unwrap();
        assert!(matches!(aws.observe(std::slice::from_ref(&target)).await[&target.address], Observation::Gone));
        assert_eq!(aws.delete(&target).await, Ok(Deletion::Accepted));
    }
}

#[tokio::test]
async fn a_policy_waits_for_its_bucket() {
    const BUCKET: &str = "made-later";
    let moto = moto::start();
    let attributes = json!({ "bucket": BUCKET, "policy": { "Version": "2012-10-17", "Statement": [] } });
    let creation = creation(&type_of("s3.bucket_policy"), REGION, attributes);
    assert_error(moto.aws().create(&creation).await, ErrorKind::NotYet, "s3:PutBucketPolicy");
}

const OWNER: &str = "x-amz-expected-bucket-owner";

/// The calls of S3 that a proxy has seen: their first line, and the account that must own the bucket.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// An account by way of a proxy that refuses, as AWS does, what expects another owner of a bucket than `owner`.
fn guarded(emulator: &Emulator, owner: &str) -> (Aws, Seen) {
    let seen = Seen::default();
    let (log, owner) = (Arc::clone(&seen), owner.to_owned());
    let guard = move |head: &str| {
        if !head.contains("/s3/aws4_request") {
            return None;
        }
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let expected = headers.find(|(name, _)| name.eq_ignore_ascii_case(OWNER)).map(|(_, value)| value.to_owned());
        let is_another = expected.as_ref().is_some_and(|expected| *expected != owner);
        log.lock().unwrap().push((head.lines().next().unwrap_or_default().to_owned(), expected));
        is_another.then_some(Mishap::Refuse("AccessDenied"))
    };
    let proxy = Proxy::guarded(emulator.host(), Box::new(guard));
    (emulator.at(proxy.endpoint()).aws(), seen)
}

/// moto and ministack do not look at the owner, so a proxy does.
#[tokio::test]
async fn every_call_names_the_owner_of_the_bucket() {
    const BUCKET: &str = "with-an-owner";
    let moto = moto::start();
    let (aws, seen) = guarded(&moto, moto.account());
    let mut bucket = Life::of("s3.bucket").repeats().create(&aws, json!({ "bucket": BUCKET })).await;
    bucket
        .update(json!({
            "public_access_block": { "block_public_acls": false }, "encryption": { "algorithm": "AES256" },
            "ownership": "BucketOwnerEnforced", "abort_incomplete_uploads_days": 3, "empty_on_delete": true,
            "versioning": true,
        }))
        .await;
    bucket.update(json!({ "abort_incomplete_uploads_days": null })).await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [] });
    let mut life = Life::of("s3.bucket_policy").create(&aws, json!({ "bucket": BUCKET, "policy": policy })).await;
    life.update(json!({ "policy": { "Version": "2012-10-17", "Statement": [], "Id": "x" } })).await;
    life.end().await;
    let direct = moto.aws();
    let clients = direct.clients(REGION);
    clients.s3().put_object().bucket(BUCKET).key("a").body(b"picture".to_vec().into()).send().await.unwrap();
    clients.s3().create_multipart_upload().bucket(BUCKET).key("b").send().await.unwrap();
    bucket.end().await;

    let seen = seen.lock().unwrap();
    let creations = ["", "/"].map(|end| format!("PUT /{BUCKET}{end} HTTP/1.1"));
    let (makes, others): (Vec<_>, Vec<_>) = seen.iter().partition(|(line, _)| creations.contains(line));
    assert!(!makes.is_empty() && others.len() > 30, "{seen:?}");
    for (line, owner) in others {
        assert_eq!(owner.as_deref(), Some(moto.account()), "{line}");
    }
    for operation in [
        "DELETE /",
        "?uploads",
        "?versions",
        "?delete",
        "uploadId=",
        "?policy",
        "?lifecycle",
        "?tagging",
        "?versioning",
    ] {
        assert!(seen.iter().any(|(line, _)| line.contains(operation)), "{operation} was never called: {seen:?}");
    }
}

/// Somebody else took the name first, put our tags on the bucket and opened it to us.
#[tokio::test]
async fn a_bucket_of_another_account_is_not_taken_whatever_its_tags_say() {
    let squatter = moto::start();
    let moto = moto::start();
    for region in ["us-east-1", REGION] {
        let name = format!("squatted-{region}");
        let creation = creation(&type_of("s3.bucket"), region, json!({ "bucket": name }));
        let theirs = squatter.aws().create(&creation).await.expect("the name is free");
        let (aws, seen) = guarded(&moto, squatter.account());
        assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
        assert_error(aws.create(&creation).await, ErrorKind::Conflict, "s3:CreateBucket");
        assert!(seen.lock().unwrap().iter().all(|(line, _)| !line.contains("?policy")), "nothing is put into it");
        assert_eq!(theirs.identity.as_str(), name);
    }
}
