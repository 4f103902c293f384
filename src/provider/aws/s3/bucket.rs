//! `s3.bucket`: a store of objects.
//!
//! A bucket and its settings are calls of their own. The first one makes the bucket with its ownership tags, the others
//! can be repeated. They go side by side. S3 may refuse one of two changes of a bucket at the same time: that one is
//! repeated after the others.
//!
//! Every call names the account that must own the bucket: names are the world's, and somebody else may have taken one and
//! opened the bucket to us. Creating one takes no such name, and fails if the name is taken.
//!
//! Two settings are documents that hold more than what is ours. They are read first, and whatever else they hold stays:
//! the lifecycle, of which three rules are ours, and the encryption. Those of a bucket that was made a moment ago hold
//! nothing else, it is encrypted as AWS does by itself, and it keeps no versions.
//!
//! # Assumptions
//!
//! Names of objects can be written in XML. Others cannot be listed, so a bucket that holds one cannot be emptied.

use async_trait::async_trait;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, Delete, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, ObjectIdentifier, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, TransitionDefaultMinimumObjectSize,
    VersioningConfiguration,
};

use super::{NO_BUCKET, Place, is};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, classify, failed, incomplete, not_yet};
use crate::provider::aws::handler::{Handler, TagSource, Told, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::{try_wave, wave};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observed, ProviderError, Target, Update};
use crate::value::Known;

const ABORT_UPLOAD: &str = "s3:AbortMultipartUpload";
const CREATE: &str = "s3:CreateBucket";
const DELETE: &str = "s3:DeleteBucket";
const DELETE_OBJECTS: &str = "s3:DeleteObjectVersion";
const GET_ENCRYPTION: &str = "s3:GetEncryptionConfiguration";
const GET_LIFECYCLE: &str = "s3:GetLifecycleConfiguration";
const GET_OWNERSHIP: &str = "s3:GetBucketOwnershipControls";
const GET_PUBLIC_ACCESS_BLOCK: &str = "s3:GetBucketPublicAccessBlock";
const GET_TAGS: &str = "s3:GetBucketTagging";
const GET_VERSIONING: &str = "s3:GetBucketVersioning";
const LIST_UPLOADS: &str = "s3:ListBucketMultipartUploads";
const LIST_VERSIONS: &str = "s3:ListBucketVersions";
const PUT_ENCRYPTION: &str = "s3:PutEncryptionConfiguration";
const PUT_LIFECYCLE: &str = "s3:PutLifecycleConfiguration";
const PUT_OWNERSHIP: &str = "s3:PutBucketOwnershipControls";
const PUT_PUBLIC_ACCESS_BLOCK: &str = "s3:PutBucketPublicAccessBlock";
const PUT_TAGS: &str = "s3:PutBucketTagging";
const PUT_VERSIONING: &str = "s3:PutBucketVersioning";

/// The only region without a name in requests, and the only one where creating one's own bucket again succeeds.
const FIRST_REGION: &str = "us-east-1";

/// The settings that have calls of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    PublicAccessBlock,
    Ownership,
    Encryption,
    Versioning,
    Lifecycle,
}

/// Each setting with the attributes that it holds.
const SETTINGS: [(Setting, &[&str]); 5] = [
    (Setting::PublicAccessBlock, &["public_access_block"]),
    (Setting::Ownership, &["ownership"]),
    (Setting::Encryption, &["encryption"]),
    (Setting::Versioning, &["versioning"]),
    (Setting::Lifecycle, &["abort_incomplete_uploads_days", "old_versions", "old_versions_below"]),
];

/// How AWS encrypts what nobody has said anything about.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>
const BY_ITSELF: ServerSideEncryption = ServerSideEncryption::Aes256;

/// What S3 answers to a change of a bucket that it is just changing.
const AT_ONCE: &str = "OperationAborted";

