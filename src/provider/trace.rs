//! Every call to a cloud, counted and timed.
//!
//! Owns the log of calls that providers fill, what it adds up to, and its form as JSON lines. The log holds names and
//! numbers only: neither what was sent nor what was answered, so nothing secret can be in it.
//!
//! # Guarantees
//!
//! - A call is in the log, and in the text if there is one, when its caller has its answer.
//! - A text that cannot be written ends the text, and nothing else; [`Calls::lost`] says why.
//!
//! # Assumptions
//!
//! All calls of one log have the same clock.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// One call, with all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As IAM names it: `ec2:DescribeVpcs`.
    pub operation: String,
    pub region: String,
    /// When it began, since the log did.
    pub start: Duration,
    /// From there to the last answer.
    pub duration: Duration,
    /// How much of it was spent waiting for its turn.
    pub waited: Duration,
    /// 1 if the first attempt was the last.
    pub attempts: u32,
    /// Whether the cloud did what was asked.
    pub succeeded: bool,
    /// The cloud's code of an error, where it gave one.
    pub code: Option<String>,
    /// The HTTP status of the last answer; absent if there was none.
    pub status: Option<u16>,
    pub request_id: Option<String>,
}

impl Call {
    /// In one word: `ok`, a code of the cloud, or `unanswered`.
    pub fn outcome(&self) -> &str {
        match (self.succeeded, &self.code, self.status) {
            (true, _, _) => "ok",
            (false, Some(code), _) => code,
            (false, None, Some(_)) => "refused",
            (false, None, None) => "unanswered",
        }
    }

    /// As a line of the text, without its end.
    fn line(&self) -> String {
        let milliseconds = |duration: Duration| (duration.as_secs_f64() * 1e6).round() / 1e3;
        let line = Line {
            operation: &self.operation,
            region: &self.region,
            start_ms: milliseconds(self.start),
            duration_ms: milliseconds(self.duration),
            waited_ms: milliseconds(self.waited),
            attempts: self.attempts,
            outcome: self.outcome(),
            status: self.status,
            request_id: self.request_id.as_deref(),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// A call as the text spells it.
#[derive(Serialize)]
struct Line<'call> {
    operation: &'call str,
    region: &'call str,
    start_ms: f64,
    duration_ms: f64,
    waited_ms: f64,
    attempts: u32,
    outcome: &'call str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'call str>,
}

/// Whether a text begins with a line that a call was written as.
pub fn is_trace(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(serde_json::Value::Object(line)) = serde_json::from_slice(line) else { return false };
    ["operation", "region", "start_ms", "duration_ms", "waited_ms", "attempts", "outcome"]
        .iter()
        .all(|name| line.contains_key(*name))
}

/// A shared log of calls.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    text: Option<Box<dyn Write + Send>>,
    lost: Option<io::Error>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Calls").field(&self.log().calls.len()).finish()
    }
}

impl Calls {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call is also written here, as a line of JSON.
    pub fn write_to(&self, text: Box<dyn Write + Send>) {
        self.log().text = Some(text);
    }

    /// Why the text has an early end, if it has; asked once.
    pub fn lost(&self) -> Option<io::Error> {
        self.log().lost.take()
    }

    /// All calls until now, in the order in which they ended.
    pub fn snapshot(&self) -> Vec<Call> {
        self.log().calls.clone()
    }

    /// What the calls until now add up to; nothing if there was none.
    pub fn summary(&self) -> Option<Summary> {
        Summary::of(&self.log().calls)
    }

