//! `cloudfront.response_headers_policy`: headers that CloudFront adds to its answers.
//!
//! It has no tags, but its name is unique in the account: one of that name is ours. A change sends the whole
//! configuration, so headers that are not ours (XSS protection, server timing, custom and removed headers) go back as
//! they were read. AWS says of each security header whether it replaces the origin's; here one flag speaks for all.

use async_trait::async_trait;
use aws_sdk_cloudfront::types::{
    FrameOptionsList, ReferrerPolicyList, ResponseHeadersPolicy as Policy,
    ResponseHeadersPolicyAccessControlAllowHeaders as AllowHeaders,
    ResponseHeadersPolicyAccessControlAllowMethods as AllowMethods,
    ResponseHeadersPolicyAccessControlAllowMethodsValues as Method,
    ResponseHeadersPolicyAccessControlAllowOrigins as AllowOrigins,
    ResponseHeadersPolicyAccessControlExposeHeaders as ExposeHeaders, ResponseHeadersPolicyConfig as Config,
    ResponseHeadersPolicyContentSecurityPolicy as ContentSecurityPolicy,
    ResponseHeadersPolicyContentTypeOptions as ContentTypeOptions, ResponseHeadersPolicyCorsConfig as Cors,
    ResponseHeadersPolicyFrameOptions as FrameOptions, ResponseHeadersPolicyReferrerPolicy as ReferrerPolicy,
    ResponseHeadersPolicySecurityHeadersConfig as Security,
    ResponseHeadersPolicyStrictTransportSecurity as StrictTransportSecurity, ResponseHeadersPolicyType as Kind,
};

use super::quantity;
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, adopt, created, observed, one_or_listed, standing};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};
use crate::value::Value;

const CREATE: &str = "cloudfront:CreateResponseHeadersPolicy";
const DELETE: &str = "cloudfront:DeleteResponseHeadersPolicy";
const GET: &str = "cloudfront:GetResponseHeadersPolicy";
const LIST: &str = "cloudfront:ListResponseHeadersPolicies";
const UPDATE: &str = "cloudfront:UpdateResponseHeadersPolicy";

/// How long browsers remember what CORS allows, if nobody says otherwise.
const DEFAULT_MAX_AGE: i32 = 600;

pub struct ResponseHeadersPolicy;

#[async_trait]
impl Handler for ResponseHeadersPolicy {
    fn type_name(&self) -> &'static str {
        "cloudfront.response_headers_policy"
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
        let is_named = |policy: &Policy| policy.response_headers_policy_config().is_some_and(|it| it.name() == name);
        let all = list(clients).await?.into_iter().filter(is_named);
        Ok(all.map(|policy| Identity::new(policy.id)).collect())
    }

    fn refuses_second(&self) -> bool {
        true
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let config = Config::builder()
            .name(wanted.text("name")?)
            .comment(wanted.text("comment")?)
            .set_cors_config(cors(&wanted, CREATE)?)
            .set_security_headers_config(security(&wanted, None, CREATE)?)
            .build()
            .map_err(incomplete(CREATE))?;
        let request = clients.cloudfront().create_response_headers_policy().response_headers_policy_config(config);
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let made = answer.response_headers_policy.ok_or_else(|| unanswered(CREATE, "policy"))?;
            Ok(Identity::new(made.id))
        });
        let id = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        let (policy, version) = get(clients, id).await?;
        let mut config = policy.response_headers_policy_config.ok_or_else(|| unanswered(GET, "configuration"))?;
        let desired = desired(update, UPDATE);
        for name in &update.changed {
            match name.as_str() {
                "name" => config.name = desired.text(name)?.to_owned(),
                "comment" => config.comment = Some(desired.text(name)?.to_owned()),
                "cors" => config.cors_config = cors(&desired, UPDATE)?,
                "security" => {
                    let current = config.security_headers_config.take();
                    config.security_headers_config = security(&desired, current, UPDATE)?;
                }
                _ => {}
            }
        }
        let request = clients.cloudfront().update_response_headers_policy().id(id).set_if_match(version);
        request.response_headers_policy_config(config).send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        if let Some((_, version)) = get(clients, id).await.or_absent()? {
            let request = clients.cloudfront().delete_response_headers_policy().id(id).set_if_match(version);
            request.send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// The policy and its version.
async fn get(clients: &Clients, id: &str) -> Result<(Policy, Option<String>), ProviderError> {
    let answer = clients.cloudfront().get_response_headers_policy().id(id).send().await.map_err(failed(GET))?;
    Ok((answer.response_headers_policy.ok_or_else(|| unanswered(GET, "policy"))?, answer.e_tag))
}

/// All policies of the account, AWS's own aside.
async fn list(clients: &Clients) -> Result<Vec<Policy>, ProviderError> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let request = clients.cloudfront().list_response_headers_policies().r#type(Kind::Custom).set_marker(marker);
        let answer = request.send().await.map_err(failed(LIST))?;
        let page = answer.response_headers_policy_list.ok_or_else(|| unanswered(LIST, "list"))?;
        found.extend(page.items.into_iter().flatten().filter_map(|summary| summary.response_headers_policy));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(found);
        }
    }
}

