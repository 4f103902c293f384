//! Every reader, on files that were good and have been damaged by chance or on purpose.
//!
//! In a test run each reader sees a few hundred files. `MASTOFORM_FUZZ_SECONDS=300 cargo test --release hostile::fuzz`
//! goes on for that long each, holds every file to a second and all of them to 200 MB, and says what the slowest was. The
//! order of the files is the same in every run; `MASTOFORM_FUZZ_SEED` chooses another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::resolve::{World, resolve};
use mastoform::plan::saved::{Basis, Saved, SavedError};
use mastoform::provider::sim::{Options, Sim};
use mastoform::provider::{Lookup, Provider, Registration};
use mastoform::render;
use mastoform::session::{self, Gathered};
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::{Journal, Paths, State, StateError, fold, history};
use mastoform::value::Value;

use crate::support::instance::{EXAMPLE, Instance, Script, fast_folder};
use crate::support::say;

/// Files of a test run for each reader; of the specs, which take longest, fewer.
const FILES: usize = 100;
const OVERLAYS: usize = 10;
/// Bytes of a file.
const LARGEST: usize = 1_000_000;

/// A generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

const TOKENS: [&str; 48] = [
    "${",
    "}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[1A",
    "\u{202e}",
    "\u{feff}",
    ".map(x, x)",
    "[1,2,3].map(x, x + x)[0]",
    ".filter(x, true)",
    "config.name",
    "each.key",
    "local.x",
    "json(",
    " + ",
    " ? 1 : 2",
    "!",
    "-",
    "18446744073709551615",
    "9223372036854775807",
    "-1",
    "1e999",
    "0x7f",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "#",
    "=",
    ",",
    ":",
    "::error::",
    "##[x]",
    "\u{10ffff}",
    "[patch.\"iam.role.tasks\"]\n",
    "a.b.c[\"k\"]",
];

/// A file with some damage.
fn damaged(good: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut file = good[dice.roll(good.len())].clone();
    for _ in 0..=dice.roll(6) {
        let length = file.len();
        let (from, to) = (dice.roll(length + 1), dice.roll(length + 1));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 2000));
        match dice.roll(9) {
            0 if length > 0 => file[from.min(length - 1)] ^= 1 << dice.roll(8),
            1 => drop(file.drain(from..to)),
            2 => {
                let piece = file[from..to].to_vec();
                let at = dice.roll(length + 1);
                drop(file.splice(at..at, piece));
            }
            3 => {
                let other = &good[dice.roll(good.len())];
                let start = dice.roll(other.len() + 1);
                let end = (start + dice.roll(500)).min(other.len());
                drop(file.splice(from..to, other[start..end].iter().copied()));
            }
            4 if dice.roll(8) == 0 => {
                // Once in a while, as much of it as there may be.
                let piece = file[from..to.min(from + 40)].to_vec();
                let many = (LARGEST - length.min(LARGEST)) / piece.len().max(1);
                let piece = piece.repeat(dice.roll(many + 1));
                drop(file.splice(from..from, piece));
            }
            5 => {
                let token = TOKENS[dice.roll(TOKENS.len())].repeat(1 + dice.roll(60));
                drop(file.splice(from..from, token.into_bytes()));
            }
            6 => file.truncate(from),
            _ => {
                let token = TOKENS[dice.roll(TOKENS.len())];
                drop(file.splice(from..to.min(from + 8), token.bytes()));
            }
        }
    }
    file.truncate(LARGEST);
    file
}

/// JSON of one scalar a line with some of its scalars replaced, so that its form stays canonical.
fn replaced(good: &[u8], dice: &mut Dice) -> Vec<u8> {
    const SCALARS: [&str; 14] = [
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "9007199254740991",
        "1e308",
        "true",
        "false",
        "null",
        "\"\"",
        "\"x\"",
        "\"eu-central-1\"",
        "\"::error::\"",
        "\"123456789012\"",
    ];
    let good = String::from_utf8_lossy(good);
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    for _ in 0..=dice.roll(3) {
        let line = dice.roll(lines.len());
        let text = &lines[line];
        let Some((before, _)) = text.split_once("\": ").filter(|(_, value)| !value.starts_with(['{', '['])) else {
            continue;
        };
        let comma = if text.ends_with(',') { "," } else { "" };
        lines[line] = format!("{before}\": {}{comma}", SCALARS[dice.roll(SCALARS.len())]);
    }
    (lines.join("\n") + "\n").into_bytes()
}

