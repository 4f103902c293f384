//! The terminal: the only place that reads from it and writes to it, and the only one that reads the environment.
//!
//! Data goes to standard output, everything else to standard error. Texts may carry ANSI colours; they are stripped
//! where they are not wanted. While something runs, some lines at the end of standard error are live: they are redrawn
//! in place, and whatever else is said appears above them.
//!
//! Everything passes [`inert`] on its way: nothing reaches a terminal but letters, lines and colours, whatever a command
//! was given to say. Only the sequences that redraw live lines are added behind it.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anstream::AutoStream;

use super::error::{CommandError, Exit};
use super::{ColorChoice, GlobalOptions};
use crate::diagnostic::Diagnostics;
use crate::inert;
use crate::provider::trace::Calls;
use crate::render::style::{Role, Signs, paint};
use crate::render::{self, MINIMUM_WIDTH};

/// Columns, where nobody says how many there are.
const WIDTH: usize = 100;

/// A stream, and whether colours are welcome on it.
struct Sink {
    writer: Box<dyn Write + Send>,
    colors: bool,
    is_terminal: bool,
    /// The lines that are redrawn in place.
    live: Vec<String>,
}

impl Sink {
    /// The text as it may be written here.
    fn fit(&self, text: &str) -> String {
        inert::guarded(text, self.colors)
    }

    /// Writes a line above the live ones. In one piece, so that nothing flickers.
    fn line(&mut self, text: &str) -> io::Result<()> {
        let text = self.fit(text);
        self.plain(&text)
    }

    /// Writes a line that stays and is guarded already.
    fn plain(&mut self, text: &str) -> io::Result<()> {
        let piece = format!("{}{text}\n{}", self.erased(), self.drawn());
        self.put(&piece)
    }

    /// Writes a line that stays, if there is one, and other live lines in place of the present ones.
    fn redraw(&mut self, line: Option<&str>, live: Vec<String>) -> io::Result<()> {
        let mut piece = self.erased();
        if let Some(line) = line {
            piece.push_str(&self.fit(line));
            piece.push('\n');
        }
        self.live = live;
        piece.push_str(&self.drawn());
        self.put(&piece)
    }

    fn put(&mut self, piece: &str) -> io::Result<()> {
        self.writer.write_all(piece.as_bytes())?;
        self.writer.flush()
    }

    /// What takes the live lines away.
    fn erased(&self) -> String {
        if self.live.is_empty() { String::new() } else { format!("\x1b[{}A\r\x1b[J", self.live.len()) }
    }

    /// What shows the live lines. One that is too long must be cut by the terminal, not continued below, or a part of
    /// it would stay.
    fn drawn(&self) -> String {
        if self.live.is_empty() {
            return String::new();
        }
        format!("\x1b[?7l{}\n\x1b[?7h", self.fit(&self.live.join("\n")))
    }
}

/// Streams, what may be said on them, and how.
pub struct Ui {
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    input: Mutex<Box<dyn BufRead + Send>>,
    input_is_terminal: bool,
    verbose: u8,
    quiet: bool,
    width: usize,
    height: Option<usize>,
    ascii: bool,
    calls: Calls,
}

impl Ui {
    /// The terminal as the user wants it used.
    pub fn new(options: &GlobalOptions) -> Self {
        let ui = Self::with(options.color, options.verbose, options.quiet);
        if options.verbose >= 2 {
            start_tracing(options.verbose);
        }
        ui
    }

    /// The terminal before it is known what the user wants.
    pub fn plain() -> Self {
        Self::with(ColorChoice::Auto, 0, false)
    }

    fn with(color: ColorChoice, verbose: u8, quiet: bool) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let choice = |auto: anstream::ColorChoice| match color {
            ColorChoice::Auto => auto != anstream::ColorChoice::Never,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let out_colors = choice(AutoStream::choice(&stdout));
        let err_colors = choice(AutoStream::choice(&stderr));
        let is_dumb = variable("TERM").as_deref() == Some("dumb");
        let number = |name: &str| variable(name).and_then(|text| text.parse::<usize>().ok()).filter(|size| *size > 0);
        let out_is_terminal = stdout.is_terminal();
        let size = terminal_size::terminal_size();
        let columns = size.map(|(terminal_size::Width(columns), _)| usize::from(columns)).filter(|size| *size > 0);
        let lines = size.map(|(_, terminal_size::Height(lines))| usize::from(lines)).filter(|size| *size > 0);
        Self {
            err: Mutex::new(Sink {
                is_terminal: stderr.is_terminal() && !is_dumb,
                writer: Box::new(stderr),
                colors: err_colors,
                live: Vec::new(),
            }),
            out: Mutex::new(Sink {
                is_terminal: out_is_terminal,
                writer: Box::new(stdout),
                colors: out_colors,
                live: Vec::new(),
            }),
            input: Mutex::new(Box::new(BufReader::new(io::stdin()))),
            input_is_terminal: io::stdin().is_terminal(),
            verbose,
            quiet,
            width: number("COLUMNS").or(columns).unwrap_or(WIDTH),
            height: number("LINES").or(lines).filter(|_| out_is_terminal),
            ascii: is_ascii(),
            calls: Calls::new(),
        }
    }

