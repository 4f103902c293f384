//! Steps that are under way, and when each is looked at next.
//!
//! A look asks for everything of one kind that is waited for: [`Flights::due`] hands out whole kinds. No clock and no
//! calls, only counting; nothing here takes longer because more is under way.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use crate::address::TypeName;

/// What one look asks for: a type in a region.
pub type Kind = (TypeName, String);

/// A step that has begun.
pub struct Flight {
    pub since: Instant,
    /// The status that was last told of it.
    pub status: Option<String>,
    /// What a person has to do before it goes on.
    pub advice: Option<String>,
    /// Why its call was tried again last.
    refusal: Option<String>,
    phase: Phase,
}

/// What a step is waiting for.
enum Phase {
    /// The answer to a call.
    Call,
    /// The time of its next look.
    Pause { kind: Kind, due: Instant, delete_again: bool },
    /// What a look shows.
    Look { delete_again: bool },
}

/// All steps that are under way, by their number.
#[derive(Default)]
pub struct Flights {
    flights: BTreeMap<usize, Flight>,
    /// Those that pause, by what they are.
    agenda: BTreeMap<Kind, BTreeSet<(Instant, usize)>>,
    /// Those whose call is not answered.
    calls: usize,
}

impl Flights {
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    pub fn get(&self, step: usize) -> Option<&Flight> {
        self.flights.get(&step)
    }

    pub fn steps(&self) -> impl Iterator<Item = usize> {
        self.flights.keys().copied()
    }

    /// How many wait for the answer to a call.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Says whether a step waits for the answer to a call.
    pub fn is_called(&self, step: usize) -> bool {
        matches!(self.flights.get(&step), Some(Flight { phase: Phase::Call, .. }))
    }

    /// A step begins, with a call.
    pub fn begin(&mut self, step: usize, now: Instant) {
        self.end(step);
        self.flights.insert(step, Flight { since: now, status: None, advice: None, refusal: None, phase: Phase::Call });
        self.calls += 1;
    }

    /// Another call is made for a step.
    pub fn call(&mut self, step: usize) {
        self.enter(step, Phase::Call);
    }

    /// A step is looked at when `due`. With `delete_again` its deletion must be asked for once more then.
    pub fn pause(&mut self, step: usize, kind: Kind, due: Instant, delete_again: bool) {
        self.enter(step, Phase::Pause { kind, due, delete_again });
    }

    /// Notes the status of a step. Whether it is news.
    pub fn tell(&mut self, step: usize, status: &str) -> bool {
        let Some(flight) = self.flights.get_mut(&step) else { return false };
        let is_news = flight.status.as_deref() != Some(status);
        if is_news {
            flight.status = Some(status.to_owned());
        }
        is_news
    }

    /// Notes why the call of a step is tried again. Whether it is news: a deletion may be refused for an hour.
    pub fn refused(&mut self, step: usize, why: &str) -> bool {
        let Some(flight) = self.flights.get_mut(&step) else { return true };
        let is_news = flight.refusal.as_deref() != Some(why);
        if is_news {
            flight.refusal = Some(why.to_owned());
        }
        is_news
    }

    /// Notes what a person has to do before a step goes on, or that nobody has to do anything. Whether it is news.
    pub fn wait(&mut self, step: usize, advice: Option<String>) -> bool {
        let Some(flight) = self.flights.get_mut(&step) else { return false };
        let is_news = flight.advice != advice;
        flight.advice = advice;
        is_news
    }

    /// Whether everything that is under way waits for a person.
    pub fn all_wait(&self) -> bool {
        !self.flights.is_empty() && self.flights.values().all(|flight| flight.advice.is_some())
    }

    /// What waits for a person: the step, and what to do.
    pub fn waiting(&self) -> impl Iterator<Item = (usize, &str)> {
        self.flights.iter().filter_map(|(step, flight)| Some((*step, flight.advice.as_deref()?)))
    }

    /// Whether the deletion of a step must be asked for again, now that it was looked at.
    pub fn must_delete_again(&self, step: usize) -> bool {
        matches!(self.flights.get(&step), Some(Flight { phase: Phase::Look { delete_again: true }, .. }))
    }

    /// A step is over.
    pub fn end(&mut self, step: usize) -> Option<Flight> {
        self.enter(step, Phase::Look { delete_again: false });
        self.flights.remove(&step)
    }

