//! Plans: what would be done, in which order and why. Pure: same inputs, same bytes.
//!
//! [`resolve`] makes the graph of desired resources, [`diff`] compares one of them with what is recorded and observed,
//! `keep` leaves existing resources their names, [`ties`] knows what cannot be deleted yet, [`walk`] goes through the
//! graph and makes a [`Plan`] of [`change`]s, [`order`] turns changes into steps with their dependencies, [`check`]
//! proves that the plan keeps the rules. [`saved`] keeps a plan in a file, [`stale`] says whether it still holds, [`drift`] sorts its differences by who made them,
//! [`permissions`] reads off what AWS must allow.

pub mod change;
pub mod check;
pub mod diff;
pub mod drift;
mod keep;
pub mod order;
pub mod permissions;
pub mod resolve;
pub mod saved;
pub mod stale;
pub mod ties;
pub mod walk;

pub use change::{Action, AttributeChange, Cause, Change, Plan, Purpose, Refusal};
pub use resolve::{Desired, Graph};
