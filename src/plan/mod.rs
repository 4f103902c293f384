//! Plans: what would be done, in which order and why. Pure: same inputs, same bytes.
//!
//! [`resolve`] makes the graph of desired resources, [`diff`] compares one of them with what is recorded and observed,
//! [`ties`] knows what cannot be deleted yet, [`walk`] goes through the graph and makes a [`Plan`] of [`change`]s, [`order`] turns changes into steps with their
//! dependencies, [`check`] proves that the plan keeps the rules.

pub mod change;
pub mod check;
pub mod diff;
pub mod order;
pub mod resolve;
pub mod ties;
pub mod walk;

pub use change::{Action, AttributeChange, Cause, Change, Plan, Purpose, Refusal};
pub use resolve::{Desired, Graph};
