//! `route53.zone`: a public zone, made or looked up by a name in it.
//!
//! A zone is made without tags: they take a call of their own. What says whose it is from the first moment on is the
//! reference that AWS keeps with every zone and nobody can change. It holds the tags, and a token by which AWS refuses to
//! make the same zone twice. A zone without tags is mended by the next change.
//!
//! AWS deletes no zone that holds anything but its own records. Ours are deleted before; those of others stay, and the
//! zone with them.
//!
//! Whether the zone is served, DNS says: the zone above it leads to its name servers or does not.

use async_trait::async_trait;
use aws_sdk_route53::types::{DelegationSet, HostedZone, HostedZoneConfig, Tag, TagResourceType};
use tokio::time::timeout;

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, filters, recorded, wanted};
use crate::provider::aws::dns::{Finding, LONGEST, without_dot};
use crate::provider::aws::error::{OrAbsent, failed, missing, unanswered};
use crate::provider::aws::handler::{Handler, Standing, adopt, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, ADDRESS, INSTANCE, LINEAGE, Tags};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Lookup, Observed, ProviderError, Target, Update};
use crate::value::Value;

const CREATE: &str = "route53:CreateHostedZone";
const DELETE: &str = "route53:DeleteHostedZone";
const GET: &str = "route53:GetHostedZone";
const LIST: &str = "route53:ListHostedZones";
const LIST_NAMED: &str = "route53:ListHostedZonesByName";
const LIST_TAGS: &str = "route53:ListTagsForResource";
const TAG: &str = "route53:ChangeTagsForResource";
const UPDATE: &str = "route53:UpdateHostedZoneComment";

/// What every reference of this program begins with.
const MARK: &str = "mastoform";

/// The longest reference that AWS keeps.
const LONGEST_REFERENCE: usize = 128;

