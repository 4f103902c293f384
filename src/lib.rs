//! mastoform
pub mod address;
pub mod apply;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod expr;
pub mod plan;
pub mod provider;
pub mod refresh;
pub mod secret;
pub mod spec;
pub mod state;
pub mod value;
pub mod session;
