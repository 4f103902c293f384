//! clusters, task definitions, services
