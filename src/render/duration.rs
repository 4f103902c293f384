//! Durations in words.

use std::time::Duration;

/// What is expected, which nobody knows exactly: `under a minute`, `about 6 min`, `about 1 h 20 min`.
pub fn about(seconds: u64) -> String {
    match seconds {
        0..60 => "under a minute".to_owned(),
        _ => format!("about {}", minutes((seconds + 30) / 60)),
    }
}

/// What was measured: `20 s`, `4 min`, `4 min 10 s`, `1 h 5 min`.
pub fn exact(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (whole @ 1..10, rest @ 1..) => format!("{whole} min {rest} s"),
        (whole, _) => minutes(whole),
    }
}

fn minutes(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_round() {
        let words: Vec<String> = [0, 59, 60, 95, 360, 4800, 7200].into_iter().map(about).collect();
        assert_eq!(
            words,
            [
                "under a minute",
                "under a minute",
                "about 1 min",
                "about 2 min",
                "about 6 min",
                "about 1 h 20 min",
                "about 2 h"
            ]
        );
    }

    #[test]
    fn measurements_say_seconds_while_they_matter() {
        let words: Vec<String> =
            [0, 20, 60, 250, 610, 3900].into_iter().map(|seconds| exact(Duration::from_secs(seconds))).collect();
        assert_eq!(words, ["0 s", "20 s", "1 min", "4 min 10 s", "10 min", "1 h 5 min"]);
    }
}
