//! Names of things: types, addresses, identities.
//!
//! An [`Address`] is our name of a resource, spelled as its header in the blueprint: `rds.cluster.database`, or with
//! the key of an `each`: `ec2.security_group_rule.tasks_egress["smtp"]`. An [`Identity`] is AWS's name of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::alphabet::{self, is_segment};
use crate::inert::json_guarded;

/// The name of a resource type: `rds.cluster`. Cheap to clone: every address holds one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeName {
    pub service: Arc<str>,
    pub kind: Arc<str>,
}

impl TypeName {
    pub fn new(service: impl Into<Arc<str>>, kind: impl Into<Arc<str>>) -> Self {
        Self { service: service.into(), kind: kind.into() }
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.service, self.kind)
    }
}

/// Our name of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub type_name: TypeName,
    pub name: String,
    /// The key of the `each` entry this resource stands for.
    pub key: Option<String>,
}

impl Address {
    pub fn new(type_name: TypeName, name: impl Into<String>, key: Option<String>) -> Self {
        Self { type_name, name: name.into(), key }
    }

    /// The type and the name are these; the key may be any or none.
    pub fn is_named(&self, (type_name, name): &(TypeName, String)) -> bool {
        self.type_name == *type_name && self.name == *name
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.type_name, self.name)?;
        match &self.key {
            Some(key) => write!(formatter, "[{}]", quoted(key)),
            None => Ok(()),
        }
    }
}

/// A key in quotes, as JSON spells it. Nobody sees an unseen character in it, and it reads back.
pub fn quoted(key: &str) -> String {
    json_guarded(&serde_json::Value::from(key).to_string())
}

/// Why a text is not an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not an address such as rds.cluster.database or ec2.security_group_rule.tasks_egress[\"smtp\"]")]
pub struct AddressError(pub String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AddressError(text.to_owned());
        let (base, key) = match text.split_once('[') {
            Some((base, rest)) => {
                let quoted = rest.strip_suffix(']').ok_or_else(error)?;
                let key: String = serde_json::from_str(quoted).map_err(|_| error())?;
                (base, Some(key))
            }
            None => (text, None),
        };
        let mut parts = base.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(service), Some(kind), Some(name), None)
                if is_segment(service) && is_segment(kind) && is_segment(name) =>
            {
                Ok(Self::new(TypeName::new(service, kind), name, key))
            }
            _ => Err(error()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// AWS's name of one resource, as its API wants to hear it: an id, a name or an ARN. Where the API needs several
/// parts they are joined by `|` in the order of the type's `identity`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(#[serde(deserialize_with = "alphabet::identity")] pub String);

impl Identity {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The two parts of a composed identity; the second is empty if there is only one.
    pub fn pair(&self) -> (&str, &str) {
        self.0.split_once('|').unwrap_or((&self.0, ""))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in ["rds.cluster.database", r#"ec2.security_group_rule.tasks_egress["smtp"]"#, r#"a.b.c["q\"uote"]"#] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let broken = ["a.b.c\n::error::x", "a.b.\u{1b}[1A", "a b.c.d", "a.b.<c>", "a-b.c.d", "a.b.\u{202e}c"];
        for text in ["", "rds.cluster", "a.b.c.d", "a.b.c[x]", "a..c", "a.b.c[\"x\""].into_iter().chain(broken) {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_of_any_characters_is_printed_inert_and_reads_back() {
        let key = "a\n\u{1b}[1A\u{202e}\u{9b}\u{200b}\u{e0041}\"\\##[x]ü\0";
        let address = Address::new(TypeName::new("a", "b"), "c", Some(key.to_owned()));
        let text = address.to_string();
        assert!(!text.contains(crate::inert::is_unseen), "{text}");
        assert_eq!(text.parse(), Ok(address));
    }
}
