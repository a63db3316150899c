//! Tools for a program that runs nodes: a log that no task waits for.
//!
//! Standard error may be a file on a full disk, a closed pipe, or a pipe that no process reads. A
//! node keeps running in all these cases: lines are put into a queue, and a separate thread writes
//! them.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    collections::VecDeque,
    env,
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use amop_proto::log::OneLine;
use tokio::time::timeout;
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
};

use crate::{signal::StopSignals, supervise::panic_text};

/// The memory of lines that wait to be written, in bytes: about 5,000 lines.
const ROOM: usize = 1 << 20;

/// After lines were lost, no more are accepted until at most this much waits: this way one line
/// reports many losses.
const ROOM_AGAIN: usize = ROOM / 2;

/// How long the program waits at its end for unwritten lines of its log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The exit code of a program that does not stop.
const DID_NOT_STOP: i32 = 1;

/// How soon to try again when standard error accepts nothing now.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// The log of a program, on standard error.
///
/// Nothing ever waits for it: a line that finds no room is lost, and so is one that cannot be
/// written. The next line that is written says how many were lost. Panics are written to the log
/// instead of directly to standard error.
///
/// Dropping it waits up to 1 s for unwritten lines.
///
/// ```
/// let log = amop_node::program::Log::start("info")?;
/// tracing::info!("this is the log");
/// log.say("ready");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the log ends when it is dropped"]
pub struct Log(Arc<LogQueue>);

impl Log {
    /// Starts the log. From then on it receives all `tracing` events of this process, unless there
    /// is a subscriber already. The variable `RUST_LOG` selects the events; if it is not set,
    /// `level` does.
    ///
    /// # Errors
    ///
    /// The error of the operating system if it cannot start a thread.
    pub fn start(level: &str) -> io::Result<Self> {
        let queue = Arc::new(LogQueue::default());
        let of_thread = queue.clone();
        // Not joined, because it may wait for a reader for ever.
        thread::Builder::new()
            .name("amop-log".into())
            .spawn(move || of_thread.write_to(io::stderr()))?;
        let (filter, unread) = filter(level);
        // An error means that there is another subscriber, which should get the lines.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(Lines(queue.clone()))
            .with_ansi(io::stderr().is_terminal())
            // Otherwise it would write its errors to standard error, and panic if this fails.
            .log_internal_errors(false)
            .try_init();
        let of_hook = queue.clone();
        panic::set_hook(Box::new(move |info| of_hook.push(panic_line(info))));
        if let Some(unread) = unread {
            tracing::warn!("{unread}");
        }
        Ok(Self(queue))
    }

    /// Ends the process `patience` after the first Ctrl-C or SIGTERM, or at the second one, if it
    /// still runs then. A program can be unable to stop by itself: a disk may not answer, and
    /// standard output may be a pipe that no process reads.
    ///
    /// # Errors
    ///
    /// The error of the operating system if it cannot catch the signals or start a thread.
    pub fn end_after_signal(&self, patience: Duration) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut signals = {
            let _inside = runtime.enter();
            StopSignals::new()?
        };
        let log = self.0.clone();
        // Not joined, because it ends with the process.
        thread::Builder::new()
            .name("amop-stop".into())
            .spawn(move || {
                let again = runtime.block_on(async {
                    signals.next().await;
                    timeout(patience, signals.next()).await.is_ok()
                });
                log.push(not_stopped_line(again, patience));
                log.finish(LAST_LINES);
                process::exit(DID_NOT_STOP);
            })?;
        Ok(())
    }

    /// Writes a line of the program's own, as it is.
    pub fn say(&self, line: impl fmt::Display) {
        self.0.push(format!("{line}\n").into_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.finish(LAST_LINES);
    }
}

/// Returns the filter, and a message about the user's setting if it is not valid.
fn filter(level: &str) -> (EnvFilter, Option<String>) {
    let name = EnvFilter::DEFAULT_ENV;
    let wanted = env::var(name).unwrap_or_default();
    if wanted.trim().is_empty() {
        return (EnvFilter::new(level), None);
    }
    match EnvFilter::try_new(&wanted) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let wanted = OneLine::new(wanted).max(100);
            let text =
                format!("{name}={wanted} is not a valid filter, so {level} is used: {error}");
            (EnvFilter::new(level), Some(text))
        }
    }
}

fn panic_line(info: &PanicHookInfo<'_>) -> Vec<u8> {
    let thread = thread::current();
    let mut line = now();
    let _ = write!(
        line,
        " ERROR amop_node: thread {} panicked",
        thread.name().unwrap_or("without a name")
    );
    if let Some(place) = info.location() {
        let _ = write!(line, " at {place}");
    }
    let text = panic_text(info.payload());
    let _ = writeln!(line, ": {}", OneLine::new(text));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        let _ = writeln!(line, "{trace}");
    }
    line.into_bytes()
}

