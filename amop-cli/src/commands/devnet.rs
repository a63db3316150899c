//! `amop devnet up`: a network of AMOP nodes on this machine.

use std::{future, path::PathBuf, pin::pin, time::Duration};

use amop_node::{
    Node, NodeBuilder,
    config::ChainVersion,
    layout::{DevnetLayout, DevnetSpec, write_devnet},
};
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use tokio::{task::JoinSet, time::timeout};

use amop_node::signal;

use crate::say::say_apart;

/// The distance of the P2P ports from the channel ports, as in the chain's script.
const P2P_OFFSET: u16 = 10_100;

/// The distance of the JSON-RPC ports below the channel ports, as in the chain's script.
const RPC_OFFSET: u16 = 11_655;

/// The time that the nodes have to find each other.
const MESH: Duration = Duration::from_secs(60);

/// How long the program waits at its end until its last line is written.
const LAST_LINE: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum DevnetCommand {
    /// Starts a network of AMOP nodes on this machine and runs it until Ctrl-C.
    Up(Up),
}

impl DevnetCommand {
    pub(crate) async fn run(self) -> Result<()> {
        match self {
            Self::Up(up) => up.run().await,
        }
    }
}

/// Starts a network on this machine.
///
/// Creates the missing files in the folder first: certificates and configuration files in the
/// layout of the chain's own script, so that SDKs, demos and FISCO nodes find them where they
/// expect them.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The number of nodes.
    #[arg(long, default_value_t = 2)]
    nodes: u16,
    /// The folder of the network.
    #[arg(long, default_value = "nodes")]
    dir: PathBuf,
    /// The channel port of the first node; the others follow. P2P ports start 10100 above it.
    #[arg(long, default_value_t = 20200)]
    base_port: u16,
    /// The port on which the first node answers JSON-RPC over HTTP; the others follow. Default: 11655
    /// below the channel port. Only for new nodes.
    #[arg(long)]
    base_rpc_port: Option<u16>,
    /// The chain id that the nodes report to SDKs. Default: that of the folder, 1 for new nodes.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    chain_id: Option<u64>,
    /// The version that the nodes report to SDKs. Default: that of the folder, 2.11.1 for new
    /// nodes.
    #[arg(long)]
    fisco_version: Option<ChainVersion>,
    /// Use RSA certificates on the channel ports, which SDKs on current JDKs need. Only for a new
    /// folder.
    #[arg(long)]
    rsa: bool,
}

impl Up {
    async fn run(self) -> Result<()> {
        let stopped = signal::stop().context("cannot wait for Ctrl-C")?;
        let mut stopped = pin!(stopped);
        let mut nodes = Vec::new();
        // Ctrl-C works from the start, also if a disk or standard output does not answer.
        let running = async {
            let (layout, builders) = self.prepare().await?;
            start(builders, &mut nodes).await?;
            say_apart(greeting(&layout, &nodes)).await;
            future::pending().await
        };
        let ended: Result<()> = tokio::select! {
            ended = running => ended,
            () = &mut stopped => Ok(()),
        };
        ended?;
        let said = say_apart("Stopping.".to_owned());
        // All at once, so that no node logs a warning about a lost peer.
        let stopping: JoinSet<()> = nodes.into_iter().map(Node::shutdown).collect();
        let (_, _) = tokio::join!(timeout(LAST_LINE, said), stopping.join_all());
        Ok(())
    }

    /// Writes the missing files of the network and reads all of them.
    async fn prepare(self) -> Result<(DevnetLayout, Vec<NodeBuilder>)> {
        let prepare = move || {
            let layout = self.layout()?;
            let mut builders = Vec::new();
            for node in &layout.nodes {
                let builder = NodeBuilder::from_config_file(&node.config)
                    .with_context(|| format!("node{}", node.index))?;
                builders.push(self.configure(builder));
            }
            Ok((layout, builders))
        };
        tokio::task::spawn_blocking(prepare).await?
    }

    /// Applies the options, which also count for existing nodes.
    fn configure(&self, mut builder: NodeBuilder) -> NodeBuilder {
        if let Some(id) = self.chain_id {
            builder = builder.chain_id(id);
        }
        if let Some(version) = &self.fisco_version {
            builder = builder.fisco_version(version.clone());
        }
        builder
    }

    fn layout(&self) -> Result<DevnetLayout> {
        let mut spec = DevnetSpec::new(&self.dir, self.nodes);
        spec.base_channel_port = self.base_port;
        spec.base_p2p_port = self
            .base_port
            .checked_add(P2P_OFFSET)
            .context("--base-port is too high: the P2P ports start 10100 above it")?;
        let rpc = self
            .base_port
            .checked_sub(RPC_OFFSET)
            .filter(|&port| port != 0);
        spec.base_rpc_port = self
            .base_rpc_port
            .or(rpc)
            .context("--base-port is too low for JSON-RPC ports below it: give --base-rpc-port")?;
        if let Some(id) = self.chain_id {
            spec.chain_id = id;
        }
        if let Some(version) = &self.fisco_version {
            ensure!(
                !self.rsa || version.has_rsa_channel(),
                "--rsa needs --fisco-version 2.9.0 or later; older nodes have no RSA channel"
            );
            spec.version = version.clone();
        }
        spec.rsa = self.rsa;
        Ok(write_devnet(&spec)?)
    }
}

/// Starts the nodes and waits until they are connected to each other.
async fn start(builders: Vec<NodeBuilder>, nodes: &mut Vec<Node>) -> Result<()> {
    for (index, builder) in builders.into_iter().enumerate() {
        let started = builder.start().await;
        nodes.push(started.with_context(|| format!("node{index}"))?);
    }
    for node in &*nodes {
        node.wait_for_peers(nodes.len() - 1, MESH).await?;
    }
    Ok(())
}

/// Returns what the user is told about a network that is up.
fn greeting(layout: &DevnetLayout, nodes: &[Node]) -> String {
    let mut lines = vec![format!(
        "AMOP network of {} nodes is up, with no chain below it.",
        nodes.len()
    )];
    for (entry, node) in layout.nodes.iter().zip(nodes) {
        let rpc = node.rpc_address();
        lines.push(format!(
            "  node{}  SDKs {}  nodes {}{}",
            entry.index,
            node.channel_address(),
            node.p2p_address(),
            rpc.map_or_else(String::new, |rpc| format!("  JSON-RPC {rpc}"))
        ));
    }
    lines.push(format!(
        "Certificates for SDKs: {}",
        layout.root.join("sdk").display()
    ));
    if let [first, .., last] = nodes {
        let example = "  cargo run --release --example";
        let (first, last) = (first.channel_address(), last.channel_address());
        lines.push("Try, in two other terminals:".to_owned());
        lines.push(format!("{example} subscriber -- {last} hello"));
        lines.push(format!("{example} unicast_publisher -- {first} hello"));
    }
    lines.push("Ctrl-C stops the network.".to_owned());
    lines.join("\n")
}
