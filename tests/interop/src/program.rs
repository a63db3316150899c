//! The program over go-sdk while it runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::OnceLock,
};

use amop_node::Network;
use amop_tests::within;
use amop_tls::pki::Leaf;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};

use crate::{Event, build::build};

/// The program over go-sdk, built.
#[derive(Debug, Clone, Copy)]
pub struct GoSdk {
    path: &'static Path,
}

impl GoSdk {
    /// Builds it below a folder, once per process. `None`, with a word on the terminal, without Go.
    ///
    /// # Panics
    ///
    /// If it does not compile, and without Go where `AMOP_REQUIRE_GO` is 1.
    pub fn build(target: impl AsRef<Path>) -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let path = PROGRAM.get_or_init(|| build(target.as_ref()));
        path.as_deref().map(|path| Self { path })
    }

    /// Starts it with flags, connected to a node by certificates of its own. `name` is that in the
    /// certificate, by which the node logs it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn start(self, network: &Network, node: usize, name: &str, flags: &[&str]) -> Go {
        let certs = tempfile::tempdir().unwrap();
        let issued = network.agency().issue(Leaf::Sdk, name).unwrap();
        for (file, pem) in [
            ("ca.crt", network.agency().root_pem()),
            ("sdk.crt", issued.cert_pem.as_str()),
            ("sdk.key", issued.key_pem.as_str()),
        ] {
            fs::write(certs.path().join(file), pem).unwrap();
        }
        let mut child = Command::new(self.path)
            .args(["-endpoint", network.endpoint(node), "-certs"])
            .arg(certs.path())
            .args(flags)
            .stdin(Stdio::null())
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
        Go {
            name: name.to_owned(),
            child,
            lines,
            seen: Vec::new(),
            errors,
            _certs: certs,
        }
    }

    /// Starts a subscriber and waits until its node knows of it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub async fn subscribe(
        self,
        network: &Network,
        node: usize,
        topic: &str,
        flags: &[&str],
    ) -> Go {
        let flags = [&["-mode", "subscribe", "-topic", topic], flags].concat();
        let mut go = self.start(network, node, "go-subscriber", &flags);
        go.expect("connected").await;
        go.expect("subscribed").await;
        go
    }

    /// Starts a publisher, `mode` being `unicast` or `multicast`.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn publish(
        self,
        network: &Network,
        node: usize,
        mode: &str,
        topic: &str,
        flags: &[&str],
    ) -> Go {
        let flags = [&["-mode", mode, "-topic", topic], flags].concat();
        self.start(network, node, "go-publisher", &flags)
    }
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Go {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
    errors: JoinHandle<String>,
    _certs: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// With what.
    pub status: ExitStatus,
    /// What it still wrote.
    pub events: Vec<Event>,
    /// Its standard error.
    pub errors: String,
}

impl Go {
    /// The next event; `None` if it has ended.
    ///
    /// # Panics
    ///
    /// If none comes in time, or a line is not an event.
    pub async fn next(&mut self) -> Option<Event> {
        let what = format!("a line of {} after {:?}", self.name, self.seen);
        let line = within(&what, self.lines.next_line()).await.unwrap()?;
        let event = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name));
        self.seen.push(line);
        Some(event)
    }

    /// The next event but for the SDK's log, which must be of this kind.
    ///
    /// # Panics
    ///
    /// If it is another, or none comes; with everything the program wrote.
    pub async fn expect(&mut self, kind: &str) -> Event {
        loop {
            match self.next().await {
                Some(event) if event.event == kind => return event,
                Some(event) if event.event == "log" => {}
                other => {
                    let _ = self.child.kill().await;
                    let errors = (&mut self.errors).await.unwrap_or_default();
                    panic!(
                        "{}: {other:?} instead of {kind}; its lines:\n{}\nits errors:\n{errors}",
                        self.name,
                        self.seen.join("\n"),
                    );
                }
            }
        }
    }

    /// Waits until the SDK logs something with `part` in it; false if the program ends instead.
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

    /// Waits for its end.
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

    /// Kills it and waits for its end; returns its standard error.
    ///
    /// # Panics
    ///
    /// If it cannot be killed.
    pub async fn kill(mut self) -> String {
        within("killing", self.child.kill()).await.unwrap();
        self.errors.await.unwrap()
    }
}
