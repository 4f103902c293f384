//! log groups