/// The names of our rules among those of the lifecycle.
const UPLOADS_RULE: &str = "abort-incomplete-uploads";
const VERSIONS_RULE: &str = "old-versions";
const VERSIONS_BELOW_RULE: &str = "old-versions-below";
const RULES: [&str; 3] = [UPLOADS_RULE, VERSIONS_RULE, VERSIONS_BELOW_RULE];

/// What S3 answers about a bucket of another region.
const ELSEWHERE: [&str; 3] =
    ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"];

/// How many pages of a thousand objects one call of `delete` removes.
const PAGES: usize = 8;

pub struct Bucket;

#[async_trait]
impl Handler for Bucket {
    fn type_name(&self) -> &'static str {
        "s3.bucket"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let place = Place::of_target(clients, target).await?;
        if !place.is_named() {
            return Ok(None);
        }
        match report(place).await {
            Ok(report) => Ok(Some(observed(target.identity.as_str(), report))),
            Err(error) if is(&error, NO_BUCKET) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let bucket = wanted(creation, GET_TAGS).text("bucket")?;
        Ok(match standing(Place::of(clients, bucket).await?, &creation.tags).await? {
            Standing::Ours => vec![Identity::new(bucket)],
            Standing::Free | Standing::Taken => Vec::new(),
        })
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let bucket = wanted.text("bucket")?;
        let place = Place::of(clients, bucket).await?;
        // Creating it again would succeed and open the way to somebody else's bucket in this account.
        let before = match clients.region() {
            FIRST_REGION => standing(place, &creation.tags).await?,
            _ => Standing::Free,
        };
        let age = match before {
            Standing::Free => match make(place, &creation.tags).await {
                Err(error) if error.kind == ErrorKind::Conflict => {
                    if standing(place, &creation.tags).await? != Standing::Ours {
                        return Err(error);
                    }
                    Age::Old
                }
                answer => answer.map(|()| Age::New)?,
            },
            Standing::Ours => Age::Old,
            Standing::Taken => {
                let message = format!("there is a bucket {bucket} already, and it is not of this instance");
                return Err(ProviderError::new(ErrorKind::Conflict, CREATE, message));
            }
        };
        settle(place, &creation.attributes, |name| wanted.get(name).is_some(), age).await.map_err(|error| match is(
            &error, NO_BUCKET,
        ) {
            // Not every part of S3 knows the new bucket yet.
            true => not_yet(error),
            false => error,
        })?;
        Ok(created(bucket, names(place).await?))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let place = Place::of(clients, update.target.identity.as_str()).await?;
        settle(place, &update.desired, |name| update.changed(name).is_some(), Age::Old).await
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("s3")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        match get_tags(Place::of(clients, observed.identity.as_str()).await?).await {
            Err(error) if is(&error, NO_BUCKET) => Ok(Told::Gone),
            tags => tags.map(Told::Tags),
        }
    }

    /// S3 takes the tags of a bucket as a whole, so those it has go back with ours.
    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let place = Place::of(clients, target.identity.as_str()).await?;
        let mut all = get_tags(place).await?;
        all.extend(tags.clone());
        put_tags(place, super::listed(&all)?).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let bucket = target.identity.as_str();
        let place = Place::of(clients, bucket).await?;
        let may_empty = recorded(target, DELETE).flag("empty_on_delete")?;
        let mut emptied = false;
        loop {
            let request = place.s3().delete_bucket().bucket(place.bucket).expected_bucket_owner(place.owner);
            let error = match request.send().await.map_err(failed(DELETE)).or_absent() {
                Ok(_) => return Ok(Deletion::Accepted),
                Err(error) if is(&error, "BucketNotEmpty") => error,
                Err(error) => return Err(error),
            };
            if !may_empty {
                let message = format!(
                    "the bucket {bucket} is not empty: set `empty_on_delete`, or delete its objects, all versions of them"
                );
                return Err(ProviderError { kind: ErrorKind::Invalid, message, ..error });
            }
            if emptied || !empty(place).await.or_absent()?.unwrap_or(true) {
                return Ok(Deletion::Again);
            }
            emptied = true;
        }
    }
}

