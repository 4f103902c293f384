//! Prepares the specs, so that no start of the program reads TOML that never changes.
//!
//! `src/spec/embedded.rs` includes what is written here: a list of the files of `specs/`, each with its text, its
//! document as `src/document/prepared.rs` reads it, and its SHA-256. A file that is not valid TOML gets an empty document,
//! and is then read as any other, which says what is wrong with it.

#![expect(clippy::disallowed_macros, clippy::disallowed_methods, reason = "cargo and a build script talk like this")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, io};

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Files of specs/mastodon by topic, in the order in which inputs are shown.
const BLUEPRINT: [&str; 19] = [
    "inputs",
    "network",
    "access",
    "database",
    "cache",
    "media",
    "cdn",
    "dns",
    "mail",
    "secrets",
    "config",
    "load_balancer",
    "compute",
    "jobs",
    "checks",
    "releases",
    "outputs",
    "costs",
    "status",
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=specs");
    println!("cargo::rerun-if-changed=build.rs");
    let given = |name: &str| env::var(name).map_err(io::Error::other);
    let (root, out) = (given("CARGO_MANIFEST_DIR")?, given("OUT_DIR")?);
    let (specs, out) = (Path::new(&root).join("specs"), Path::new(&out));
    let mut all = Sha256::new();
    let mut list = String::new();
    let blueprint = BLUEPRINT.map(str::to_owned).to_vec();
    for (constant, folder, names) in
        [("TYPES", "types", services(&specs.join("types"))?), ("BLUEPRINT", "mastodon", blueprint)]
    {
        fs_err::create_dir_all(out.join(folder))?;
        _ = writeln!(list, "pub const {constant}: [Embedded; {}] = [", names.len());
        for name in names {
            let path = format!("{folder}/{name}");
            let text = prepare(&specs.join(&path), &out.join(&path))?;
            all.update((text.len() as u64).to_le_bytes());
            all.update(text);
            list.push_str(&entry(&name, &path));
        }
        list.push_str("];\n");
    }
    prepare(&specs.join("prices"), &out.join("prices"))?;
    _ = writeln!(list, "pub const PRICES: Embedded = {}", entry("prices", "prices").replace("},", "};"));
    _ = writeln!(list, "pub const SHA256: &str = \"{}\";", hex(all));
    fs_err::write(out.join("embedded.rs"), list)
}

/// The files of specs/types by service, in order.
fn services(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs_err::read_dir(folder)? {
        let name = file?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".toml").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// A file in the list.
fn entry(name: &str, path: &str) -> String {
    format!(
        "Embedded {{ name: {name:?}, \
         text: include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/specs/{path}.toml\")), \
         document: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{path}.document\")), \
         sha256: include_str!(concat!(env!(\"OUT_DIR\"), \"/{path}.sha256\")) }},\n"
    )
}

/// Prepares one file; both paths are without what their names end with. Gives its text.
fn prepare(from: &Path, to: &Path) -> io::Result<String> {
    let text = fs_err::read_to_string(from.with_extension("toml"))?;
    let document = document(&text).unwrap_or_default();
    fs_err::write(to.with_extension("document"), document)?;
    fs_err::write(to.with_extension("sha256"), hex(Sha256::new_with_prefix(&text)))?;
    Ok(text)
}

fn hex(hash: Sha256) -> String {
    base16ct::lower::encode_string(&hash.finalize())
}

/// The document of a text; `None` if it is not one that the program takes.
fn document(text: &str) -> Option<Vec<u8>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return None;
    }
    let mut writer = Writer { text, bytes: Vec::new() };
    writer.span(table.span());
    writer.table(table.get_ref())?;
    Some(writer.bytes)
}

struct Writer<'text> {
    text: &'text str,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    /// Seven bits a byte, the lowest first; the highest bit says that there are more.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn span(&mut self, span: std::ops::Range<usize>) {
        self.number(span.start as u64);
        self.number((span.end - span.start) as u64);
    }

    /// A text: its length, and where it stands in the file as it is; or, after a 0, itself.
    fn string(&mut self, string: &str, span: std::ops::Range<usize>) {
        let written = &self.text[span.clone()];
        self.number(string.len() as u64);
        match written.find(string) {
            Some(offset) => self.number((span.start + offset) as u64 + 1),
            None => {
                self.number(0);
                self.bytes.extend_from_slice(string.as_bytes());
            }
        }
    }

    fn table(&mut self, table: &DeTable<'_>) -> Option<()> {
        self.bytes.push(b't');
        self.number(table.len() as u64);
        for (key, value) in table {
            self.span(key.span());
            self.string(key.get_ref(), key.span());
            self.value(value)?;
        }
        Some(())
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Option<()> {
        self.span(value.span());
        match value.get_ref() {
            DeValue::String(text) => {
                self.bytes.push(b's');
                self.string(text, value.span());
            }
            DeValue::Boolean(flag) => self.bytes.push(if *flag { b'y' } else { b'n' }),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?;
                self.bytes.push(b'i');
                self.bytes.extend(number.to_le_bytes());
            }
            DeValue::Float(number) => {
                let number: f64 = number.as_str().replace('_', "").parse().ok()?;
                self.bytes.push(b'f');
                self.bytes.extend(number.to_le_bytes());
            }
            DeValue::Datetime(_) => return None,
            DeValue::Array(items) => {
                self.bytes.push(b'l');
                self.number(items.len() as u64);
                for item in items {
                    self.value(item)?;
                }
            }
            DeValue::Table(table) => self.table(table)?,
        }
        Some(())
    }
}
