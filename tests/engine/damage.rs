//! Damaged files and full disks: always recovered or clearly refused, never taken for something else.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mastoform::apply::Outcome;
use mastoform::session;
use mastoform::state::{Journal, JournalError, Moment, Watch, Write};

use super::completed;
use super::crash::{DEBUG, Deed, Watched, World, put_back, remembered, watched};
use crate::support::instance::{EXAMPLE, Instance, example};
use crate::support::say;

const JOURNAL: &str = "social.journal";

fn journal(world: &World) -> &[u8] {
    world.files.get(Path::new(JOURNAL)).map(Vec::as_slice).unwrap_or_default()
}

fn maintenance() -> Deed {
    Deed::apply(&example(&[DEBUG]))
}

/// What reading the state folder of a world says, with another journal in it.
fn reading(world: &World, journal: &[u8]) -> (Instance, Result<usize, String>) {
    let instance = Instance::with(world.sim.copy());
    put_back(&world.files, instance.folder.path());
    fs_err::write(instance.paths().journal(), journal).expect("written");
    let read = session::read_state(&instance.paths(), "social", "eu-central-1", "lineage");
    let read = read.map(|remembered| remembered.entries.len()).map_err(|error| error.to_string());
    (instance, read)
}

/// Records that were being written when the program died are as good as not begun: whatever was written of them, the
/// journal reads as before. From there the sweep over every moment recovers.
#[tokio::test(start_paused = true)]
async fn a_journal_torn_at_any_byte_reads_as_before_the_write() {
    let Watched { worlds, .. } = watched(&[EXAMPLE], &maintenance()).await;
    let mut torn = 0;
    for pair in worlds.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        let is_record = after.label.starts_with("After(Records(");
        if !is_record {
            continue;
        }
        let (folder, whole) = (tempfile::tempdir().expect("a folder"), journal(after));
        let path = folder.path().join(JOURNAL);
        fs_err::write(&path, journal(before)).expect("written");
        let known = Journal::read(&path).expect("whole").entries;
        // Without its newline alone the record is whole.
        for length in journal(before).len()..whole.len() - 1 {
            fs_err::write(&path, &whole[..length]).expect("written");
            let read = Journal::read(&path).unwrap_or_else(|error| panic!("{} at {length}: {error}", after.label));
            assert_eq!(read.entries, known, "{} at {length}", after.label);
            torn += 1;
        }
    }
    assert!(torn > 1_000, "{torn}");
    say(&format!("truncations tried: {torn}"));
}

/// What was on the disk once and is not any more is noticed, because the state file was promised in the journal.
#[tokio::test(start_paused = true)]
async fn a_journal_that_lost_its_end_is_refused() {
    let Watched { worlds, .. } = watched(&[EXAMPLE], &maintenance()).await;
    let last = worlds.iter().rev().find(|world| world.label == "Before(Remove)").expect("the journal's last moment");
    let whole = journal(last);
    let ends: Vec<usize> = (1..whole.len()).filter(|at| whole[at - 1] == b'\n').collect();
    assert!(ends.len() > 10, "{}", ends.len());
    for end in &ends {
        let (instance, read) = reading(last, &whole[..*end]);
        let message = read.expect_err("refused");
        assert!(message.contains("does not fit the state file"), "at {end}: {message}");
        assert_eq!(fs_err::read(instance.paths().journal()).expect("there"), whole[..*end], "it is left as it was");
    }
    assert!(reading(last, whole).1.is_ok());
    say(&format!("shortened journals tried: {}", ends.len()));
}

#[tokio::test(start_paused = true)]
async fn a_journal_with_any_line_corrupted_is_refused_or_that_line_was_never_promised() {
    let Watched { worlds, .. } = watched(&[EXAMPLE], &maintenance()).await;
    let mut tried = 0;
    for world in worlds.iter().filter(|world| world.label.starts_with("after ") || world.label == "Before(Remove)") {
        let whole = journal(world).to_vec();
        let lines = whole.split_inclusive(|byte| *byte == b'\n').count();
        let mut start = 0;
        for (number, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
            for at in [0, line.len() / 2, line.len() - 2] {
                let mut damaged = whole.clone();
                damaged[start + at] ^= 0x01;
                let (_, read) = reading(world, &damaged);
                tried += 1;
                match read {
                    Err(message) if number + 1 < lines => {
                        assert!(message.contains(&format!("{JOURNAL}:{}: ", number + 1)), "{message}");
                    }
                    Err(message) => assert!(message.contains("does not fit the state file"), "{message}"),
                    Ok(entries) => assert_eq!((entries, number + 1), (lines - 1, lines), "{}", world.label),
                }
            }
            start += line.len();
        }
    }
    assert!(tried > 100, "{tried}");
    say(&format!("corrupted lines tried: {tried}"));
}