/// Whose a bucket's name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Free,
    Ours,
    Taken,
}

async fn standing(place: Place<'_>, tags: &Tags) -> Result<Standing, ProviderError> {
    match get_tags(place).await {
        Ok(present) => Ok(if tags::has_all(tags, tags::pairs(&present)) { Standing::Ours } else { Standing::Taken }),
        Err(error) if is(&error, NO_BUCKET) => Ok(Standing::Free),
        // It belongs to another account, or stands in another region.
        Err(error) if error.kind == ErrorKind::Denied => Ok(Standing::Taken),
        Err(error) if ELSEWHERE.iter().any(|code| is(&error, code)) => Ok(Standing::Taken),
        Err(error) => Err(error),
    }
}

/// The tags of a bucket, none if it never had any. That the bucket itself is missing stays an error.
async fn get_tags(place: Place<'_>) -> Result<Tags, ProviderError> {
    let request = place.s3().get_bucket_tagging().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = setting(request.send().await.map_err(failed(GET_TAGS)))?;
    let present = answer.map(|answer| answer.tag_set).unwrap_or_default();
    Ok(tags::collected(present.iter().map(|tag| (tag.key(), tag.value()))))
}

async fn put_tags(place: Place<'_>, tags: Vec<Tag>) -> Result<(), ProviderError> {
    let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(incomplete(PUT_TAGS))?;
    let request =
        place.s3().put_bucket_tagging().bucket(place.bucket).expected_bucket_owner(place.owner).tagging(tagging);
    request.send().await.map_err(failed(PUT_TAGS))?;
    Ok(())
}

/// Makes the bucket itself. Its tags come with it, so that it is never without them; they are stored once more for
/// what stands in S3's place and passes over tags of a new bucket.
async fn make(place: Place<'_>, tags: &Tags) -> Result<(), ProviderError> {
    let tags = super::listed(tags)?;
    let mut configuration = CreateBucketConfiguration::builder().set_tags(Some(tags.clone()));
    if place.clients.region() != FIRST_REGION {
        let region = BucketLocationConstraint::from(place.clients.region());
        configuration = configuration.location_constraint(region);
    }
    let request = place.s3().create_bucket().bucket(place.bucket).create_bucket_configuration(configuration.build());
    request.send().await.map_err(failed(CREATE))?;
    put_tags(place, tags).await
}

/// Whether a bucket can hold anything that is not ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// It was made by the call before, with what AWS gives every bucket.
    New,
    Old,
}

/// Stores the settings of which an attribute is due, side by side.
async fn settle(
    place: Place<'_>,
    attributes: &Known,
    is_due: impl Fn(&str) -> bool,
    age: Age,
) -> Result<(), ProviderError> {
    let due = SETTINGS.into_iter().filter(|(_, names)| names.iter().any(|name| is_due(name)));
    let due: Vec<Setting> = due.map(|(setting, _)| setting).collect();
    let answers = wave(due.iter().map(|setting| store(place, attributes, *setting, age)).collect()).await;
    for (setting, answer) in due.into_iter().zip(answers) {
        match answer {
            Err(error) if is(&error, AT_ONCE) => store(place, attributes, setting, age).await?,
            answer => answer?,
        }
    }
    Ok(())
}

/// Stores a setting.
async fn store(place: Place<'_>, attributes: &Known, setting: Setting, age: Age) -> Result<(), ProviderError> {
    match setting {
        Setting::PublicAccessBlock => {
            put_public_access_block(place, &Attributes::new(attributes, PUT_PUBLIC_ACCESS_BLOCK)).await
        }
        Setting::Ownership => put_ownership(place, &Attributes::new(attributes, PUT_OWNERSHIP)).await,
        Setting::Encryption => put_encryption(place, &Attributes::new(attributes, PUT_ENCRYPTION), age).await,
        Setting::Versioning => put_versioning(place, &Attributes::new(attributes, PUT_VERSIONING), age).await,
        Setting::Lifecycle => put_lifecycle(place, &Attributes::new(attributes, PUT_LIFECYCLE), age).await,
    }
}

