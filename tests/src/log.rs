//! What the nodes and clients of a test process log.

use std::{
    io,
    sync::{LazyLock, Mutex, PoisonError},
};

use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::within;

/// The lines logged so far by everything in this process.
#[derive(Debug)]
pub struct Log {
    lines: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

/// The log, which is collected from the first call on.
pub fn log() -> &'static Log {
    static LOG: LazyLock<Log> = LazyLock::new(|| Log {
        lines: Mutex::new(Vec::new()),
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
    /// Waits for a line that holds all of `parts`, and returns the first.
    ///
    /// # Panics
    ///
    /// If there is none in time.
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

    /// The first line that holds all of `parts`.
    pub fn find(&self, parts: &[&str]) -> Option<String> {
        self.find_all(parts).into_iter().next()
    }

    /// All lines that hold all of `parts`.
    pub fn find_all(&self, parts: &[&str]) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .cloned()
            .collect()
    }
}

/// Gets one call per line.
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes).trim_end().to_owned();
        let log = log();
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
