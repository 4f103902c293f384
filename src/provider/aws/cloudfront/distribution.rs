//! `cloudfront.distribution`: copies of the origin's files in many places of the world.
//!
//! A creation is one call, and its reference is the creation's token: a repeated one is refused, and its distribution
//! found by its tags. A change reads the configuration, changes what is ours in it, and sends it back; if that changes
//! nothing, it is not sent, because every version takes minutes to reach all places. A distribution must be disabled
//! everywhere before it can be deleted.
//!
//! # Known gaps
//!
//! Settings of CloudFront that are younger than the SDK are not in what it reads, so a change would unset them.

use async_trait::async_trait;
use aws_sdk_cloudfront::types::{
    Aliases, AllowedMethods, CachedMethods, DefaultCacheBehavior, Distribution as Answer, DistributionConfig,
    DistributionConfigWithTags, GeoRestriction, GeoRestrictionType, HttpVersion, Method, MinimumProtocolVersion,
    Origin, Origins, PriceClass, Restrictions, S3OriginConfig, SslSupportMethod, Tags, ViewerCertificate,
    ViewerProtocolPolicy,
};

use super::quantity;
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{
    Handler, Standing, TagSource, Told, adopt, created, observed, required_arn, standing,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags as OwnershipTags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const CREATE: &str = "cloudfront:CreateDistribution";
const DELETE: &str = "cloudfront:DeleteDistribution";
const GET: &str = "cloudfront:GetDistribution";
const LIST: &str = "cloudfront:ListDistributions";
const LIST_TAGS: &str = "cloudfront:ListTagsForResource";
const TAG: &str = "cloudfront:TagResource";
const UPDATE: &str = "cloudfront:UpdateDistribution";

/// All attributes a distribution is made with.
const ATTRIBUTES: [&str; 11] = [
    "enabled",
    "aliases",
    "comment",
    "price_class",
    "http_version",
    "ipv6",
    "default_root_object",
    "default_cache_behavior",
    "viewer_certificate",
    "geo_restriction",
    "origins",
];

/// The status of a distribution whose newest version has reached all places.
const DEPLOYED: &str = "Deployed";

pub struct Distribution;

#[async_trait]
impl Handler for Distribution {
    fn type_name(&self) -> &'static str {
        "cloudfront.distribution"
    }

    /// The list of all distributions would be one call for any number of them, but does not tell everything.
    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let answer = get(clients, target.identity.as_str()).await.or_absent()?;
        answer.map(|(distribution, _)| Ok(observed(distribution.id(), report(&distribution)?))).transpose()
    }

    /// The list does not tell tags. An alias belongs to one distribution of the world, so only those with one of ours
    /// are asked for theirs; without aliases all are.
    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let aliases = wanted(creation, LIST).texts("aliases")?;
        let all = clients.cloudfront().list_distributions().into_paginator().items().send();
        let mut candidates = all.try_collect().await.map_err(failed(LIST))?;
        candidates.retain(|candidate| {
            let present = candidate.aliases().map(Aliases::items).unwrap_or_default();
            let is_wanted = |alias: &String| aliases.iter().any(|wanted| wanted.eq_ignore_ascii_case(alias));
            aliases.is_empty() || present.iter().any(is_wanted)
        });
        let has_our_tags = |arn| async move {
            let present = list_tags(clients, arn).await?.unwrap_or_default();
            Ok::<_, ProviderError>(tags::has_all(&creation.tags, tags::pairs(&present)))
        };
        let ours = try_wave(candidates.iter().map(|candidate| has_our_tags(candidate.arn())).collect()).await?;
        let ours = candidates.into_iter().zip(ours).filter(|(_, is_ours)| *is_ours);
        Ok(ours.map(|(distribution, _)| Identity::new(distribution.id)).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let config = DistributionConfig::builder().caller_reference(&creation.token).comment("").enabled(false);
        let mut config = config.build().map_err(incomplete(CREATE))?;
        change(&mut config, &wanted(creation, CREATE), &ATTRIBUTES, CREATE)?;
        let tags = Tags::builder().set_items(Some(super::listed(&creation.tags)?)).build();
        let config = DistributionConfigWithTags::builder().distribution_config(config).tags(tags).build();
        let request = clients.cloudfront().create_distribution_with_tags().distribution_config_with_tags(config);
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.distribution.ok_or_else(|| unanswered(CREATE, "distribution")));
        // Nobody else has the token: an earlier try has made it, and it may not be in the list yet.
        let has_token = answer.as_ref().is_err_and(|error| error.code.as_deref() == Some("DistributionAlreadyExists"));
        let look = || async {
            Ok(match standing(self, clients, creation).await? {
                Standing::Ours(own) => Standing::Ours(get(clients, own.as_str()).await?.0),
                Standing::Taken(_) if has_token => Standing::Leaving,
                Standing::Leaving => Standing::Leaving,
                Standing::Taken(words) => Standing::Taken(words),
            })
        };
        let distribution = adopt(creation, answer, look).await?;
        Ok(created(distribution.id(), names(&distribution)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        let (distribution, version) = get(clients, id).await?;
        let before = config(&distribution)?;
        let mut after = before.clone();
        let due: Vec<&str> = update.changed.iter().map(String::as_str).collect();
        change(&mut after, &desired(update, UPDATE), &due, UPDATE)?;
        if after == *before { Ok(()) } else { put(clients, id, version, after).await }
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("cloudfront")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        Ok(list_tags(clients, required_arn(observed, LIST_TAGS)?).await?.map_or(Told::Gone, Told::Tags))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &OwnershipTags) -> Result<(), ProviderError> {
        let (distribution, _) = get(clients, target.identity.as_str()).await?;
        let tags = Tags::builder().set_items(Some(super::listed(tags)?)).build();
        let request = clients.cloudfront().tag_resource().resource(distribution.arn()).tags(tags);
        request.send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        let Some((distribution, version)) = get(clients, id).await.or_absent()? else {
            return Ok(Deletion::Accepted);
        };
        let config = config(&distribution)?;
        if config.enabled() {
            let mut config = config.clone();
            config.enabled = false;
            put(clients, id, version, config).await?;
            return Ok(Deletion::Again);
        }
        if distribution.status() != DEPLOYED {
            return Ok(Deletion::Again);
        }
        let request = clients.cloudfront().delete_distribution().id(id).set_if_match(version);
        match request.send().await.map_err(failed(DELETE)).or_absent() {
            Ok(_) => Ok(Deletion::Accepted),
            Err(error) if error.code.as_deref() == Some("DistributionNotDisabled") => Ok(Deletion::Again),
            Err(error) => Err(error),
        }
    }
}

