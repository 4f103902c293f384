//! `apply --json`: the events of an apply as JSON, a line each, on standard output. `docs/json.md` describes them.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::ui::Ui;
use crate::address::Identity;
use crate::apply::{Event, Outcome, Progress};

/// The version of these lines.
pub const FORMAT: u64 = 1;

/// Writes every event as a line.
pub struct Stream<'ui> {
    ui: &'ui Ui,
}

impl<'ui> Stream<'ui> {
    pub fn new(ui: &'ui Ui) -> Self {
        Self { ui }
    }
}

impl Progress for Stream<'_> {
    fn event(&self, event: &Event) {
        let (name, fields) = fields(event);
        // Whoever does not listen any more misses it; the apply goes on.
        let _ = write(self.ui, name, fields);
    }

    fn listens(&self) -> bool {
        self.ui.is_verbose()
    }
}

/// Writes one line: what happened, when, and `fields`.
pub fn write(ui: &Ui, name: &str, fields: Json) -> Result<(), super::CommandError> {
    let mut line = json!({
        "format": FORMAT,
        "event": name,
        "time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    });
    if let (Some(line), Json::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    ui.json_line(&line)
}

fn seconds(duration: Duration) -> Json {
    // A thousandth is more than anybody needs.
    ((duration.as_secs_f64() * 1000.0).round() / 1000.0).into()
}

/// The name of an event and what belongs to it.
fn fields(event: &Event) -> (&'static str, Json) {
    match event {
        Event::Started { address, verb, object, expected } => {
            let fields = json!({"address": address, "verb": verb, "expected_seconds": seconds(*expected)});
            ("started", with_identity(fields, object.as_ref()))
        }
        Event::Status { address, status } => ("status", json!({"address": address, "status": status})),
        Event::Waits { address, advice } => ("waits", json!({"address": address, "advice": advice})),
        Event::Printed { address, line } => ("printed", json!({"address": address, "line": line})),
        Event::Created { address } => ("created", json!({"address": address})),
        Event::Finished { address, verb, object, elapsed } => {
            let fields = json!({"address": address, "verb": verb, "seconds": seconds(*elapsed)});
            ("finished", with_identity(fields, object.as_ref()))
        }
        Event::Retrying { address, reason, after } => {
            ("retrying", json!({"address": address, "reason": reason, "after_seconds": seconds(*after)}))
        }
        Event::Failed { address, message } => ("failed", json!({"address": address, "message": message})),
        Event::Skipped { address, because } => ("skipped", json!({"address": address, "because": because})),
        Event::Stopping { now } => ("stopping", json!({"now": now})),
    }
}

/// A deletion says what AWS calls the object that goes.
fn with_identity(mut fields: Json, object: Option<&Identity>) -> Json {
    if let Some(object) = object {
        fields["identity"] = json!(object);
    }
    fields
}

/// The last line: how it ended.
pub fn summary(outcome: &Outcome, elapsed: Duration, expected: Duration, outputs: &Json) -> Json {
    let report = outcome.report();
    let failed = report.failed.iter().map(|failure| {
        let mut json = json!({"address": failure.address, "message": failure.message});
        if let Some(location) = &failure.location {
            json["location"] = location.to_string().into();
        }
        json
    });
    let failed: Vec<Json> = failed.collect();
    let skipped: Vec<Json> =
        report.skipped.iter().map(|(address, because)| json!({"address": address, "because": because})).collect();
    let done: Vec<Json> = report
        .done
        .iter()
        .map(|done| json!({"address": done.address, "verb": done.verb, "seconds": seconds(done.elapsed)}))
        .collect();
    let waiting: Vec<Json> =
        report.waiting.iter().map(|(address, advice)| json!({"address": address, "advice": advice})).collect();
    json!({
        "outcome": outcome.word(),
        "serial": report.state.serial,
        "seconds": seconds(elapsed),
        "expected_seconds": seconds(expected),
        "done": done,
        "failed": failed,
        "skipped": skipped,
        "pending": report.pending,
        "waiting": waiting,
        "not_started": report.not_started,
        "outputs": outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::apply::{Done, Failure, Report};
    use crate::cli::ui::captured::ui;
    use crate::diagnostic::SourceFile;
    use crate::document;
    use crate::state::State;

    #[test]
    fn every_event_is_a_line_as_the_schema_says() {
        let schema: Json = serde_json::from_str(include_str!("../../docs/schemas/apply.schema.json")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        let address: Address = "ec2.security_group_rule.tasks_egress[\"smtp\"]".parse().expect("an address");
        let text = || "text".to_owned();
        let (verb, time) = ("create", Duration::from_millis(1500));
        let object = Some(Identity::new("sgr-1"));
        let events = [
            Event::Started { address: address.clone(), verb, object: None, expected: time },
            Event::Started { address: address.clone(), verb: "delete", object: object.clone(), expected: time },
            Event::Status { address: address.clone(), status: text() },
            Event::Waits { address: address.clone(), advice: text() },
            Event::Printed { address: address.clone(), line: text() },
            Event::Created { address: address.clone() },
            Event::Finished { address: address.clone(), verb, object: None, elapsed: time },
            Event::Finished { address: address.clone(), verb: "delete", object, elapsed: time },
            Event::Retrying { address: address.clone(), reason: text(), after: time },
            Event::Failed { address: address.clone(), message: text() },
            Event::Skipped { address: address.clone(), because: address.clone() },
            Event::Stopping { now: true },
        ];
        let source = SourceFile::new("mastodon.toml", "[database]\n");
        let location = Some(document::parse(&source).expect("TOML").location);
        let failure = Failure { address: address.clone(), message: text(), credentials: false, location };
        let report = || Report {
            state: State::new("l", "social", "eu-central-1"),
            done: vec![Done { address: address.clone(), verb, elapsed: time }],
            failed: vec![failure.clone()],
            skipped: vec![(address.clone(), address.clone())],
            pending: vec![address.clone()],
            waiting: vec![(address.clone(), text())],
            not_started: vec![address.clone()],
            unsaved: None,
        };
        let (ui, out, _) = ui(false, "");
        let stream = Stream::new(&ui);
        events.iter().for_each(|event| stream.event(event));
        for end in [Outcome::Completed, Outcome::Halted, Outcome::Waiting, Outcome::Interrupted] {
            write(&ui, "summary", summary(&end(report()), time, time, &json!({}))).expect("written");
        }
        let lines = out.take();
        assert_eq!(lines.lines().count(), events.len() + 4);
        for line in lines.lines() {
            let line: Json = serde_json::from_str(line).expect("JSON");
            validator.validate(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        }
        assert!(lines.contains("\"seconds\":1.5"), "{lines}");
    }
}
