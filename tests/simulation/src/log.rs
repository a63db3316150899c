//! The log of a run: every step as a line, and the hash of all of them.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};

/// Takes lines in, keeps their SHA-256 and, if asked to, prints them.
pub(crate) struct Log {
    hash: Context,
    line: String,
    trace: bool,
    lines: u64,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("lines", &self.lines).finish()
    }
}

impl Log {
    pub(crate) fn new(trace: bool) -> Self {
        Self {
            hash: Context::new(&SHA256),
            line: String::new(),
            trace,
            lines: 0,
        }
    }

    /// Logs one step, and the bytes that moved in it.
    pub(crate) fn step(&mut self, at: Duration, what: fmt::Arguments<'_>, bytes: &[u8]) {
        self.line.clear();
        let (secs, nanos) = (at.as_secs(), at.subsec_nanos());
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{secs}.{nanos:09} {what}");
        if self.trace {
            println!("{}", self.line);
        }
        self.line.push('\n');
        self.hash.update(self.line.as_bytes());
        self.hash.update(bytes);
        self.lines += 1;
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Returns the SHA-256 of everything so far, in hex.
    pub(crate) fn hash(&self) -> String {
        let digest = self.hash.clone().finish();
        digest
            .as_ref()
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}