/// The tags of a distribution; `None` if it is gone.
async fn list_tags(clients: &Clients, arn: &str) -> Result<Option<OwnershipTags>, ProviderError> {
    let request = clients.cloudfront().list_tags_for_resource().resource(arn);
    let Some(answer) = request.send().await.map_err(failed(LIST_TAGS)).or_absent()? else { return Ok(None) };
    let present = answer.tags.and_then(|tags| tags.items).unwrap_or_default();
    Ok(Some(tags::collected(present.iter().map(|tag| (tag.key(), tag.value().unwrap_or_default())))))
}

/// A distribution and its version.
async fn get(clients: &Clients, id: &str) -> Result<(Answer, Option<String>), ProviderError> {
    let answer = clients.cloudfront().get_distribution().id(id).send().await.map_err(failed(GET))?;
    Ok((answer.distribution.ok_or_else(|| unanswered(GET, "distribution"))?, answer.e_tag))
}

async fn put(
    clients: &Clients,
    id: &str,
    version: Option<String>,
    config: DistributionConfig,
) -> Result<(), ProviderError> {
    let request = clients.cloudfront().update_distribution().id(id).set_if_match(version).distribution_config(config);
    request.send().await.map_err(failed(UPDATE))?;
    Ok(())
}

fn config(distribution: &Answer) -> Result<&DistributionConfig, ProviderError> {
    distribution.distribution_config().ok_or_else(|| unanswered(GET, "configuration"))
}

