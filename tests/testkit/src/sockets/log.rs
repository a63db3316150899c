//! The log of the nodes and clients of a test process.

use std::{
    io,
    sync::{LazyLock, Mutex, PoisonError},
};

use amop_proto::node::LockHeld;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::within;

/// The lines logged so far by all code in this process.
#[derive(Debug)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    /// The lines written while a node was locked; there should be none.
    while_held: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

/// Returns the log, which is collected from the first call on.
pub fn log() -> &'static Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| Log {
        lines: Mutex::new(Vec::new()),
        while_held: Mutex::new(Vec::new()),
        count: watch::Sender::new(0),
    });
    static COLLECT: LazyLock<()> = LazyLock::new(|| {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("amop=debug,amop_node=debug"))
            .with_ansi(false)
            .with_writer(|| Writer)
            .init();
    });
    LazyLock::force(&COLLECT);
    &LOG
}

impl Log {
    /// Waits for a line that contains all of `parts`, and returns the first one.
    ///
    /// # Panics
    ///
    /// If there is no such line in time.
    pub async fn wait_for(&self, parts: &[&str]) -> String {
        let mut count = self.count.subscribe();
        let found = async {
            loop {
                if let Some(line) = self.find(parts) {
                    return line;
                }
                count.changed().await.unwrap();
            }
        };
        within(&format!("a log line with {parts:?}"), found).await
    }

    /// Returns the first line that contains all of `parts`.
    pub fn find(&self, parts: &[&str]) -> Option<String> {
        self.find_all(parts).into_iter().next()
    }

    /// Returns the lines that were written by a thread that had a node locked.
    pub fn while_held(&self) -> Vec<String> {
        let lines = self.while_held.lock();
        lines.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the lines that have an effect on a terminal, or on a program that reads the log line
    /// by line: text from outside must be escaped.
    pub fn unclean(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let unclean = |line: &&String| line.chars().any(does_something);
        lines.iter().filter(unclean).cloned().collect()
    }

    /// Returns all lines that contain all of `parts`.
    pub fn find_all(&self, parts: &[&str]) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .cloned()
            .collect()
    }
}

/// Text that tries to affect a log or a terminal: breaks lines, moves the cursor, reverses the
/// reading direction, hides text.
pub const NASTY: &str = "n\n2026-01-01 INFO all is well\r\u{1b}[2J\u{8}\u{7f}\u{85}\u{2028}\u{202e}\u{2066}\u{200b}\u{feff}\t.";

/// Returns whether a character does more than being displayed.
pub fn does_something(c: char) -> bool {
    let marks = "\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}";
    c.is_control() || marks.contains(c)
}

/// Receives one call per line.
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        let log = log();
        if LockHeld::is_held() {
            let mut held = log.while_held.lock();
            let held = held.as_deref_mut();
            held.map(|lines| lines.push(line.clone())).ok();
        }
        log.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        log.count.send_modify(|count| *count += 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
