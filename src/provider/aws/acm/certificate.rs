//! `acm.certificate`: a certificate that Amazon issues as soon as a DNS record proves the name.
//!
//! AWS tells the record some seconds after the request, so a first look may not have it.
//!
//! A lookup by domain prefers a certificate whose first name is the domain, then one that has it among its other names,
//! then one with a wildcard that covers it. Among equals the most recently issued one is taken.

use async_trait::async_trait;
use aws_sdk_acm::primitives::DateTime;
use aws_sdk_acm::types::{
    CertificateDetail, CertificateStatus, CertificateSummary, CertificateType, Filters, KeyAlgorithm, ValidationMethod,
};

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, filters, wanted};
use crate::provider::aws::dns::without_dot;
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, TagSource, Told, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Lookup, Observed, ProviderError, Target, Update};
use crate::value::Value;

const ADD_TAGS: &str = "acm:AddTagsToCertificate";
const DELETE: &str = "acm:DeleteCertificate";
const DESCRIBE: &str = "acm:DescribeCertificate";
const LIST: &str = "acm:ListCertificates";
const LIST_TAGS: &str = "acm:ListTagsForCertificate";
const REQUEST: &str = "acm:RequestCertificate";

/// ACM lists only some kinds of keys unless all are asked for.
const KEYS: [KeyAlgorithm; 7] = [
    KeyAlgorithm::Rsa1024,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
    KeyAlgorithm::EcSecp521r1,
];

pub struct Certificate;

#[async_trait]
impl Handler for Certificate {
    fn type_name(&self) -> &'static str {
        "acm.certificate"
    }

    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let wanted = filters(lookup, LIST);
        let domain = wanted.optional_text("domain_name")?;
        let status = wanted.optional_text("status")?;
        let arn = wanted.optional_text("arn")?;
        let certificates =
            clients.certificates.ask(status.unwrap_or_default(), || list_certificates(clients, status)).await?;
        let best = certificates
            .iter()
            .filter(|certificate| certificate.r#type() == Some(&CertificateType::AmazonIssued))
            .filter(|certificate| arn.is_none() || certificate.certificate_arn() == arn)
            .filter_map(|certificate| {
                let fit = domain.map_or(Some(Fit::First), |domain| Fit::of(certificate, domain))?;
                Some((fit, certificate))
            })
            .max_by_key(|(fit, certificate)| (*fit, issued_at(certificate)));
        let Some((_, certificate)) = best else {
            let domain = domain.map(|domain| format!(" for {domain}")).unwrap_or_default();
            let status = status.map(|status| format!(" with status {status}")).unwrap_or_default();
            let arn = arn.map(|arn| format!(" and ARN {arn}")).unwrap_or_default();
            let message = format!("{} has no certificate{domain}{status}{arn} that Amazon issued", lookup.region);
            return Err(ProviderError::new(ErrorKind::NotFound, LIST, message));
        };
        if let Some(name) = wanted.texts("covers")?.iter().find(|name| Fit::of(certificate, name).is_none()) {
            let found = certificate.domain_name().unwrap_or_default();
            let message = format!("the certificate for {found} in {} is not good for {name}", lookup.region);
            return Err(ProviderError::new(ErrorKind::NotFound, LIST, message));
        }
        Ok(Report::new()
            .set("domain_name", certificate.domain_name())
            .set("status", certificate.status().map(|status| status.as_str()))
            .set("arn", certificate.certificate_arn())
            .value())
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let arn = target.identity.as_str();
        let request = clients.acm().describe_certificate().certificate_arn(arn);
        let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
        Ok(answer.and_then(|answer| answer.certificate).map(|certificate| observed(arn, report(&certificate))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, LIST);
        let (domain, other) = (wanted.text("domain_name")?, wanted.optional_text("alternative_name")?);
        let mut found = Vec::new();
        for certificate in list_certificates(clients, None).await? {
            let is_alike = certificate.domain_name().is_some_and(|name| name.eq_ignore_ascii_case(domain));
            let others = others(domain, certificate.subject_alternative_name_summaries());
            let has_others = others.len() == usize::from(other.is_some())
                && others.iter().all(|name| other.is_some_and(|other| name.eq_ignore_ascii_case(other)));
            let Some(arn) = certificate.certificate_arn().filter(|_| is_alike && has_others) else { continue };
            let present = list_tags(clients, arn).await?;
            let is_own = present.is_some_and(|present| tags::has_all(&creation.tags, tags::pairs(&present)));
            if is_own {
                found.push(Identity::new(arn));
            }
        }
        Ok(found)
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, REQUEST);
        let request = clients
            .acm()
            .request_certificate()
            .domain_name(wanted.text("domain_name")?)
            .set_subject_alternative_names(wanted.owned_text("alternative_name")?.map(|name| vec![name]))
            .validation_method(ValidationMethod::Dns)
            .set_key_algorithm(wanted.optional_text("key_algorithm")?.map(KeyAlgorithm::from))
            .idempotency_token(&creation.token)
            .set_tags(Some(super::listed(&creation.tags)?));
        let answer = request.send().await.map_err(failed(REQUEST))?;
        let arn = answer.certificate_arn.ok_or_else(|| unanswered(REQUEST, "ARN"))?;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    /// Nothing of a certificate can be changed.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("acm")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        Ok(list_tags(clients, observed.identity.as_str()).await?.map_or(Told::Gone, Told::Tags))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.acm().add_tags_to_certificate().certificate_arn(target.identity.as_str());
        request.set_tags(Some(super::listed(tags)?)).send().await.map_err(failed(ADD_TAGS))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.acm().delete_certificate().certificate_arn(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// The names of a certificate besides its first: AWS lists that among the others.
fn others<'a>(first: &str, names: &'a [String]) -> Vec<&'a str> {
    names.iter().map(String::as_str).filter(|name| !name.eq_ignore_ascii_case(first)).collect()
}

