//! Files on the disk, opened so that a repository cannot say which file that is.
//!
//! A project is a checkout, and git stores symbolic links. So every file of a project is opened here: the settings,
//! overlays, everything in the state folder, saved plans, pages and traces.
//!
//! # Guarantees
//!
//! - Nothing is read or written through a symbolic link at the end of a path, nor through one in it that leads out of the
//!   place it is named from: where the program runs, or above that, as far as the path begins with `..`. An absolute path
//!   to somewhere else is what the user means. [`stays_inside`] keeps the same promise for a narrower place.
//! - Only regular files are opened. Opening never blocks, also not on a pipe, and a read ends at its limit.
//! - [`replace`] and [`write_own`] are atomic: at every moment the file is the old one or the new one, and whole.
//! - [`write_own`] replaces nothing but a file of the same kind.
//! - Every error names the file. A refusal is a [`Refused`], which [`Refused::of`] finds in the [`io::Error`].
//!
//! # Assumptions
//!
//! - Nobody changes folders into links while a command runs: the danger is in what was checked out before.

use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;

use crate::inert::shell_path;

/// The limit of a file that people write: settings and overlays. In bytes.
pub const SETTINGS: u64 = 1 << 20;

/// The limit of a file that the program writes: states, journals, histories, saved plans. In bytes.
pub const RECORDS: u64 = 64 << 20;

/// Why a file is not opened or not replaced, although that would be possible.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{} is a symbolic link, and links are not followed", path.display())]
    Link { path: PathBuf },
    #[error("{} is not a regular file", path.display())]
    Special { path: PathBuf },
    #[error("{} is larger than {} MiB", path.display(), limit >> 20)]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("{} leads out of {}", path.display(), base.display())]
    Outside { path: PathBuf, base: PathBuf },
    #[error("{} exists and is not {}", path.display(), kind.name)]
    Foreign { path: PathBuf, kind: &'static Kind },
}

impl Refused {
    /// A stable word for all of them.
    pub const CODE: &str = "file-refused";

    /// The refusal in an error of this module.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Link { path } => {
                let path = shell_path(path);
                format!("put the file itself in the place of the link; `ls -l {path}` shows where it leads")
            }
            Self::Special { .. } => "pipes, devices and folders are not read; write the content into a file".to_owned(),
            Self::TooLarge { .. } => "no file of this kind is that large; look at what is in it".to_owned(),
            Self::Outside { path, .. } => {
                let path = shell_path(path);
                format!(
                    "`ls -l {path}` shows the link; if that place is meant, name it on the command line as it is, without the link"
                )
            }
            Self::Foreign { kind, .. } => {
                format!("choose another name with {}, or move that file away", kind.option)
            }
        }
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    /// Made if it is missing; every write goes to its end.
    Append,
    /// Made if it is missing; its content stays until it is written over.
    Update,
}

/// Opens a regular file.
///
/// # Errors
///
/// [`Refused::Link`], [`Refused::Special`], [`Refused::Outside`], or what the system says.
pub fn open(path: &Path, access: Access) -> io::Result<fs_err::File> {
    stays_where_it_is_named(path)?;
    let mut options = fs_err::OpenOptions::new();
    options.read(true);
    match access {
        Access::Read => {}
        Access::Append => _ = options.append(true).create(true),
        Access::Update => _ = options.write(true).create(true).truncate(false),
    }
    // Without blocking, and without becoming the terminal of this process.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
    let special = || Refused::Special { path: path.to_owned() };
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(special().into()),
        // The system has many words for opening something that is no file.
        Err(error) => match fs_err::symlink_metadata(path) {
            Ok(there) if there.is_symlink() => Err(Refused::Link { path: path.to_owned() }.into()),
            Ok(there) if !there.is_file() => Err(special().into()),
            _ => Err(error),
        },
    }
}

/// Makes a file that must not exist yet, not even as a link, with this content.
///
/// # Errors
///
/// `AlreadyExists`, [`Refused::Outside`], or what else the system says.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    stays_where_it_is_named(path)?;
    fs_err::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

/// Makes a folder, and those above it that are missing.
///
/// # Errors
///
/// [`Refused::Outside`], or what the system says.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    // Any name in it stands for the folder.
    stays_where_it_is_named(&folder.join("x"))?;
    fs_err::create_dir_all(openable(folder))
}

