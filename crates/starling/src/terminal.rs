//! What people read in the terminal: errors, progress, summaries. All of it goes to stderr, but for data.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use starling_core::UnixNanos;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What went wrong, and the way out; several lines are several faults.
    pub(crate) message: String,
}

impl Failure {
    /// Bad usage, configuration or input: exit code 2.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }
    /// A run that failed: exit code 1.
    pub(crate) fn run(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }
    /// What a person or another program broke off: exit code 130, as a shell gives for Ctrl-C.
    pub(crate) fn interrupted(message: impl Display) -> Self {
        Self { code: 130, message: message.to_string() }
    }
}

/// A failure, on stderr: each line is an error of its own, but for those that a space begins.
pub(crate) fn complain(failure: &Failure) {
    let mut err = std::io::stderr().lock();
    for line in printable(&failure.message).lines() {
        let word = if line.starts_with(' ') { "  " } else { "error: " };
        // Nobody is left to tell if stderr is closed.
        let _ = writeln!(err, "{word}{line}");
    }
}

/// A line of talk, on stderr.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{}", printable(&line.to_string()));
}

/// The text with its control characters told instead of sent: names and cells of files must not command a terminal.
fn printable(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(commands) {
        return text.into();
    }
    let told = |c: char| if commands(c) { c.escape_default().to_string() } else { c.into() };
    text.chars().map(told).collect()
}

/// A line of data, on stdout. A closed pipe ends the program quietly, as it does for other tools.
pub(crate) fn put(data: impl Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{data}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::run(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A flag that Ctrl-C or a request to terminate raises; the second time ends the program.
pub(crate) fn interrupted() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // A second handler cannot be set; then Ctrl-C ends the program at once, which is safe: nothing is half-written.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    interrupted
}

/// Progress of a run: a spinner with events and date on a terminal, nothing elsewhere. Ctrl-C breaks the run off.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    /// Starts it; `quiet` shows nothing.
    pub(crate) fn start(quiet: bool) -> Self {
        Self::until(interrupted(), quiet)
    }

    /// Of a run that ends when `interrupted` is raised.
    pub(crate) fn until(interrupted: Arc<AtomicBool>, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} events, {per_sec}, at {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, interrupted }
    }

    /// What breaks the run off.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Tells how far the run is.
    pub(crate) fn tell(&self, events: u64, ts: UnixNanos) -> ControlFlow<()> {
        if let Some(bar) = &self.bar {
            bar.set_position(events);
            bar.set_message(ts.to_string());
        }
        if self.interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A table that is drawn anew while something goes on; on a terminal only.
pub(crate) struct Table {
    ends: Option<(Sender<()>, JoinHandle<()>)>,
}

/// How often a table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(250);

impl Table {
    /// Starts it; `quiet` shows nothing.
    pub(crate) fn start(quiet: bool, text: impl Fn() -> String + Send + 'static) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self { ends: None };
        }
        let (end, ended) = channel();
        let draw = move || {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            while ended.recv_timeout(DRAW_EVERY) == Err(RecvTimeoutError::Timeout) {
                bar.set_message(text());
                bar.tick();
            }
            bar.finish_and_clear();
        };
        let thread = std::thread::Builder::new().name("table".into()).spawn(draw);
        // Without a thread there is no table, and everything else as it was.
        Self { ends: thread.ok().map(|thread| (end, thread)) }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.ends.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_command_the_terminal_is_told() {
        assert_eq!(printable("a \u{1b}[2Jb\r\u{7}c\u{9b}"), "a \\u{1b}[2Jb\\r\\u{7}c\\u{9b}");
        assert!(matches!(printable("two\nlines,\ta tab, é and …"), Cow::Borrowed(_)));
    }
}
