//! Plans: what would be done, in which order and why. Pure: same inputs, same bytes.
//!
//! [`resolve`] makes the graph of desired resources, [`diff`] compares one of them with what is recorded and observed,
//! `keep` leaves existing resources their names, [`ties`] knows what cannot be deleted yet, [`condition`]
//! what a reported status means, [`news`] what is said of what others publish, [`once`] when a job runs, [`walk`] goes through the graph and makes a [`Plan`] of
//! [`change`]s, of which `cause` says why, `validate` what AWS would not take and `refusal` what keeps them from being
//! carried out, [`gates`] completes each with what must not slip through, [`order`] turns changes into steps with their
//! dependencies, [`check`] proves that the plan keeps the rules. [`cost`] says what it does to the bill. [`saved`] keeps
//! a plan in a file, [`stale`] says whether it still holds, [`drift`] sorts its differences by who made them,
//! [`permissions`] reads off what AWS must allow.

mod cause;
pub mod change;
pub mod check;
pub mod condition;
pub mod cost;
pub mod diff;
pub mod drift;
pub mod gates;
mod keep;
pub mod news;
pub mod once;
pub mod order;
pub mod permissions;
mod refusal;
pub mod resolve;
pub mod saved;
pub mod stale;
pub mod status;
pub mod ties;
mod twins;
mod validate;
pub mod walk;

use std::sync::Arc;

use crate::provider::Owner;
use crate::state::State;

pub use change::{Action, AttributeChange, Cause, Change, Plan, Purpose, Refusal};
pub use resolve::{Desired, Graph};

/// The instance that a state is of, as its resources in the cloud name it.
pub fn owner(state: &State) -> Arc<Owner> {
    Arc::new(Owner {
        instance: state.instance.clone(),
        region: state.region.clone(),
        lineage: state.lineage.clone(),
        account: state.account.clone(),
        accepts_unmarked: !state.marked,
    })
}