/// The content of a regular file, if it is no larger than `limit`.
///
/// # Errors
///
/// As [`open`], and [`Refused::TooLarge`].
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path, Access::Read)?;
    let too_large = || Refused::TooLarge { path: path.to_owned(), limit };
    if file.metadata()?.len() > limit {
        return Err(too_large().into());
    }
    let mut bytes = Vec::new();
    // It may have grown since.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large().into()) } else { Ok(bytes) }
}

/// The same as text.
///
/// # Errors
///
/// As [`read`], and for what is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("{}:{line}: this is not UTF-8", path.display()))
    })
}

/// Refuses a `path` below `base` that leads out of it by a link. `base` itself may be behind links; what does not exist
/// yet leads nowhere.
///
/// # Errors
///
/// [`Refused::Outside`], or what the system says.
pub fn stays_inside(base: &Path, path: &Path) -> io::Result<()> {
    let Some(base_there) = real(base)? else { return Ok(()) };
    let mut part = path;
    loop {
        match fs_err::symlink_metadata(openable(part)) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match part.parent() {
                Some(parent) => part = parent,
                None => return Ok(()),
            },
            Err(error) => return Err(error),
        }
    }
    match real(part)? {
        Some(there) if there.starts_with(&base_there) => Ok(()),
        _ => Err(Refused::Outside { path: part.to_owned(), base: openable(base).to_owned() }.into()),
    }
}

/// Refuses a path of which a folder is a link that leads out of the place the path is named from.
fn stays_where_it_is_named(path: &Path) -> io::Result<()> {
    // Most files have no folder on their way.
    if folder_of(path) == Path::new(".") { Ok(()) } else { stays_below(&fs_err::canonicalize(".")?, path) }
}

/// The same for a program that runs in `here`, which is behind no link.
fn stays_below(here: &Path, path: &Path) -> io::Result<()> {
    let folder = folder_of(path);
    let (base, named, rest) = if folder.is_absolute() {
        let is_here = |above: &&Path| fs_err::canonicalize(above).is_ok_and(|there| there == here);
        let Some(above) = folder.ancestors().find(is_here) else { return Ok(()) };
        (here.to_owned(), above.to_owned(), folder.strip_prefix(above).unwrap_or(folder).to_owned())
    } else {
        let (mut base, mut named, mut rest) = (here.to_owned(), PathBuf::new(), folder.components());
        loop {
            match rest.clone().next() {
                Some(Component::ParentDir) => _ = base.pop(),
                Some(Component::CurDir) => {}
                _ => break,
            }
            named.extend(rest.next());
        }
        (base, named, rest.as_path().to_owned())
    };
    // Behind a folder, `..` leads to where the user says, whatever that folder is.
    if rest.as_os_str().is_empty() || rest.components().any(|part| part == Component::ParentDir) {
        return Ok(());
    }
    stays_inside(&base, &base.join(&rest)).map_err(|error| match Refused::of(&error) {
        Some(Refused::Outside { .. }) => {
            Refused::Outside { path: folder.to_owned(), base: openable(&named).to_owned() }.into()
        }
        _ => error,
    })
}

/// Where a path leads; `None` if nothing is there.
fn real(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs_err::canonicalize(openable(path)) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The path of a folder in a form that can be opened: the empty one is where the program runs.
pub fn openable(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The folder a file is in, as a path that can be opened.
pub fn folder_of(path: &Path) -> &Path {
    openable(path.parent().unwrap_or(Path::new("")))
}

/// Makes the names in the folder of `path` durable: a new or renamed file is found again after a power cut.
///
/// # Errors
///
/// The folder cannot be opened or flushed.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    fs_err::File::open(folder_of(path))?.sync_all()
}

/// Gives the file at `path` the content `bytes`, atomically and durably. Keeps the mode of a file that is there.
///
/// # Errors
///
/// [`Refused::Link`], [`Refused::Special`], [`Refused::Outside`], or what the system says. The old file is whole then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    stays_where_it_is_named(path)?;

    let existing = match fs_err::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => return Err(Refused::Link { path: path.to_owned() }.into()),
        Ok(there) if !there.is_file() => return Err(Refused::Special { path: path.to_owned() }.into()),
        Ok(there) => Some(there.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {}", path.display(), reason(&error)));
    // As any new file, less the user's umask.
    let mut temporary = temporary(path, std::fs::Permissions::from_mode(0o666)).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    if let Some(permissions) = existing {
        temporary.as_file().set_permissions(permissions).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(path)
}

/// What the system says, without the name of a temporary file.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at path ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

fn temporary(path: &Path, permissions: std::fs::Permissions) -> io::Result<tempfile::NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".temporary").permissions(permissions);
    builder.tempfile_in(folder_of(path))
}

