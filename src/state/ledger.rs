//! The ledger: journal and state file while one command changes an instance, written in the right order.
//!
//! # Guarantees
//!
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
    /// A record of this kind, into the journal.
    Record(&'static str),
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
            ledger.remove()?;
            ledger.journal = Journal::open(&paths.journal())?.0;
        }
        ledger.record(Record::Begin { lineage: state.lineage.clone(), serial: state.serial, base })?;
        Ok(ledger)
    }

    /// Adds a record to the journal; once this returns it is on the disk.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`].
    pub fn record(&mut self, record: Record) -> Result<(), JournalError> {
        let write = Write::Record(record.word());
        self.watched(Moment::Before(write)).map_err(|source| self.journal.cannot("write", source))?;
        let bytes = self.journal.append(record)?;
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

    /// Takes the journal away without writing anything: for a command that began and then had nothing to do.
    ///
    /// # Errors
    ///
    /// As [`Journal::remove`].
    pub fn abandon(mut self) -> Result<(), JournalError> {
        self.remove()
    }

    /// How far the last operation on an address has come.
    pub fn progress(&self, address: &Address) -> &Progress {
        self.journal.progress(address)
    }

    fn write(&mut self, state: &State) -> Result<(), LedgerError> {
        let path = self.paths.state();
        let prepared = state.prepare(&path)?;
        self.record(Record::Checkpoint { serial: state.serial, digest: prepared.digest().to_owned() })?;
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
