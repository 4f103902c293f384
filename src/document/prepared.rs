//! Documents that the build script has read, for the files that are part of the program.
//!
//! A document is a stream of bytes: for each value its span, a letter for its kind, and what it holds. Numbers take as
//! many bytes as they need. Texts that stand in the file as they are, are only pointed at.
//!
//! # Guarantees
//!
//! - The tree is the one that [`super::parse`] makes of the same text, with all its places; a test compares all of them.

use std::ops::Range;
use std::sync::Arc;

use super::{Content, Entry, Node, widen};
use crate::diagnostic::{Location, SourceFile};

/// The document of a file; `None` if the bytes are not one, as those of a file with mistakes.
pub fn read(file: &Arc<SourceFile>, bytes: &[u8]) -> Option<Node> {
    let mut reader = Reader { file, rest: bytes };
    let span = reader.span()?;
    let content = reader.content()?;
    reader.rest.is_empty().then(|| Node { location: Location::new(file, span), content })
}

struct Reader<'file, 'bytes> {
    file: &'file Arc<SourceFile>,
    rest: &'bytes [u8],
}

impl Reader<'_, '_> {
    fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0_usize, 0_u32);
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        let (eight, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*eight)
    }

    fn span(&mut self) -> Option<Range<usize>> {
        let start = self.number()?;
        Some(start..start + self.number()?)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        match self.number()?.checked_sub(1) {
            Some(start) => Some(self.file.text.get(start..start + length)?.to_owned()),
            None => {
                let (text, rest) = self.rest.split_at_checked(length)?;
                self.rest = rest;
                Some(std::str::from_utf8(text).ok()?.to_owned())
            }
        }
    }

    fn node(&mut self) -> Option<Node> {
        let span = self.span()?;
        Some(Node { location: Location::new(self.file, widen(&self.file.text, span)), content: self.content()? })
    }

    fn content(&mut self) -> Option<Content> {
        let (kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match kind {
            b'y' => Content::Bool(true),
            b'n' => Content::Bool(false),
            b'i' => Content::Integer(i64::from_le_bytes(self.eight()?)),
            b'f' => Content::Number(f64::from_le_bytes(self.eight()?)),
            b's' => Content::Text(self.text()?),
            b'l' => {
                let count = self.number()?;
                let mut items = Vec::with_capacity(count.min(self.rest.len()));
                for _ in 0..count {
                    items.push(self.node()?);
                }
                Content::List(items)
            }
            b't' => {
                let count = self.number()?;
                let mut entries = Vec::with_capacity(count.min(self.rest.len()));
                for _ in 0..count {
                    entries.push(self.entry()?);
                }
                Content::Table(entries)
            }
            _ => return None,
        })
    }

    fn entry(&mut self) -> Option<Entry> {
        let span = self.span()?;
        Some(Entry { key: self.text()?, key_location: Location::new(self.file, span), node: self.node()? })
    }
}
