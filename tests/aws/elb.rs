//! load balancers
