//! Whose a resource is: the one place that decides it.
//!
//! Everything that can carry tags carries three: the instance, the address and the lineage of the state it belongs to.
//! The lineage is chosen at random when an instance is first applied, so a second instance of the same name, a state
//! that was edited, or one from another account cannot pass for the owner. The name and the address alone prove
//! nothing.
//!
//! # Guarantees
//!
//! - [`judge`] answers [`Care::Ours`] only for tags with the lineage of the owner and the address that was asked for.
//! - Whatever cannot be proven ours is [`Care::Foreign`]: no tags, missing tags, tags of others, tags of another address.
//! - A type without tags is ours by what its `proof` in `specs/types` says: its name, or the resource it is part of.
//!
//! # Assumptions
//!
//! - Tags are what the cloud reports now, not what the state remembers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observed;
use crate::address::Address;
use crate::spec::types::{Proof, ResourceType};
use crate::value::Tree;

/// The tag that holds the name of the instance a resource belongs to.
pub const INSTANCE: &str = "mastoform:instance";
/// The tag that holds a resource's address.
pub const ADDRESS: &str = "mastoform:address";
/// The tag that holds the lineage of the state a resource belongs to.
pub const LINEAGE: &str = "mastoform:lineage";

/// How keys begin that only AWS sets. Nobody may write such a tag.
pub const RESERVED: &str = "aws:";

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// The instance on whose behalf the cloud is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub instance: String,
    /// The cloud's region that the instance lives in.
    pub region: String,
    pub lineage: String,
    /// The cloud account of the instance, as far as its state knows it. It saves asking for it before a call that must
    /// name it; whether the credentials belong to it is another question, which is asked beside.
    pub account: Option<String>,
    /// Resources with the right instance and address and no lineage at all count as ours: they were made before
    /// resources carried one.
    pub accepts_unmarked: bool,
}

impl Owner {
    /// The tags that everything of this owner carries.
    pub fn tags(&self, address: &Address) -> Tags {
        let mut tags = self.unmarked_tags(address);
        tags.insert(LINEAGE.to_owned(), self.lineage.clone());
        tags
    }

    /// The tags that resources carried before there was a tag for the lineage.
    pub fn unmarked_tags(&self, address: &Address) -> Tags {
        BTreeMap::from([(INSTANCE.to_owned(), self.instance.clone()), (ADDRESS.to_owned(), address.to_string())])
    }
}

/// What the tags of a resource say about who it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Holder {
    pub fn of(tags: &Tags) -> Self {
        let tag = |key: &str| tags.get(key).cloned();
        Self { instance: tag(INSTANCE), lineage: tag(LINEAGE), address: tag(ADDRESS) }
    }

    /// In words, after "it": `carries no tags of mastoform`.
    pub fn words(&self, owner: &Owner) -> String {
        match (&self.instance, &self.lineage, &self.address) {
            (None, None, None) => "carries no tags of mastoform".to_owned(),
            (Some(instance), _, _) if *instance != owner.instance => format!("belongs to the instance {instance:?}"),
            (_, Some(lineage), _) if *lineage != owner.lineage => {
                format!("belongs to another instance of this name, with lineage {lineage}")
            }
            (_, None, _) => format!("lacks the tag {LINEAGE}"),
            (None, _, _) => format!("lacks the tag {INSTANCE}"),
            (_, _, Some(address)) => format!("is {address} of this instance"),
            (_, _, None) => format!("lacks the tag {ADDRESS}"),
        }
    }
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Care {
    Ours,
    /// Ours, and without the tag that says so beyond doubt.
    Unmarked,
    Foreign(Holder),
}

/// Whether tags lack the lineage that newer resources carry.
pub fn is_unmarked(tags: &Tags) -> bool {
    !tags.contains_key(LINEAGE)
}

/// Whose a resource is that was found where `address` was expected.
///
/// `resource_type`: `None` if no specs describe the type; then only tags can prove anything. `parent`: whose the
/// resource is that this one is part of, for types that are proven by it.
pub fn judge(
    owner: &Owner,
    address: &Address,
    resource_type: Option<&ResourceType>,
    observed: &Observed,
    parent: Option<&Care>,
) -> Care {
    match resource_type.map(|resource_type| &resource_type.proof) {
        Some(Proof::Name { attribute }) => {
            let name = observed.attributes.get(attribute).and_then(Tree::as_text);
            if name.is_some_and(|name| is_named_after(name, owner)) {
                Care::Ours
            } else {
                Care::Foreign(Holder::default())
            }
        }
        Some(Proof::Parent { .. }) => match parent {
            Some(Care::Ours | Care::Unmarked) => Care::Ours,
            Some(Care::Foreign(holder)) => Care::Foreign(holder.clone()),
            None => Care::Foreign(Holder::default()),
        },
        Some(Proof::Nothing) => Care::Ours,
        Some(Proof::Tags) | None => judge_tags(owner, address, observed.tags.as_ref()),
    }
}

/// Whose a resource is by its tags alone, where `address` was expected.
pub fn judge_tags(owner: &Owner, address: &Address, tags: Option<&Tags>) -> Care {
    let Some(tags) = tags else { return Care::Foreign(Holder::default()) };
    let has = |wanted: &Tags| wanted.iter().all(|(key, value)| tags.get(key) == Some(value));
    if has(&owner.tags(address)) {
        Care::Ours
    } else if owner.accepts_unmarked && is_unmarked(tags) && has(&owner.unmarked_tags(address)) {
        Care::Unmarked
    } else {
        Care::Foreign(Holder::of(tags))
    }
}

