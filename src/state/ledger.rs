//! The ledger: journal and state file while one command changes an instance, written in the right order.
//!
//! # Guarantees
//!
//! - [`Ledger::record`] gathers, [`Ledger::flush`] brings what is gathered to the disk: one write for all that happens
//!   together.
//! - [`Ledger::begin`] leaves nothing of an older journal behind that the state file does not hold.
//! - The journal promises a state before it is written, so at every moment the two files fit together.
//! - [`Ledger::save`] may skip a write: what it skips is in the journal. All writes of the state together are
//!   proportional to what the journal took, however many resources there are. [`Ledger::close`] always writes.
//! - After a failed write nothing is recorded any more, and [`Ledger::close`] leaves the journal where it is.
//!
//! # Assumptions
//!
//! - The caller holds the lock.

use std::io;

use crate::address::Address;
use crate::state::{Journal, JournalError, Paths, Progress, Record, State, StateError};

/// What may be written into state files before the journal has to pay for it: for an instance of usual size, a write at
/// every milestone. In bytes.
const ALLOWANCE: usize = 32 << 20;

/// How many bytes of state files each byte of the journal pays for.
const STATE_PER_JOURNAL: usize = 4;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("making the state folder failed")]
    Folder(#[source] io::Error),
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// So many records, into the journal.
    Records(usize),
    /// The state file.
    State,
    /// The journal goes away.
    Remove,
}

/// A moment of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Before(Write),
    After(Write),
}

/// Somebody who is told of every write, before and after it, and may let it fail: a test, that looks at what is on the
/// disk at that moment, or plays a disk that is full.
pub type Watch = Box<dyn FnMut(Moment) -> io::Result<()> + Send>;

/// Journal and state file of one running command.
pub struct Ledger {
    paths: Paths,
    journal: Journal,
    /// Bytes that may go into state files.
    credit: usize,
    /// Size of the last state file written.
    last_size: usize,
    watch: Option<Watch>,
    failed: bool,
}

impl Ledger {
    /// Begins a command that changes what `state` describes. `on_disk` is the digest of the state file, if there is
    /// one; `left_behind`: the state holds more than that, folded from a journal. Then it is written first.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]. The files still fit together.
    pub fn begin(
        paths: &Paths,
        state: &mut State,
        on_disk: Option<&str>,
        watch: Option<Watch>,
    ) -> Result<Self, LedgerError> {
        paths.make_folder().map_err(LedgerError::Folder)?;
        State::back_up(&paths.state(), &paths.backup())?;
        let (journal, reading) = Journal::open(&paths.journal())?;
        if let Some(Record::Begin { serial, .. }) = reading.entries.first().map(|entry| &entry.record) {
            // A run that died before it wrote a state has used this serial: client tokens are made of it, and AWS would
            // take a new request with an old token for the old request.
            state.serial = state.serial.max(*serial);
        }
        state.advance();
        let mut ledger = Self { paths: paths.clone(), journal, credit: ALLOWANCE, last_size: 0, watch, failed: false };
        let mut base = on_disk.map(str::to_owned);
        if !reading.entries.is_empty() {
            ledger.write(state)?;
            base = Some(state.digest());
            // The new journal goes on from this state, so this is the one to take back if the file gets lost.
            State::back_up(&paths.state(), &paths.backup())?;
            ledger.remove()?;
            ledger.journal = Journal::open(&paths.journal())?.0;
        }
        ledger.record(Record::Begin { lineage: state.lineage.clone(), serial: state.serial, base })?;
        ledger.flush()?;
        Ok(ledger)
    }

    /// Adds a record to those that are flushed next.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`].
    pub fn record(&mut self, record: Record) -> Result<(), JournalError> {
        self.journal.append(record)
    }

    /// Brings everything that was recorded to the disk.
    ///
    /// # Errors
    ///
    /// As [`Journal::flush`].
    pub fn flush(&mut self) -> Result<(), JournalError> {
        let write = match self.journal.gathered() {
            0 => return Ok(()),
            count => Write::Records(count),
        };
        self.watched(Moment::Before(write)).map_err(|source| self.journal.cannot("write", source))?;
        let bytes = self.journal.flush()?;
        self.credit = self.credit.saturating_add(bytes.saturating_mul(STATE_PER_JOURNAL));
        self.watched(Moment::After(write)).map_err(|source| self.journal.cannot("write", source))
    }

