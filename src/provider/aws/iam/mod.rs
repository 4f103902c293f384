//! IAM: roles, policies and groups. Global: the region plays no part.
