//! mastoform runs a Mastodon instance on AWS from one file.
//!
//! # The way through the house
//!
//! ```text
//! plan
//!   mastodon.toml ──► config ─┐
//!   specs/*.toml  ──► spec ───┼─ plan::resolve ──► Graph<Desired> ─┐
//!   state/x.json  ──► state ──┴─ refresh (the only await) ─────────┼─ plan::walk ──► Plan ──► plan::check ──► render
//!                                     Observed ────────────────────┘
//! apply
//!   Plan ──► queue ──► step: complete late values ─► journal ─► provider call ─► journal ─► poll read ─► state file
//!              ▲                                                                                     │
//!              └──────────────── milestones reached (created, ready) release the next steps ─────────┘
//! ```
//!
//! Every arrow is a function from values to a value. Planning is synchronous, pure and deterministic; only [`refresh`]
//! and [`apply`] await, and only [`cli`] knows a terminal, a clock or the environment.
//!
//! # Files read and written
//!
//! All of them are opened by [`file`], which follows no link and reads no more than a limit.
//!
//! | file | by | what |
//! | --- | --- | --- |
//! | `mastodon.toml` | read by [`config`], written once by `init`, edited by `drift --accept` | the instance as its owner wants it |
//! | `specs/types/*.toml` | read by [`spec`], part of the binary | AWS's resource types and their attributes |
//! | `specs/prices.toml` | read by [`spec`] when somebody asks what something costs, part of the binary | AWS's list prices |
//! | `specs/mastodon/*.toml` | read by [`spec`], part of the binary | the blueprint: inputs, resources, checks, outputs |
//! | `state/<name>.json` | [`state`] | what exists, as last seen; committed to git |
//! | `state/<name>.history.jsonl` | [`state::history`] | when something was applied, by whom, how long it took; committed to git |
//! | `state/<name>.json.backup` | [`state`] | the state file before the last change |
//! | `state/<name>.journal` | [`state::journal`] | what was begun since the state file was last written |
//! | `state/<name>.lock` | [`state`] | who is changing the instance now |
//! | the file of `plan --out` | [`plan::saved`] | a plan, to be applied later exactly as it is |
//! | the folder of `export` | [`export`] | the instance as files of another tool |
//! | `state/sandbox/` | [`provider::sim`] | the same files, and the simulated cloud, for `--sandbox` |
//!
//! # Where to start reading
//!
//! [`value`] for the stages of a value, [`spec::types`] and [`spec::blueprint`] for what the data can say,
//! [`plan::walk`] for how a plan comes to be, [`provider`] for the contract with a cloud, [`apply`] for the loop, [`ops`]
//! for one change of one instance from the lock to the history.
//!
//! # Words
//!
//! *Desired* is what file and specs want, *recorded* what the state remembers, *observed* what the cloud shows now.
//! *Drift* is an observed difference nobody wrote. A *milestone* is how far a step has come: created, or ready.

pub mod address;
pub mod alphabet;
pub mod apply;
pub mod cli;
pub mod config;
pub mod cost;
pub mod diagnostic;
pub mod document;
pub mod export;
pub mod expr;
pub mod file;
pub mod inert;
pub mod ops;
pub mod plan;
pub mod provider;
pub mod refresh;
pub mod render;
pub mod secret;
pub mod session;
pub mod spec;
pub mod state;
pub mod value;
