//! The specs as they were when the program was built, and what the build script has made of them.

/// A file of the specs.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The service or topic.
    pub name: &'static str,
    pub text: &'static str,
    /// Its document, as [`crate::document::prepared`] reads it.
    pub document: &'static [u8],
    /// The SHA-256 of its text.
    pub sha256: &'static str,
}

// `TYPES` and `BLUEPRINT` in the order in which they are read, `PRICES`, and `SHA256` of the first two as
// `Specs::digest` takes it.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::document::{self, prepared};
    use crate::spec::Specs;

    #[test]
    fn no_file_is_forgotten() {
        for (folder, files) in [("types", &TYPES[..]), ("mastodon", &BLUEPRINT)] {
            let path = format!("{}/specs/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut found: Vec<String> = fs_err::read_dir(path)
                .expect("readable")
                .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
                .collect();
            let mut embedded: Vec<String> = files.iter().map(|file| format!("{}.toml", file.name)).collect();
            found.sort();
            embedded.sort();
            assert_eq!(found, embedded);
        }
    }

    #[test]
    fn a_prepared_document_is_the_one_of_its_text() {
        for file in TYPES.iter().chain(&BLUEPRINT).chain([&PRICES]) {
            let source = SourceFile::new(file.name, file.text);
            let prepared = prepared::read(&source, file.document).expect("a document");
            let parsed = document::parse(&source).expect("valid TOML");
            assert_eq!(format!("{prepared:?}"), format!("{parsed:?}"), "{}", file.name);
            assert_eq!(file.sha256, crate::spec::hexadecimal(file.text), "{}", file.name);
        }
    }

    #[test]
    fn what_is_no_prepared_document_is_none() {
        let file = &TYPES[0];
        let source = SourceFile::new(file.name, file.text);
        for length in 0..file.document.len() {
            assert!(prepared::read(&source, &file.document[..length]).is_none(), "{length}");
        }
        let other = SourceFile::new("empty", "");
        assert!(prepared::read(&Arc::clone(&other), file.document).is_none());
    }

    #[test]
    fn digests_are_those_of_the_files() {
        let specs = Specs::read(&[]).expect("valid specs");
        assert_eq!(specs.digest(), crate::spec::digest(specs.files.iter().map(|file| file.text.as_str())));
        for (name, sha256) in specs.digests() {
            let file = specs.files.iter().find(|file| file.name == name).expect("a file");
            assert_eq!(sha256, crate::spec::hexadecimal(&file.text), "{name}");
        }
    }

    #[test]
    fn the_specs_make_sense() {
        let specs = Specs::read(&[]).unwrap_or_else(|problems| panic!("{problems}"));
        let problems = specs.lint();
        assert!(problems.0.is_empty(), "{problems}");
    }
}