    /// When the next look is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.agenda.values().filter_map(|dues| dues.first()).map(|(due, _)| *due).min()
    }

    /// The steps to look at now, in one list for each kind: a look that is due takes everything of its kind with it,
    /// also what would be due later. They are being looked at from now on.
    pub fn due(&mut self, now: Instant) -> Vec<Vec<usize>> {
        let is_due = |dues: &BTreeSet<(Instant, usize)>| dues.first().is_some_and(|(due, _)| *due <= now);
        let mut kinds = Vec::new();
        for dues in self.agenda.values().filter(|dues| is_due(dues)) {
            kinds.push(dues.iter().map(|(_, step)| *step).collect::<Vec<_>>());
        }
        for step in kinds.iter().flatten() {
            let delete_again =
                matches!(self.flights.get(step), Some(Flight { phase: Phase::Pause { delete_again: true, .. }, .. }));
            self.enter(*step, Phase::Look { delete_again });
        }
        kinds
    }

    /// Leaves the phase a step is in, and enters another.
    fn enter(&mut self, step: usize, phase: Phase) {
        let Some(flight) = self.flights.get_mut(&step) else { return };
        match &flight.phase {
            Phase::Call => self.calls -= 1,
            Phase::Look { .. } => {}
            Phase::Pause { kind, due, .. } => {
                if let Some(dues) = self.agenda.get_mut(kind) {
                    dues.remove(&(*due, step));
                    if dues.is_empty() {
                        self.agenda.remove(kind);
                    }
                }
            }
        }
        match &phase {
            Phase::Call => self.calls += 1,
            Phase::Look { .. } => {}
            Phase::Pause { kind, due, .. } => {
                self.agenda.entry(kind.clone()).or_default().insert((*due, step));
            }
        }
        flight.phase = phase;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn kind(name: &str, region: &str) -> Kind {
        (TypeName::new("rds", name), region.to_owned())
    }

    #[test]
    fn a_look_takes_everything_of_its_kind_and_nothing_else() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut flights = Flights::default();
        for (step, what, due) in [
            (0, kind("cluster", "here"), 5),
            (1, kind("instance", "here"), 2),
            (2, kind("cluster", "here"), 1),
            (3, kind("cluster", "there"), 9),
        ] {
            flights.begin(step, start);
            flights.pause(step, what, at(due), false);
        }
        assert_eq!(flights.next_due(), Some(at(1)));
        assert_eq!(flights.due(start), Vec::<Vec<usize>>::new());
        assert_eq!(flights.due(at(1)), [[2, 0]], "with what is due later");
        assert_eq!(flights.next_due(), Some(at(2)), "what is looked at is not due again");
        assert_eq!(flights.due(at(9)), [[3], [1]]);
        assert_eq!(flights.next_due(), None);
        flights.pause(2, kind("cluster", "here"), at(12), false);
        flights.pause(2, kind("cluster", "here"), at(11), false);
        assert_eq!(flights.next_due(), Some(at(11)), "the last word counts");
        flights.end(2);
        assert_eq!(flights.next_due(), None, "what is over is not looked at");
        assert_eq!(flights.steps().collect::<Vec<_>>(), [0, 1, 3]);
    }

    #[test]
    fn calls_are_counted() {
        let now = Instant::now();
        let mut flights = Flights::default();
        flights.begin(7, now);
        flights.begin(8, now);
        assert_eq!(flights.calls(), 2);
        flights.pause(7, kind("cluster", "here"), now, true);
        assert_eq!(flights.calls(), 1);
        assert!(!flights.must_delete_again(7), "not before it was looked at");
        assert_eq!(flights.due(now), [[7]]);
        assert!(flights.must_delete_again(7));
        flights.call(7);
        flights.call(7);
        assert_eq!(flights.calls(), 2, "one step makes one call at a time");
        flights.end(7);
        flights.end(8);
        flights.end(8);
        assert_eq!(flights.calls(), 0);
        assert!(flights.is_empty());
    }

    #[test]
    fn a_refusal_is_news_once() {
        let mut flights = Flights::default();
        flights.begin(1, Instant::now());
        assert!(flights.refused(1, "in use by a"));
        assert!(!flights.refused(1, "in use by a"));
        assert!(flights.refused(1, "in use by b"));
        flights.begin(1, Instant::now());
        assert!(flights.refused(1, "in use by b"), "another attempt");
    }

    #[test]
    fn all_wait_for_a_person_only_while_nothing_else_is_under_way() {
        let now = Instant::now();
        let mut flights = Flights::default();
        assert!(!flights.all_wait(), "nothing is under way");
        for step in [1, 2] {
            flights.begin(step, now);
            flights.pause(step, kind("cluster", "here"), now, false);
        }
        assert!(flights.wait(1, Some("sign".to_owned())));
        assert!(!flights.wait(1, Some("sign".to_owned())), "it is no news");
        assert!(!flights.all_wait());
        assert!(flights.wait(2, Some("pay".to_owned())));
        assert!(flights.all_wait());
        assert_eq!(flights.waiting().collect::<Vec<_>>(), [(1, "sign"), (2, "pay")]);
        assert_eq!(flights.due(now), [[1, 2]]);
        assert!(flights.all_wait(), "a look changes nothing by itself");
        flights.end(2);
        assert!(flights.wait(1, None));
        assert!(!flights.all_wait(), "nobody has to do anything any more");
    }

    #[test]
    fn a_status_is_news_once() {
        let mut flights = Flights::default();
        flights.begin(1, Instant::now());
        assert!(flights.tell(1, "creating"));
        assert!(!flights.tell(1, "creating"));
        assert!(flights.tell(1, "available"));
        assert!(!flights.tell(2, "creating"), "it is not under way");
    }
}
