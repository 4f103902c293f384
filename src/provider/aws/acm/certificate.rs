//! `acm.certificate`: a certificate that Amazon issued, looked up and never requested.
//!
//! A lookup by domain prefers a certificate whose first name is the domain, then one that has it among its other names,
//! then one with a wildcard that covers it. Among equals the most recently issued one is taken.

use async_trait::async_trait;
use aws_sdk_acm::primitives::DateTime;
use aws_sdk_acm::types::{CertificateStatus, CertificateSummary, CertificateType, Filters, KeyAlgorithm};

use crate::provider::aws::attributes::{Report, filters};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{Handler, observed};
use crate::provider::aws::session::Clients;
use crate::provider::{ErrorKind, Lookup, Observed, ProviderError, Target};
use crate::value::Value;

const DESCRIBE: &str = "acm:DescribeCertificate";
const LIST: &str = "acm:ListCertificates";

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
        Ok(answer.and_then(|answer| answer.certificate).map(|certificate| {
            let report = Report::new()
                .set("domain_name", certificate.domain_name())
                .set("status", certificate.status().map(|status| status.as_str()))
                .set("arn", arn);
            observed(arn, report)
        }))
    }
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
