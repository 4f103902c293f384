//! clusters and instances
