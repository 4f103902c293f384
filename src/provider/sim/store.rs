//! The file a simulated cloud is kept in.
//!
//! It holds the cloud as a whole, in JSON that people can read and change, and after it one line for each change since:
//! a [`Change`], which is the part of the cloud that is new. So a change costs what it is large, not what the cloud is
//! large. When the lines have become as long as the cloud before them, and when the program ends, the file is written
//! anew as a whole, and has no lines then.
//!
//! A file that was saved by a clock ahead of the present one (a virtual clock that started anew) is moved back on
//! loading, so that what was still to come stays so.
//!
//! # Guarantees
//!
//! - A change is in the file when [`Store::append`] returns, and on the disk when [`Store::flush`] returns. Changes that
//!   happen together are flushed together.
//! - Whatever a kill or a power cut leaves is read: lines that were never flushed are dropped from the first damaged one
//!   on. A damaged line that was flushed is an error that names it. The cloud as a whole is replaced in one step.
//! - Processes that share the file make their changes one after the other: whoever has a [`Store::turn`] has read those
//!   of all others.
//!
//! # Assumptions
//!
//! - The file system keeps locks, as local ones do.
//! - People change the file while no command runs.

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cloud::{Change, Cloud};
use crate::file::{self, Access};

/// The largest file that is read, in bytes: a cloud of a quarter of a million objects.
const LIMIT: u64 = 256 << 20;

/// Lines are gathered up to this many bytes, however small the cloud before them is.
const FEW: u64 = 64 << 10;

/// A line of the file: how many lines before it are on the disk for certain, and what changed.
#[derive(Debug, Serialize, Deserialize)]
struct Line(u64, Change);

/// What tells whether a file is the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs_err::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The file, and how much of it is known.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    seed: u64,
    /// The file that is locked for a turn; none before the first one.
    file: Option<fs_err::File>,
    /// The file as it was read or written last; `None`: there was none.
    seen: Option<Stamp>,
    /// Bytes of the cloud as a whole.
    whole: u64,
    /// Bytes that were read or written: up to the end of the last whole line.
    end: u64,
    /// Lines in these bytes.
    lines: u64,
    /// How many of them are on the disk.
    flushed: u64,
    /// A line of ours may not be on the disk yet.
    is_unflushed: bool,
    /// How far the clock of the file is ahead of ours.
    ahead: Duration,
    /// No line can stand after what is there.
    is_closed: bool,
}

