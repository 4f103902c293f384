//! The program killed at any call of an apply and of a destroy, while calls are refused and answers are lost: run again,
//! it always ends in the same account, with nothing twice and nothing left over.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_s3::types::{Tag, Tagging};
use tokio::task::JoinSet;

use super::whole::{left, program, ready, said};
use crate::support::emulator::{Emulator, REGION};
use crate::support::proxy::{Mishap, Proxy};
use crate::support::{moto, say};

/// Kills at most in each of the two halves of a life.
const KILLS: usize = 10;
const LIVES: u64 = 3;

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// An account seen through a proxy in which one call in ten goes wrong.
struct Weather {
    emulator: Emulator,
    /// Calls that change something.
    changes: Arc<AtomicUsize>,
}

/// The lineage of the instance in a folder, from its state or from the journal of its first apply.
fn lineage(folder: &Path) -> Option<String> {
    let texts = ["social.json", "social.journal"].map(|name| fs_err::read_to_string(folder.join("state").join(name)));
    let pattern = regex::Regex::new(r#""lineage": ?"([^"]+)""#).expect("a pattern");
    texts.iter().flatten().find_map(|text| Some(pattern.captures(text)?[1].to_owned()))
}

/// AWS makes the bucket with its tags. The emulator passes over them, so that a program killed in that moment would
/// leave a bucket behind that nobody can know as ours.
pub async fn tag_as_aws_would(emulator: &Emulator, folder: &Path) {
    let Some(lineage) = lineage(folder) else { return };
    let aws = emulator.aws();
    let clients = aws.clients(REGION);
    let bucket = format!("media-of-{}", emulator.account());
    if clients.s3().get_bucket_tagging().bucket(&bucket).send().await.is_ok() {
        return;
    }
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().expect("a tag");
    let tags = [
        tag("mastoform:instance", "social"),
        tag("mastoform:address", "s3.bucket.media"),
        tag("mastoform:lineage", &lineage),
    ];
    let tagging = Tagging::builder().set_tag_set(Some(tags.to_vec())).build().expect("tags");
    // There may be no bucket yet.
    let _ = clients.s3().put_bucket_tagging().bucket(&bucket).tagging(tagging).send().await;
}

pub fn reads(action: &str) -> bool {
    ["Describe", "List", "Get", "GET ", "HEAD "].iter().any(|start| action.starts_with(start))
}

impl Weather {
    fn before(emulator: &Emulator, seed: u64) -> Self {
        let changes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&changes);
        let mut numbers = Numbers(seed);
        let mood = move |action: &str| {
            counted.fetch_add(usize::from(!reads(action)), Ordering::Relaxed);
            let deletes = action.starts_with("Delete");
            match numbers.below(30) {
                0 => Some(Mishap::Refuse("Throttling")),
                1 if deletes && !action.contains(' ') => Some(Mishap::Refuse("DependencyViolation")),
                // An answer that says who is asking is lost to nobody.
                2 if action != "GetCallerIdentity" => Some(Mishap::LoseAnswer),
                _ => None,
            }
        };
        let proxy = Proxy::moody(emulator.host(), Duration::ZERO, Box::new(mood));
        Self { emulator: emulator.at(proxy.endpoint()), changes }
    }

    /// Starts the program and kills it at the `nth` call by which it changes something. Whether it lived so long;
    /// otherwise it came to its end, or gave up on something because of the weather.
    fn kill_at(&self, nth: usize, folder: &Path, words: &[&str]) -> bool {
        let start = self.changes.load(Ordering::Relaxed);
        let log = folder.join("stderr.txt");
        let mut command = program(&self.emulator, folder, words);
        command.stdout(Stdio::null()).stderr(fs_err::File::create(&log).expect("a file").into_parts().0);
        let mut running = command.spawn().expect("it starts");
        loop {
            if self.changes.load(Ordering::Relaxed) - start >= nth {
                running.kill().expect("killed");
                running.wait().expect("a child");
                return true;
            }
            if let Some(status) = running.try_wait().expect("a child") {
                let text = fs_err::read_to_string(&log).expect("text");
                assert!([Some(0), Some(6)].contains(&status.code()), "{words:?} ended by itself: {status}\n{text}");
                let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
                if !errors.is_empty() {
                    say(&format!("given up in bad weather: {errors:?}"));
                }
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Kills it again and again, each time some calls further; then lets it come to its end in calm weather. How often it
    /// was killed.
    async fn kill_often(&self, calm: &Emulator, numbers: &mut Numbers, folder: &Path, words: &[&str]) -> usize {
        let mut killed = 0;
        for _ in 0..KILLS {
            let nth = 1 + usize::try_from(numbers.below(6)).expect("small");
            killed += usize::from(self.kill_at(nth, folder, words));
            tag_as_aws_would(calm, folder).await;
        }
        let output = program(calm, folder, words).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
        killed
    }
}

/// An instance's whole life in an account of its own, with kills all along. How many it survived.
async fn life(number: u64, expected: Arc<Vec<String>>) -> usize {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let weather = Weather::before(&emulator, 20_261_126 + number);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ number);
    let mut kills = weather.kill_often(&emulator, &mut numbers, folder.path(), &["apply", "--yes"]).await;
    assert_eq!(left(&emulator.aws()).await, *expected, "life {number}");
    let plan = program(&emulator, folder.path(), &["plan", "--detailed-exitcode"]).output().expect("it runs");
    assert_eq!(plan.status.code(), Some(0), "life {number}: {}", said(&plan));
    kills += weather.kill_often(&emulator, &mut numbers, folder.path(), &["destroy", "--confirm", "social"]).await;
    assert_eq!(left(&emulator.aws()).await, Vec::<String>::new(), "life {number}");
    kills
}

// The lives go on side by side, each waiting for its program on a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_any_call_it_ends_in_the_same_account() {
    let undisturbed = moto::start();
    let folder = ready(&undisturbed);
    let output = program(&undisturbed, folder.path(), &["apply", "--yes"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let expected = Arc::new(left(&undisturbed.aws()).await);
    let lives: JoinSet<usize> = (1..=LIVES).map(|number| life(number, Arc::clone(&expected))).collect();
    let rounds: usize = lives.join_all().await.into_iter().sum();
    assert!(rounds >= 50, "only {rounds} rounds");
    say(&format!("kill rounds survived: {rounds}"));
}
