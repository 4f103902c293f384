//! The specs: everything this program knows of Mastodon and of AWS's attributes, as data.
//!
//! `specs/types/*.toml` describe AWS's resource types ([`types`]), `specs/mastodon/*.toml` describe the instance
//! ([`blueprint`]), `specs/prices.toml` says what AWS charges ([`prices`]). All are part of the binary, as `build.rs` has
//! prepared them; a folder given by `--specs` lies over them.
//!
//! [`Specs::read`] is pure: it is given texts. [`Specs::lint`] says whether they make sense.

pub mod blueprint;
pub mod counterpart;
mod embedded;
pub mod limits;
pub mod lint;
pub mod news;
pub mod permissions;
pub mod placement;
pub mod price_lint;
pub mod prices;
pub mod pricing;
pub mod probe;
pub mod reader;
mod ready;
pub mod references;
pub mod types;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::address::TypeName;
use crate::diagnostic::{Diagnostics, Location, SourceFile};
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
        let types = embedded::TYPES.iter().map(|file| {
            let name = format!("specs/types/{}.toml", file.name);
            let types_of = Some(file.name.to_owned());
            (OverlayFile { name, types_of, text: file.text.to_owned() }, file.document)
        });
        let blueprint = embedded::BLUEPRINT.iter().map(|file| {
            let name = format!("specs/mastodon/{}.toml", file.name);
            (OverlayFile { name, types_of: None, text: file.text.to_owned() }, file.document)
        });
        let own = overlay.iter().map(|file| (file.clone(), &[][..]));
        let mut specs = Self::of(types.chain(blueprint).chain(own))?;
        specs.embedded = embedded::TYPES.len() + embedded::BLUEPRINT.len();
        if specs.files.len() == specs.embedded {
            specs.digest = OnceLock::from(embedded::SHA256.to_owned());
        }
        Ok(specs)
    }

    /// Whether the program brings along what is written there. What stands in an overlay, somebody else has written.
    pub fn is_built_in(&self, location: &Location) -> bool {
        self.files.iter().take(self.embedded).any(|file| Arc::ptr_eq(file, &location.file))
    }

    /// Reads specs that consist of nothing but these files.
    pub fn from_files(files: impl IntoIterator<Item = OverlayFile>) -> Result<Self, Diagnostics> {
        Self::of(files.into_iter().map(|file| (file, &[][..])))
    }

    /// Reads files, each with its document if that is prepared.
    fn of(files: impl IntoIterator<Item = (OverlayFile, &'static [u8])>) -> Result<Self, Diagnostics> {
        let mut diagnostics = Diagnostics::default();
        let mut types = Types::new();
        let mut blueprint = Blueprint::default();
        let mut sources: Vec<Arc<SourceFile>> = Vec::new();
        let mut prices = Prices::default();
        for (file, document) in files {
            let is_prices =
                file.types_of.is_none() && Path::new(&file.name).file_name().is_some_and(|name| name == PRICES);
            let source = SourceFile::new(file.name, file.text);
            if is_prices {
                prices = Prices::own(source);
                continue;
            }
            if let Some(before) = sources.last().filter(|_| document.is_empty()) {
                source.counts_patterns_after(before);
            }
            match document::prepared::read(&source, document).map_or_else(|| document::parse(&source), Ok) {
                Ok(node) => match &file.types_of {
                    Some(service) => {
                        types::read(service, &node, &mut types, &mut diagnostics);
                        for entry in node.entries().iter().filter(|_| document.is_empty()) {
                            let name = TypeName::new(service.as_str(), entry.key.as_str());
                            types.entry(name).and_modify(|added| Arc::make_mut(added).is_added = true);
                        }
                    }
                    None => blueprint::read(node, &mut blueprint, &mut diagnostics),
                },
                Err(problems) => diagnostics.extend(problems.0),
            }
            sources.push(source);
        }
        let types = Arc::new(types);
        let specs = Self { types, blueprint, files: sources, prices, embedded: 0, digest: OnceLock::new() };
        diagnostics.finish(specs).map(|(specs, _)| specs)
    }

    /// Whether anything but the program's own files was read. Those make sense: its tests say so.
    pub fn has_overlay(&self) -> bool {
        self.files.len() > self.embedded || self.prices.is_own()
    }

    /// Bytes of everything that is no part of the program.
    pub fn own_bytes(&self) -> usize {
        self.files.iter().skip(self.embedded).map(|file| file.text.len()).sum()
    }

    /// SHA-256 of all files, for the fingerprint of a plan. Patches are no part of it: they are the instance's file's.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| digest(self.files.iter().map(|file| file.text.as_str())))
    }

    /// SHA-256 of each file, by its name.
    pub fn digests(&self) -> impl Iterator<Item = (&str, String)> {
        let known = embedded::TYPES.iter().chain(&embedded::BLUEPRINT).map(|file| file.sha256).take(self.embedded);
        let known = known.map(Some).chain(std::iter::repeat(None));
        let names = self.files.iter().zip(known);
        names.map(|(file, known)| (file.name.as_str(), known.map_or_else(|| hexadecimal(&file.text), str::to_owned)))
    }

    /// Everything that does not make sense. The rules of prices are read in the user's own files alone: reading them
    /// takes as long as all the rest, and the program's tests have read its own. With a table of the user's, a rule of
    /// the program may name a price that is not there: an estimate says so as a gap.
    pub fn lint(&self) -> Diagnostics {
        let mut problems = lint::lint(&self.types, &self.blueprint);
        let own = self.files.get(self.embedded..).unwrap_or_default();
        if self.has_overlay() {
            match self.prices.table() {
                Ok(table) => problems.extend(price_lint::rules(&self.types, &self.blueprint, table, Some(own)).0),
                Err(wrong) => problems.extend(wrong.0),
            }
        }
        problems
    }
}

/// SHA-256 in hexadecimal of a text.
fn hexadecimal(text: &str) -> String {
    base16ct::lower::encode_string(&Sha256::digest(text))
}

/// SHA-256 in hexadecimal over texts, each with its length.
pub fn digest<'text>(texts: impl IntoIterator<Item = &'text str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    base16ct::lower::encode_string(&hasher.finalize())
}
