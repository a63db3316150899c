//! Programs run by tests: their output lines, signals and exit.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::PATIENCE;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: String,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Option<JoinHandle<String>>,
}

/// The result of a program that ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// All lines of its standard output.
    pub lines: Vec<String>,
    /// Its standard error, unless the caller supplied one.
    pub errors: String,
}

impl Program {
    /// Starts a program.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::piped())
    }

    /// Like [`start`](Self::start), with a standard error supplied by the caller.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_with(command: &mut Command, errors: Stdio) -> Self {
        let mut program = Self::start_unread(command.stdout(Stdio::piped()).stderr(errors));
        let (sender, lines) = channel();
        let output = program.output();
        std::thread::spawn(move || pass_on(output, &sender));
        program.lines = lines;
        program.errors = program.child.stderr.take().map(|mut errors| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = errors.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        program
    }

    /// Starts a program whose output goes where the caller says; nothing reads it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start_unread(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            child,
            name,
            lines: channel().1,
            seen: Vec::new(),
            errors: None,
        }
    }

    /// Returns the standard output of a program that was started with
    /// [`start_unread`](Self::start_unread) and a pipe.
    ///
    /// # Panics
    ///
    /// If it has no such pipe.
    pub fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("its output is a pipe")
    }

    /// Returns whether it has not ended.
    ///
    /// # Panics
    ///
    /// If the operating system does not say so.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Returns the next line of its standard output.
    ///
    /// # Panics
    ///
    /// If there is none; the message shows everything it wrote.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                line
            }
            Err(problem) => self.fail(&format!("a line ({problem})")),
        }
    }

    /// Reads lines up to the first that contains `part`, and returns that line.
    ///
    /// # Panics
    ///
    /// As [`line`](Self::line).
    pub fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends it a signal by name, for example `INT`.
    ///
    /// # Panics
    ///
    /// If the `kill` command fails.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}: {status}");
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn finish(mut self) -> Finished {
        // Its standard output ends with it, if it is read.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.max(Duration::from_millis(1))) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail("the end"),
            }
        }
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => self.fail("the end"),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        Finished {
            status,
            lines: std::mem::take(&mut self.seen),
            errors: self.errors(),
        }
    }

    fn errors(&mut self) -> String {
        self.errors
            .take()
            .and_then(|errors| errors.join().ok())
            .unwrap_or_default()
    }

    fn fail(&mut self, missing: &str) -> ! {
        let _ = self.child.kill();
        let errors = self.errors();
        panic!(
            "{} did not give {missing}; its output:\n{}\nits errors:\n{errors}",
            self.name,
            self.seen.join("\n"),
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(output: impl Read, lines: &Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}
