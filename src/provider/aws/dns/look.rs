//! Asking DNS whether a record is there.
//!
//! The name servers of the zone are asked themselves: what a resolver remembers may be older than the record, or the
//! absence of it, by hours. Only the way to these servers is asked of the system's resolver. Servers whose addresses are
//! not public are not asked: a name in a file of a stranger must not lead into the network of whoever plans it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, Record, RecordType};

use super::without_dot;
use crate::provider::network::address::is_public;

/// How long one server is waited for.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How many servers of a zone are asked.
const SERVERS: usize = 4;

/// The way to the name servers.
pub struct Dns {
    /// Where the servers of a zone are asked for; `None`: what the system is configured to.
    servers: Option<Vec<SocketAddr>>,
    resolver: OnceLock<Option<TokioResolver>>,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: None, resolver: OnceLock::new() }
    }
}

/// What the name servers of a zone say of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    Present,
    /// The place where it is missing, as words that follow the record; may be empty.
    Missing(String),
    /// What is wrong, in words.
    Wrong(String),
    /// Nobody answers, in words. That says nothing of the record.
    Silent(String),
    /// Nobody could be asked.
    Unknown,
}

impl Finding {
    /// For whoever has waited for [`LONGEST`](super::LONGEST).
    pub fn late() -> Self {
        Self::Silent(format!("DNS does not answer within {} s", super::LONGEST.as_secs()))
    }
}

/// What is under a name: the values of one kind, or the reason why there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Each as zone files have it, without a dot at its end.
    Values(Vec<String>),
    /// The name, or its records of this kind, do not exist.
    Nothing,
    /// The servers refuse to answer for this name.
    Refused,
    /// The servers fail to answer.
    Failed,
    Unreachable,
}

/// The servers that answer for a zone.
struct Zone {
    name: String,
    /// Their names.
    servers: Vec<String>,
    resolver: TokioResolver,
}

impl Zone {
    /// The servers of the zone, for people who entered the record somewhere else.
    fn place(&self) -> String {
        format!(" at {}, where {} is served", self.servers.join(", "), self.name)
    }

    /// Why its servers have no answer.
    fn without_answer(&self, found: &Found) -> Finding {
        let name = &self.name;
        match found {
            Found::Refused => Finding::Wrong(format!(
                "the name servers of {name} refuse to answer, as for a zone that is served elsewhere: look which servers \
                 your registrar has for it"
            )),
            Found::Failed => Finding::Wrong(format!(
                "the name servers of {name} fail to answer, as for a zone whose signatures are broken"
            )),
            _ => Finding::Silent(format!("the name servers of {name} do not answer in time")),
        }
    }
}

impl Dns {
    /// Asks these servers for everything, as resolver and as servers of every zone.
    pub fn at(servers: Vec<SocketAddr>) -> Self {
        Self { servers: Some(servers), resolver: OnceLock::new() }
    }

    fn resolver(&self) -> Option<&TokioResolver> {
        let make = || match &self.servers {
            Some(servers) => over(servers, true),
            None => {
                let mut builder = TokioResolver::builder_tokio().ok()?;
                builder.options_mut().timeout = TIMEOUT;
                builder.options_mut().cache_size = 0;
                builder.build().ok()
            }
        };
        self.resolver.get_or_init(make).as_ref()
    }

    /// Looks whether the name has a record of this kind with this value, or with one that begins with `accepts`.
    pub async fn look(&self, name: &str, kind: &str, value: &str, accepts: Option<&str>) -> Finding {
        let Some(zone) = self.zone(name).await else { return Finding::Unknown };
        let found = asked(&zone.resolver, name, kind).await;
        match &found {
            Found::Values(values) if values.iter().any(|found| same(found, value)) => Finding::Present,
            Found::Values(values) if accepts.is_some_and(|start| values.iter().any(|found| begins(found, start))) => {
                Finding::Present
            }
            // Two names of one thing: the provider follows the name by itself.
            Found::Values(values) if kind != "CNAME" => {
                Finding::Wrong(format!("the name servers of {} have {}", zone.name, values.join(", ")))
            }
            Found::Values(values) => {
                Finding::Wrong(format!("it points at {}, say the name servers of {}", values.join(", "), zone.name))
            }
            Found::Nothing if kind == "CNAME" => self.without_cname(&zone, name, value).await,
            Found::Nothing => self.elsewhere(&zone, name, kind).await,
            Found::Refused | Found::Failed | Found::Unreachable => zone.without_answer(&found),
        }
    }

