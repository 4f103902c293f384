//! The specs: everything this program knows of Mastodon and of AWS's attributes, as data.
//!
//! `specs/types/*.toml` describe AWS's resource types ([`types`]), `specs/mastodon/*.toml` describe the instance
//! ([`blueprint`]), `specs/prices.toml` says what AWS charges ([`prices`]). All are part of the binary; a folder given by
//! `--specs` lies over them.
//!
//! [`Specs::read`] is pure: it is given texts. [`Specs::lint`] says whether they make sense.

pub mod blueprint;
pub mod counterpart;
mod embedded;
pub mod lint;
pub mod permissions;
pub mod price_lint;
pub mod prices;
pub mod pricing;
mod ready;
pub mod references;
pub mod types;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostics, SourceFile};
use crate::document;

pub use blueprint::Blueprint;
pub use prices::Prices;
pub use types::Types;

/// The file of an overlay that is a table of prices.
const PRICES: &str = "prices.toml";

/// Types and blueprint.
#[derive(Clone, Debug, Default)]
pub struct Specs {
    pub types: Arc<Types>,
    pub blueprint: Blueprint,
    /// Every file that was read, in order.
    pub files: Vec<Arc<SourceFile>>,
    /// What AWS charges. It is no part of what a plan is made from: it changes nothing that is done.
    pub prices: Prices,
    /// How many of the files are part of the program.
    embedded: usize,
    /// See [`Specs::digest`].
    digest: OnceLock<String>,
}

/// The files of an overlay: name (for messages), whether it describes types, and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayFile {
    pub name: String,
    /// The service, if the file describes types.
    pub types_of: Option<String>,
    pub text: String,
}

impl Specs {
    /// Reads the specs of this binary, with an overlay.
    pub fn read(overlay: &[OverlayFile]) -> Result<Self, Diagnostics> {
        let types = embedded::TYPES.iter().map(|(service, text)| OverlayFile {
            name: format!("specs/types/{service}.toml"),
            types_of: Some((*service).to_owned()),
            text: (*text).to_owned(),
        });
        let blueprint = embedded::BLUEPRINT.iter().map(|(topic, text)| OverlayFile {
            name: format!("specs/mastodon/{topic}.toml"),
            types_of: None,
            text: (*text).to_owned(),
        });
        let mut specs = Self::from_files(types.chain(blueprint).chain(overlay.iter().cloned()))?;
        specs.embedded = embedded::TYPES.len() + embedded::BLUEPRINT.len();
        Ok(specs)
    }

    /// Reads specs that consist of nothing but these files.
    pub fn from_files(files: impl IntoIterator<Item = OverlayFile>) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut types = Types::new();
        let mut blueprint = Blueprint::default();
        let mut sources = Vec::new();
        let mut prices = Prices::default();
        for file in files {
            let is_prices =
                file.types_of.is_none() && Path::new(&file.name).file_name().is_some_and(|name| name == PRICES);
            let source = SourceFile::new(file.name, file.text);
            if is_prices {
                prices = Prices::own(source);
                continue;
            }
            match document::parse(&source) {
                Ok(node) => match &file.types_of {
                    Some(service) => types::read(service, &node, &mut types, &mut diagnostics),
                    None => blueprint::read(&node, &mut blueprint, &mut diagnostics),
                },
                Err(problems) => diagnostics.extend(problems.0),
            }
            sources.push(source);
        }
        let types = Arc::new(types);
        let specs = Self { types, blueprint, files: sources, prices, embedded: 0, digest: OnceLock::new() };
        diagnostics.finish(specs).map(|(specs, _)| specs)
    }

    /// SHA-256 of all files, for the fingerprint of a plan. Patches are no part of it: they are the instance's file's.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest(self.files.iter().map(|file| file.text.as_str())))
    }

    /// Everything that does not make sense. Rules of prices are read where they are not those of the program, which its
    /// own tests have read: it takes as long as all the rest.
    pub fn lint(&self) -> Diagnostics {
        let mut problems = lint::lint(&self.types, &self.blueprint);
        let own = self.files.get(self.embedded..).unwrap_or_default();
        if !own.is_empty() || self.prices.is_own() {
            match self.prices.table() {
                // Against another table every rule is looked at, also those of the program.
                Ok(table) => {
                    let files = (!self.prices.is_own()).then_some(own);
                    problems.extend(price_lint::rules(&self.types, &self.blueprint, table, files).0);
                }
                Err(wrong) => problems.extend(wrong.0),
            }
        }
        problems
    }
}

/// SHA-256 in hexadecimal over texts, each with its length.
pub fn digest<'text>(texts: impl IntoIterator<Item = &'text str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
