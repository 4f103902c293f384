//! What holds a resource in place: others that name it, for as long as they do.
//!
//! The cloud does not delete what something else names. So a replacement that deletes first takes with it whatever names
//! the old object and cannot let go, and is refused where something would have to let go and be tied again.

use std::collections::BTreeMap;

use super::change::Refusal;
use crate::address::Address;
use crate::spec::references::references;
use crate::spec::types::{Order, ResourceType};
use crate::state::{Row, State};

/// A recorded attribute that names an object which is deleted before its successor is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    pub attribute: String,
    /// The address of what is deleted first.
    pub to: Address,
    /// It cannot be let go of while the resource lives.
    pub is_fixed: bool,
}

/// The ties of a resource to what is deleted first. `replaced` are the replacements planned so far.
pub fn ties(resource_type: &ResourceType, row: &Row, replaced: &BTreeMap<Address, Order>, state: &State) -> Vec<Tie> {
    let mut ties = Vec::new();
    // A job holds nothing once it is done.
    if resource_type.once {
        return ties;
    }
    let doomed: Vec<&Address> =
        row.depends_on.iter().filter(|needed| replaced.get(*needed) == Some(&Order::DeleteFirst)).collect();
    if doomed.is_empty() {
        return ties;
    }
    references(&resource_type.attributes, &row.inputs, &mut |naming| {
        let names = |address: &&&Address| {
            let identity = state.rows.get(**address).and_then(|row| row.identity.as_ref());
            address.type_name == *naming.type_name && identity.is_some_and(|found| found.as_str() == naming.identity)
        };
        if let Some(to) = doomed.iter().find(names) {
            let is_fixed = naming.attribute.immutable
                || resource_type.attributes.get(naming.top).is_some_and(|attribute| attribute.immutable);
            ties.push(Tie { attribute: naming.top.to_owned(), to: (*to).clone(), is_fixed });
        }
    });
    ties
}

/// Why a resource that stays keeps something from being deleted first.
pub fn refusal(address: &Address, tie: &Tie) -> Refusal {
    Refusal {
        address: tie.to.clone(),
        reason: format!(
            "{} would be deleted before its successor is made, and {} still names it in `{}`",
            tie.to, address, tie.attribute
        ),
        hint: "give it another name, so that the new one can be made first".to_owned(),
        otherwise: None,
    }
}
