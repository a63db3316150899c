//! Three nodes in separate processes, and the data about them that an attacker has.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use amop_node::layout::{DevnetLayout, DevnetSpec, write_devnet};
use amop_testkit::{
    attack::{Field, Target},
    devnet, identity,
};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};
use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

const NODES: u16 = 3;

/// How long the nodes may take until all of them serve.
const START: Duration = Duration::from_secs(30);

/// A running network. Dropping it kills its nodes.
pub(crate) struct Network {
    dir: TempDir,
    layout: DevnetLayout,
    nodes: Vec<Child>,
}

impl Network {
    pub(crate) async fn start(node_binary: &Path) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let layout = write_devnet(&devnet(dir.path(), NODES))?;
        let mut nodes = Vec::new();
        for node in &layout.nodes {
            let log = File::create(log_of(dir.path(), node.index))?;
            let child = Command::new(node_binary)
                .arg("--config")
                .arg(&node.config)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .kill_on_drop(true)
                .spawn()
                .with_context(|| node_binary.display().to_string())?;
            nodes.push(child);
        }
        let network = Self { dir, layout, nodes };
        network.wait().await?;
        Ok(network)
    }

    /// Waits until every node serves.
    async fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + START;
        for node in &self.layout.nodes {
            while tokio::net::TcpStream::connect(node.channel).await.is_err() {
                if Instant::now() > deadline {
                    let log = log_of(self.dir.path(), node.index);
                    let log = fs::read_to_string(log).unwrap_or_default();
                    bail!("node {} does not serve; its log:\n{log}", node.index);
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn endpoint(&self, node: usize) -> String {
        self.layout.nodes[node].channel.to_string()
    }

    pub(crate) fn sdk(&self) -> Result<Identity> {
        Ok(Identity::load_sdk(self.layout.root.join("sdk"))?)
    }

    /// Returns the memory of the largest node, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let of = |child: &Child| {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id()?)).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let most = self.nodes.iter().filter_map(of).max();
        most.unwrap_or(0) / 1024
    }

    /// Returns the size of the nodes' logs, in KiB.
    pub(crate) fn logged(&self) -> u64 {
        let len = |index| fs::metadata(log_of(self.dir.path(), index)).map_or(0, |file| file.len());
        (0..NODES).map(len).sum::<u64>() / 1024
    }

    /// Returns the number of nodes that have ended by themselves.
    pub(crate) fn dead(&mut self) -> usize {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        self.nodes
            .iter_mut()
            .filter_map(|child| ended(child).then_some(()))
            .count()
    }
}

fn log_of(dir: &Path, node: u16) -> PathBuf {
    dir.join(format!("node{node}.log"))
}

/// Returns the attacker's data about the network in a folder; its agency issues the attacker's
/// certificates.
pub(crate) fn field(dir: &Path) -> Result<Field> {
    let layout = write_devnet(&DevnetSpec::new(dir, NODES))?;
    let read = |path: &str| {
        fs::read_to_string(dir.join("cert").join(path)).with_context(|| path.to_owned())
    };
    let agency = Agency::from_pem(
        &read("ca.crt")?,
        &read("agency/agency.crt")?,
        &read("agency/agency.key")?,
    )?;
    let sdk = identity(&agency, Leaf::Sdk, "attacker");
    let targets = layout.nodes.iter().map(|node| Target {
        channel: node.channel.to_string(),
        p2p: node.p2p.to_string(),
        sdk: sdk.clone(),
    });
    let members = layout.nodes.iter().map(|node| node.node_id);
    Ok(Field::new(targets.collect(), members.collect(), &agency))
}