/// How many records of others are named.
const NAMED: usize = 5;

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
            .filter(|zone| !is_private(zone))
            .map(|zone| (without_dot(zone.name()), zone))
            .filter(|(zone, _)| holds(zone, name))
            .collect();
        let longest = holding.iter().map(|(zone, _)| zone.len()).max();
        let best: Vec<_> = holding.into_iter().filter(|(zone, _)| Some(zone.len()) == longest).collect();
        match best[..] {
            [(zone, found)] => Ok(Report::new().set("name", name).set("id", id_of(found)).set("zone", zone).value()),
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

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let id = target.identity.as_str();
        let (zone, present) = tokio::join!(get(clients, id), list_tags(clients, id));
        let (Some((zone, servers)), Some(present)) = (zone.or_absent()?, present?) else { return Ok(None) };
        let recorded = recorded(target, GET);
        let is_checked = recorded.optional_flag("check")? != Some(false);
        let finding = match is_checked {
            true => timeout(LONGEST, clients.dns().delegation(without_dot(zone.name()), &servers)).await,
            false => Ok(Finding::Unknown),
        };
        let (status, found) = match finding.unwrap_or_else(|_| Finding::late()) {
            Finding::Present => ("served", None),
            Finding::Missing(_) => ("missing", None),
            Finding::Wrong(what) => ("wrong", Some(what)),
            Finding::Silent(what) => ("unchecked", Some(what)),
            Finding::Unknown => ("unchecked", None),
        };
        let report = shown(&zone, servers)
            .set("comment", zone.config().and_then(HostedZoneConfig::comment))
            .set("tagged", is_tagged(&present))
            .set("check", is_checked)
            .set("status", status)
            .set_if("found", found);
        let all = with_reference(&zone, present);
        Ok(Some(tagged(observed(id, report), tags::pairs(&all))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let mut found = Vec::new();
        for zone in named(clients, wanted(creation, LIST_NAMED).text("name")?).await? {
            let id = id_of(&zone);
            let Some(present) = list_tags(clients, id).await? else { continue };
            let all = with_reference(&zone, present);
            if all.contains_key(INSTANCE) && tags::has_all(&creation.tags, tags::pairs(&all)) {
                found.push(Identity::new(id));
            }
        }
        Ok(found)
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let (name, reference) = (wanted.text("name")?, reference(creation)?);
        let comment = wanted.owned_text("comment")?;
        let request = clients
            .route53()
            .create_hosted_zone()
            .name(name)
            .caller_reference(&reference)
            .set_hosted_zone_config(comment.map(|comment| HostedZoneConfig::builder().comment(comment).build()));
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let zone = answer.hosted_zone.ok_or_else(|| unanswered(CREATE, "zone"))?;
            Ok((zone, servers_of(answer.delegation_set.as_ref())))
        });
        // AWS refuses a reference that it knows, whatever became of the answer to the first request.
        let (zone, servers) = adopt(creation, answer, || async {
            let mut same = named(clients, name).await?.into_iter().filter(|zone| zone.caller_reference() == reference);
            match same.next() {
                Some(zone) => Ok(Standing::of(Some(get(clients, id_of(&zone)).await?))),
                None => Ok(Standing::Taken(None)),
            }
        })
        .await?;
        put_tags(clients, id_of(&zone), &creation.tags).await?;
        Ok(created(id_of(&zone), shown(&zone, servers)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        if update.changed("comment").is_some() {
            let comment = desired(update, UPDATE).owned_text("comment")?;
            let request = clients.route53().update_hosted_zone_comment().id(id).set_comment(comment);
            request.send().await.map_err(failed(UPDATE))?;
        }
        if update.changed("tagged").is_some() {
            let (zone, _) = get(clients, id).await?;
            put_tags(clients, id, &of_reference(zone.caller_reference())).await?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        put_tags(clients, target.identity.as_str(), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        match clients.route53().delete_hosted_zone().id(id).send().await.map_err(failed(DELETE)).or_absent() {
            Ok(_) => Ok(Deletion::Accepted),
            Err(error) if error.code.as_deref() == Some("HostedZoneNotEmpty") => {
                let message = left(clients, id).await?;
                Err(ProviderError { kind: ErrorKind::Invalid, message, ..error })
            }
            Err(error) => Err(error),
        }
    }
}

fn id_of(zone: &HostedZone) -> &str {
    zone.id().rsplit('/').next().unwrap_or_default()
}

fn is_private(zone: &HostedZone) -> bool {
    zone.config().is_some_and(|config| config.private_zone())
}

/// What both the answer to a creation and a read tell.
fn shown(zone: &HostedZone, mut servers: Vec<String>) -> Report {
    servers.sort();
    let id = id_of(zone);
    Report::new()
        .set("name", without_dot(zone.name()))
        .set("zone", without_dot(zone.name()))
        .set("id", id)
        .set("name_servers", servers)
}

fn servers_of(set: Option<&DelegationSet>) -> Vec<String> {
    let servers = set.map(DelegationSet::name_servers).unwrap_or_default();
    servers.iter().map(|server| without_dot(server).to_ascii_lowercase()).collect()
}

/// The reference of a zone: whose it is, and the token of its creation.
fn reference(creation: &Creation) -> Result<String, ProviderError> {
    let tag = |key: &str| creation.tags.get(key).map(String::as_str).unwrap_or_default();
    let reference = [MARK, tag(INSTANCE), tag(LINEAGE), tag(ADDRESS), &creation.token].join(" ");
    match reference.len() <= LONGEST_REFERENCE {
        true => Ok(reference),
        false => Err(wanted(creation, CREATE).wrong("name", "its instance and address are too long for a zone")),
    }
}

/// The tags that a reference holds; none for a zone of somebody else.
fn of_reference(reference: &str) -> Tags {
    match reference.split(' ').collect::<Vec<_>>()[..] {
        [MARK, instance, lineage, address, _] => {
            tags::collected([(INSTANCE, instance), (LINEAGE, lineage), (ADDRESS, address)])
        }
        _ => Tags::new(),
    }
}

/// The tags of a zone, and those of its reference that it lacks.
fn with_reference(zone: &HostedZone, present: Tags) -> Tags {
    of_reference(zone.caller_reference()).into_iter().chain(present).collect()
}

fn is_tagged(present: &Tags) -> bool {
    [INSTANCE, LINEAGE, ADDRESS].iter().all(|key| present.contains_key(*key))
}

/// A zone and its name servers.
async fn get(clients: &Clients, id: &str) -> Result<(HostedZone, Vec<String>), ProviderError> {
    let answer = clients.route53().get_hosted_zone().id(id).send().await.map_err(failed(GET))?;
    let servers = servers_of(answer.delegation_set.as_ref());
    Ok((answer.hosted_zone.ok_or_else(|| missing(GET, "zone", id))?, servers))
}

/// The tags of a zone; `None` if there is no such zone.
async fn list_tags(clients: &Clients, id: &str) -> Result<Option<Tags>, ProviderError> {
    let request = clients.route53().list_tags_for_resource().resource_type(TagResourceType::Hostedzone).resource_id(id);
    let Some(answer) = request.send().await.map_err(failed(LIST_TAGS)).or_absent()? else { return Ok(None) };
    let tags = answer.resource_tag_set.map(|set| set.tags.unwrap_or_default()).unwrap_or_default();
    let pairs = tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
    Ok(Some(tags::collected(pairs)))
}

async fn put_tags(clients: &Clients, id: &str, tags: &Tags) -> Result<(), ProviderError> {
    let tags: Vec<Tag> = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    if tags.is_empty() {
        return Ok(());
    }
    let request = clients.route53().change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
    request.resource_id(id).set_add_tags(Some(tags)).send().await.map_err(failed(TAG))?;
    Ok(())
}

/// The public zones of just this name, of which an account may have several.
async fn named(clients: &Clients, name: &str) -> Result<Vec<HostedZone>, ProviderError> {
    let mut zones = Vec::new();
    let (mut from, mut id) = (Some(name.to_owned()), None);
    loop {
        let request = clients.route53().list_hosted_zones_by_name().set_dns_name(from).set_hosted_zone_id(id);
        let answer = request.send().await.map_err(failed(LIST_NAMED))?;
        let listed = answer.hosted_zones.len();
        let same = |zone: &HostedZone| without_dot(zone.name()).eq_ignore_ascii_case(name);
        let alike: Vec<HostedZone> = answer.hosted_zones.into_iter().take_while(same).collect();
        // They come in the order of their names, beginning with this one.
        let is_over = !answer.is_truncated || alike.len() < listed;
        zones.extend(alike.into_iter().filter(|zone| !is_private(zone)));
        (from, id) = (answer.next_dns_name, answer.next_hosted_zone_id);
        if is_over {
            return Ok(zones);
        }
    }
}

/// What stands in the way of a deletion: records of others, which are named, and never deleted.
async fn left(clients: &Clients, id: &str) -> Result<String, ProviderError> {
    let Some(records) = super::record::list(clients, id).await? else {
        return Ok("the zone was just deleted".to_owned());
    };
    // AWS's own records stand at the top of the zone, and go with it.
    let top = records.iter().find(|set| set.r#type().as_str() == "SOA").map(|set| set.name().to_owned());
    let is_of_aws = |name: &str, kind: &str| ["NS", "SOA"].contains(&kind) && Some(name) == top.as_deref();
    let others: Vec<String> = records
        .iter()
        .filter(|set| !is_of_aws(set.name(), set.r#type().as_str()))
        .map(|set| format!("{} {}", without_dot(set.name()), set.r#type().as_str()))
        .collect();
    let more = others.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let named = others.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Ok(format!(
        "the zone holds records that mastoform has not made, and is not emptied for that: {named}{more}. Delete them at \
         Route 53 if nobody needs them, or keep the zone"
    ))
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
