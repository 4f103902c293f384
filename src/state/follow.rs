//! From the journal to the state: what a row says after each thing that happened.
//!
//! [`State::follow`] is the only way from a [`Progress`] to a [`Row`]. The running engine calls it for every record it
//! writes, and recovery calls it for what a state file has missed.
//!
//! # Guarantees
//!
//! - It is total: every progress that [`Progress::next`] allows has a defined effect on every state.
//! - The last progress of an operation is enough: to follow it alone, or after any of the earlier ones, gives the same
//!   row. So a state file may be written at any moment, or not at all.
//! - No object of a row is dropped before the journal says that it is gone.

use crate::address::{Address, Identity};
use crate::state::journal::{Made, Progress};
use crate::state::{Intent, Row, State, Status, Verb};
use crate::value::{Tree, Value};

impl State {
    /// Brings the row of `address` up to `progress`. Dependencies of other rows on a row that goes stay as they are.
    ///
    /// An intent alone changes nothing: the cloud may never have heard of it.
    pub fn follow(&mut self, address: &Address, progress: &Progress) {
        match progress {
            Progress::Idle | Progress::Intended { .. } => {}
            Progress::Done { intent, made } => self.accept(address, intent, made),
            Progress::Ready { intent, made } => {
                self.accept(address, intent, made);
                if let Some(row) = self.rows.get_mut(address) {
                    row.status = Status::Ready;
                    row.problem = None;
                }
            }
            Progress::Failed { intent, made, error } => {
                if let Some(made) = made {
                    self.accept(address, intent, made);
                }
                self.fail(address, intent, made.is_some(), error);
            }
            Progress::Gone { intent, made } => {
                if let Some(made) = made {
                    self.accept(address, intent, made);
                }
                self.lose(address, intent, made.as_ref());
            }
        }
    }

    /// The cloud has accepted the call of `intent`.
    fn accept(&mut self, address: &Address, intent: &Intent, made: &Made) {
        match intent.action {
            Verb::Create => self.create(address, intent, made),
            Verb::Update => self.update(address, intent, made),
            Verb::Delete => {
                if let Some(row) = self.rows.get_mut(address)
                    && row.identity.as_ref() == Some(&made.identity)
                    && !row.replaced.contains(&made.identity)
                {
                    row.status = Status::Deleting;
                }
            }
        }
    }

    fn create(&mut self, address: &Address, intent: &Intent, made: &Made) {
        let (leftovers, old) = match self.rows.remove(address) {
            Some(row) => (row.replaced, row.identity),
            None => (Vec::new(), None),
        };
        let old = old.filter(|_| !intent.old_is_gone);
        let row = Row {
            status: Status::Creating,
            identity: Some(made.identity.clone()),
            replaced: leftovers.into_iter().chain(old).filter(|identity| *identity != made.identity).collect(),
            region: intent.region.clone(),
            protect: intent.protect,
            problem: None,
            inputs: intent.natural.clone(),
            facts: made.facts.clone(),
            depends_on: intent.depends_on.clone(),
        };
        self.rows.insert(address.clone(), row);
    }

    fn update(&mut self, address: &Address, intent: &Intent, made: &Made) {
        let Some(row) = self.rows.get_mut(address).filter(|row| row.identity.as_ref() == Some(&made.identity)) else {
            return;
        };
        // A change that completes a creation is part of it.
        if row.status != Status::Creating {
            row.status = Status::Updating;
        }
        row.inputs = intent.natural.clone();
        row.protect = intent.protect;
        row.depends_on = intent.depends_on.clone();
        row.facts = overlaid(&row.facts, &made.facts);
    }

    /// A call was refused, or what it began went wrong. A refused update or deletion leaves the object as it was.
    fn fail(&mut self, address: &Address, intent: &Intent, was_accepted: bool, error: &str) {
        let Some(row) = self.rows.get_mut(address) else { return };
        let is_making = intent.action != Verb::Delete && row.status == Status::Creating;
        if is_making {
            row.status = Status::Failed;
        }
        if is_making || was_accepted {
            row.problem = Some(error.to_owned());
        }
    }

    /// The object of `intent` does not exist any more, or never did.
    fn lose(&mut self, address: &Address, intent: &Intent, made: Option<&Made>) {
        let lost: Option<&Identity> = intent.identity.as_ref().or(made.map(|made| &made.identity));
        let (Some(row), Some(lost)) = (self.rows.get_mut(address), lost) else { return };
        if row.replaced.contains(lost) {
            row.replaced.retain(|identity| identity != lost);
            let was_last = row.replaced.is_empty() && row.identity.is_none() && row.status == Status::Deleting;
            if was_last {
                self.rows.remove(address);
            }
        } else if row.identity.as_ref() == Some(lost) {
            let leaves_nothing = row.replaced.is_empty();
            match intent.makes_room {
                false if leaves_nothing => drop(self.rows.remove(address)),
                makes_room => {
                    row.identity = None;
                    row.facts = Value::Null;
                    row.status = if makes_room { Status::Replacing } else { Status::Deleting };
                }
            }
        }
    }
}

