//! `amop devnet up`: a network of AMOP nodes on this machine.

use std::{path::PathBuf, time::Duration};

use amop_node::{
    Node, NodeBuilder,
    layout::{DevnetLayout, DevnetSpec, write_devnet},
};
use anyhow::{Context, Result};
use clap::Args;
use tokio::task::JoinSet;

use crate::signal;

/// P2P ports start here, as in the chain's script.
const P2P_OFFSET: u16 = 10_100;

/// For the nodes to find each other.
const MESH: Duration = Duration::from_secs(60);

/// Starts a network on this machine.
///
/// What is missing in the folder is made first: certificates and configuration files in the layout
/// of the chain's own script, so that SDKs, demos and real nodes find them where they expect them.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// How many nodes.
    #[arg(long, default_value_t = 2)]
    nodes: u16,
    /// The folder of the network.
    #[arg(long, default_value = "nodes")]
    dir: PathBuf,
    /// The channel port of the first node; the others follow. P2P ports start 10100 above it.
    #[arg(long, default_value_t = 20200)]
    base_port: u16,
    /// Give the channel RSA certificates, which SDKs on current JDKs need. Only for a new folder.
    #[arg(long)]
    rsa: bool,
}

impl Up {
    pub(crate) async fn run(self) -> Result<()> {
        let layout = self.layout()?;
        let mut nodes = Vec::new();
        for node in &layout.nodes {
            let started = match NodeBuilder::from_config_file(&node.config) {
                Ok(builder) => builder.start().await,
                Err(error) => Err(error),
            };
            nodes.push(started.with_context(|| format!("node{}", node.index))?);
        }
        for node in &nodes {
            node.wait_for_peers(nodes.len() - 1, MESH).await?;
        }
        // Before the greeting: whoever reads it may press Ctrl-C at once.
        let stopped = signal::stop().context("cannot wait for Ctrl-C")?;
        self.greet(&layout, &nodes);
        stopped.await;
        println!("Stopping.");
        // All at once, so that none complains that another is gone.
        let stopping: JoinSet<()> = nodes.into_iter().map(Node::shutdown).collect();
        stopping.join_all().await;
        Ok(())
    }

    fn layout(&self) -> Result<DevnetLayout> {
        let mut spec = DevnetSpec::new(&self.dir, self.nodes);
        spec.base_channel_port = self.base_port;
        spec.base_p2p_port = self
            .base_port
            .checked_add(P2P_OFFSET)
            .context("--base-port is too high: the P2P ports start 10100 above it")?;
        spec.rsa = self.rsa;
        Ok(write_devnet(&spec)?)
    }

    fn greet(&self, layout: &DevnetLayout, nodes: &[Node]) {
        println!(
            "AMOP network of {} nodes is up, with no chain below it.",
            nodes.len()
        );
        for (entry, node) in layout.nodes.iter().zip(nodes) {
            println!(
                "  node{}  SDKs {}  nodes {}",
                entry.index,
                node.channel_address(),
                node.p2p_address()
            );
        }
        println!(
            "Certificates for SDKs: {}",
            layout.root.join("sdk").display()
        );
        if let [first, .., last] = nodes {
            println!("Try, in two other terminals:");
            println!(
                "  cargo run --release --example subscriber -- {} hello",
                last.channel_address()
            );
            println!(
                "  cargo run --release --example unicast_publisher -- {} hello",
                first.channel_address()
            );
        }
        println!("Ctrl-C stops the network.");
    }
}
