//! Tags, in each service's own type.
//!
//! Every service has its own `Tag`, which [`tag_list`] makes of a map.

use std::collections::BTreeMap;

pub use crate::provider::ownership::{ADDRESS, INSTANCE, LINEAGE, Tags};

/// Makes `listed`, which gives tags as a service takes them, in its own type. With an operation, that type may be
/// incomplete, and the result is an error that names the operation; it never is one here, since both halves are set.
macro_rules! tag_list {
    ($visible:vis $tag:path) => {
        /// Tags as this service takes them.
        $visible fn listed(tags: &$crate::provider::aws::tags::Tags) -> Vec<$tag> {
            tags.iter().map(|(key, value)| <$tag>::builder().key(key).value(value).build()).collect()
        }
    };
    ($visible:vis $tag:path, $operation:literal) => {
        /// Tags as this service takes them.
        $visible fn listed(
            tags: &$crate::provider::aws::tags::Tags,
        ) -> Result<Vec<$tag>, $crate::provider::ProviderError> {
            let tag = |(key, value)| <$tag>::builder().key(key).value(value).build();
            tags.iter().map(|pair| tag(pair).map_err($crate::provider::aws::error::incomplete($operation))).collect()
        }
    };
}

pub(super) use tag_list;

/// Tags of an answer, by key.
pub fn collected<'tag>(present: impl IntoIterator<Item = (&'tag str, &'tag str)>) -> Tags {
    present.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tags that are in a map already, as pairs.
pub fn pairs<'tag>(
    present: impl IntoIterator<Item = (&'tag String, &'tag String)>,
) -> impl Iterator<Item = (&'tag str, &'tag str)> {
    present.into_iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// Whether `present` holds every one of `wanted`: for services that cannot filter by tag.
pub fn has_all<'tag>(wanted: &Tags, present: impl IntoIterator<Item = (&'tag str, &'tag str)>) -> bool {
    let present: BTreeMap<&str, &str> = present.into_iter().collect();
    wanted.iter().all(|(key, value)| present.get(key.as_str()) == Some(&value.as_str()))
}
