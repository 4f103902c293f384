//! `cloudfront.cache_policy`: how long CloudFront keeps copies.
//!
//! It has no tags, but its name is unique in the account: one of that name is ours. A change sends the whole
//! configuration, so cookies, headers and parts of addresses that are listed by name go back as they were read.

use async_trait::async_trait;
use aws_sdk_cloudfront::types::{
    CachePolicy as Policy, CachePolicyConfig as Config, CachePolicyCookieBehavior, CachePolicyCookiesConfig,
    CachePolicyHeaderBehavior, CachePolicyHeadersConfig, CachePolicyQueryStringBehavior, CachePolicyQueryStringsConfig,
    CachePolicyType as Kind, ParametersInCacheKeyAndForwardedToOrigin as Key,
};

use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, adopt, created, observed, one_or_listed, standing};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "cloudfront:CreateCachePolicy";
const DELETE: &str = "cloudfront:DeleteCachePolicy";
const GET: &str = "cloudfront:GetCachePolicy";
const LIST: &str = "cloudfront:ListCachePolicies";
const UPDATE: &str = "cloudfront:UpdateCachePolicy";

const NONE: &str = "none";

pub struct CachePolicy;

#[async_trait]
impl Handler for CachePolicy {
    fn type_name(&self) -> &'static str {
        "cloudfront.cache_policy"
    }

    /// Several come from the list, which tells everything.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let all = async { Ok(list(clients).await?.iter().filter_map(shown).collect()) };
        one_or_listed(self, clients, targets, all).await
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let found = get(clients, target.identity.as_str()).await.or_absent()?;
        Ok(found.and_then(|(policy, _)| shown(&policy)))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, LIST).text("name")?;
        let is_named = |policy: &Policy| policy.cache_policy_config().is_some_and(|config| config.name() == name);
        let all = list(clients).await?.into_iter().filter(is_named);
        Ok(all.map(|policy| Identity::new(policy.id)).collect())
    }

    fn refuses_second(&self) -> bool {
        true
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients.cloudfront().create_cache_policy().cache_policy_config(config(&wanted, None, CREATE)?);
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let made = answer.cache_policy.ok_or_else(|| unanswered(CREATE, "policy"))?;
            Ok(Identity::new(made.id))
        });
        let id = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        let (policy, version) = get(clients, id).await?;
        let current = policy.cache_policy_config.ok_or_else(|| unanswered(GET, "configuration"))?;
        let config = config(&desired(update, UPDATE), Some(current), UPDATE)?;
        let request = clients.cloudfront().update_cache_policy().id(id).set_if_match(version);
        request.cache_policy_config(config).send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        if let Some((_, version)) = get(clients, id).await.or_absent()? {
            let request = clients.cloudfront().delete_cache_policy().id(id).set_if_match(version);
            request.send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// The policy and its version.
async fn get(clients: &Clients, id: &str) -> Result<(Policy, Option<String>), ProviderError> {
    let answer = clients.cloudfront().get_cache_policy().id(id).send().await.map_err(failed(GET))?;
    Ok((answer.cache_policy.ok_or_else(|| unanswered(GET, "policy"))?, answer.e_tag))
}

/// All policies of the account, AWS's own aside.
async fn list(clients: &Clients) -> Result<Vec<Policy>, ProviderError> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let request = clients.cloudfront().list_cache_policies().r#type(Kind::Custom).set_marker(marker);
        let answer = request.send().await.map_err(failed(LIST))?;
        let page = answer.cache_policy_list.ok_or_else(|| unanswered(LIST, "list"))?;
        found.extend(page.items.into_iter().flatten().filter_map(|summary| summary.cache_policy));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(found);
        }
    }
}

/// The whole configuration. What is listed by name in the current one stays as long as the kind of the list does.
fn config(wanted: &Attributes<'_>, current: Option<Config>, operation: &'static str) -> Result<Config, ProviderError> {
    let current = current.and_then(|config| config.parameters_in_cache_key_and_forwarded_to_origin);
    let (cookies, headers, queries) =
        current.map_or((None, None, None), |key| (key.cookies_config, key.headers_config, key.query_strings_config));
    let behavior = |name: &str| wanted.text(name);
    let cookie_behavior = CachePolicyCookieBehavior::from(behavior("cookies")?);
    let cookies = cookies.filter(|current| current.cookie_behavior == cookie_behavior);
    let header_behavior = CachePolicyHeaderBehavior::from(behavior("headers")?);
    let headers = headers.filter(|current| current.header_behavior == header_behavior);
    let query_behavior = CachePolicyQueryStringBehavior::from(behavior("query_strings")?);
    let queries = queries.filter(|current| current.query_string_behavior == query_behavior);
    let cookies = match cookies {
        Some(cookies) => cookies,
        None => CachePolicyCookiesConfig::builder()
            .cookie_behavior(cookie_behavior)
            .build()
            .map_err(incomplete(operation))?,
    };
    let headers = match headers {
        Some(headers) => headers,
        None => CachePolicyHeadersConfig::builder()
            .header_behavior(header_behavior)
            .build()
            .map_err(incomplete(operation))?,
    };
    let queries = match queries {
        Some(queries) => queries,
        None => CachePolicyQueryStringsConfig::builder()
            .query_string_behavior(query_behavior)
            .build()
            .map_err(incomplete(operation))?,
    };
    let key = Key::builder()
        .enable_accept_encoding_gzip(wanted.flag("gzip")?)
        .enable_accept_encoding_brotli(wanted.flag("brotli")?)
        .cookies_config(cookies)
        .headers_config(headers)
        .query_strings_config(queries)
        .build()
        .map_err(incomplete(operation))?;
    let seconds = |name: &str| {
        let seconds = wanted.optional_long(name)?;
        seconds.ok_or_else(|| wanted.wrong(name, "is missing"))
    };
    Config::builder()
        .name(wanted.text("name")?)
        .comment(wanted.text("comment")?)
        .min_ttl(seconds("min_ttl_seconds")?)
        .default_ttl(seconds("default_ttl_seconds")?)
        .max_ttl(seconds("max_ttl_seconds")?)
        .parameters_in_cache_key_and_forwarded_to_origin(key)
        .build()
        .map_err(incomplete(operation))
}

fn shown(policy: &Policy) -> Option<Observed> {
    let config = policy.cache_policy_config()?;
    let key = config.parameters_in_cache_key_and_forwarded_to_origin();
    let cookies = key.and_then(Key::cookies_config).map(|it| it.cookie_behavior().as_str());
    let headers = key.and_then(Key::headers_config).map(|it| it.header_behavior().as_str());
    let queries = key.and_then(Key::query_strings_config).map(|it| it.query_string_behavior().as_str());
    let report = Report::new()
        .set("name", config.name())
        .set("comment", config.comment().unwrap_or_default())
        .set("min_ttl_seconds", config.min_ttl())
        .set_if("default_ttl_seconds", config.default_ttl())
        .set_if("max_ttl_seconds", config.max_ttl())
        .set("gzip", key.is_some_and(Key::enable_accept_encoding_gzip))
        .set("brotli", key.and_then(Key::enable_accept_encoding_brotli).unwrap_or_default())
        .set("cookies", cookies.unwrap_or(NONE))
        .set("headers", headers.unwrap_or(NONE))
        .set("query_strings", queries.unwrap_or(NONE))
        .set("id", policy.id());
    Some(observed(policy.id(), report))
}
