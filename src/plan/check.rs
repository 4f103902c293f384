//! Whether a plan keeps the rules. It always should: what is found here is a bug of the planner, found before it can
//! do harm.

use std::collections::BTreeSet;

use super::change::{Action, Plan};
use super::order::Steps;
use crate::address::Address;
use crate::spec::types::Types;
use crate::state::State;

/// Everything wrong with a plan; empty for a sound one.
pub fn check(plan: &Plan, state: &State, types: &Types) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Err(error) = Steps::of(plan, state, types)
        && plan.refusals.is_empty()
    {
        wrong.push(error.to_string());
    }
    let refused: BTreeSet<&Address> = plan.refusals.iter().map(|refusal| &refusal.address).collect();
    let mut seen = BTreeSet::new();
    let mut identities = BTreeSet::new();
    for change in &plan.changes {
        let address = &change.address;
        if !seen.insert(address) {
            wrong.push(format!("{address} has two changes"));
        }
        if let Some(identity) = &change.identity
            && !identities.insert((&address.type_name, &change.region, identity))
        {
            wrong.push(format!("{address} is changed under two addresses"));
        }
        let row = state.rows.get(address);
        match &change.action {
            Action::Create | Action::Run | Action::Skip => {
                if change.desired.is_none() {
                    wrong.push(format!("{address} is created of nothing"));
                }
                let is_once = types.get(&address.type_name).is_some_and(|found| found.once);
                if is_once == (change.action == Action::Create) {
                    wrong.push(format!("{address} is made as if it were kept, or run as if it were done"));
                }
            }
            Action::Update { .. } | Action::Adopt => {
                if row.is_none_or(|row| row.identity.is_none()) {
                    wrong.push(format!("{address} is changed but was never recorded"));
                }
            }
            Action::Replace { .. } | Action::Delete => {
                if change.deletions().next().is_none() {
                    wrong.push(format!("{address} is deleted but has no identity"));
                }
            }
            Action::Forget => {}
        }
        // What the file wants it protects itself; of what it does not want the state may know more.
        let guarded = change.protect || (change.desired.is_none() && row.is_some_and(|row| row.protect));
        if let Some(deletion) = change.deletions().next().filter(|_| guarded)
            && !refused.contains(address)
        {
            wrong.push(format!("{address} is protected and {} would be deleted", deletion.identity));
        }
    }
    wrong
}