/// Returns the time stamp with which log lines begin.
fn now() -> String {
    let mut text = String::new();
    // Even without a time the line is worth writing.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// Puts the lines of `tracing` into the queue.
struct Lines(Arc<LogQueue>);

/// Receives one call for each line.
struct LogLine<'a>(&'a LogQueue);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> LogLine<'a> {
        LogLine(&self.0)
    }
}

impl Write for LogLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that wait for the thread that writes them.
#[derive(Debug, Default)]
struct LogQueue {
    state: Mutex<LogState>,
    more: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct LogState {
    lines: VecDeque<WaitingLine>,
    /// The memory of all lines, including the line that is being written.
    bytes: usize,
    /// The memory of the line that is being written.
    writing: Option<usize>,
    /// The number of lines that found no room since the last one that did.
    lost: u64,
    /// Whether there was no room and there is not enough again.
    full: bool,
    closed: bool,
}

#[derive(Debug)]
struct WaitingLine {
    line: Vec<u8>,
    /// The number of lines lost before this one.
    lost: u64,
}

/// The next thing to write.
struct NextLine {
    /// The number of lines lost before it.
    lost: u64,
    /// The line itself. `None`: only the loss is to be reported.
    line: Option<Vec<u8>>,
}

impl LogQueue {
    /// Locks the state, for a short time only, and never while anything is written.
    fn lock(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Vec<u8>) {
        let takes = line.len() + size_of::<WaitingLine>();
        let mut state = self.lock();
        state.full = match state.full {
            true => state.bytes > ROOM_AGAIN,
            false => state.bytes + takes > ROOM,
        };
        if state.full || state.bytes + takes > ROOM {
            state.lost += 1;
        } else {
            let lost = std::mem::take(&mut state.lost);
            state.bytes += takes;
            state.lines.push_back(WaitingLine { line, lost });
        }
        drop(state);
        self.more.notify_one();
    }

    /// Returns what to write next; the previous one is then written. Returns `None` once there will
    /// be no more.
    fn next(&self) -> Option<NextLine> {
        let mut state = self.lock();
        let takes = state.writing.take();
        state.bytes -= takes.unwrap_or_default();
        loop {
            if let Some(WaitingLine { line, lost }) = state.lines.pop_front() {
                state.writing = Some(line.len() + size_of::<WaitingLine>());
                let line = Some(line);
                return Some(NextLine { lost, line });
            }
            if state.lost > 0 {
                state.full = false;
                state.writing = Some(0);
                let lost = std::mem::take(&mut state.lost);
                return Some(NextLine { lost, line: None });
            }
            self.written.notify_all();
            if state.closed {
                return None;
            }
            state = self
                .more
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes lines until there will be no more. Lines that cannot be written are lost; this is
    /// reported as soon as lines can be written again.
    fn write_to(&self, mut out: impl Write) {
        let mut lost = 0;
        let mut failure = None;
        while let Some(next) = self.next() {
            lost += next.lost;
            if lost > 0 && write_line(&mut out, &loss_line(lost, failure.as_ref())).is_ok() {
                (lost, failure) = (0, None);
            }
            let Some(line) = next.line else {
                continue;
            };
            if let Err(error) = write_line(&mut out, &line) {
                lost += 1;
                failure = Some(error);
            }
        }
    }

    /// Waits until all lines are written, but not longer than `patience`.
    fn finish(&self, patience: Duration) {
        let mut state = self.lock();
        state.closed = true;
        self.more.notify_one();
        let unwritten = |state: &mut LogState| {
            !state.lines.is_empty() || state.writing.is_some() || state.lost > 0
        };
        let waited = self.written.wait_timeout_while(state, patience, unwritten);
        drop(waited);
    }
}

/// Returns the line about a program that did not stop by itself.
fn not_stopped_line(again: bool, patience: Duration) -> Vec<u8> {
    let mut line = now();
    let _ = match again {
        true => writeln!(line, "  WARN amop_node: ended by a second signal"),
        false => writeln!(
            line,
            " ERROR amop_node: ended by force, because the program did not stop within {} s: a \
             file or standard output may not answer",
            patience.as_secs()
        ),
    };
    line.into_bytes()
}

/// Returns the line that reports lost lines.
fn loss_line(lost: u64, failure: Option<&io::Error>) -> Vec<u8> {
    let mut line = now();
    let lines = if lost == 1 { "line" } else { "lines" };
    let _ = write!(
        line,
        "  WARN amop_node: {lost} {lines} of this log were lost: "
    );
    let _ = match failure {
        Some(error) => writeln!(line, "standard error could not be written: {error}"),
        None => writeln!(line, "standard error was not read fast enough"),
    };
    line.into_bytes()
}

fn write_line(out: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match out.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = &line[written..],
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                // Another program has made standard error non-blocking.
                io::ErrorKind::WouldBlock => thread::sleep(ASK_AGAIN),
                _ => return Err(error),
            },
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests;