/// A kind of files that the program writes where it is told to.
#[derive(Debug)]
pub struct Kind {
    /// With its article: `a saved plan`.
    pub name: &'static str,
    /// The option that names such a file.
    pub option: &'static str,
    /// How many bytes tell whether a file is of this kind.
    pub telling: u64,
    /// Whether a file that begins with these bytes is of this kind.
    pub is_ours: fn(&[u8]) -> bool,
}

/// Writes a file that only its owner may read, and leaves it open. Of files that exist, only those of the same kind are
/// replaced, and empty ones.
///
/// # Errors
///
/// [`Refused::Foreign`] and as [`open`]. The old file is whole then.
pub fn write_own(path: &Path, kind: &'static Kind, bytes: &[u8]) -> io::Result<fs_err::File> {
    use std::os::unix::fs::PermissionsExt;

    let exists = match open(path, Access::Read) {
        Ok(file) => {
            let mut head = Vec::new();
            file.take(kind.telling).read_to_end(&mut head)?;
            if !head.is_empty() && !(kind.is_ours)(&head) {
                return Err(Refused::Foreign { path: path.to_owned(), kind }.into());
            }
            true
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot write {}: {}", path.display(), reason(&error)));
    let mut temporary = temporary(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    temporary.write_all(bytes).map_err(failed)?;
    let persisted = if exists { temporary.persist(path) } else { temporary.persist_noclobber(path) };
    let file = persisted.map_err(|error| failed(error.error))?;
    Ok(fs_err::File::from_parts(file, path))
}

/// Gives a file another name in its folder. What has that name already stays: two files never become one.
///
/// # Errors
///
/// Something has the name, or the file cannot be renamed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    if is_there(to)? {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} exists", to.display())));
    }
    fs_err::rename(from, to)
}

/// Whether something has this name, be it a link to nowhere.
///
/// # Errors
///
/// It cannot be found out.
pub fn is_there(path: &Path) -> io::Result<bool> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use fs_err::os::unix::fs::symlink;

    use super::*;

    const NOTE: Kind = Kind { name: "a note", option: "--note", telling: 4, is_ours: |bytes| bytes == b"note" };

    /// The name of a file is one word of a command that people paste.
    #[test]
    fn a_hint_runs_nothing_that_a_name_says() {
        for (name, word) in [
            ("ops/$(touch PWN).toml", "'ops/$(touch PWN).toml'"),
            ("inst/a;touch PWN;b.toml", "'inst/a;touch PWN;b.toml'"),
            ("a\u{202e}`x`", "'a\\u{202e}`x`'"),
        ] {
            let (path, base) = (PathBuf::from(name), PathBuf::new());
            for refused in [Refused::Link { path: path.clone() }, Refused::Outside { path, base }] {
                assert!(refused.hint().contains(&format!("`ls -l {word}`")), "{}", refused.hint());
            }
        }
    }

    fn refusal<T>(result: io::Result<T>) -> String {
        let error = result.err().expect("refused");
        let refused = Refused::of(&error).unwrap_or_else(|| panic!("{error}"));
        assert!(!refused.hint().is_empty());
        refused.to_string()
    }

    #[test]
    fn links_are_neither_read_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        symlink("target", &link).unwrap();
        for text in ["", "secret"] {
            if !text.is_empty() {
                fs_err::write(&target, text).unwrap();
            }
            for access in [Access::Read, Access::Append, Access::Update] {
                assert!(refusal(open(&link, access)).ends_with("/link is a symbolic link, and links are not followed"));
            }
            assert!(refusal(replace(&link, b"new")).ends_with("links are not followed"));
            assert!(refusal(write_own(&link, &NOTE, b"note")).ends_with("links are not followed"));
            assert_eq!(fs_err::read_to_string(&target).unwrap_or_default(), text);
        }
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays behind");
    }

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        for path in [&pipe, Path::new("/dev/zero"), folder.path()] {
            assert!(refusal(read(path, SETTINGS)).ends_with(" is not a regular file"), "{path:?}");
            assert!(refusal(open(path, Access::Append)).ends_with(" is not a regular file"), "{path:?}");
            assert!(refusal(replace(path, b"new")).ends_with(" is not a regular file"), "{path:?}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs_err::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert_eq!(read(&path, SETTINGS).unwrap().len(), 1 << 20);
        fs_err::write(&path, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(refusal(read(&path, SETTINGS)).ends_with("/file is larger than 1 MiB"));
        fs_err::write(&path, b"a\nb\xff").unwrap();
        assert!(read_text(&path, SETTINGS).unwrap_err().to_string().ends_with("/file:2: this is not UTF-8"));
    }

    #[test]
    fn folders_may_be_links_only_within_the_project() {
        let (outer, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let project = outer.path().join("project");
        fs_err::create_dir_all(project.join("real/deep")).unwrap();
        symlink("real", project.join("inner")).unwrap();
        symlink(elsewhere.path(), project.join("out")).unwrap();
        symlink("../..", project.join("up")).unwrap();
        symlink("/nowhere/at/all", project.join("dangling")).unwrap();
        symlink("project", outer.path().join("alias")).unwrap();
        for base in [&project, &outer.path().join("alias")] {
            for path in ["real", "inner", "inner/deep", "missing", "missing/deeper", "real/missing", ""] {
                stays_inside(base, &base.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
            for path in ["out", "out/sandbox", "up", "up/x", "dangling", "dangling/x"] {
                assert!(refusal(stays_inside(base, &base.join(path))).contains(" leads out of "), "{path}");
            }
        }
        stays_inside(&outer.path().join("missing"), &outer.path().join("missing/state")).unwrap();
    }

    #[test]
    fn a_folder_on_the_way_leads_nowhere_else() {
        let (outer, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outer = fs_err::canonicalize(outer.path()).unwrap();
        let here = outer.join("project");
        fs_err::create_dir_all(here.join("real")).unwrap();
        symlink("real", here.join("inner")).unwrap();
        symlink(elsewhere.path(), here.join("out")).unwrap();
        symlink(elsewhere.path(), outer.join("beside")).unwrap();
        symlink("project", outer.join("alias")).unwrap();
        let checked = |path: &str| stays_below(&here, Path::new(path));
        let absolute = |path: &str| stays_below(&here, &outer.join(path));
        let typed =
            ["x", "real/x", "./real/x", "inner/x", "new/deeper/x", "../x", "../alias/x", "out/../x", "real/../out/x"];
        for path in typed {
            checked(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        for path in ["project/real/x", "alias/inner/x", "project/x", "beside/x"] {
            absolute(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        stays_below(&here, &elsewhere.path().join("x")).unwrap();
        assert_eq!(refusal(checked("out/x")), "out leads out of .");
        assert_eq!(refusal(checked("./out/deeper/x")), "./out/deeper leads out of .");
        assert_eq!(refusal(checked("../beside/x")), "../beside leads out of ..");
        for path in ["project/out/x", "alias/out/x"] {
            assert!(refusal(absolute(path)).contains("/out leads out of "), "{path}");
        }
    }

    #[test]
    fn an_error_names_the_file_and_no_temporary_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/file");
        for error in [replace(&path, b"new").unwrap_err(), write_own(&path, &NOTE, b"note").unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("/missing/file: ") && !text.contains(".temporary"), "{text}");
        }
    }

    #[test]
    fn a_replaced_file_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, b"one").unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
    }

    #[test]
    fn only_files_of_the_same_kind_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for _ in 0..2 {
            let mut file = write_own(&path, &NOTE, b"note").unwrap();
            file.write_all(b" more").unwrap();
            assert_eq!(fs_err::read(&path).unwrap(), b"note more");
            assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs_err::write(&path, "").unwrap();
        write_own(&path, &NOTE, b"note").unwrap();
        fs_err::write(&path, "diary").unwrap();
        assert!(refusal(write_own(&path, &NOTE, b"note")).ends_with("/file exists and is not a note"));
        assert_eq!(fs_err::read(&path).unwrap(), b"diary");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
