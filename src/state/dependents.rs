//! Who was made from what, the other way round: so that forgetting a resource need not look at all others.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::state::{Row, State};

/// For each resource of a state, those that may have it among what they depend on.
///
/// May name some that do not (any more); whoever changes what a row depends on notes it here.
#[derive(Debug, Default)]
pub struct Dependents(BTreeMap<Address, BTreeSet<Address>>);

impl Dependents {
    pub fn of(state: &State) -> Self {
        let mut dependents = Self::default();
        for (address, row) in &state.rows {
            dependents.note(address, &row.depends_on);
        }
        dependents
    }

    /// Notes what a resource depends on from now on.
    pub fn note(&mut self, address: &Address, depends_on: &BTreeSet<Address>) {
        for needed in depends_on {
            self.0.entry(needed.clone()).or_default().insert(address.clone());
        }
    }

    /// Removes a row from the state, and every dependency on it.
    pub fn forget(&mut self, state: &mut State, address: &Address) -> Option<Row> {
        let row = state.rows.remove(address)?;
        self.forgotten(state, address);
        Some(row)
    }

    /// Removes every dependency on a row that the state has no more.
    pub fn forgotten(&mut self, state: &mut State, address: &Address) {
        if !state.lookups.contains_key(address) {
            for dependent in self.0.remove(address).unwrap_or_default() {
                if let Some(row) = state.rows.get_mut(&dependent) {
                    row.depends_on.remove(address);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Identity;
    use crate::state::Status;
    use crate::value::Value;

    fn address(name: &str) -> Address {
        format!("x.y.{name}").parse().unwrap()
    }

    fn state(rows: &[(&str, &[&str])]) -> State {
        let mut state = State::new("l", "social", "eu-central-1");
        for (name, needed) in rows {
            let row = Row {
                status: Status::Ready,
                identity: Some(Identity::new(*name)),
                replaced: Vec::new(),
                region: String::new(),
                protect: false,
                problem: None,
                inputs: Value::Null,
                facts: Value::Null,
                depends_on: needed.iter().map(|name| address(name)).collect(),
            };
            state.rows.insert(address(name), row);
        }
        state
    }

    #[test]
    fn forgetting_leaves_nothing_dangling() {
        let mut state = state(&[("group", &[]), ("rule", &["group"]), ("service", &["group", "rule"])]);
        let mut dependents = Dependents::of(&state);
        assert!(dependents.forget(&mut state, &address("group")).is_some());
        assert!(state.rows[&address("rule")].depends_on.is_empty());
        assert_eq!(state.rows[&address("service")].depends_on, [address("rule")].into());
        assert!(dependents.forget(&mut state, &address("group")).is_none());
    }

    #[test]
    fn what_came_to_depend_later_counts_and_what_has_gone_does_not_hurt() {
        let mut state = state(&[("group", &[]), ("rule", &["group"]), ("late", &[])]);
        let mut dependents = Dependents::of(&state);
        state.rows.get_mut(&address("late")).unwrap().depends_on.insert(address("group"));
        dependents.note(&address("late"), &[address("group")].into());
        dependents.forget(&mut state, &address("rule"));
        dependents.forget(&mut state, &address("group"));
        assert!(state.rows[&address("late")].depends_on.is_empty());
    }

    #[test]
    fn what_is_looked_up_now_is_still_there() {
        let mut state = state(&[("vpc", &[]), ("group", &["vpc"])]);
        state.lookups.insert(address("vpc"), Value::Null);
        let mut dependents = Dependents::of(&state);
        dependents.forget(&mut state, &address("vpc"));
        assert_eq!(state.rows[&address("group")].depends_on, [address("vpc")].into());
    }
}