    /// Whether the user wants more said (`-v`).
    pub fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What is asked of a cloud on the user's behalf, to tell it in the end.
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Whether standard error is a terminal on which lines may be redrawn. Not while every call is logged there.
    pub fn is_live(&self) -> bool {
        !self.quiet && self.verbose < 2 && lock(&self.err).is_terminal
    }

    /// Columns of the terminal.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn signs(&self) -> &'static Signs {
        Signs::table(self.ascii)
    }

    /// How texts should be rendered here.
    pub fn render_options(&self) -> render::Options {
        render::Options {
            width: self.width.max(MINIMUM_WIDTH),
            height: self.height,
            verbose: self.verbose > 0,
            ascii: self.ascii,
        }
    }

    /// Data, on standard output, with a newline.
    ///
    /// # Errors
    ///
    /// A reader that has gone away is an error that says nothing and ends the program.
    pub fn data(&self, text: &str) -> Result<(), CommandError> {
        self.write(|out| out.line(text))
    }

    /// Writes to standard output. Both streams may be the same terminal: the live lines must be out of the way.
    fn write(&self, what: impl FnOnce(&mut Sink) -> io::Result<()>) -> Result<(), CommandError> {
        let mut err = lock(&self.err);
        let live = err.live.clone();
        let _ = err.redraw(None, Vec::new());
        let result = what(&mut lock(&self.out)).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CommandError::from(error),
            _ => CommandError::failure(format!("cannot write to standard output: {error}")),
        });
        let _ = err.redraw(None, live);
        result
    }

    /// JSON, on standard output.
    ///
    /// # Errors
    ///
    /// As [`Ui::data`].
    pub fn json(&self, json: &serde_json::Value) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(json).map_err(io::Error::other)?;
        self.write(|out| out.plain(&inert::json_guarded(&text)))
    }

    /// A line of JSON, on standard output.
    ///
    /// # Errors
    ///
    /// As [`Ui::data`].
    pub fn json_line(&self, json: &serde_json::Value) -> Result<(), CommandError> {
        self.write(|out| out.plain(&inert::json_guarded(&json.to_string())))
    }

    /// What is good to know. Hidden by `-q`.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.tell(text);
        }
    }

    /// What only `-v` wants to know.
    pub fn detail(&self, text: &str) {
        if self.verbose > 0 {
            self.tell(text);
        }
    }

    pub fn warn(&self, text: &str) {
        self.tell(&format!("{}: {}", paint(Role::Warning, "warning"), one(text)));
    }

    pub fn error(&self, text: &str) {
        self.tell(&format!("{}: {}", paint(Role::Error, "error"), one(text)));
    }

    /// An error with a page of its own: `mastoform explain CODE`.
    pub fn coded_error(&self, code: &str, text: &str) {
        self.tell(&format!("{}: {}", paint(Role::Error, &format!("error[{code}]")), one(text)));
    }

    /// What to do, after a blank line.
    pub fn hint(&self, text: &str) {
        self.tell(&format!("\n{}: {}", paint(Role::Hint, "hint"), one(text)));
    }

    /// Every diagnostic, with a blank line between two, and one after warnings, which never are the last word.
    pub fn diagnostics(&self, diagnostics: &Diagnostics) {
        let all = diagnostics.render();
        if !all.is_empty() {
            let end = if diagnostics.has_errors() { "" } else { "\n" };
            self.tell(&format!("{}{end}", all.join("\n\n")));
        }
    }

    /// A line on standard error. Whoever does not listen there misses it.
    pub fn tell(&self, text: &str) {
        let _ = lock(&self.err).line(text);
    }

    /// Writes a line that stays, if there is one, and replaces the live lines; none: takes them away. Only for
    /// terminals, see [`Ui::is_live`].
    pub fn live(&self, line: Option<&str>, lines: Vec<String>) {
        let _ = lock(&self.err).redraw(line, lines);
    }

    /// Asks, and says whether the answer is `expected`.
    ///
    /// # Errors
    ///
    /// If there is nobody to ask.
    pub fn confirm(&self, question: &str, expected: &str) -> Result<bool, CommandError> {
        if !self.input_is_terminal {
            return Err(CommandError::new(Exit::Failure, "there is nobody to ask: the input is not a terminal"));
        }
        {
            let mut err = lock(&self.err);
            let piece = err.fit(&format!("{} ", paint(Role::Heading, question)));
            err.put(&piece)?;
        }
        let mut answer = String::new();
        lock(&self.input).read_line(&mut answer)?;
        if !answer.ends_with('\n') {
            self.tell("");
        }
        Ok(answer.trim() == expected)
    }
}