    /// A name without CNAME: addresses that are those of the value are as good, since providers follow names by
    /// themselves at the top of a zone.
    async fn without_cname(&self, zone: &Zone, name: &str, value: &str) -> Finding {
        let here = addresses(&zone.resolver, name).await;
        if here.is_empty() {
            return self.elsewhere(zone, name, "CNAME").await;
        }
        let Some(resolver) = self.resolver() else { return Finding::Unknown };
        let there = addresses(resolver, value).await;
        if there.is_empty() {
            return Finding::Unknown;
        }
        if here.iter().any(|address| there.contains(address)) {
            return Finding::Present;
        }
        let shown: Vec<String> = here.iter().map(ToString::to_string).collect();
        Finding::Wrong(format!(
            "it has the addresses {}, which are not those of {value}; a proxy before it hides where it points",
            shown.join(", ")
        ))
    }

    /// A record that is not there: the usual mistake is a name that the provider's form has made longer.
    async fn elsewhere(&self, zone: &Zone, name: &str, kind: &str) -> Finding {
        let doubled = format!("{name}.{}", zone.name);
        match asked(&zone.resolver, &doubled, kind).await {
            Found::Values(_) => Finding::Wrong(format!(
                "it stands at {doubled}: your provider adds {} to what you type, so type {} alone",
                zone.name,
                name.strip_suffix(&format!(".{}", zone.name)).unwrap_or("@")
            )),
            _ => Finding::Missing(zone.place()),
        }
    }

    /// Looks whether the zone above a zone leads to these servers, and to no others.
    pub async fn delegation(&self, name: &str, servers: &[String]) -> Finding {
        let Some((_, parent)) = name.split_once('.') else { return Finding::Unknown };
        let Some(above) = self.zone_above(parent).await else { return Finding::Unknown };
        let found = delegated(&above.resolver, name).await;
        match &found {
            Found::Values(found) if found.iter().all(|found| servers.iter().any(|server| same(found, server))) => {
                Finding::Present
            }
            Found::Values(found) => Finding::Wrong(format!(
                "the name servers of {} lead to {}, which are not those of this zone alone",
                above.name,
                found.join(", ")
            )),
            Found::Nothing => Finding::Missing(String::new()),
            Found::Refused | Found::Failed | Found::Unreachable => above.without_answer(&found),
        }
    }

    /// The zone that a name stands in: the longest part of it that has name servers. No single word is one.
    async fn zone(&self, name: &str) -> Option<Zone> {
        self.zone_of(name, |part| part.contains('.')).await
    }

    /// The same for a name that may be a single word: what stands above a domain.
    async fn zone_above(&self, name: &str) -> Option<Zone> {
        self.zone_of(name, |_| true).await
    }

    async fn zone_of(&self, name: &str, is_possible: impl Fn(&str) -> bool) -> Option<Zone> {
        let resolver = self.resolver()?;
        let mut part = name;
        loop {
            match asked(resolver, part, "NS").await {
                Found::Values(servers) => {
                    let resolver = match &self.servers {
                        Some(servers) => over(servers, false)?,
                        None => self.servers_of(&servers).await?,
                    };
                    return Some(Zone { name: part.to_owned(), servers, resolver });
                }
                Found::Nothing => {}
                // A resolver that checks signatures fails for a zone whose signatures are broken.
                Found::Refused | Found::Failed => {}
                Found::Unreachable => return None,
            }
            part = part.split_once('.').map(|(_, rest)| rest).filter(|rest| is_possible(rest))?;
        }
    }

    /// A resolver that asks these servers alone.
    async fn servers_of(&self, names: &[String]) -> Option<TokioResolver> {
        let mut servers = BTreeSet::new();
        for name in names {
            servers.extend(addresses(self.resolver()?, name).await);
            if servers.len() >= SERVERS {
                break;
            }
        }
        let servers = askable(servers);
        if servers.is_empty() { None } else { over(&servers, false) }
    }
}