impl Store {
    /// Reads the file at `path`; an empty cloud with this seed, if there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn open(path: &Path, seed: u64, now: Duration) -> io::Result<(Self, Cloud)> {
        let mut store = Self {
            path: path.to_owned(),
            seed,
            file: None,
            seen: None,
            whole: 0,
            end: 0,
            lines: 0,
            flushed: 0,
            is_unflushed: false,
            ahead: Duration::ZERO,
            is_closed: false,
        };
        let mut cloud = Cloud::new(seed);
        store.read(&mut cloud, now)?;
        Ok((store, cloud))
    }

    /// Reads what others have changed since.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn refresh(&mut self, cloud: &mut Cloud, now: Duration) -> io::Result<()> {
        let there = Stamp::at(&self.path)?;
        if there == self.seen {
            return Ok(());
        }
        if let (Some(there), Some(seen)) = (there, self.seen)
            && there.is_same_file(&seen)
            && there.length > self.end
            && !self.is_closed
        {
            let mut bytes = vec![0; usize::try_from(there.length - self.end).unwrap_or(usize::MAX)];
            let file = file::open(&self.path, Access::Read)?;
            if Stamp::of(&file.metadata()?).is_same_file(&there) {
                file.file().read_exact_at(&mut bytes, self.end)?;
                let before = self.lines;
                self.follow(&bytes, cloud)?;
                if self.lines > before {
                    self.seen = Some(there);
                    return Ok(());
                }
            }
        }
        self.read(cloud, now)
    }

    /// Reads all of the file.
    fn read(&mut self, cloud: &mut Cloud, now: Duration) -> io::Result<()> {
        // Whatever is changed after this look is seen by the next one.
        let seen = Stamp::at(&self.path)?;
        let bytes = match file::read(&self.path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        (self.seen, self.whole, self.end, self.lines, self.flushed) = (seen, 0, 0, 0, 0);
        (self.is_unflushed, self.is_closed, self.ahead) = (false, false, Duration::ZERO);
        if bytes.is_empty() {
            *cloud = Cloud::new(self.seed);
            return Ok(());
        }
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Cloud>();
        let whole = values.next().transpose().and_then(|cloud| cloud.ok_or_else(|| serde::de::Error::custom("empty")));
        *cloud =
            whole.map_err(|error| damaged(format!("{} is not a simulated cloud: {error}", self.path.display())))?;
        let mut end = values.byte_offset();
        // A person's editor may have left the last line open, or the cloud on a line with blanks after it.
        end += bytes[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        if bytes.get(end) == Some(&b'\n') {
            end += 1;
        } else {
            self.is_closed = true;
        }
        end += bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        (self.whole, self.end) = (end as u64, end as u64);
        self.follow(&bytes[end..], cloud)?;
        self.ahead = cloud.saved_at.saturating_sub(now);
        cloud.move_back(self.ahead);
        // The instants of a file are those of one clock.
        self.is_closed |= !self.ahead.is_zero();
        Ok(())
    }

    /// Makes the changes of the lines in `bytes`, which stand after [`Store::end`].
    fn follow(&mut self, bytes: &[u8], cloud: &mut Cloud) -> io::Result<()> {
        let mut torn: Option<serde_json::Error> = None;
        for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            match serde_json::from_slice::<Line>(line) {
                Ok(Line(flushed, change)) => match &torn {
                    // Neither was flushed, so nobody was told of either.
                    Some(_) if flushed <= self.lines => {}
                    Some(error) => return Err(self.damaged(error)),
                    None => {
                        cloud.follow(change, self.ahead);
                        self.flushed = self.flushed.max(flushed);
                        self.lines += 1;
                        self.end += line.len() as u64;
                    }
                },
                Err(error) => _ = torn.get_or_insert(error),
            }
        }
        Ok(())
    }

    fn damaged(&self, error: &serde_json::Error) -> io::Error {
        let number = self.lines + 1;
        damaged(format!(
            "{}: line {number} after the simulated cloud, a change, is damaged: {error}",
            self.path.display()
        ))
    }

    /// Waits until no other process changes the cloud, and reads what others have changed. Nobody else does until
    /// [`Store::release`].
    ///
    /// # Errors
    ///
    /// As [`Store::open`], and the file cannot be made, opened for writing, or locked.
    pub fn turn(&mut self, cloud: &mut Cloud, now: Duration) -> io::Result<()> {
        loop {
            if self.file.is_none() {
                file::make_folder(file::folder_of(&self.path))?;
            }
            let file = match self.file.take() {
                Some(file) => file,
                None => file::open(&self.path, Access::Update)?,
            };
            file.file().lock()?;
            // The file may have been replaced in between: then this locks nothing.
            let ours = Stamp::of(&file.metadata()?);
            if Stamp::at(&self.path)?.is_some_and(|there| there.is_same_file(&ours)) {
                self.file = Some(file);
                break;
            }
        }
        let read = self.refresh(cloud, now);
        if read.is_err() {
            self.release();
        }
        read
    }

    /// Ends a turn.
    pub fn release(&mut self) {
        // A lock that cannot be released ends with the process.
        _ = self.file.as_ref().map(|file| file.file().unlock());
    }

    /// Adds what is different in the cloud to the file. It is our turn.
    ///
    /// # Errors
    ///
    /// The file cannot be written. Whoever looks next sees what it holds.
    pub fn append(&mut self, cloud: &mut Cloud, now: Duration) -> io::Result<()> {
        let added = self.add(cloud, now);
        if added.is_err() {
            self.seen = None;
        }
        added
    }

    fn add(&mut self, cloud: &mut Cloud, now: Duration) -> io::Result<()> {
        cloud.saved_at = now;
        if self.whole == 0 || self.is_closed || self.end - self.whole > self.whole.max(FEW) {
            return self.replace(cloud);
        }
        let Some(file) = &self.file else { return Err(io::Error::other("the cloud is changed out of turn")) };
        let mut line = serde_json::to_vec(&Line(self.flushed, cloud.change()))?;
        line.push(b'\n');
        // What a killed process left of its last line.
        if file.metadata()?.len() > self.end {
            file.set_len(self.end)?;
        }
        file.file().write_all_at(&line, self.end)?;
        self.end += line.len() as u64;
        self.lines += 1;
        self.is_unflushed = true;
        self.seen = Some(Stamp::of(&file.metadata()?));
        cloud.is_kept();
        Ok(())
    }

    /// Writes the cloud as a whole.
    fn replace(&mut self, cloud: &mut Cloud) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(cloud)?;
        text.push(b'\n');
        file::replace(&self.path, &text)?;
        let length = text.len() as u64;
        // Whoever adds a line from now on does so to the new file, and makes it longer than this.
        self.seen = Stamp::at(&self.path)?.map(|there| Stamp { length, ..there });
        (self.whole, self.end, self.lines, self.flushed) = (length, length, 0, 0);
        (self.is_unflushed, self.is_closed, self.ahead) = (false, false, Duration::ZERO);
        cloud.is_kept();
        Ok(())
    }

    /// Returns when everything that was appended is on the disk.
    ///
    /// # Errors
    ///
    /// What the system says of the disk.
    pub fn flush(&mut self) -> io::Result<()> {
        if let (true, Some(file)) = (self.is_unflushed, &self.file) {
            file.sync_data()?;
            self.is_unflushed = false;
            self.flushed = self.lines;
        }
        Ok(())
    }

    /// Leaves a file without lines, if there are some of ours and nobody else is at work. Nothing is lost where that
    /// cannot be done.
    pub fn fold(&mut self, cloud: &mut Cloud) {
        let (Some(file), Some(seen)) = (&self.file, self.seen) else { return };
        if self.lines == 0 || file.file().try_lock().is_err() {
            return;
        }
        let is_ours = file.metadata().is_ok_and(|ours| Stamp::of(&ours) == seen);
        if is_ours && Stamp::at(&self.path).is_ok_and(|there| there == Some(seen)) {
            _ = self.replace(cloud);
        }
        self.release();
    }
}

