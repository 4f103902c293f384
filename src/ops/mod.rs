//! What is done with an instance, from its files to what is remembered, without a terminal.
//!
//! Commands read options, show and ask; what they come to is done here, once for all of them.
//!
//! | file | holds |
//! | --- | --- |
//! | `settings.rs` | which cloud and which files |
//! | `project.rs` | an instance as its files describe it |
//! | `proposal.rs` | a plan with everything it was made from |
//! | `operation.rs` | one change of one instance, from the lock to the history |
//! | `error.rs` | why nothing was begun |

mod error;
mod operation;
mod project;
mod proposal;
mod settings;

pub use error::OpsError;
pub use operation::{Audience, Credits, Deed, Operation, Pace, Ran, holder, new_lineage};
pub use project::{Nature, Project, Source};
pub use proposal::{Offer, Proposal, newer, plan_destroy};
pub use settings::{Cloud, Sandbox, Settings};