async fn put_public_access_block(place: Place<'_>, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    let wanted = attributes.table("public_access_block")?;
    let block = PublicAccessBlockConfiguration::builder()
        .block_public_acls(wanted.flag("block_public_acls")?)
        .block_public_policy(wanted.flag("block_public_policy")?)
        .ignore_public_acls(wanted.flag("ignore_public_acls")?)
        .restrict_public_buckets(wanted.flag("restrict_public_buckets")?)
        .build();
    let request = place
        .s3()
        .put_public_access_block()
        .bucket(place.bucket)
        .expected_bucket_owner(place.owner)
        .public_access_block_configuration(block);
    request.send().await.map_err(failed(PUT_PUBLIC_ACCESS_BLOCK))?;
    Ok(())
}

async fn put_ownership(place: Place<'_>, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    let ownership = ObjectOwnership::from(attributes.text("ownership")?);
    let rule = OwnershipControlsRule::builder().object_ownership(ownership).build();
    let rule = rule.map_err(incomplete(PUT_OWNERSHIP))?;
    let controls = OwnershipControls::builder().rules(rule).build().map_err(incomplete(PUT_OWNERSHIP))?;
    let request = place
        .s3()
        .put_bucket_ownership_controls()
        .bucket(place.bucket)
        .expected_bucket_owner(place.owner)
        .ownership_controls(controls);
    request.send().await.map_err(failed(PUT_OWNERSHIP))?;
    Ok(())
}

async fn put_encryption(place: Place<'_>, attributes: &Attributes<'_>, age: Age) -> Result<(), ProviderError> {
    let wanted = attributes.table("encryption")?;
    let algorithm = wanted.optional_text("algorithm")?.map_or(BY_ITSELF, ServerSideEncryption::from);
    if age == Age::New && algorithm == BY_ITSELF && wanted.optional_text("kms_key_id")?.is_none() {
        return Ok(());
    }
    let current = get_encryption(place).await?;
    // AWS knows no bucket keys for this one.
    let keeps_bucket_key = algorithm != ServerSideEncryption::AwsKmsDsse;
    let bucket_key = current.as_ref().and_then(|rule| rule.bucket_key_enabled).filter(|_| keeps_bucket_key);
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(wanted.owned_text("kms_key_id")?)
        .build()
        .map_err(incomplete(PUT_ENCRYPTION))?;
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default)
        .set_bucket_key_enabled(bucket_key)
        .set_blocked_encryption_types(current.and_then(|rule| rule.blocked_encryption_types))
        .build();
    let configuration =
        ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(incomplete(PUT_ENCRYPTION))?;
    let request = place
        .s3()
        .put_bucket_encryption()
        .bucket(place.bucket)
        .expected_bucket_owner(place.owner)
        .server_side_encryption_configuration(configuration);
    request.send().await.map_err(failed(PUT_ENCRYPTION))?;
    Ok(())
}

async fn put_versioning(place: Place<'_>, attributes: &Attributes<'_>, age: Age) -> Result<(), ProviderError> {
    let status = match attributes.flag("versioning")? {
        true => BucketVersioningStatus::Enabled,
        false if age == Age::New || !keeps_versions(place).await? => return Ok(()),
        false => BucketVersioningStatus::Suspended,
    };
    let request = place.s3().put_bucket_versioning().bucket(place.bucket).expected_bucket_owner(place.owner);
    let request = request.versioning_configuration(VersioningConfiguration::builder().status(status).build());
    request.send().await.map_err(failed(PUT_VERSIONING))?;
    Ok(())
}

