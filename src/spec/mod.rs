//! specs
pub mod types;