fn cors(attributes: &Attributes<'_>, operation: &'static str) -> Result<Option<Cors>, ProviderError> {
    let wanted = attributes.table("cors")?;
    if !wanted.is_present() {
        return Ok(None);
    }
    let origins = wanted.texts("allow_origins")?;
    let origins = AllowOrigins::builder().quantity(quantity(&origins)).set_items(Some(origins));
    let headers = wanted.texts("allow_headers")?;
    let headers = AllowHeaders::builder().quantity(quantity(&headers)).set_items(Some(headers));
    let methods: Vec<Method> = wanted.texts("allow_methods")?.iter().map(|name| Method::from(name.as_str())).collect();
    let methods = AllowMethods::builder().quantity(quantity(&methods)).set_items(Some(methods));
    let exposed = wanted.texts("expose_headers")?;
    let exposed = (!exposed.is_empty())
        .then(|| ExposeHeaders::builder().quantity(quantity(&exposed)).set_items(Some(exposed)).build())
        .transpose()
        .map_err(incomplete(operation))?;
    let cors = Cors::builder()
        .access_control_allow_origins(origins.build().map_err(incomplete(operation))?)
        .access_control_allow_headers(headers.build().map_err(incomplete(operation))?)
        .access_control_allow_methods(methods.build().map_err(incomplete(operation))?)
        .set_access_control_expose_headers(exposed)
        .access_control_allow_credentials(wanted.flag("allow_credentials")?)
        .access_control_max_age_sec(wanted.integer("max_age_seconds")?)
        .origin_override(wanted.flag("override")?);
    cors.build().map(Some).map_err(incomplete(operation))
}