async fn put_lifecycle(place: Place<'_>, attributes: &Attributes<'_>, age: Age) -> Result<(), ProviderError> {
    let (mut rules, smallest) = match age {
        Age::New => Default::default(),
        Age::Old => get_lifecycle(place).await?,
    };
    rules.retain(|rule| !rule.id().is_some_and(|id| RULES.contains(&id)));
    let rule = |id: &str, prefix: &str| {
        let rule = LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled);
        rule.filter(LifecycleRuleFilter::builder().prefix(prefix).build())
    };
    let kept = |days: i32| NoncurrentVersionExpiration::builder().noncurrent_days(days).build();
    if let Some(days) = attributes.optional_integer("abort_incomplete_uploads_days")? {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build();
        let rule = rule(UPLOADS_RULE, "").abort_incomplete_multipart_upload(abort);
        rules.push(rule.build().map_err(incomplete(PUT_LIFECYCLE))?);
    }
    let old = attributes.table("old_versions")?;
    let days = old.optional_integer("days")?;
    let marks = old.is_present() && old.flag("delete_markers")?;
    if days.is_some() || marks {
        let expiration = marks.then(|| LifecycleExpiration::builder().expired_object_delete_marker(true).build());
        let rule = rule(VERSIONS_RULE, "").set_noncurrent_version_expiration(days.map(kept)).set_expiration(expiration);
        rules.push(rule.build().map_err(incomplete(PUT_LIFECYCLE))?);
    }
    let below = attributes.table("old_versions_below")?;
    if below.is_present() {
        let rule = rule(VERSIONS_BELOW_RULE, below.text("prefix")?);
        let rule = rule.noncurrent_version_expiration(kept(below.integer("days")?));
        rules.push(rule.build().map_err(incomplete(PUT_LIFECYCLE))?);
    }
    if rules.is_empty() {
        let request = place.s3().delete_bucket_lifecycle().bucket(place.bucket).expected_bucket_owner(place.owner);
        request.send().await.map_err(failed(PUT_LIFECYCLE))?;
        return Ok(());
    }
    let lifecycle = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
    let request = place
        .s3()
        .put_bucket_lifecycle_configuration()
        .bucket(place.bucket)
        .expected_bucket_owner(place.owner)
        .lifecycle_configuration(lifecycle.map_err(incomplete(PUT_LIFECYCLE))?)
        .set_transition_default_minimum_object_size(smallest);
    request.send().await.map_err(failed(PUT_LIFECYCLE))?;
    Ok(())
}

/// A setting that a bucket may lack. That the bucket itself is missing stays an error.
fn setting<T>(answer: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match answer {
        Err(error) if is(&error, NO_BUCKET) => Err(error),
        answer => answer.or_absent(),
    }
}

async fn get_public_access_block(place: Place<'_>) -> Result<Option<PublicAccessBlockConfiguration>, ProviderError> {
    let request = place.s3().get_public_access_block().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = setting(request.send().await.map_err(failed(GET_PUBLIC_ACCESS_BLOCK)))?;
    Ok(answer.and_then(|answer| answer.public_access_block_configuration))
}

async fn get_ownership(place: Place<'_>) -> Result<Option<ObjectOwnership>, ProviderError> {
    let request = place.s3().get_bucket_ownership_controls().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = setting(request.send().await.map_err(failed(GET_OWNERSHIP)))?;
    let rules = answer.and_then(|answer| answer.ownership_controls).map(|controls| controls.rules);
    Ok(rules.into_iter().flatten().next().map(|rule| rule.object_ownership))
}

async fn get_encryption(place: Place<'_>) -> Result<Option<ServerSideEncryptionRule>, ProviderError> {
    let request = place.s3().get_bucket_encryption().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = setting(request.send().await.map_err(failed(GET_ENCRYPTION)))?;
    let rules = answer.and_then(|answer| answer.server_side_encryption_configuration).map(|rules| rules.rules);
    Ok(rules.into_iter().flatten().next())
}

