//! Which line of the file the cloud's refusal is about.
//!
//! A refusal names an attribute, or AWS's own word for one, or nothing. From the attribute the way leads over the
//! blueprint to the settings that decide its value, and to the place where the file sets one of them.

use crate::diagnostic::Location;
use crate::plan::Desired;
use crate::plan::resolve::{World, deciding_inputs};
use crate::provider::{ErrorKind, ProviderError};
use crate::spec::types::{Attribute, ResourceType, Shape};

/// Letters that a word has at least to be looked for in a message: shorter ones stand in every sentence.
const FEWEST_LETTERS: usize = 6;

/// The place of the file that decides what was refused. `changed`: the attributes that an update was to change; `None`
/// for a creation. `None` if nothing in the file decides it, or the refusal does not tell.
pub fn place(
    error: &ProviderError,
    desired: &Desired,
    changed: Option<&[String]>,
    world: &World<'_>,
) -> Option<Location> {
    if error.kind != ErrorKind::Invalid {
        return None;
    }
    let named = error.attribute.as_deref().map(path_of);
    let path =
        named.or_else(|| mentioned(&error.message, &desired.resource_type, changed)).or_else(|| match changed? {
            [only] => Some(vec![only.clone()]),
            _ => None,
        })?;
    let inputs = deciding_inputs(desired, &world.specs.blueprint, &path);
    inputs.iter().find_map(|input| world.config.origin(input)).cloned()
}

/// `containers[1].image` as a path; the number of an element leads nowhere in the blueprint.
fn path_of(attribute: &str) -> Vec<String> {
    attribute.split('.').map(|part| part.split('[').next().unwrap_or(part).to_owned()).collect()
}

/// The attribute whose name, or AWS's name for it, stands in a message; the longest of several.
fn mentioned(message: &str, resource_type: &ResourceType, changed: Option<&[String]>) -> Option<Vec<String>> {
    let message = letters(message);
    let mut found: Option<(usize, Vec<String>)> = None;
    for (name, attribute) in &resource_type.attributes {
        if changed.is_none_or(|changed| changed.contains(name)) {
            look(&message, vec![name.clone()], attribute, &mut found);
        }
    }
    found.map(|(_, path)| path)
}

fn look(message: &str, path: Vec<String>, attribute: &Attribute, found: &mut Option<(usize, Vec<String>)>) {
    let own = path.last().map(String::as_str).unwrap_or_default();
    let of_cloud = attribute.cfn.plain();
    let of_cloud = of_cloud.as_deref().and_then(|cfn| cfn.rsplit('.').next()).unwrap_or(own);
    for word in [letters(own), letters(of_cloud)] {
        let is_longer = found.as_ref().is_none_or(|(length, _)| word.len() > *length);
        if word.len() >= FEWEST_LETTERS && is_longer && message.contains(&word) {
            *found = Some((word.len(), path.clone()));
        }
    }
    if let Shape::Object(attributes) = &attribute.shape {
        for (name, child) in attributes {
            look(message, [path.clone(), vec![name.clone()]].concat(), child, found);
        }
    }
}

/// Letters and digits alone: AWS writes one name as `MaxCapacity`, `max-capacity` and "max capacity".
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::TypeName;
    use crate::spec::Specs;

    #[test]
    fn an_attribute_is_found_by_the_words_of_aws() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let cluster = &types[&TypeName::new("rds", "cluster")];
        let found = |message: &str, changed: Option<&[String]>| {
            mentioned(message, cluster, changed).map(|path| path.join(".")).unwrap_or_default()
        };
        assert_eq!(found("Invalid value for MaxCapacity: 300", None), "serverless_v2.max");
        assert_eq!(found("The backup retention period must be between 1 and 35", None), "backup_retention_days");
        assert_eq!(found("the port is wrong", None), "", "too short to mean anything");
        let others = ["engine_version".to_owned()];
        assert_eq!(found("Invalid value for MaxCapacity: 300", Some(&others)), "", "it is not what was changed");
    }

    #[test]
    fn the_number_of_an_element_is_no_part_of_a_path() {
        assert_eq!(path_of("containers[1].image"), ["containers", "image"]);
        assert_eq!(path_of("engine_version"), ["engine_version"]);
    }
}