    /// Writes the state, unless so much of it was written lately that the journal has to be enough for now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]. The old state file and the journal are whole.
    pub fn save(&mut self, state: &State) -> Result<(), LedgerError> {
        if self.last_size > self.credit {
            return Ok(());
        }
        self.write(state)
    }

    /// Writes the state, and takes the journal away if nothing in it is still open.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]. The journal stays then, and the next command folds it.
    pub fn close(mut self, state: &State) -> Result<(), LedgerError> {
        self.write(state)?;
        if self.failed || self.journal.has_open() {
            return Ok(());
        }
        self.remove()?;
        Ok(())
    }

    /// How far the last operation on an address has come.
    pub fn progress(&self, address: &Address) -> &Progress {
        self.journal.progress(address)
    }

    fn write(&mut self, state: &State) -> Result<(), LedgerError> {
        let path = self.paths.state();
        let prepared = state.prepare(&path)?;
        self.record(Record::Checkpoint { serial: state.serial, digest: prepared.digest().to_owned() })?;
        self.flush()?;
        let failure = |source| StateError::Io { action: "write", path: path.clone(), source };
        self.watched(Moment::Before(Write::State)).map_err(failure)?;
        if let Err(error) = prepared.write(&path) {
            self.failed = true;
            return Err(error.into());
        }
        self.credit = self.credit.saturating_sub(prepared.size());
        self.last_size = prepared.size();
        self.watched(Moment::After(Write::State)).map_err(failure)?;
        Ok(())
    }

    fn remove(&mut self) -> Result<(), JournalError> {
        self.watched(Moment::Before(Write::Remove)).map_err(|source| self.journal.cannot("remove", source))?;
        self.journal.remove()?;
        self.watched(Moment::After(Write::Remove)).map_err(|source| self.journal.cannot("remove", source))
    }

    fn watched(&mut self, moment: Moment) -> io::Result<()> {
        let told = match &mut self.watch {
            Some(watch) => watch(moment),
            None => Ok(()),
        };
        self.failed |= told.is_err();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path(), "social");
        (folder, paths)
    }

    #[test]
    fn a_serial_is_used_by_one_run_only() {
        let (_folder, paths) = folder();
        let mut first = State::new("l", "social", "eu-central-1");
        // It dies before it has written a state.
        drop(Ledger::begin(&paths, &mut first, None, None).unwrap());
        assert_eq!(first.serial, 1);
        let mut second = State::new("l", "social", "eu-central-1");
        let ledger = Ledger::begin(&paths, &mut second, None, None).unwrap();
        assert_eq!(second.serial, 2, "its client tokens are others");
        ledger.close(&second).unwrap();
        assert_eq!(State::read(&paths.state()).unwrap().map(|state| state.serial), Some(2));
        assert!(!paths.journal().exists());
    }

    #[test]
    fn what_a_journal_knew_is_written_before_the_next_one_begins() {
        let (_folder, paths) = folder();
        let mut state = State::new("l", "social", "eu-central-1");
        drop(Ledger::begin(&paths, &mut state, None, None).unwrap());
        assert_eq!(State::read(&paths.state()).unwrap(), None);
        drop(Ledger::begin(&paths, &mut state, None, None).unwrap());
        let written = State::read(&paths.state()).unwrap().expect("written");
        let entries = Journal::read(&paths.journal()).unwrap().entries;
        let base = match &entries[0].record {
            Record::Begin { base, .. } => base.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!((entries.len(), base), (1, Some(written.digest())));
        assert_eq!(
            State::read(&paths.backup()).unwrap(),
            Some(written),
            "what the journal goes on from can be taken back"
        );
    }

    #[test]
    fn writes_of_the_state_stay_in_proportion_to_the_journal() {
        let (_folder, paths) = folder();
        let mut state = State::new("l", "social", "eu-central-1");
        state.settings = crate::value::Tree::Text("x".repeat(1 << 20));
        let mut ledger = Ledger::begin(&paths, &mut state, None, None).unwrap();
        let mut writes = 0;
        for serial in 0..100 {
            state.serial = 10 + serial;
            ledger.save(&state).unwrap();
            writes += u32::from(State::read(&paths.state()).unwrap().map(|found| found.serial) == Some(state.serial));
        }
        assert!((25..40).contains(&writes), "{writes} of a megabyte each");
        ledger.close(&state).unwrap();
        assert_eq!(State::read(&paths.state()).unwrap(), Some(state), "the last one is always written");
    }
}