/// A message as one: lines after its first are indented, so that none of them looks like another message.
fn one(text: &str) -> String {
    text.split('\n')
        .enumerate()
        .map(|(number, line)| if number == 0 || line.starts_with(' ') { line.to_owned() } else { format!("  {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A variable of the environment, if it is set to something.
#[expect(clippy::disallowed_methods, reason = "this is the edge: the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the locale says outright that it knows nothing but ASCII.
fn is_ascii() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.is_some_and(|locale| !locale.to_lowercase().replace('-', "").contains("utf8"))
}

/// Logs calls on standard error.
fn start_tracing(verbose: u8) {
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::prelude::*;

    let wanted = match verbose {
        2 => Targets::new().with_target("mastoform", LevelFilter::DEBUG),
        _ => Targets::new().with_target("mastoform", LevelFilter::TRACE).with_default(LevelFilter::DEBUG),
    };
    let log = tracing_subscriber::fmt::layer().with_writer(|| Guarded).without_time().with_filter(wanted);
    let _ = tracing_subscriber::registry().with(log).try_init();
}

/// Standard error for logs, guarded as everything else: they quote what AWS says.
struct Guarded;

impl Write for Guarded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = inert::guarded(&String::from_utf8_lossy(bytes), true);
        io::stderr().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A `Ui` for tests that keeps what is written.
#[cfg(test)]
pub(super) mod captured {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    pub struct Text(Arc<Mutex<Vec<u8>>>);

    impl Text {
        /// What was written since the last time.
        pub fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *lock(&self.0))).expect("text")
        }
    }

    impl Write for Text {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A `Ui`, its output and its errors. `input` is what the user types.
    pub fn ui(is_terminal: bool, input: &'static str) -> (Ui, Text, Text) {
        ui_reading(is_terminal, input.as_bytes())
    }

    /// As [`ui`], with an input of any kind.
    pub fn ui_reading(is_terminal: bool, input: impl BufRead + Send + 'static) -> (Ui, Text, Text) {
        let (out, err) = (Text::default(), Text::default());
        let sink = |text: &Text| {
            Mutex::new(Sink { writer: Box::new(text.clone()), colors: false, is_terminal, live: Vec::new() })
        };
        let ui = Ui {
            out: sink(&out),
            err: sink(&err),
            input: Mutex::new(Box::new(input)),
            input_is_terminal: is_terminal,
            verbose: 0,
            quiet: false,
            width: WIDTH,
            height: None,
            ascii: false,
            calls: Calls::new(),
        };
        (ui, out, err)
    }
}

#[cfg(test)]
mod tests {
    use super::captured::ui;
    use super::*;

    #[test]
    fn what_is_said_appears_above_the_live_lines() {
        let (ui, _, err) = ui(true, "");
        ui.live(None, vec!["one".into(), "two".into()]);
        assert_eq!(err.take(), "\x1b[?7lone\ntwo\n\x1b[?7h");
        ui.say("done");
        assert_eq!(err.take(), "\x1b[2A\r\x1b[Jdone\n\x1b[?7lone\ntwo\n\x1b[?7h");
        ui.live(Some("bye"), Vec::new());
        assert_eq!(err.take(), "\x1b[2A\r\x1b[Jbye\n");
    }

    #[test]
    fn colours_are_stripped_where_they_are_not_wanted() {
        let (ui, out, err) = ui(false, "");
        ui.data(&paint(Role::Good, "fine")).expect("written");
        ui.hint("try again");
        assert_eq!((out.take().as_str(), err.take().as_str()), ("fine\n", "\nhint: try again\n"));
    }

    #[test]
    fn json_is_written_as_it_is_and_holds_nothing_that_a_terminal_obeys() {
        for colors in [false, true] {
            let (ui, out, _) = ui(colors, "");
            ui.json(&serde_json::json!({ "text": "a\u{1b}[31mb" })).expect("written");
            assert_eq!(out.take(), "{\n  \"text\": \"a\\u001b[31mb\"\n}\n");
        }
    }

    #[test]
    fn a_confirmation_is_the_expected_word_and_nothing_else() {
        let (yes, ..) = ui(true, "social\n");
        assert!(yes.confirm("Type its name:", "social").expect("an answer"));
        let (no, ..) = ui(true, "yes\n");
        assert!(!no.confirm("Type its name:", "social").expect("an answer"));
        let (nobody, ..) = ui(false, "social\n");
        assert!(nobody.confirm("Type its name:", "social").is_err());
    }
}