#[expect(clippy::disallowed_methods, reason = "how long to go on is for whoever runs it to say")]
fn wish(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How long this thread has been at work: what others do meanwhile does not count.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes that the process has had in memory at most.
fn most_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Feeds a reader with damaged files. It says whether it took one.
fn feed(name: &str, good: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    let seconds = wish("MASTOFORM_FUZZ_SECONDS");
    let mut dice = Dice(wish("MASTOFORM_FUZZ_SEED").unwrap_or(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for file in good {
        assert!(read(file), "{name}: a good file is refused");
    }
    let most = if name == "overlays" { OVERLAYS } else { FILES };
    let start = Instant::now();
    let (mut files, mut taken, mut slowest) = (0, 0, (Duration::ZERO, 0));
    while seconds.map_or(files < most, |seconds| start.elapsed() < Duration::from_secs(seconds)) {
        let is_json = name == "states" || name == "saved plans";
        let file = if is_json && files % 2 == 0 { replaced(&good[0], &mut dice) } else { damaged(good, &mut dice) };
        let begun = worked();
        taken += usize::from(read(&file));
        let took = worked().saturating_sub(begun);
        if took > slowest.0 {
            slowest = (took, file.len());
        }
        if seconds.is_some() && took > Duration::from_secs(1) {
            let kept = std::env::temp_dir().join(format!("slow-{name}-{files}"));
            fs_err::write(&kept, &file).expect("kept");
            let words = format!("{name}: a file of {} bytes took {took:?}: {}", file.len(), kept.display());
            // Without optimization that is no failure.
            if !cfg!(debug_assertions) {
                panic!("{words}");
            }
            say(&words);
        }
        files += 1;
    }
    // In a run of its own nothing else has used memory.
    assert!(seconds.is_none() || most_memory() < 200_000_000, "{name}: {} bytes in memory", most_memory());
    let (took, size) = slowest;
    say(&format!(
        "{name}: {files} files in {:.0?}, {taken} taken; the slowest had {size} bytes and took {took:.0?}; {} MB in memory at most",
        start.elapsed(),
        most_memory() / 1_000_000
    ));
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// As `validate` and `plan --offline` do. Says whether there is a plan.
fn planned(specs: &Specs, text: &str) -> bool {
    let mut specs = specs.clone();
    let evaluator = Evaluator::new();
    let source = SourceFile::new("mastodon.toml", text);
    let read = config::read(&source, &mut specs.blueprint, &evaluator);
    let problems = specs.lint();
    let (config, _) = match read {
        Ok(read) if !problems.has_errors() => read,
        Ok(_) => return problems.render().is_empty(),
        Err(problems) => return problems.render().is_empty(),
    };
    let gathered = Gathered::offline(State::new("l", config.name.clone(), config.region.clone()));
    let lookups = BTreeMap::new();
    let world =
        World { specs: &specs, config: &config, lookups: &lookups, previous: &Value::Null, evaluator: &evaluator };
    let graph = match resolve(&world) {
        Ok(graph) => graph,
        Err(problems) => return problems.render().is_empty(),
    };
    match session::plan(&world, &graph, &gathered) {
        Ok((plan, _)) => !render::plan(&plan, &specs.types, &render::Options::default()).is_empty(),
        Err(problems) => problems.render().is_empty(),
    }
}

const PATCHED: &str = "
[patch.\"iam.role.tasks\".policies]
owner = \"${config.name + '-' + slug(config.domain)}\"
many  = \"${json([1, 2, 3].map(x, x * 2))}\"
some  = \"${has(config.mail.credentials) ? shorten(config.domain, 20) : 'none'}\"
[extra_env]
X = \"1\"
";

#[test]
fn instances() {
    let specs = Specs::read(&[]).expect("specs");
    let good = [EXAMPLE.to_owned(), format!("{EXAMPLE}{PATCHED}")].map(String::into_bytes);
    feed("mastodon.toml", &good, |bytes| text(bytes).is_some_and(|text| planned(&specs, text)));
}

#[test]
fn expressions() {
    let specs = Specs::read(&[]).expect("specs");
    let sources = [
        "config.name + '-x'",
        "[1, 2, 3].map(x, x * 2).filter(y, y > 1)",
        "json({'a': [1, 2.5, true, null], 'b': config.domain})",
        "config.region.startsWith('eu') && !('X' in config.extra_env) ? 'a' : 'b'",
        "merge({'a': 1}, {'b': keys({'c': 1})})",
        "cidr_subnet('10.0.0.0/16', 8, 2) + sha256(config.name) + shorten(slug('A.b'), 3)",
    ];
    let good = sources.map(|source| source.as_bytes().to_vec());
    feed("expressions", &good, |bytes| {
        let Some(source) = text(bytes) else { return false };
        let quoted = serde_json::Value::from(format!("${{{source}}}")).to_string();
        planned(&specs, &format!("{EXAMPLE}\n[patch.\"iam.role.tasks\".policies]\nx = {quoted}\n"))
    });
}

#[test]
fn overlays() {
    const OVERLAY: &str = "
[local.more]
a = \"${config.name}-x\"
b = [\"${config.domain}\", \"y\"]
[s3.bucket.more]
bucket = \"${local.more.a}\"
when   = \"config.run_mode == 'production'\"
[check.more]
assert  = \"size(local.more.b) == 2 && local.more.b.all(x, x != '')\"
message = \"not ${config.name}\"
";
    feed("overlays", &[OVERLAY.as_bytes().to_vec()], |bytes| {
        let Some(text) = text(bytes) else { return false };
        let overlay = OverlayFile { name: "more.toml".to_owned(), types_of: None, text: text.to_owned() };
        match Specs::read(&[overlay]) {
            Ok(specs) if specs.lint().has_errors() => specs.lint().render().is_empty(),
            Ok(specs) => planned(&specs, EXAMPLE),
            Err(problems) => problems.render().is_empty(),
        }
    });
}

/// The folder of an instance whose second apply was interrupted, and a plan of it.
async fn instance() -> (Instance, Saved) {
    let instance = Instance::new();
    let (plan, _) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    let script = Script::read(&[], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let state = instance.state().expect("a state");
    let basis = Basis::of(&script.specs, None, &state, &BTreeMap::new(), None);
    let saved = Saved { program: "0".to_owned(), cloud: "sandbox".to_owned(), basis, plan };
    (instance, saved)
}

/// The text with the digest that an error has found it to have.
fn sealed(text: &str, expected: &str, found: &str) -> String {
    text.replacen(expected, found, 1)
}

#[tokio::test]
async fn states() {
    let (instance, _) = instance().await;
    let good = fs_err::read(instance.paths().state()).expect("a state");
    let script = Script::read(&[], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let path = Path::new("social.json");
    let small = include_bytes!("../../state/example.json").to_vec();
    feed("states", &[good, small], |bytes| {
        let mut read = State::parse(path, bytes);
        if let (Err(StateError::Edited { expected, found, .. }), Some(text)) = (&read, text(bytes)) {
            read = State::parse(path, sealed(text, expected, found).as_bytes());
        }
        let Ok(state) = read else { return false };
        let (specs, config, evaluator) = (&script.specs, &script.config, &script.evaluator);
        let _ = render::state::list(&state);
        let _ = state.rows.iter().map(|(address, row)| render::state::show(address, row).len()).sum::<usize>();
        let lookups = state.lookups.clone();
        let world = World { specs, config, lookups: &lookups, previous: &Value::Null, evaluator };
        let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
        let gathered = Gathered::offline(state);
        if let Ok((plan, _)) = session::plan(&world, &graph, &gathered) {
            let _ = render::plan(&plan, &specs.types, &render::Options::default());
            let _ = render::plan_markdown(&plan, &specs.types);
        }
        let _ = session::plan_destroy(specs, &gathered, "social", None);
        true
    });
}

#[tokio::test]
async fn saved_plans() {
    let (_instance, saved) = instance().await;
    let types = Specs::read(&[]).expect("specs").types;
    let good = saved.text().into_bytes();
    feed("saved plans", &[good], |bytes| {
        let mut read = Saved::parse("x.plan", bytes);
        for _ in 0..2 {
            if let (Err(SavedError::Edited { expected, found, .. }), Some(text)) = (&read, text(bytes)) {
                read = Saved::parse("x.plan", sealed(text, expected, found).as_bytes());
            }
        }
        let Ok(saved) = read else { return false };
        let _ = render::plan(&saved.plan, &types, &render::Options { verbose: true, ..render::Options::default() });
        let _ = render::plan_markdown(&saved.plan, &types);
        let _ = render::plan_json(&saved.plan, &types);
        true
    });
}

#[tokio::test]
async fn journals() {
    let (instance, _) = instance().await;
    let folder = fast_folder();
    let paths = Paths::new(folder.path(), "social");
    let state = instance.state().expect("a state");
    // A journal is gone when an apply has come to its end, so one is made of the records of the state.
    let mut journal = Journal::open(&paths.journal()).expect("a journal").0;
    journal
        .append(mastoform::state::Record::Begin {
            lineage: state.lineage.clone(),
            serial: state.serial,
            base: Some(state.digest()),
        })
        .expect("taken");
    for (address, row) in state.rows.iter().take(8) {
        let intent = mastoform::state::Intent {
            action: mastoform::state::Verb::Update,
            region: row.region.clone(),
            token: "0123456789abcdef".to_owned(),
            identity: row.identity.clone(),
            natural: row.inputs.clone(),
            protect: row.protect,
            depends_on: row.depends_on.clone(),
            makes_room: false,
            old_is_gone: false,
        };
        journal.append(mastoform::state::Record::Intent { address: address.clone(), intent }).expect("taken");
        journal
            .append(mastoform::state::Record::Failed { address: address.clone(), error: "no".to_owned() })
            .expect("taken");
        journal.flush().expect("written");
    }
    let good = fs_err::read(paths.journal()).expect("a journal");
    let other = Paths::new(folder.path(), "other");
    feed("journals", &[good], |bytes| {
        // Each line with the checksum it should have.
        let lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(resealed).collect();
        fs_err::write(other.journal(), lines.concat()).expect("written");
        let Ok(reading) = Journal::read(&other.journal()) else { return false };
        let _ = mastoform::state::held(&reading.entries, &state.lineage, state.serial, Some(&state.digest()));
        fold(&reading.entries, 1).is_ok()
    });
}

/// A line of a journal with its checksum set right, if it still has one.
fn resealed(line: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    const CHECK: &str = "{\"check\":\"";
    let Some(rest) = text(line).and_then(|line| line.strip_prefix(CHECK)) else { return line.to_vec() };
    let Some((_, members)) = rest.split_once("\",") else { return line.to_vec() };
    let json = format!("{{{}", members.trim_end_matches('\n'));
    let digest: String = sha2::Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{CHECK}{}\",{members}", &digest[..8]).into_bytes()
}

/// The file of the sandbox: the cloud as a whole, and lines of changes after it.
#[test]
fn clouds() {
    let folder = fast_folder();
    let types = Specs::read(&[]).expect("specs").types;
    let (good, path) = (folder.path().join("good.json"), folder.path().join("cloud.json"));
    let open = |path: &Path| {
        let options = Options { latency: Duration::ZERO, ..Options::default() };
        Sim::open(Arc::clone(&types), Some(path.to_owned()), options)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let registration = |instance: &str| Registration {
        region: "eu-central-1".to_owned(),
        instance: instance.to_owned(),
        lineage: "lineage".to_owned(),
        title: "social.example.org".to_owned(),
        serial: 1,
        applied: "2026-03-01T10:00:00Z".to_owned(),
    };
    runtime.block_on(async {
        let sim = open(&good).expect("a cloud");
        for name in ["one", "two", "three"] {
            sim.register(&registration(name)).await.expect("registered");
            let lookup = Lookup {
                address: "ec2.vpc.default".parse().expect("an address"),
                region: format!("{name}-1"),
                filters: Value::Map(BTreeMap::from([("is_default".to_owned(), Value::Bool(true))])),
                is_part: false,
            };
            sim.lookup(&lookup).await.expect("found");
        }
        let good = [fs_err::read(&good).expect("a cloud"), sim.saved().into_bytes()];
        assert!(good[0].split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"[")).count() > 3, "lines");
        feed("clouds", &good, |bytes| {
            fs_err::write(&path, bytes).expect("written");
            let Ok(sim) = open(&path) else { return false };
            let before = sim.objects().len();
            assert!(at_once(sim.register(&registration("four"))).is_ok(), "what can be read can be gone on with");
            drop(sim);
            assert!(open(&path).expect("it reads what it wrote").objects().len() == before);
            true
        });
    });
}

/// What a future that never waits comes to.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn histories() {
    let folder = fast_folder();
    let paths = Paths::new(folder.path(), "social");
    let specs = Specs::read(&[]).expect("specs");
    let line = "{\"format\":1,\"when\":\"2026-03-01T10:00:00Z\",\"command\":\"apply\",\"serial\":3,\"outcome\":\"completed\",\"counts\":{\"create\":3},\"seconds\":300,\"expected_seconds\":200,\"durations\":{\"rds.cluster\":{\"create\":300}}}\n";
    feed("histories", &[line.repeat(3).into_bytes()], |bytes| {
        fs_err::write(paths.history(), bytes).expect("written");
        let entries = history::read(&paths).expect("read");
        let _ = session::learned(&specs.types, &entries);
        !entries.is_empty()
    });
}