/// Whether `name`, or the last word of a comment, names the instance: its name, then its region, then whatever tells its
/// resources apart.
///
/// A name with a region in it proves exactly one instance. Names without one were made before regions were part of names,
/// or are chosen in an overlay: they prove the instance whose name they begin with, up to a separator. In a comment, where
/// people write sentences, such a word proves something only to a state from before.
pub fn is_named_after(name: &str, owner: &Owner) -> bool {
    let (word, is_comment) = name.rsplit_once(' ').map_or((name, false), |(_, word)| (word, true));
    let Some(rest) = word.strip_prefix(owner.instance.as_str()).and_then(parted) else { return false };
    let names = match rest.strip_prefix(owner.region.as_str()).and_then(parted) {
        Some(rest) => !has_region(rest),
        None => !has_region(rest) && (!is_comment || owner.accepts_unmarked),
    };
    names && !owner.instance.is_empty()
}

/// What stands behind the separator that a text begins with; the text must be empty otherwise.
fn parted(text: &str) -> Option<&str> {
    if text.is_empty() { Some(text) } else { text.strip_prefix(SEPARATORS) }
}

const SEPARATORS: [char; 4] = ['-', '.', '_', '/'];

/// Whether a name has the name of a region in it, such as `eu-central-1` or `us-gov-west-1`.
fn has_region(name: &str) -> bool {
    const DIRECTIONS: [&str; 9] =
        ["central", "north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest"];
    let words: Vec<&str> = name.split(SEPARATORS).collect();
    let is_part = |word: &str| word.len() == 2 && word.bytes().all(|letter| letter.is_ascii_lowercase());
    words.windows(2).enumerate().any(|(at, pair)| {
        let is_numbered = matches!(pair[1].as_bytes(), [digit] if digit.is_ascii_digit());
        // Behind the country, a partition may stand: us-gov-west-1.
        let is_placed = words[..at].iter().rev().take(2).any(|word| is_part(word));
        is_numbered && DIRECTIONS.contains(&pair[0]) && is_placed
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Identity;
    use crate::value::Value;

    fn owner(accepts_unmarked: bool) -> Owner {
        let (instance, region, lineage) = ("social".to_owned(), "eu-central-1".to_owned(), "l1".to_owned());
        Owner { instance, region, lineage, account: None, accepts_unmarked }
    }

    fn address() -> Address {
        "rds.cluster.database".parse().expect("an address")
    }

    fn judged(tags: &[(&str, &str)], accepts_unmarked: bool) -> Care {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let observed = Observed { identity: Identity::new("x"), attributes: Value::Null, tags: Some(tags) };
        judge(&owner(accepts_unmarked), &address(), None, &observed, None)
    }

    const OURS: [(&str, &str); 3] = [(INSTANCE, "social"), (ADDRESS, "rds.cluster.database"), (LINEAGE, "l1")];

    #[test]
    fn all_three_tags_make_a_resource_ours() {
        assert_eq!(judged(&OURS, false), Care::Ours);
        for missing in OURS {
            let tags: Vec<_> = OURS.into_iter().filter(|tag| *tag != missing).collect();
            assert!(matches!(judged(&tags, false), Care::Foreign(_)), "without {missing:?}");
        }
    }

    #[test]
    fn another_lineage_address_or_instance_is_foreign_even_to_a_state_from_before() {
        for (index, other) in [(0, "other"), (1, "rds.cluster.other"), (2, "l2")] {
            let mut tags = OURS;
            tags[index].1 = other;
            for accepts in [false, true] {
                assert!(matches!(judged(&tags, accepts), Care::Foreign(_)), "{tags:?}");
            }
        }
    }

    #[test]
    fn a_resource_without_lineage_is_ours_only_to_a_state_from_before() {
        assert_eq!(judged(&OURS[..2], true), Care::Unmarked);
        assert!(matches!(judged(&OURS[..2], false), Care::Foreign(_)));
    }

    #[test]
    fn a_resource_without_an_answer_about_its_tags_is_foreign() {
        let observed = Observed { identity: Identity::new("x"), attributes: Value::Null, tags: None };
        let care = judge(&owner(true), &address(), None, &observed, None);
        assert_eq!(care, Care::Foreign(Holder::default()));
    }

    #[test]
    fn a_name_proves_one_instance_in_one_region() {
        let is_ours = |name: &str| is_named_after(name, &owner(false));
        for name in ["social-eu-central-1-media", "social-eu-central-1", "reads the media of social-eu-central-1"] {
            assert!(is_ours(name), "{name}");
        }
        // As names were made before regions were part of them.
        for name in ["social-media", "social", "social-my-cdn-2", "social-east-1"] {
            assert!(is_ours(name), "{name}");
        }
        assert!(is_named_after("reads the media of social", &owner(true)));
        for name in [
            // Another region, another instance, and both.
            "social-eu-west-1-media",
            "social-us-gov-west-1-media",
            "social-test-eu-central-1-media",
            "social-test-eu-west-1-media",
            "socialist-media",
            "prod-social",
            "social-eu-west-1-eu-central-1-media",
            "social-eu-central-1-eu-west-1-media",
            "reads the media of social-eu-west-1",
            // Sentences of others.
            "reads the media of social",
            "asked for by the social team",
            "social pictures",
            "social-eu-central-1 asked for it",
            "",
        ] {
            assert!(!is_ours(name), "{name}");
        }
        assert!(!is_named_after("", &Owner { instance: String::new(), ..owner(false) }));
    }
}