fn damaged(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Identity, TypeName};
    use crate::provider::sim::effects::blank;
    use crate::value::{Tree, Value};

    /// A cloud as an earlier version kept it.
    const EARLIER: &str = r#"{
  "seed": 9,
  "saved_at": { "secs": 3, "nanos": 0 },
  "births": { "toy.store.a": 0 },
  "revisions": {},
  "objects": {
    "toy.store": {
      "a": {
        "region": "here", "address": "toy.store.a", "tags": {}, "attributes": { "size": 1 }, "token": "t",
        "created_at": { "secs": 1, "nanos": 0 }, "changed_at": { "secs": 1, "nanos": 0 }, "phase": "creating",
        "settles_at": { "secs": 5, "nanos": 0 }, "ending": "well", "hidden": 0, "outside": false
      }
    }
  }
}
"#;

    const NOW: Duration = Duration::from_secs(10);

    struct Kept {
        store: Store,
        cloud: Cloud,
    }

    fn kind() -> TypeName {
        TypeName::new("toy", "store")
    }

    fn open(path: &Path) -> io::Result<Kept> {
        Store::open(path, 1, NOW).map(|(store, cloud)| Kept { store, cloud })
    }

    impl Kept {
        /// Changes something in a turn of its own.
        fn change(&mut self, change: impl FnOnce(&mut Cloud)) {
            self.store.turn(&mut self.cloud, NOW).unwrap();
            change(&mut self.cloud);
            self.store.append(&mut self.cloud, NOW).unwrap();
            self.store.release();
        }

        fn make(&mut self, name: &str) {
            self.change(|cloud| {
                cloud.bear(name);
                cloud.insert(&kind(), Identity::new(name), blank(NOW));
            });
        }

        fn names(&mut self) -> Vec<String> {
            self.store.refresh(&mut self.cloud, NOW).unwrap();
            self.cloud.of_type(&kind()).map(|(identity, _)| identity.to_string()).collect()
        }
    }

    fn text(path: &Path) -> String {
        fs_err::read_to_string(path).unwrap()
    }

    /// The cloud of a file, as people would see it.
    fn shown(path: &Path) -> String {
        serde_json::to_string_pretty(&open(path).unwrap().cloud).unwrap()
    }

    #[test]
    fn a_change_adds_what_is_new_and_the_end_leaves_a_file_for_people() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cloud.json");
        let mut kept = open(&path).unwrap();
        assert!(!path.exists(), "a look makes no file");
        kept.make("a");
        let first = text(&path);
        kept.make("b");
        kept.change(|cloud| {
            cloud.get_mut(&kind(), &Identity::new("a"), Some("")).unwrap().attributes = Value::from("new");
            assert!(cloud.remove(&kind(), &Identity::new("b"), ""));
        });
        let lines = text(&path);
        let lines: Vec<&str> = lines.strip_prefix(&first).unwrap().lines().collect();
        assert!(matches!(lines[..], [one, two] if one.contains("\"b\":{") && !one.contains("\"a\"")
            && two.contains("\"attributes\":\"new\"") && two.contains("\"b\":null")));
        let before = shown(&path);
        kept.store.fold(&mut kept.cloud);
        assert_eq!(text(&path), before.clone() + "\n");
        assert_eq!(shown(&path), before);
    }

    #[test]
    fn a_cloud_of_an_earlier_version_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        for (index, end) in ["\n", "", " \n\n", "\r\n"].into_iter().enumerate() {
            let path = folder.path().join(format!("{index}.json"));
            fs_err::write(&path, EARLIER.trim_end().to_owned() + end).unwrap();
            let mut kept = open(&path).unwrap();
            assert_eq!((kept.cloud.seed, kept.names()), (9, vec!["a".to_owned()]), "{end:?}");
            kept.make("b");
            kept.make("c");
            assert_eq!(open(&path).unwrap().names(), ["a", "b", "c"], "{end:?}");
        }
    }

    /// Only names that are there twice are told apart in the file, so that an earlier file reads as it did.
    #[test]
    fn objects_of_one_name_in_two_regions_are_kept_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let there = |region: &str| crate::provider::sim::Object { region: region.to_owned(), ..blank(NOW) };
        let mut kept = open(&path).unwrap();
        let make = |kept: &mut Kept, name: &str, region: &str| {
            kept.change(|cloud| cloud.insert(&kind(), Identity::new(name), there(region)));
        };
        make(&mut kept, "a", "here");
        make(&mut kept, "b in here", "here");
        make(&mut kept, "a", "there");
        make(&mut kept, "c", "there");
        let regions = |path: &Path| -> Vec<(String, String)> {
            let cloud = open(path).unwrap().cloud;
            cloud.of_type(&kind()).map(|(identity, object)| (identity.to_string(), object.region.clone())).collect()
        };
        let all = [("a", "here"), ("a", "there"), ("b in here", "here"), ("c", "there")];
        let all = all.map(|(name, region)| (name.to_owned(), region.to_owned())).to_vec();
        assert_eq!(regions(&path), all, "from lines");
        kept.store.fold(&mut kept.cloud);
        for name in ["\"a in here\"", "\"a in there\"", "\"b in here in here\"", "\"c\""] {
            assert!(text(&path).contains(&format!("{name}: {{")), "{name}");
        }
        assert_eq!(regions(&path), all, "from a whole file");
        let mut kept = open(&path).unwrap();
        kept.change(|cloud| assert!(cloud.remove(&kind(), &Identity::new("a"), "there")));
        assert_eq!(regions(&path), [&all[..1], &all[2..]].concat());
        kept.store.fold(&mut kept.cloud);
        assert!(text(&path).contains("\"a\": {"));
    }

    #[test]
    fn the_file_is_written_anew_when_its_lines_are_as_long_as_the_cloud() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let mut kept = open(&path).unwrap();
        let (mut bytes, mut wholes) = (0, 0);
        for number in 0..2_000 {
            let before = kept.store.whole;
            kept.make(&format!("store {number}"));
            if kept.store.whole == before {
                bytes += text(&path).lines().last().map_or(0, str::len);
            } else {
                wholes += 1;
                bytes += text(&path).len();
            }
        }
        let cloud = serde_json::to_string_pretty(&kept.cloud).unwrap().len();
        assert!(wholes < 12 && bytes < 4 * cloud, "{wholes} times, {bytes} bytes for a cloud of {cloud}");
        assert_eq!(open(&path).unwrap().names().len(), 2_000);
    }

    /// Every change, and every moment at which a kill can strike: what was whole is there, and the next change too.
    #[test]
    fn a_file_that_ends_anywhere_holds_every_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let mut kept = open(&path).unwrap();
        ["a", "ü", "c"].into_iter().for_each(|name| kept.make(name));
        let (text, whole) = (fs_err::read(&path).unwrap(), usize::try_from(kept.store.whole).unwrap());
        for end in whole..=text.len() {
            fs_err::write(&path, &text[..end]).unwrap();
            let lines = text[whole..end].iter().filter(|byte| **byte == b'\n').count();
            let mut kept = open(&path).unwrap();
            let expected = &["a", "ü", "c"][..=lines];
            let mut names = kept.names();
            names.sort_by_key(|name| expected.iter().position(|expected| expected == name));
            assert_eq!(names, expected, "{end}");
            kept.make("z");
            assert_eq!(open(&path).unwrap().names().len(), lines + 2, "{end}");
        }
    }

    #[test]
    fn a_damaged_line_that_was_never_flushed_ends_the_file_and_any_other_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let mut kept = open(&path).unwrap();
        kept.make("a");
        kept.make("b");
        kept.store.flush().unwrap();
        kept.make("c");
        kept.make("d");
        let lines: Vec<String> = text(&path).lines().map(str::to_owned).collect();
        let (whole, lines) = lines.split_at(lines.len() - 3);
        let hole = |number: usize| {
            let mut lines = lines.to_vec();
            let length = lines[number].len();
            lines[number] = "\0".repeat(length);
            fs_err::write(&path, [whole, &lines].concat().join("\n") + "\n").unwrap();
        };
        hole(2);
        assert_eq!(open(&path).unwrap().names(), ["a", "b", "c"]);
        hole(1);
        let mut kept = open(&path).unwrap();
        assert_eq!(kept.names(), ["a", "b"], "the line after it was not flushed either");
        kept.make("e");
        assert_eq!(open(&path).unwrap().names(), ["a", "b", "e"]);
        hole(0);
        let error = open(&path).err().unwrap().to_string();
        assert!(error.contains("cloud.json: line 1 after the simulated cloud, a change, is damaged: "), "{error}");
        for text in ["{", "[]", "{\"seed\": 1}", " "] {
            fs_err::write(&path, text).unwrap();
            assert!(open(&path).err().unwrap().to_string().contains("cloud.json is not a simulated cloud: "), "{text}");
        }
    }

    #[test]
    fn those_who_share_a_file_see_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let [mut one, mut two] = [(); 2].map(|()| open(&path).unwrap());
        one.make("a");
        two.make("b");
        assert_eq!(one.names(), ["a", "b"]);
        one.store.fold(&mut one.cloud);
        two.make("c");
        two.store.fold(&mut two.cloud);
        assert_eq!(
            (one.names(), two.names()),
            (vec!["a".into(), "b".into(), "c".into()], vec!["a".into(), "b".into(), "c".into()])
        );
        one.change(|cloud| assert!(cloud.remove(&kind(), &Identity::new("b"), "")));
        assert_eq!(two.names(), ["a", "c"]);
        fs_err::remove_file(&path).unwrap();
        assert_eq!(two.names(), [""; 0], "a file that is taken away takes all with it");
        one.make("d");
        assert_eq!(two.names(), ["d"]);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..60 {
                        // As one command after the other.
                        let mut kept = open(path).unwrap();
                        kept.make(&format!("{worker} {number}"));
                        kept.change(|cloud| _ = cloud.bear("all"));
                        kept.store.fold(&mut kept.cloud);
                    }
                });
            }
        });
        let mut kept = open(&path).unwrap();
        assert_eq!((kept.names().len(), kept.cloud.bear("all")), (240, 240));
    }

    #[test]
    fn what_somebody_else_has_written_is_not_folded_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let mut kept = open(&path).unwrap();
        kept.make("a");
        kept.make("b");
        fs_err::write(&path, EARLIER).unwrap();
        kept.store.fold(&mut kept.cloud);
        assert_eq!(text(&path), EARLIER);
        assert_eq!(kept.names(), ["a"]);
    }

    #[test]
    fn a_clock_that_starts_anew_moves_everything_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        fs_err::write(&path, EARLIER).unwrap();
        let (mut store, mut cloud) = Store::open(&path, 1, Duration::from_secs(1)).unwrap();
        let settles = |cloud: &Cloud| cloud.of_type(&kind()).next().unwrap().1.settles_at;
        assert_eq!(settles(&cloud), Duration::from_secs(3));
        store.turn(&mut cloud, Duration::from_secs(1)).unwrap();
        cloud.bear("more");
        store.append(&mut cloud, Duration::from_secs(1)).unwrap();
        store.release();
        assert_eq!(settles(&Store::open(&path, 1, NOW).unwrap().1), Duration::from_secs(3), "of one clock");
    }

    #[test]
    fn a_change_that_cannot_be_written_has_not_happened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cloud.json");
        let mut kept = open(&path).unwrap();
        kept.make("a");
        kept.store.turn(&mut kept.cloud, NOW).unwrap();
        kept.cloud.insert(&kind(), Identity::new("b"), blank(NOW));
        kept.store.file = Some(file::open(&path, Access::Read).unwrap());
        assert!(kept.store.append(&mut kept.cloud, NOW).is_err());
        kept.store.file = None;
        assert_eq!(kept.names(), ["a"]);
        assert_eq!(Tree::Null, kept.cloud.of_type(&kind()).next().unwrap().1.attributes);
    }
}