/// The servers of a zone that are asked: a few, and none with an address that is not public.
fn askable(addresses: BTreeSet<IpAddr>) -> Vec<SocketAddr> {
    let public = addresses.into_iter().filter(|address| is_public(*address));
    public.take(SERVERS).map(|address| SocketAddr::new(address, 53)).collect()
}

/// A resolver over servers, which are asked over TCP if an answer is too long for UDP. Nothing is remembered.
fn over(servers: &[SocketAddr], recursive: bool) -> Option<TokioResolver> {
    let configs = servers.iter().map(|server| {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        NameServerConfig::new(server.ip(), true, connections.to_vec())
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), configs.collect());
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.timeout = TIMEOUT;
    options.attempts = 2;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.recursion_desired = recursive;
    builder.build().ok()
}

/// The records of one kind under a name.
async fn asked(resolver: &TokioResolver, name: &str, kind: &str) -> Found {
    let kind = match kind {
        "A" => RecordType::A,
        "AAAA" => RecordType::AAAA,
        "MX" => RecordType::MX,
        "NS" => RecordType::NS,
        "TXT" => RecordType::TXT,
        _ => RecordType::CNAME,
    };
    found(resolver.lookup(format!("{name}."), kind).await, kind)
}

fn found(answer: Result<Lookup, NetError>, kind: RecordType) -> Found {
    match answer {
        Ok(answer) => {
            let records = answer.answers().iter().filter(|record| record.record_type() == kind);
            let values: Vec<String> = records.map(|record| text(&record.data)).collect();
            if values.is_empty() { Found::Nothing } else { Found::Values(values) }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Found::Nothing,
            ResponseCode::ServFail => Found::Failed,
            _ => Found::Refused,
        },
        Err(NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail))) => Found::Failed,
        Err(NetError::Dns(DnsError::ResponseCode(_))) => Found::Refused,
        Err(_) => Found::Unreachable,
    }
}

/// The servers that a zone leads to for a name in it: its answer, or where it sends whoever asks.
async fn delegated(resolver: &TokioResolver, name: &str) -> Found {
    let answer = resolver.lookup(format!("{name}."), RecordType::NS).await;
    let sent: Vec<Record> = match &answer {
        Ok(answer) => answer.answers().iter().chain(answer.authorities()).cloned().collect(),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            none.ns.iter().flat_map(|servers| servers.iter().map(|server| server.ns.clone())).collect()
        }
        Err(_) => Vec::new(),
    };
    let is_its_own = |record: &&Record| record.record_type() == RecordType::NS && same(&record.name.to_string(), name);
    let servers: Vec<String> = sent.iter().filter(is_its_own).map(|record| text(&record.data)).collect();
    if servers.is_empty() { found(answer, RecordType::NS) } else { Found::Values(servers) }
}

/// A value as a zone file has it, without the dot at the end of names. The parts of a text are one.
fn text(data: &RData) -> String {
    match data {
        RData::TXT(text) => {
            text.txt_data.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect::<String>()
        }
        data => without_dot(&data.to_string()).to_owned(),
    }
}

async fn addresses(resolver: &TokioResolver, name: &str) -> BTreeSet<IpAddr> {
    match resolver.lookup_ip(format!("{name}.")).await {
        Ok(found) => found.iter().collect(),
        Err(_) => BTreeSet::new(),
    }
}

/// Whether two values are the same to DNS: names have no case and may end with a dot.
fn same(left: &str, right: &str) -> bool {
    without_dot(left).eq_ignore_ascii_case(without_dot(right))
}

/// Whether a value begins with a text, whatever the case of its letters.
fn begins(value: &str, start: &str) -> bool {
    value.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_an_inner_network_are_not_asked() {
        let asked = |address: &str| !askable([address.parse().expect("an address")].into()).is_empty();
        for public in ["192.5.6.30", "8.8.8.8", "2600:9000:5300::1"] {
            assert!(asked(public), "{public}");
        }
        for inner in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!asked(inner), "{inner}");
        }
    }
}
