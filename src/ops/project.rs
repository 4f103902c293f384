//! An instance as its files describe it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::address::Address;
use crate::config::Config;
use crate::expr::Evaluator;
use crate::plan::resolve::World;
use crate::spec::blueprint::{Blueprint, Law, ResourceName};
use crate::spec::{Specs, Types};
use crate::state::Paths;
use crate::value::Value;

/// Everything about an instance that is not in the cloud.
#[derive(Clone)]
pub struct Project {
    pub specs: Arc<Specs>,
    pub config: Config,
    pub evaluator: Arc<Evaluator>,
    pub paths: Paths,
    /// The types without what the instance's history has taught: the simulated cloud lives by them.
    pub nature: Nature,
}

impl Project {
    /// What stands behind references: answers of lookups, and the settings of the last complete apply.
    pub fn world<'a>(&'a self, lookups: &'a BTreeMap<Address, Value>, previous: &'a Value) -> World<'a> {
        World { specs: &self.specs, config: &self.config, lookups, previous, evaluator: &self.evaluator }
    }
}

/// What a simulated cloud is made of: the types with the times that the specs say, and what fails in it.
#[derive(Clone, Debug)]
pub struct Nature {
    pub types: Arc<Types>,
    pub laws: Vec<Law>,
    /// The lines that jobs print there, by types and names.
    pub prints: BTreeMap<ResourceName, Vec<String>>,
}

impl Nature {
    pub fn of(specs: &Specs) -> Self {
        let Blueprint { laws, inquiries, .. } = &specs.blueprint;
        let prints = inquiries.values().map(|inquiry| {
            let resource = &inquiry.resource;
            ((resource.type_name.clone(), resource.name.clone()), inquiry.prints.clone())
        });
        Self { types: Arc::clone(&specs.types), laws: laws.clone(), prints: prints.collect() }
    }
}

/// Where an instance is described, for whoever reads it more than once.
pub trait Source {
    type Error: From<super::OpsError>;

    /// Reads the instance as its files are now.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, or say what cannot be.
    fn read(&self) -> Result<Project, Self::Error>;
}