/// Facts with newer ones over them, by attribute.
fn overlaid(facts: &Value, newer: &Value) -> Value {
    match newer.as_map() {
        Some(newer) => {
            let mut all = facts.as_map().cloned().unwrap_or_default();
            all.extend(newer.clone());
            Tree::Map(all)
        }
        None => facts.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::state::journal::fold;
    use crate::state::{Entry, Record};

    fn address(number: usize) -> Address {
        format!("x.y.r{number}").parse().unwrap()
    }

    fn intent(action: Verb, identity: Option<&str>) -> Intent {
        Intent {
            action,
            region: "eu-central-1".to_owned(),
            token: "t".to_owned(),
            identity: identity.map(Identity::new),
            natural: Tree::Text("new".to_owned()),
            protect: false,
            depends_on: BTreeSet::new(),
            makes_room: false,
            old_is_gone: false,
        }
    }

    fn made(identity: &str) -> Made {
        Made { identity: Identity::new(identity), facts: Value::Null }
    }

    fn row(status: Status, identity: Option<&str>, replaced: &[&str]) -> Row {
        Row {
            status,
            identity: identity.map(Identity::new),
            replaced: replaced.iter().map(|identity| Identity::new(*identity)).collect(),
            region: "eu-central-1".to_owned(),
            protect: true,
            problem: None,
            inputs: Tree::Text("old".to_owned()),
            facts: Value::Null,
            depends_on: BTreeSet::new(),
        }
    }

    /// The row of `before` after `progress`.
    fn after(before: Option<Row>, progress: &Progress) -> Option<Row> {
        let mut state = State::new("l", "social", "eu-central-1");
        state.rows.extend(before.map(|row| (address(0), row)));
        state.follow(&address(0), progress);
        state.rows.remove(&address(0))
    }

    #[test]
    fn a_creation_keeps_the_object_it_replaces_unless_that_is_gone() {
        let before = || Some(row(Status::Ready, Some("a"), &["older"]));
        let mut intent = intent(Verb::Create, None);
        let done = |intent: &Intent| Progress::Done { intent: intent.clone(), made: made("b") };
        let kept = after(before(), &done(&intent)).unwrap();
        assert_eq!(kept.replaced, [Identity::new("older"), Identity::new("a")]);
        assert_eq!((kept.status, kept.identity), (Status::Creating, Some(Identity::new("b"))));
        intent.old_is_gone = true;
        let alone = after(before(), &done(&intent)).unwrap();
        assert_eq!(alone.replaced, [Identity::new("older")], "what somebody has deleted is no leftover");
    }

    #[test]
    fn a_change_that_went_wrong_is_remembered_with_its_reason() {
        let failed = |made| Progress::Failed {
            intent: intent(Verb::Update, Some("a")),
            made,
            error: "the rollout failed".to_owned(),
        };
        let accepted = after(Some(row(Status::Ready, Some("a"), &[])), &failed(Some(made("a")))).unwrap();
        assert_eq!((accepted.status, accepted.problem.as_deref()), (Status::Updating, Some("the rollout failed")));
        assert_eq!(accepted.inputs, Tree::Text("new".to_owned()));
        let before = row(Status::Ready, Some("a"), &[]);
        assert_eq!(after(Some(before.clone()), &failed(None)), Some(before), "a refused change has changed nothing");
    }

    #[test]
    fn leftovers_outlive_the_object_that_superseded_them() {
        let gone = |identity: &str| Progress::Gone { intent: intent(Verb::Delete, Some(identity)), made: None };
        let left = after(Some(row(Status::Ready, Some("b"), &["a"])), &gone("b")).unwrap();
        assert_eq!((left.status, left.identity.clone()), (Status::Deleting, None));
        assert_eq!(left.replaced, [Identity::new("a")]);
        assert_eq!(after(Some(left), &gone("a")), None);
        let last = after(Some(row(Status::Ready, Some("b"), &["a"])), &gone("a")).unwrap();
        assert_eq!((last.status, last.replaced.len()), (Status::Ready, 0));
    }

    #[test]
    fn room_is_made_for_one_object_and_not_for_another() {
        let mut room = intent(Verb::Delete, Some("a"));
        room.makes_room = true;
        let gone = Progress::Gone { intent: room, made: None };
        let empty = after(Some(row(Status::Ready, Some("a"), &[])), &gone).unwrap();
        assert_eq!((empty.status, empty.identity), (Status::Replacing, None));
        let other = row(Status::Ready, Some("b"), &[]);
        assert_eq!(after(Some(other.clone()), &gone), Some(other));
    }

    fn identity() -> impl Strategy<Value = Identity> {
        prop::sample::select(vec!["a", "b", "c"]).prop_map(Identity::new)
    }

    fn value() -> impl Strategy<Value = Value> {
        let fact = prop_oneof![Just(Tree::Null), (0..3_i64).prop_map(Tree::Integer)];
        prop_oneof![
            1 => Just(Tree::Null),
            4 => prop::collection::btree_map(prop::sample::select(vec!["m".to_owned(), "n".to_owned()]), fact, 0..3)
                .prop_map(Tree::Map),
        ]
    }

    fn neighbours() -> impl Strategy<Value = BTreeSet<Address>> {
        prop::collection::btree_set((0..3_usize).prop_map(address), 0..2)
    }

    fn any_intent() -> impl Strategy<Value = Intent> {
        let action = prop::sample::select(vec![Verb::Create, Verb::Update, Verb::Delete]);
        (action, prop::option::of(identity()), value(), any::<[bool; 3]>(), neighbours()).prop_map(
            |(action, identity, natural, [protect, makes_room, old_is_gone], depends_on)| Intent {
                natural,
                protect,
                depends_on,
                makes_room,
                old_is_gone,
                ..intent(action, identity.as_ref().map(Identity::as_str))
            },
        )
    }

    fn any_row() -> impl Strategy<Value = Row> {
        let status = prop::sample::select(vec![
            Status::Creating,
            Status::Ready,
            Status::Updating,
            Status::Replacing,
            Status::Deleting,
            Status::Failed,
        ]);
        let replaced = prop::collection::btree_set(identity(), 0..2);
        (status, prop::option::of(identity()), replaced, value(), value(), neighbours()).prop_map(
            |(status, identity, replaced, inputs, facts, depends_on)| Row {
                replaced: replaced.into_iter().filter(|old| identity.as_ref() != Some(old)).collect(),
                inputs,
                facts,
                depends_on,
                ..row(status, identity.as_ref().map(Identity::as_str), &[])
            },
        )
    }

    /// Any record about one of three addresses.
    fn any_record() -> impl Strategy<Value = Record> {
        let about = || (0..3_usize).prop_map(address);
        prop_oneof![
            (about(), any_intent()).prop_map(|(address, intent)| Record::Intent { address, intent }),
            (about(), identity(), value()).prop_map(|(address, identity, facts)| Record::Did {
                address,
                identity,
                facts
            }),
            (about(), value()).prop_map(|(address, facts)| Record::Ready { address, facts }),
            about().prop_map(|address| Record::Failed { address, error: "refused".to_owned() }),
            about().prop_map(|address| Record::Gone { address }),
        ]
    }

    fn any_state() -> impl Strategy<Value = State> {
        prop::collection::btree_map((0..3_usize).prop_map(address), any_row(), 0..4).prop_map(|rows| {
            let mut state = State::new("l", "social", "eu-central-1");
            state.rows = rows;
            state
        })
    }

    /// Dependencies on rows that are not there any more go when everything is folded, since rows come in any order.
    fn without_dangling(mut state: State) -> State {
        let known: BTreeSet<Address> = state.rows.keys().cloned().collect();
        state.rows.values_mut().for_each(|row| row.depends_on.retain(|needed| known.contains(needed)));
        state
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        /// Whenever the state file was written last, the journal brings it to where the run was.
        #[test]
        fn the_state_after_running_is_the_state_after_folding(
            before in any_state(), records in prop::collection::vec(any_record(), 1..40), cut in any::<prop::sample::Index>(),
        ) {
            let mut progress: BTreeMap<Address, Progress> = BTreeMap::new();
            let (mut running, mut entries, mut written) = (before.clone(), Vec::new(), vec![before]);
            for record in records {
                let address = record.address().unwrap().clone();
                let Ok(next) = progress.get(&address).cloned().unwrap_or_default().next(&record) else { continue };
                running.follow(&address, &next);
                progress.insert(address, next);
                entries.push(Entry { seq: entries.len() as u64 + 1, record });
                written.push(running.clone());
            }
            for held in [0, cut.index(written.len())] {
                let mut folded = written[held].clone();
                for (address, operations) in fold(&entries, held).unwrap() {
                    operations.iter().for_each(|progress| folded.follow(&address, progress));
                }
                prop_assert_eq!(without_dangling(folded), without_dangling(running.clone()), "held {}", held);
            }
        }
    }
}