fn security(
    attributes: &Attributes<'_>,
    current: Option<Security>,
    operation: &'static str,
) -> Result<Option<Security>, ProviderError> {
    let wanted = attributes.table("security")?;
    let xss_protection = current.and_then(|current| current.xss_protection);
    if !wanted.is_present() && xss_protection.is_none() {
        return Ok(None);
    }
    let replaces = wanted.optional_flag("override")?.unwrap_or_default();
    let mut security = Security::builder().set_xss_protection(xss_protection);
    if let Some(policy) = wanted.optional_text("content_security_policy")? {
        let policy = ContentSecurityPolicy::builder().content_security_policy(policy).r#override(replaces).build();
        security = security.content_security_policy(policy.map_err(incomplete(operation))?);
    }
    if wanted.optional_flag("content_type_options")?.unwrap_or_default() {
        let options = ContentTypeOptions::builder().r#override(replaces).build();
        security = security.content_type_options(options.map_err(incomplete(operation))?);
    }
    if let Some(option) = wanted.optional_text("frame_options")? {
        let options = FrameOptions::builder().frame_option(FrameOptionsList::from(option)).r#override(replaces);
        security = security.frame_options(options.build().map_err(incomplete(operation))?);
    }
    if let Some(policy) = wanted.optional_text("referrer_policy")? {
        let policy = ReferrerPolicy::builder().referrer_policy(ReferrerPolicyList::from(policy)).r#override(replaces);
        security = security.referrer_policy(policy.build().map_err(incomplete(operation))?);
    }
    let transport = wanted.table("strict_transport_security")?;
    if let Some(age) = transport.optional_integer("max_age_seconds")? {
        let policy = StrictTransportSecurity::builder()
            .access_control_max_age_sec(age)
            .include_subdomains(transport.optional_flag("include_subdomains")?.unwrap_or_default())
            .preload(transport.optional_flag("preload")?.unwrap_or_default())
            .r#override(replaces);
        security = security.strict_transport_security(policy.build().map_err(incomplete(operation))?);
    }
    Ok(Some(security.build()))
}

fn shown(policy: &Policy) -> Option<Observed> {
    let config = policy.response_headers_policy_config()?;
    let report = Report::new()
        .set("name", config.name())
        .set("comment", config.comment().unwrap_or_default())
        .set("cors", config.cors_config().map(shown_cors))
        .set("security", config.security_headers_config().map(shown_security))
        .set("id", policy.id());
    Some(observed(policy.id(), report))
}

fn shown_cors(cors: &Cors) -> Report {
    let origins = cors.access_control_allow_origins().map(AllowOrigins::items).unwrap_or_default();
    let headers = cors.access_control_allow_headers().map(AllowHeaders::items).unwrap_or_default();
    let methods = cors.access_control_allow_methods().map(AllowMethods::items).unwrap_or_default();
    let exposed = cors.access_control_expose_headers().map(ExposeHeaders::items).unwrap_or_default();
    let texts = |items: &[String]| items.iter().map(|item| item.as_str().into()).collect::<Vec<Value>>();
    Report::new()
        .set("allow_origins", texts(origins))
        .set("allow_headers", texts(headers))
        .set("allow_methods", methods.iter().map(|method| method.as_str().into()).collect::<Vec<Value>>())
        .set("expose_headers", texts(exposed))
        .set("allow_credentials", cors.access_control_allow_credentials())
        .set("max_age_seconds", cors.access_control_max_age_sec().unwrap_or(DEFAULT_MAX_AGE))
        .set("override", cors.origin_override())
}

fn shown_security(security: &Security) -> Report {
    let csp = security.content_security_policy();
    let options = security.content_type_options();
    let frames = security.frame_options();
    let referrer = security.referrer_policy();
    let transport = security.strict_transport_security();
    let replaces: Vec<bool> = [
        csp.map(ContentSecurityPolicy::r#override),
        options.map(ContentTypeOptions::r#override),
        frames.map(FrameOptions::r#override),
        referrer.map(ReferrerPolicy::r#override),
        transport.map(StrictTransportSecurity::r#override),
    ]
    .into_iter()
    .flatten()
    .collect();
    let transport = transport.map(|transport| {
        Report::new()
            .set("max_age_seconds", transport.access_control_max_age_sec())
            .set("include_subdomains", transport.include_subdomains().unwrap_or_default())
            .set("preload", transport.preload().unwrap_or_default())
    });
    Report::new()
        .set("content_security_policy", csp.map(ContentSecurityPolicy::content_security_policy))
        .set("content_type_options", options.is_some())
        .set("frame_options", frames.map(|frames| frames.frame_option().as_str()))
        .set("referrer_policy", referrer.map(|referrer| referrer.referrer_policy().as_str()))
        .set("strict_transport_security", transport)
        .set("override", !replaces.is_empty() && replaces.iter().all(|replaces| *replaces))
}