async fn keeps_versions(place: Place<'_>) -> Result<bool, ProviderError> {
    let request = place.s3().get_bucket_versioning().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = request.send().await.map_err(failed(GET_VERSIONING))?;
    Ok(answer.status == Some(BucketVersioningStatus::Enabled))
}

async fn get_lifecycle(
    place: Place<'_>,
) -> Result<(Vec<LifecycleRule>, Option<TransitionDefaultMinimumObjectSize>), ProviderError> {
    let request =
        place.s3().get_bucket_lifecycle_configuration().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = setting(request.send().await.map_err(failed(GET_LIFECYCLE)))?;
    Ok(answer.map_or_else(Default::default, |answer| {
        (answer.rules.unwrap_or_default(), answer.transition_default_minimum_object_size)
    }))
}

/// What others call the bucket.
async fn names(place: Place<'_>) -> Result<Report, ProviderError> {
    let (bucket, partition) = (place.bucket, place.clients.caller().await?.partition.as_str());
    let domain = match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        _ => "amazonaws.com",
    };
    Ok(Report::new()
        .set("arn", format!("arn:{partition}:s3:::{bucket}"))
        .set("regional_domain_name", format!("{bucket}.s3.{}.{domain}", place.clients.region())))
}

/// Everything of a bucket, all calls at once. A missing setting is what AWS does without it.
async fn report(place: Place<'_>) -> Result<Report, ProviderError> {
    let (block, ownership, encryption, versioning, (rules, _), names) = tokio::try_join!(
        get_public_access_block(place),
        get_ownership(place),
        get_encryption(place),
        keeps_versions(place),
        get_lifecycle(place),
        names(place),
    )?;
    let flag =
        |read: fn(&PublicAccessBlockConfiguration) -> Option<bool>| block.as_ref().and_then(read).unwrap_or_default();
    let by_default = encryption.and_then(|rule| rule.apply_server_side_encryption_by_default);
    let by_default = by_default.as_ref();
    let ours = |id: &str| {
        rules.iter().find(|rule| rule.id() == Some(id)).filter(|rule| *rule.status() == ExpirationStatus::Enabled)
    };
    let days = ours(UPLOADS_RULE)
        .and_then(|rule| rule.abort_incomplete_multipart_upload())
        .and_then(|abort| abort.days_after_initiation());
    let (old, below) = (ours(VERSIONS_RULE), ours(VERSIONS_BELOW_RULE));
    let kept = |rule: Option<&LifecycleRule>| rule?.noncurrent_version_expiration()?.noncurrent_days();
    let marks = old.and_then(|rule| rule.expiration()).and_then(|end| end.expired_object_delete_marker());
    let prefix = below.and_then(|rule| rule.filter()).and_then(|filter| filter.prefix());
    Ok(names
        .set("bucket", place.bucket)
        .set(
            "public_access_block",
            Report::new()
                .set("block_public_acls", flag(|block| block.block_public_acls))
                .set("block_public_policy", flag(|block| block.block_public_policy))
                .set("ignore_public_acls", flag(|block| block.ignore_public_acls))
                .set("restrict_public_buckets", flag(|block| block.restrict_public_buckets)),
        )
        .set(
            "encryption",
            Report::new()
                .set(
                    "algorithm",
                    by_default.map_or(BY_ITSELF.as_str(), |by_default| by_default.sse_algorithm().as_str()),
                )
                .set("kms_key_id", by_default.and_then(|by_default| by_default.kms_master_key_id())),
        )
        .set("ownership", ownership.unwrap_or(ObjectOwnership::ObjectWriter).as_str())
        .set("abort_incomplete_uploads_days", days)
        .set("versioning", versioning)
        .set("old_versions", Report::new().set("days", kept(old)).set("delete_markers", marks.unwrap_or_default()))
        .set("old_versions_below", Report::new().set("prefix", prefix).set("days", kept(below))))
}