fn report(certificate: &CertificateDetail) -> Report {
    let validations = certificate.domain_validation_options();
    let proof = |name: &str| {
        let mut own = validations.iter().filter(|validation| validation.domain_name().eq_ignore_ascii_case(name));
        own.find_map(|validation| validation.resource_record())
    };
    let first = certificate.domain_name().unwrap_or_default();
    let other = others(first, certificate.subject_alternative_names()).first().copied();
    let (record, other_record) = (proof(first), other.and_then(proof));
    Report::new()
        .set("domain_name", certificate.domain_name())
        .set("alternative_name", other)
        .set_if("alternative_validation_name", other_record.map(|record| without_dot(record.name())))
        .set_if("alternative_validation_value", other_record.map(|record| without_dot(record.value())))
        .set("key_algorithm", certificate.key_algorithm().map(key_algorithm))
        .set("status", certificate.status().map(|status| status.as_str()))
        .set_if("failure", certificate.failure_reason().map(|reason| reason.as_str()))
        .set_if("validation_name", record.map(|record| without_dot(record.name())))
        .set_if("validation_kind", record.map(|record| record.r#type().as_str()))
        .set_if("validation_value", record.map(|record| without_dot(record.value())))
        .set("arn", certificate.certificate_arn())
}

/// The request takes `RSA_2048`, and AWS's answers may have `RSA-2048`.
fn key_algorithm(algorithm: &KeyAlgorithm) -> String {
    algorithm.as_str().replace('-', "_")
}

/// The tags of a certificate; `None` if there is none of this ARN.
async fn list_tags(clients: &Clients, arn: &str) -> Result<Option<Tags>, ProviderError> {
    let request = clients.acm().list_tags_for_certificate().certificate_arn(arn);
    let answer = request.send().await.map_err(failed(LIST_TAGS)).or_absent()?;
    let present = answer.map(|answer| answer.tags.unwrap_or_default());
    Ok(present.map(|tags| tags::collected(tags.iter().map(|tag| (tag.key(), tag.value().unwrap_or_default())))))
}

async fn list_certificates(clients: &Clients, status: Option<&str>) -> Result<Vec<CertificateSummary>, ProviderError> {
    let request = clients
        .acm()
        .list_certificates()
        .set_certificate_statuses(status.map(|status| vec![CertificateStatus::from(status)]))
        .includes(Filters::builder().set_key_types(Some(KEYS.to_vec())).build());
    request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(LIST))
}

/// How well a certificate fits a domain; the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Wildcard,
    Other,
    First,
}

impl Fit {
    fn of(certificate: &CertificateSummary, domain: &str) -> Option<Self> {
        let first = certificate.domain_name().unwrap_or_default();
        let others = certificate.subject_alternative_name_summaries();
        if first.eq_ignore_ascii_case(domain) {
            Some(Self::First)
        } else if others.iter().any(|name| name.eq_ignore_ascii_case(domain)) {
            Some(Self::Other)
        } else if covers(first, domain) || others.iter().any(|name| covers(name, domain)) {
            Some(Self::Wildcard)
        } else {
            None
        }
    }
}

/// Whether a name is a wildcard for `domain`. The star stands for exactly one part.
fn covers(name: &str, domain: &str) -> bool {
    match (name.strip_prefix("*."), domain.split_once('.')) {
        (Some(parent), Some((part, rest))) => part != "*" && !part.is_empty() && parent.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

/// When a certificate was issued, or requested if it never was.
fn issued_at(certificate: &CertificateSummary) -> Option<&DateTime> {
    certificate.issued_at().or(certificate.created_at())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_part() {
        assert!(covers("*.example.com", "social.Example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("*.example.com", "a.social.example.com"));
        assert!(!covers("*.example.com", "*.example.com"));
        assert!(!covers("example.com", "social.example.com"));
    }

    #[test]
    fn names_fit_better_than_wildcards() {
        let certificate = |first: &str, others: &[&str]| {
            let others = others.iter().map(|name| (*name).to_owned()).collect();
            CertificateSummary::builder()
                .domain_name(first)
                .set_subject_alternative_name_summaries(Some(others))
                .build()
        };
        let fit = |first, others: &[&str]| Fit::of(&certificate(first, others), "social.example");
        assert_eq!(fit("social.example", &["social.example"]), Some(Fit::First));
        assert_eq!(fit("other.example", &["other.example", "social.example"]), Some(Fit::Other));
        assert_eq!(fit("example", &["example", "*.example"]), Some(Fit::Wildcard));
        assert_eq!(fit("other.example", &["other.example"]), None);
        assert!(Fit::First > Fit::Other && Fit::Other > Fit::Wildcard);
    }
}
