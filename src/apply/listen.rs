//! What programs print while they are waited for, told line by line to whoever wants to hear it.
//!
//! A program is heard when it is looked at, one question at a time, and a last time after its end: its last lines come a
//! moment later. Nothing waits for it, and that nobody can read it fails nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::call;
use super::engine::Engine;
use super::event::Event;
use crate::provider::Printed;

/// From the end of a program until its last lines are asked for, in the cloud's time.
const LAST_LINES: Duration = Duration::from_secs(2);

/// How far each program was heard, by step.
#[derive(Default)]
pub struct Ears {
    heard: BTreeMap<usize, Heard>,
}

#[derive(Default)]
struct Heard {
    /// From where to ask for more.
    next: Option<String>,
    /// A question is on its way.
    is_asked: bool,
    /// It has ended meanwhile: one more question has to follow.
    is_last: bool,
    /// Nobody can read it.
    is_deaf: bool,
}

impl Ears {
    /// Another program begins in the place of one that has ended.
    pub(super) fn forget(&mut self, index: usize) {
        self.heard.remove(&index);
    }
}

impl Engine<'_> {
    /// Asks what a program has printed, if anybody wants to hear it.
    pub(super) fn listen(&mut self, index: usize) {
        self.ask_for_lines(index, Duration::ZERO);
    }

    /// Asks once more after its end.
    pub(super) fn listen_to_the_end(&mut self, index: usize) {
        if let Some(heard) = self.ears.heard.get_mut(&index) {
            // What was asked before the end may miss the last lines.
            heard.is_last = heard.is_asked;
            self.ask_for_lines(index, LAST_LINES.div_f64(self.run.provider.time_lapse()));
        }
    }

    fn ask_for_lines(&mut self, index: usize, after: Duration) {
        let prints = self.resource_type(index).is_some_and(|resource_type| resource_type.once);
        if !prints || !self.run.progress.listens() {
            return;
        }
        let Some(target) = self.poll_target(index) else { return };
        let heard = self.ears.heard.entry(index).or_default();
        if !heard.is_asked && !heard.is_deaf {
            heard.is_asked = true;
            let from = heard.next.clone();
            self.tasks.spawn(call::printed(Arc::clone(&self.run.provider), index, target, from, after));
        }
    }

    /// Tells what was printed; `None` if nobody can read it.
    pub(super) fn heard(&mut self, index: usize, printed: Option<Printed>) {
        let address = self.steps.step(index).address.clone();
        let Some(heard) = self.ears.heard.get_mut(&index) else { return };
        heard.is_asked = false;
        let Some(printed) = printed else {
            heard.is_deaf = true;
            return;
        };
        let (is_all, is_last) = (printed.lines.is_empty(), std::mem::take(&mut heard.is_last));
        heard.next = printed.next;
        for line in printed.lines {
            self.tell(Event::Printed { address: address.clone(), line });
        }
        if is_last {
            self.ask_for_lines(index, LAST_LINES.div_f64(self.run.provider.time_lapse()));
        } else if !is_all {
            self.listen(index);
        }
    }
}