    /// Adds a call that has ended.
    pub fn push(&self, call: Call) {
        let mut log = self.log();
        if let Some(text) = &mut log.text {
            let written = text.write_all(format!("{}\n", call.line()).as_bytes()).and_then(|()| text.flush());
            if let Err(error) = written {
                log.text = None;
                log.lost = Some(error);
            }
        }
        log.calls.push(call);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a log adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub calls: usize,
    /// How many different operations they were.
    pub operations: usize,
    /// The most calls of which each began after the one before had ended: no call can have waited for more answers
    /// than these. Calls that follow one another by chance count as well.
    pub chain: usize,
    /// From the first call's beginning to the last answer.
    pub span: Duration,
}

impl Summary {
    /// The summary of some calls; nothing of none.
    pub fn of(calls: &[Call]) -> Option<Self> {
        let start = calls.iter().map(|call| call.start).min()?;
        let end = calls.iter().map(|call| call.start + call.duration).max()?;
        let operations: BTreeSet<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        // Whoever ends first leaves the most room for others.
        let mut by_end: Vec<&Call> = calls.iter().collect();
        by_end.sort_by_key(|call| (call.start + call.duration, call.start));
        let mut chain = 0;
        let mut free = Duration::ZERO;
        for call in by_end {
            if chain == 0 || call.start >= free {
                chain += 1;
                free = call.start + call.duration;
            }
        }
        Some(Self { calls: calls.len(), operations: operations.len(), chain, span: end - start })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, operations, chain, span } = self;
        let plural = |number: &usize| if *number == 1 { "" } else { "s" };
        let (more_calls, more_operations) = (plural(calls), plural(operations));
        let seconds = span.as_secs_f64();
        write!(
            formatter,
            "{calls} call{more_calls} in {operations} operation{more_operations}, longest chain {chain}, {seconds:.1} s"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(operation: &str, start: u64, end: u64) -> Call {
        Call {
            operation: operation.to_owned(),
            region: "eu-central-1".to_owned(),
            start: Duration::from_millis(start),
            duration: Duration::from_millis(end - start),
            waited: Duration::ZERO,
            attempts: 1,
            succeeded: true,
            code: None,
            status: Some(200),
            request_id: None,
        }
    }

    #[test]
    fn the_longest_chain_is_of_calls_that_do_not_overlap() {
        let wave = [call("a", 0, 100), call("b", 5, 130), call("b", 10, 90)];
        let summary = Summary::of(&wave).expect("some calls");
        assert_eq!(summary.to_string(), "3 calls in 2 operations, longest chain 1, 0.1 s");
        let two = [&wave[..], &[call("c", 130, 240), call("d", 95, 400)]].concat();
        assert_eq!(Summary::of(&two).map(|summary| summary.chain), Some(2));
        assert_eq!(
            Summary::of(&[call("a", 0, 1500)]).expect("one").to_string(),
            "1 call in 1 operation, longest chain 1, 1.5 s"
        );
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn a_call_that_took_no_time_is_a_link_too() {
        assert_eq!(Summary::of(&[call("a", 0, 0), call("b", 0, 0)]).map(|summary| summary.chain), Some(2));
    }

    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut text = self.0.lock().unwrap();
            if text.len() > 300 {
                return Err(io::Error::other("full"));
            }
            text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_call_is_a_line_and_a_full_disk_ends_only_the_text() {
        let (calls, text) = (Calls::new(), Text::default());
        calls.write_to(Box::new(text.clone()));
        calls.push(call("ec2:DescribeVpcs", 2, 105));
        let code = Some("InvalidVpcID.NotFound".to_owned());
        calls.push(Call { succeeded: false, code, status: Some(400), ..call("ec2:DescribeSubnets", 105, 210) });
        calls.push(Call { succeeded: false, status: None, attempts: 4, ..call("iam:GetRole", 0, 400) });
        let written = String::from_utf8(text.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(
            lines[0],
            json!({
                "operation": "ec2:DescribeVpcs", "region": "eu-central-1", "start_ms": 2.0, "duration_ms": 103.0,
                "waited_ms": 0.0, "attempts": 1, "outcome": "ok", "status": 200,
            })
        );
        assert_eq!(lines[1]["outcome"], "InvalidVpcID.NotFound");
        assert_eq!(lines.len(), 2, "the disk is full");
        assert_eq!(calls.lost().map(|error| error.to_string()).as_deref(), Some("full"));
        assert_eq!((calls.lost().is_none(), calls.snapshot().len()), (true, 3));
        assert_eq!(calls.snapshot()[2].outcome(), "unanswered");
    }
}