/// Removes objects, with all their versions, and unfinished uploads; not all of them if there are many. Answers whether
/// nothing it saw is left.
async fn empty(place: Place<'_>) -> Result<bool, ProviderError> {
    let mut pages = Vec::new();
    let mut seen_all = false;
    let (mut key, mut version) = (None, None);
    while !seen_all && pages.len() < PAGES {
        let request = place.s3().list_object_versions().bucket(place.bucket).expected_bucket_owner(place.owner);
        let request = request.set_key_marker(key.take()).set_version_id_marker(version.take());
        let answer = request.send().await.map_err(failed(LIST_VERSIONS))?;
        let versions = answer.versions().iter().map(|object| (object.key(), object.version_id()));
        let markers = answer.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let page: Vec<ObjectIdentifier> = versions
            .chain(markers)
            .filter_map(|(key, version)| key.map(|key| (key, version)))
            .map(|(key, version)| {
                let object = ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned));
                object.build().map_err(incomplete(DELETE_OBJECTS))
            })
            .collect::<Result<_, _>>()?;
        seen_all = !answer.is_truncated().unwrap_or_default() || page.is_empty();
        key = answer.next_key_marker;
        version = answer.next_version_id_marker;
        if !page.is_empty() {
            pages.push(page);
        }
    }
    let removals = pages.into_iter().map(|page| remove(place, page)).collect();
    let removed_all = try_wave(removals).await?.into_iter().all(|removed_all| removed_all);
    Ok(abort_uploads(place).await? && seen_all && removed_all)
}

/// Removes a page of objects. Answers whether none is left; one that could not be removed for now does not count as an
/// error.
async fn remove(place: Place<'_>, page: Vec<ObjectIdentifier>) -> Result<bool, ProviderError> {
    let page = Delete::builder().set_objects(Some(page)).quiet(true).build().map_err(incomplete(DELETE_OBJECTS))?;
    let answer =
        place.s3().delete_objects().bucket(place.bucket).expected_bucket_owner(place.owner).delete(page).send().await;
    let mut removed_all = true;
    for failure in answer.map_err(failed(DELETE_OBJECTS))?.errors() {
        let code = failure.code().unwrap_or_default();
        match classify(DELETE_OBJECTS, code).unwrap_or(ErrorKind::Unknown) {
            ErrorKind::NotFound => {}
            kind if kind.is_transient() || kind == ErrorKind::Unknown => removed_all = false,
            kind => {
                let (key, reason) = (failure.key().unwrap_or_default(), failure.message().unwrap_or_default());
                let message = format!("{}/{key} cannot be deleted: {reason}", place.bucket);
                return Err(ProviderError::new(kind, DELETE_OBJECTS, message).code(code));
            }
        }
    }
    Ok(removed_all)
}

/// Ends a page of unfinished uploads. Answers whether none is left.
async fn abort_uploads(place: Place<'_>) -> Result<bool, ProviderError> {
    let answer = place
        .s3()
        .list_multipart_uploads()
        .bucket(place.bucket)
        .expected_bucket_owner(place.owner)
        .send()
        .await
        .map_err(failed(LIST_UPLOADS))?;
    let abort = |(key, upload): (String, String)| async move {
        let request = place
            .s3()
            .abort_multipart_upload()
            .bucket(place.bucket)
            .expected_bucket_owner(place.owner)
            .key(key)
            .upload_id(upload);
        request.send().await.map_err(failed(ABORT_UPLOAD)).or_absent()
    };
    let seen_all = !answer.is_truncated().unwrap_or_default();
    let uploads = answer.uploads.unwrap_or_default().into_iter().filter_map(|upload| upload.key.zip(upload.upload_id));
    try_wave(uploads.map(abort).collect()).await?;
    Ok(seen_all)
}
