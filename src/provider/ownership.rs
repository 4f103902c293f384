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
            if name.is_some_and(|name| is_named_after(name, &owner.instance)) {
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

fn judge_tags(owner: &Owner, address: &Address, tags: Option<&Tags>) -> Care {
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

/// Whether a word of `name` is the instance's name, or begins with it and a separator.
fn is_named_after(name: &str, instance: &str) -> bool {
    let begins = |word: &str| {
        word.strip_prefix(instance).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.', '_', '/']))
    };
    !instance.is_empty() && name.split(' ').any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Identity;
    use crate::value::Value;

    fn owner(accepts_unmarked: bool) -> Owner {
        Owner { instance: "social".to_owned(), lineage: "l1".to_owned(), account: None, accepts_unmarked }
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
    fn a_name_proves_the_instance_only_up_to_a_separator() {
        assert!(is_named_after("social-media", "social"));
        assert!(is_named_after("social", "social"));
        assert!(!is_named_after("socialist-media", "social"));
        assert!(!is_named_after("prod-social", "social"));
        assert!(is_named_after("reads the media of social", "social"));
        assert!(!is_named_after("", ""));
    }
}
