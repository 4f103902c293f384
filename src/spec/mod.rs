//! The specs: everything this program knows of Mastodon and of AWS's attributes, as data.
//!
//! `specs/types/*.toml` describe AWS's resource types ([`types`]), `specs/mastodon/*.toml` describe the instance
//! ([`blueprint`]). Both are part of the binary; a folder given by `--specs` lies over them.
//!
//! [`Specs::read`] is pure: it is given texts. [`Specs::lint`] says whether they make sense.

pub mod blueprint;
mod embedded;
pub mod lint;
pub mod permissions;
mod ready;
pub mod references;
pub mod types;

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostics, SourceFile};
use crate::document;

pub use blueprint::Blueprint;
pub use types::Types;

/// Types and blueprint.
#[derive(Clone, Debug, Default)]
pub struct Specs {
    pub types: Arc<Types>,
    pub blueprint: Blueprint,
    /// Every file that was read, in order.
    pub files: Vec<Arc<SourceFile>>,
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
        Self::from_files(types.chain(blueprint).chain(overlay.iter().cloned()))
    }

    /// Reads specs that consist of nothing but these files.
    pub fn from_files(files: impl IntoIterator<Item = OverlayFile>) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut types = Types::new();
        let mut blueprint = Blueprint::default();
        let mut sources = Vec::new();
        for file in files {
            let source = SourceFile::new(file.name, file.text);
            match document::parse(&source) {
                Ok(node) => match &file.types_of {
                    Some(service) => types::read(service, &node, &mut types, &mut diagnostics),
                    None => blueprint::read(&node, &mut blueprint, &mut diagnostics),
                },
                Err(problems) => diagnostics.extend(problems.0),
            }
            sources.push(source);
        }
        let specs = Self { types: Arc::new(types), blueprint, files: sources, digest: OnceLock::new() };
        diagnostics.finish(specs).map(|(specs, _)| specs)
    }

    /// SHA-256 of all files, for the fingerprint of a plan. Patches are no part of it: they are the instance's file's.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest(self.files.iter().map(|file| file.text.as_str())))
    }

    /// Everything that does not make sense.
    pub fn lint(&self) -> Diagnostics {
        lint::lint(&self.types, &self.blueprint)
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
