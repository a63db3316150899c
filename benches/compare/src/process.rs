//! Processes that end when their guard is dropped.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

/// How long a server may take until its ports are open.
const START: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a program; its output goes to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = command.as_std().get_program().to_owned();
        let file = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", name.display()))?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    pub fn pid(&self) -> Result<u32> {
        let pid = self.child.id();
        pid.with_context(|| format!("the server has ended: {}", self.tail()))
    }

    /// Waits until `port` accepts connections.
    pub async fn ready(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended ({status}): {}", self.tail());
            }
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("no server listens at port {port}: {}", self.tail());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it and waits until it is gone.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("cannot end a server")
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("{} ends with:\n{}", self.log.display(), lines.join("\n"))
    }
}
