//! A program in another language while it is running.

use std::{
    collections::VecDeque,
    process::{ExitStatus, Stdio},
};

use amop_testkit::within;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use crate::Event;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
    /// Events that arrived before the one that was waited for.
    earlier: VecDeque<Event>,
    errors: JoinHandle<String>,
    _folder: TempDir,
}

/// The result of a program that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// The events that it wrote before it ended.
    pub events: Vec<Event>,
    /// Its standard error.
    pub errors: String,
}

impl Running {
    /// Starts it; the folder is deleted when it has ended.
    pub(crate) fn start(name: &str, mut command: Command, folder: TempDir) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = child.stderr.take().unwrap();
        let errors = tokio::spawn(async move {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text).await;
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            name: name.to_owned(),
            child,
            lines,
            seen: Vec::new(),
            earlier: VecDeque::new(),
            errors,
            _folder: folder,
        }
    }

    /// Writes a command: its words with tabs between.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub async fn say(&mut self, words: &[&str]) {
        let line = format!("{}\n", words.join("\t"));
        let input = self.child.stdin.as_mut().expect("it reads commands");
        let writing = input.write_all(line.as_bytes());
        within("writing a command", writing).await.unwrap();
    }

    /// Writes a command and waits until it is carried out.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn does(&mut self, words: &[&str]) {
        self.say(words).await;
        let done = self.find("did").await;
        assert_eq!(done.text.as_deref(), Some(words[0]));
    }

    /// Returns the first event of this kind; other events before it are kept for later.
    ///
    /// # Panics
    ///
    /// If there is none, or something failed; the message shows everything that the program wrote.
    pub async fn find(&mut self, kind: &str) -> Event {
        if let Some(at) = self.earlier.iter().position(|event| event.event == kind) {
            return self.earlier.remove(at).unwrap();
        }
        loop {
            match self.next().await {
                Some(event) if event.event == kind => return event,
                Some(event) if event.event != "failed" => self.earlier.push_back(event),
                other => self.give_up(&other, kind).await,
            }
        }
    }

    /// Returns the events of a kind that have arrived without being waited for.
    pub fn left(&self, kind: &str) -> impl Iterator<Item = &Event> {
        self.earlier.iter().filter(move |event| event.event == kind)
    }

    async fn give_up(&mut self, event: &Option<Event>, kind: &str) -> ! {
        let _ = self.child.kill().await;
        let errors = (&mut self.errors).await.unwrap_or_default();
        panic!(
            "{}: {event:?} instead of {kind}; its lines:\n{}\nits errors:\n{errors}",
            self.name,
            self.seen.join("\n"),
        );
    }

    /// Returns the next event; `None` if the program has ended.
    ///
    /// # Panics
    ///
    /// If there is none in time, or a line is not an event.
    pub async fn next(&mut self) -> Option<Event> {
        let what = format!("a line of {} after {:?}", self.name, self.seen);
        let line = within(&what, self.lines.next_line()).await.unwrap()?;
        let event = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name));
        self.seen.push(line);
        Some(event)
    }

    /// Returns the next event that is not of the SDK's log; it must be of this kind.
    ///
    /// # Panics
    ///
    /// If it is of another kind, or there is none; the message shows everything that the program
    /// wrote.
    pub async fn expect(&mut self, kind: &str) -> Event {
        loop {
            match self.next().await {
                Some(event) if event.event == kind => return event,
                Some(event) if event.event == "log" => {}
                other => self.give_up(&other, kind).await,
            }
        }
    }

    /// Waits until the SDK logs a text that contains `part`; returns false if the program ends
    /// instead.
    ///
    /// # Panics
    ///
    /// If neither happens in time.
    pub async fn logs(&mut self, part: &str) -> bool {
        while let Some(event) = self.next().await {
            if event.log.is_some_and(|log| log.contains(part)) {
                return true;
            }
        }
        false
    }

    /// Waits until it ends.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub async fn end(mut self) -> Ended {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        let what = format!("the end of {}", self.name);
        Ended {
            status: within(&what, self.child.wait()).await.unwrap(),
            events,
            errors: self.errors.await.unwrap(),
        }
    }

    /// Kills it and waits until it has ended; returns its standard error.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub async fn kill(mut self) -> String {
        within("killing", self.child.kill()).await.unwrap();
        self.errors.await.unwrap()
    }
}
