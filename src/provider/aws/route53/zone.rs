//! `route53.zone`: a public zone, looked up by a name in it.

use async_trait::async_trait;
use aws_sdk_route53::types::HostedZone;

use crate::provider::aws::attributes::{Report, filters};
use crate::provider::aws::dns::without_dot;
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{ErrorKind, Lookup, ProviderError};
use crate::value::Value;

const LIST: &str = "route53:ListHostedZones";

pub struct Zone;

#[async_trait]
impl Handler for Zone {
    fn type_name(&self) -> &'static str {
        "route53.zone"
    }

    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let name = filters(lookup, LIST).text("name")?;
        let zones = clients.zones.ask("", || list(clients)).await?;
        let holding: Vec<(&str, &HostedZone)> = zones
            .iter()
            .filter(|zone| !zone.config().is_some_and(|config| config.private_zone()))
            .map(|zone| (without_dot(zone.name()), zone))
            .filter(|(zone, _)| holds(zone, name))
            .collect();
        let longest = holding.iter().map(|(zone, _)| zone.len()).max();
        let best: Vec<_> = holding.into_iter().filter(|(zone, _)| Some(zone.len()) == longest).collect();
        match best[..] {
            [(zone, found)] => {
                let id = found.id().rsplit('/').next().unwrap_or_default();
                Ok(Report::new().set("name", name).set("id", id).set("zone", zone).value())
            }
            [] => Err(ProviderError::new(
                ErrorKind::NotFound,
                LIST,
                format!("the account has no public zone at Route 53 that holds {name}"),
            )),
            [(zone, _), ..] => Err(ProviderError::new(
                ErrorKind::Invalid,
                LIST,
                format!("the account has {} public zones {zone}, and nobody can tell which one is served", best.len()),
            )),
        }
    }
}

async fn list(clients: &Clients) -> Result<Vec<HostedZone>, ProviderError> {
    let mut zones = Vec::new();
    let mut marker = None;
    loop {
        let answer = clients.route53().list_hosted_zones().set_marker(marker).send().await.map_err(failed(LIST))?;
        zones.extend(answer.hosted_zones);
        marker = answer.next_marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(zones);
        }
    }
}

/// Whether a name stands in a zone, or at its top.
fn holds(zone: &str, name: &str) -> bool {
    let (zone, name) = (zone.to_ascii_lowercase(), name.to_ascii_lowercase());
    name == zone || name.strip_suffix(&zone).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_holds_itself_and_what_is_below_it() {
        assert!(holds("example.org", "example.org"));
        assert!(holds("example.org", "a.b.Example.org"));
        assert!(!holds("example.org", "badexample.org"));
        assert!(!holds("a.example.org", "example.org"));
    }
}