/// The way out that the message names: without the journal, what it alone knew is found by its name and its tags.
#[tokio::test(start_paused = true)]
async fn without_its_journal_an_instance_is_still_found() {
    let deed = Deed::apply(EXAMPLE);
    let Watched { worlds, cloud, .. } = watched(&[], &deed).await;
    let mut lost = 0;
    for world in worlds.iter().filter(|world| world.label.starts_with("after ")) {
        let instance = Instance::with(world.sim.copy());
        put_back(&world.files, instance.folder.path());
        fs_err::remove_file(instance.paths().journal()).expect("removed");
        completed(Some(deed.happens(&instance, instance.sim.clone(), None).await));
        assert_eq!(instance.sim.snapshot(false), cloud, "{}", world.label);
        lost += 1;
    }
    assert!(lost > 50, "{lost}");
    say(&format!("lost journals tried: {lost}"));
}

/// A disk that fails at the `nth` write after the beginning, and from then on always or only once.
fn failing(nth: usize, for_ever: bool) -> (Watch, Arc<AtomicUsize>) {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&writes);
    let mut begun = false;
    let watch: Watch = Box::new(move |moment| {
        match moment {
            // The first record is that it begins.
            Moment::After(Write::Records(_)) if !begun => begun = true,
            Moment::Before(_) if begun => {
                let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
                if number == nth || (for_ever && number > nth) {
                    return Err(io::Error::from(io::ErrorKind::StorageFull));
                }
            }
            _ => {}
        }
        Ok(())
    });
    (watch, writes)
}

/// Whichever write fails: the run halts and says so, nothing is lost, and the next run completes it.
async fn a_full_disk_at_every_write(story: &str, before: &[&str], deed: Deed) {
    let Watched { cloud, state, .. } = watched(before, &deed).await;
    let mut tried = 0;
    for for_ever in [true, false] {
        for nth in 1.. {
            let instance = Instance::on_virtual_time();
            for text in before {
                completed(instance.go(text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
            }
            let (watch, writes) = failing(nth, for_ever);
            let outcome = deed.happens(&instance, instance.sim.clone(), Some(watch)).await;
            if writes.load(Ordering::Relaxed) < nth {
                completed(Some(outcome));
                break;
            }
            let Outcome::Halted(report) = outcome else { panic!("{story}: write {nth} failed, and: {outcome:?}") };
            let unsaved = report.unsaved.expect("it says so");
            assert!(!unsaved.because.is_empty());
            if let Some(content) = unsaved.content {
                assert!(content.ends_with("}\n"), "{content}");
            }
            completed(Some(deed.happens(&instance, instance.sim.clone(), None).await));
            assert_eq!(instance.sim.snapshot(false), cloud, "{story}: write {nth}");
            assert_eq!(remembered(&instance), state, "{story}: write {nth}");
            tried += 1;
        }
    }
    assert!(tried > 20, "{tried}");
    say(&format!("failing writes tried: {tried} ({story})"));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_during_a_change_of_mode_loses_nothing() {
    a_full_disk_at_every_write("mode change", &[EXAMPLE], maintenance()).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_during_a_replacement_loses_nothing() {
    let edited = format!("{EXAMPLE}\n[web]\nport = 3001\n");
    a_full_disk_at_every_write("replacement", &[EXAMPLE], Deed::apply(&edited)).await;
}

/// A state file that was taken back, as by `git checkout`, while a journal is there: to the one the run began with, or
/// to one it has written, the journal tells the rest; any other is refused.
#[tokio::test(start_paused = true)]
async fn a_state_file_taken_back_to_an_earlier_one_of_the_run_is_brought_forward_again() {
    let deed = maintenance();
    let Watched { worlds, cloud, state } = watched(&[EXAMPLE], &deed).await;
    let state_path = Path::new("social.json");
    let first = worlds.first().and_then(|world| world.files.get(state_path)).expect("the state before").clone();
    let late = worlds.iter().rev().find(|world| world.label == "Before(Remove)").expect("the last moment");
    let mut earlier: Vec<Vec<u8>> = worlds.iter().filter_map(|world| world.files.get(state_path).cloned()).collect();
    earlier.dedup();
    assert!(earlier.len() > 5, "{}", earlier.len());
    for bytes in &earlier {
        let instance = Instance::with(late.sim.copy());
        put_back(&late.files, instance.folder.path());
        fs_err::write(instance.paths().state(), bytes).expect("written");
        completed(Some(deed.happens(&instance, instance.sim.clone(), None).await));
        assert_eq!(instance.sim.snapshot(false), cloud);
        assert_eq!(remembered(&instance), state);
    }
    let instance = Instance::with(late.sim.copy());
    put_back(&late.files, instance.folder.path());
    let mut other = mastoform::state::State::parse(state_path, &first).expect("a state");
    other.serial += 7;
    fs_err::write(instance.paths().state(), other.text()).expect("written");
    let refused = session::read_state(&instance.paths(), "social", "eu-central-1", "l").expect_err("refused");
    assert!(matches!(refused, session::SessionError::Journal(JournalError::OtherState { .. })), "{refused}");
    say(&format!("earlier states tried: {}", earlier.len()));
}
