//! A node as a separate process, which can be started, killed and stopped.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};

use crate::commands::chaos_node::SERVING;

/// The time that a process has until it serves.
const START: Duration = Duration::from_secs(60);

/// The time that a process has to stop; a node needs 10 s at most.
const STOP: Duration = Duration::from_secs(30);

/// The number of attempts: another program may take a port after it was found free.
const STARTS: usize = 5;

/// A node of the network. Its process may be stopped.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    name: String,
    config: PathBuf,
    log: PathBuf,
    /// The configuration without ports and peers.
    template: String,
    /// The addresses at which this node dials the others.
    peers: Vec<SocketAddr>,
    channel: watch::Sender<Option<SocketAddr>>,
    p2p: watch::Sender<Option<SocketAddr>>,
    process: Option<Process>,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
struct Process {
    child: Child,
    /// The node stops when this is closed.
    stdin: ChildStdin,
}

impl NodeProcess {
    /// Creates a node that is not started, from a folder of a devnet layout.
    pub(crate) fn new(
        name: String,
        config: PathBuf,
        log: PathBuf,
        channel: watch::Sender<Option<SocketAddr>>,
        p2p: watch::Sender<Option<SocketAddr>>,
    ) -> Result<Self> {
        let template = fs::read_to_string(&config)
            .with_context(|| format!("cannot read {}", config.display()))?;
        Ok(Self {
            name,
            config,
            log,
            template,
            peers: Vec::new(),
            channel,
            p2p,
            process: None,
        })
    }

    /// Makes the node dial another one at this address, from its next start.
    pub(crate) fn add_peer(&mut self, address: SocketAddr) {
        self.peers.push(address);
    }

    /// Starts the process and waits until it serves.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let mut failure = String::new();
        for _ in 0..STARTS {
            // New ports: another program may use the previous ones for its own connections.
            let [channel, p2p] = free_ports().context("this machine has no free ports")?;
            let text = configure(&self.template, channel, p2p, &self.peers);
            fs::write(&self.config, text)
                .with_context(|| format!("cannot write {}", self.config.display()))?;
            match Process::start(&self.config, &self.log).await? {
                Ok(process) => {
                    self.process = Some(process);
                    self.channel.send_replace(Some(channel));
                    self.p2p.send_replace(Some(p2p));
                    return Ok(());
                }
                Err(why) => failure = why,
            }
        }
        bail!(
            "{} does not start ({failure}); its log is {}",
            self.name,
            self.log.display()
        );
    }

    fn unlist(&self) {
        self.channel.send_replace(None);
        self.p2p.send_replace(None);
    }

    /// Kills the process.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.unlist();
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let killing = process.child.kill();
        killing
            .await
            .with_context(|| format!("cannot kill {}", self.name))
    }

    /// Tells the process to stop, and waits for its end.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.unlist();
        let Some(Process { mut child, stdin }) = self.process.take() else {
            return Ok(());
        };
        drop(stdin);
        let status = timeout(STOP, child.wait()).await;
        let status = status
            .with_context(|| format!("{} did not stop within {} s", self.name, STOP.as_secs()))??;
        if !status.success() {
            let log = self.log.display();
            bail!("{} ended with {status}; its log is {log}", self.name);
        }
        Ok(())
    }

    /// Returns how the process ended, if it was not stopped on purpose.
    pub(crate) fn has_ended(&mut self) -> Result<Option<String>> {
        let Some(process) = &mut self.process else {
            return Ok(None);
        };
        let status = process.child.try_wait()?;
        let (name, log) = (&self.name, self.log.display());
        Ok(status.map(|status| format!("{name} ended by itself with {status}; its log is {log}")))
    }
}

impl Process {
    /// Starts this program as a node. The inner error comes from the node.
    async fn start(config: &Path, log: &Path) -> Result<Result<Self, String>> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let errors = append(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command
            .arg("chaos-node")
            .arg("--config")
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .env("RUST_LOG", "info")
            .kill_on_drop(true);
        // Ctrl-C in the terminal must reach only the parent.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().context("cannot start a node")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a process has no standard input or output");
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        match timeout(START, stdout.read_line(&mut line)).await {
            Ok(Ok(_)) if line.trim_end() == SERVING => Ok(Ok(Self { child, stdin })),
            Ok(_) => Ok(Err(format!("it ended with {}", child.wait().await?))),
            Err(_) => {
                child.kill().await.context("cannot kill a node")?;
                let seconds = START.as_secs();
                Ok(Err(format!("it did not serve within {seconds} s")))
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Returns two free addresses.
fn free_ports() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    // Both at once, otherwise they could be the same.
    let (one, other) = (listen()?, listen()?);
    Ok([one.local_addr()?, other.local_addr()?])
}

/// Returns a `config.ini` of a devnet layout with other ports and peers.
fn configure(template: &str, channel: SocketAddr, p2p: SocketAddr, peers: &[SocketAddr]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let key = line.split('=').next().unwrap_or_default().trim();
        match key {
            "channel_listen_port" => text += &format!("    {key}={}\n", channel.port()),
            "listen_port" => {
                text += &format!("    {key}={}\n", p2p.port());
                for (index, peer) in peers.iter().enumerate() {
                    text += &format!("    node.{index}={peer}\n");
                }
            }
            _ if key.starts_with("node.") => {}
            _ => {
                text += line;
                text += "\n";
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
