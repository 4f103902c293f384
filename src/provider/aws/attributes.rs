//! Attributes on their way in and out: reading desired ones, reporting observed ones.
//!
//! # Guarantees
//!
//! - A missing attribute or one of the wrong shape is an error of kind [`ErrorKind::Invalid`] that names the attribute
//!   by its path: `containers[0].name`.
//! - Null counts as missing.
//! - A secret is read only where [`Attributes::secret`] asks for one.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::provider::{Creation, ErrorKind, Lookup, ProviderError, Target, Update};
use crate::value::{Known, Tree, Value};

/// A table of attributes to read, for one operation.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'known, L = crate::secret::SecretText> {
    tree: &'known Tree<L>,
    operation: &'static str,
    place: Place<'known>,
}

/// Where in the attributes a table stands.
#[derive(Clone, Debug)]
struct Place(String);