/// Brings the attributes among `due` into a configuration, and leaves the rest of it alone.
fn change(
    config: &mut DistributionConfig,
    wanted: &Attributes<'_>,
    due: &[&str],
    operation: &'static str,
) -> Result<(), ProviderError> {
    for &name in due {
        match name {
            "enabled" => config.enabled = wanted.flag(name)?,
            "aliases" => {
                let aliases = wanted.texts(name)?;
                let aliases = Aliases::builder().quantity(quantity(&aliases)).set_items(filled(aliases));
                config.aliases = Some(aliases.build().map_err(incomplete(operation))?);
            }
            "comment" => wanted.text(name)?.clone_into(&mut config.comment),
            "price_class" => config.price_class = Some(PriceClass::from(wanted.text(name)?)),
            "http_version" => config.http_version = Some(HttpVersion::from(wanted.text(name)?)),
            "ipv6" => config.is_ipv6_enabled = Some(wanted.flag(name)?),
            "default_root_object" => config.default_root_object = Some(wanted.text(name)?.to_owned()),
            "default_cache_behavior" => {
                let current = config.default_cache_behavior.take();
                config.default_cache_behavior = Some(cache_behavior(current, &wanted.table(name)?, operation)?);
            }
            "viewer_certificate" => config.viewer_certificate = Some(viewer_certificate(&wanted.table(name)?)?),
            "geo_restriction" => config.restrictions = Some(restrictions(&wanted.table(name)?, operation)?),
            "origins" => {
                let current = config.origins.take().map(|origins| origins.items).unwrap_or_default();
                config.origins = Some(origins(&current, &wanted.tables(name)?, operation)?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn cache_behavior(
    current: Option<DefaultCacheBehavior>,
    wanted: &Attributes<'_>,
    operation: &'static str,
) -> Result<DefaultCacheBehavior, ProviderError> {
    let target = wanted.text("target_origin_id")?;
    let protocols = ViewerProtocolPolicy::from(wanted.text("viewer_protocol_policy")?);
    let mut behavior = match current {
        Some(current) if current.cache_policy_id().is_some_and(|policy| !policy.is_empty()) => current,
        current => without_old_cache_settings(current, target, &protocols, operation)?,
    };
    let cached = methods(wanted, "cached_methods")?;
    let cached = CachedMethods::builder().quantity(quantity(&cached)).set_items(Some(cached));
    let allowed = methods(wanted, "allowed_methods")?;
    let allowed = AllowedMethods::builder()
        .quantity(quantity(&allowed))
        .set_items(Some(allowed))
        .cached_methods(cached.build().map_err(incomplete(operation))?);
    target.clone_into(&mut behavior.target_origin_id);
    behavior.viewer_protocol_policy = protocols;
    behavior.allowed_methods = Some(allowed.build().map_err(incomplete(operation))?);
    behavior.compress = Some(wanted.flag("compress")?);
    behavior.cache_policy_id = wanted.owned_text("cache_policy_id")?;
    behavior.response_headers_policy_id = wanted.owned_text("response_headers_policy_id")?;
    Ok(behavior)
}

/// A behavior without a cache policy says how to cache in another, older way, and CloudFront refuses to have both.
/// This one is the same but for those settings.
fn without_old_cache_settings(
    current: Option<DefaultCacheBehavior>,
    target: &str,
    protocols: &ViewerProtocolPolicy,
    operation: &'static str,
) -> Result<DefaultCacheBehavior, ProviderError> {
    let behavior = DefaultCacheBehavior::builder().target_origin_id(target).viewer_protocol_policy(protocols.clone());
    let mut behavior = behavior.build().map_err(incomplete(operation))?;
    if let Some(current) = current {
        behavior.trusted_signers = current.trusted_signers;
        behavior.trusted_key_groups = current.trusted_key_groups;
        behavior.smooth_streaming = current.smooth_streaming;
        behavior.lambda_function_associations = current.lambda_function_associations;
        behavior.function_associations = current.function_associations;
        behavior.field_level_encryption_id = current.field_level_encryption_id;
        behavior.realtime_log_config_arn = current.realtime_log_config_arn;
        behavior.origin_request_policy_id = current.origin_request_policy_id;
        behavior.grpc_config = current.grpc_config;
    }
    Ok(behavior)
}

fn methods(wanted: &Attributes<'_>, name: &str) -> Result<Vec<Method>, ProviderError> {
    Ok(wanted.texts(name)?.iter().map(|method| Method::from(method.as_str())).collect())
}

/// Without a certificate of one's own, CloudFront shows its own and decides about protocols itself.
fn viewer_certificate(wanted: &Attributes<'_>) -> Result<ViewerCertificate, ProviderError> {
    let Some(arn) = wanted.optional_text("acm_certificate_arn")? else {
        return Ok(ViewerCertificate::builder().cloud_front_default_certificate(true).build());
    };
    Ok(ViewerCertificate::builder()
        .acm_certificate_arn(arn)
        .set_ssl_support_method(wanted.optional_text("ssl_support_method")?.map(SslSupportMethod::from))
        .set_minimum_protocol_version(
            wanted.optional_text("minimum_protocol_version")?.map(MinimumProtocolVersion::from),
        )
        .build())
}

fn restrictions(wanted: &Attributes<'_>, operation: &'static str) -> Result<Restrictions, ProviderError> {
    let locations = wanted.texts("locations")?;
    let geo = GeoRestriction::builder()
        .restriction_type(GeoRestrictionType::from(wanted.text("kind")?))
        .quantity(quantity(&locations))
        .set_items(filled(locations))
        .build()
        .map_err(incomplete(operation))?;
    Ok(Restrictions::builder().geo_restriction(geo).build())
}

/// The wanted origins. One that was there keeps what is not ours.
fn origins(current: &[Origin], wanted: &[Attributes<'_>], operation: &'static str) -> Result<Origins, ProviderError> {
    let mut origins = Vec::new();
    for wanted in wanted {
        let (id, domain_name) = (wanted.text("id")?, wanted.text("domain_name")?);
        let identity = wanted.optional_text("origin_access_identity")?.unwrap_or_default();
        let mut origin = match current.iter().find(|origin| origin.id() == id) {
            Some(current) => current.clone(),
            None => Origin::builder().id(id).domain_name(domain_name).build().map_err(incomplete(operation))?,
        };
        domain_name.clone_into(&mut origin.domain_name);
        origin.origin_access_control_id = Some(wanted.owned_text("origin_access_control_id")?.unwrap_or_default());
        match &mut origin.s3_origin_config {
            Some(bucket) => identity.clone_into(&mut bucket.origin_access_identity),
            // Somebody made it an origin of another kind, which has no identities.
            None if identity.is_empty()
                && (origin.custom_origin_config.is_some() || origin.vpc_origin_config.is_some()) => {}
            None => {
                origin.custom_origin_config = None;
                origin.vpc_origin_config = None;
                origin.s3_origin_config = Some(S3OriginConfig::builder().origin_access_identity(identity).build());
            }
        }
        origins.push(origin);
    }
    Origins::builder().quantity(quantity(&origins)).set_items(Some(origins)).build().map_err(incomplete(operation))
}

/// An empty list is no list in CloudFront's XML.
fn filled<T>(items: Vec<T>) -> Option<Vec<T>> {
    Some(items).filter(|items| !items.is_empty())
}

/// What others call the distribution.
fn names(distribution: &Answer) -> Report {
    Report::new()
        .set("id", distribution.id())
        .set("arn", distribution.arn())
        .set("domain_name", distribution.domain_name())
}

fn report(distribution: &Answer) -> Result<Report, ProviderError> {
    let config = config(distribution)?;
    let origins = config.origins().map(Origins::items).unwrap_or_default();
    let geo = config.restrictions().and_then(Restrictions::geo_restriction);
    let locations = geo.map(GeoRestriction::items).unwrap_or_default();
    let geo_restriction =
        Report::new().set("kind", geo.map(|geo| geo.restriction_type().as_str())).set("locations", locations.to_vec());
    Ok(names(distribution)
        .set("enabled", config.enabled())
        .set("aliases", config.aliases().map(Aliases::items).unwrap_or_default().to_vec())
        .set("comment", config.comment())
        .set("price_class", config.price_class().map(PriceClass::as_str))
        // Some answers spell it HTTP2.
        .set("http_version", config.http_version().map(|version| version.as_str().to_ascii_lowercase()))
        .set("ipv6", config.is_ipv6_enabled())
        .set("default_root_object", config.default_root_object())
        .set("default_cache_behavior", config.default_cache_behavior().map(report_of_behavior))
        .set("viewer_certificate", config.viewer_certificate().map(report_of_certificate))
        .set("geo_restriction", geo_restriction)
        .set("origins", origins.iter().map(report_of_origin).collect::<Vec<_>>())
        .set("status", distribution.status()))
}

fn report_of_behavior(behavior: &DefaultCacheBehavior) -> Report {
    let texts = |methods: &[Method]| methods.iter().map(|method| method.as_str().to_owned()).collect::<Vec<_>>();
    let allowed = behavior.allowed_methods();
    let cached = allowed.and_then(AllowedMethods::cached_methods);
    Report::new()
        .set("target_origin_id", behavior.target_origin_id())
        .set("viewer_protocol_policy", behavior.viewer_protocol_policy().as_str())
        .set("allowed_methods", allowed.map(|allowed| texts(allowed.items())))
        .set("cached_methods", cached.map(|cached| texts(cached.items())))
        .set("compress", behavior.compress())
        .set("cache_policy_id", behavior.cache_policy_id().and_then(present))
        .set("response_headers_policy_id", behavior.response_headers_policy_id().and_then(present))
}

fn report_of_certificate(certificate: &ViewerCertificate) -> Report {
    Report::new()
        .set("acm_certificate_arn", certificate.acm_certificate_arn().and_then(present))
        .set("minimum_protocol_version", certificate.minimum_protocol_version().map(MinimumProtocolVersion::as_str))
        .set("ssl_support_method", certificate.ssl_support_method().map(SslSupportMethod::as_str))
}

fn report_of_origin(origin: &Origin) -> Report {
    // CloudFront says "none" with an empty text. If it says nothing at all, nothing is known.
    let control = origin.origin_access_control_id().map(present);
    let identity = origin.s3_origin_config().map(S3OriginConfig::origin_access_identity);
    Report::new()
        .set("id", origin.id())
        .set("domain_name", origin.domain_name())
        .set_if("origin_access_control_id", control)
        .set("origin_access_identity", identity.unwrap_or_default())
}

fn present(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
