//! `amop devnet up`: a network of AMOP nodes on this machine.

use std::{
    future,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use amop_node::{
    Node, NodeBuilder,
    config::{ChainV3Config, ChainVersion, NodeConfig},
    layout::{
        DevnetLayout, DevnetSpec, DevnetV3Layout, DevnetV3Spec, write_devnet, write_devnet_v3,
    },
};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
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
    /// The chain that the nodes belong to, by its generation. With `2,3`, all nodes serve SDKs of 2.x,
    /// and the last one also SDKs of 3.x, on a port of its own.
    #[arg(long, value_enum, default_value_t = Chain::Two)]
    chain: Chain,
    /// The number of nodes. Default: 2.
    #[arg(long)]
    nodes: Option<u16>,
    /// The folder of the network.
    #[arg(long, default_value = "nodes")]
    dir: PathBuf,
    /// The channel port of the first node; the others follow. P2P ports start 10100 above it. With
    /// `--chain 2,3`, the port for SDKs of 3.x is 1 below it, and that for nodes of 3.x 10100 above
    /// this one.
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

/// The generation of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chain {
    /// FISCO BCOS 2.x.
    #[value(name = "2")]
    Two,
    /// FISCO BCOS 3.x.
    #[value(name = "3")]
    Three,
    /// Both, bridged.
    #[value(name = "2,3")]
    Both,
}

/// The files of a network.
struct Layouts {
    v2: Option<DevnetLayout>,
    v3: Option<DevnetV3Layout>,
}

/// The folder of the 3.x chain in that of a network of both.
const V3_FOLDER: &str = "chain3";

/// The largest number of nodes of a network.
const MAX_NODES: u16 = 256;

impl Up {
    async fn run(self) -> Result<()> {
        let stopped = signal::stop().context("cannot wait for Ctrl-C")?;
        let mut stopped = pin!(stopped);
        let mut nodes = Vec::new();
        // Ctrl-C works from the start, also if a disk or standard output does not answer.
        let running = async {
            let chain = self.chain;
            let (layouts, builders) = self.prepare().await?;
            start(builders, &mut nodes).await?;
            connected(chain, &nodes).await?;
            say_apart(greeting(&layouts, &nodes)).await;
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
    async fn prepare(self) -> Result<(Layouts, Vec<NodeBuilder>)> {
        let prepare = move || {
            let v2 = (self.chain != Chain::Three).then(|| self.v2_spec());
            let v2 = v2.transpose()?;
            let v3 = (self.chain != Chain::Two).then(|| self.v3_spec());
            let v3 = v3.transpose()?;
            if let Some(v2) = &v2 {
                self.check_ports(v2, v3.as_ref())?;
            }
            let v2 = v2.as_ref().map(write_devnet).transpose()?;
            let v3 = v3.as_ref().map(write_devnet_v3).transpose()?;
            let layouts = Layouts { v2, v3 };
            let builders = self.builders(&layouts)?;
            Ok((layouts, builders))
        };
        tokio::task::spawn_blocking(prepare).await?
    }

    fn builders(&self, layouts: &Layouts) -> Result<Vec<NodeBuilder>> {
        let mut builders = Vec::new();
        for node in layouts.v2.iter().flat_map(|layout| &layout.nodes) {
            let builder = NodeBuilder::from_config_file(&node.config)
                .with_context(|| format!("node{}", node.index))?;
            builders.push(self.configure(builder));
        }
        let v3 = layouts.v3.iter().flat_map(|layout| &layout.nodes);
        match self.chain {
            Chain::Two => {}
            Chain::Three => {
                for node in v3 {
                    let builder = NodeBuilder::from_config_file(&node.config);
                    builders.push(builder.with_context(|| format!("node{}", node.index))?);
                }
            }
            Chain::Both if bridges(layouts)? => {}
            Chain::Both => {
                let last = v3.last().zip(builders.pop());
                let (node, builder) = last.context("a network of both needs nodes of both")?;
                let (config, warnings) = ChainV3Config::from_ini_file(&node.config)?;
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                builders.push(builder.v3_chain(&config)?);
            }
        }
        Ok(builders)
    }

    /// Checks that no node of 2.x has a port of the node of 3.x in the same folder. Nothing is written
    /// yet: a node that was written with such a port would have to be deleted by hand.
    fn check_ports(&self, v2: &DevnetSpec, v3: Option<&DevnetV3Spec>) -> Result<()> {
        let config = |folder: &Path, index: u16| {
            let file = folder.join(format!("127.0.0.1/node{index}/config.ini"));
            file.exists().then_some(file)
        };
        let v3_folder = self.dir.join(V3_FOLDER);
        let v3 = match (config(&v3_folder, 0), v3) {
            (Some(file), _) => {
                let (config, _) = ChainV3Config::from_ini_file(file)?;
                [config.sdk_listen, config.p2p_listen].map(|at| at.port())
            }
            (None, Some(v3)) => [v3.base_sdk_port, v3.base_p2p_port],
            (None, None) => return Ok(()),
        };
        for index in 0..MAX_NODES {
            let ports = match config(&v2.dir, index) {
                Some(file) => {
                    let (config, _) = NodeConfig::from_ini_file(file)?;
                    let rpc = config.jsonrpc_listen.map(|at| at.port());
                    [
                        Some(config.channel_listen.port()),
                        Some(config.p2p_listen.port()),
                        rpc,
                    ]
                }
                None if index < v2.nodes => {
                    let bases = [v2.base_channel_port, v2.base_p2p_port, v2.base_rpc_port];
                    bases.map(|base| base.checked_add(index))
                }
                None => continue,
            };
            // The system chooses a port for each program that asks for port 0.
            let both = |port: &&u16| **port != 0 && ports.contains(&Some(**port));
            if let Some(port) = v3.iter().find(both) {
                bail!(
                    "node{index} and the node of 3.x in {} cannot both have port {port}; choose \
                     other base ports, or change the port in a config.ini",
                    v3_folder.display()
                );
            }
        }
        Ok(())
    }

    /// Describes the 3.x chain. In a network of both, its ports are below those of the nodes of 2.x,
    /// because nodes that are added get the ports above.
    fn v3_spec(&self) -> Result<DevnetV3Spec> {
        ensure!(
            !self.rsa && self.chain_id.is_none() && self.fisco_version.is_none()
                || self.chain == Chain::Both,
            "--rsa, --chain-id and --fisco-version are for chains of 2.x only"
        );
        let (mut spec, base) = match self.chain {
            Chain::Both => (
                DevnetV3Spec::new(self.dir.join(V3_FOLDER), 1),
                self.base_port.checked_sub(1),
            ),
            _ => (
                DevnetV3Spec::new(&self.dir, self.nodes.unwrap_or(2)),
                Some(self.base_port),
            ),
        };
        spec.base_sdk_port = base.context("--base-port is too low")?;
        let p2p = spec.base_sdk_port.checked_add(P2P_OFFSET);
        spec.base_p2p_port =
            p2p.context("--base-port is too high: the P2P ports start 10100 above it")?;
        Ok(spec)
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

    /// Describes the nodes of 2.x.
    fn v2_spec(&self) -> Result<DevnetSpec> {
        let mut spec = DevnetSpec::new(&self.dir, self.nodes.unwrap_or(2));
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
        Ok(spec)
    }
}

/// Returns whether the file of a node makes it the bridge.
fn bridges(layouts: &Layouts) -> Result<bool> {
    for node in layouts.v2.iter().flat_map(|layout| &layout.nodes) {
        let (config, _) = NodeConfig::from_ini_file(&node.config)?;
        if config.v3_config.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Starts the nodes.
async fn start(builders: Vec<NodeBuilder>, nodes: &mut Vec<Node>) -> Result<()> {
    for (index, builder) in builders.into_iter().enumerate() {
        let started = builder.start().await;
        nodes.push(started.with_context(|| format!("node{index}"))?);
    }
    Ok(())
}

/// Waits until the nodes are connected to each other.
async fn connected(chain: Chain, nodes: &[Node]) -> Result<()> {
    let others = nodes.len() - 1;
    for node in nodes {
        match chain {
            Chain::Three => node.wait_for_gateway_peers(others, MESH).await?,
            Chain::Two | Chain::Both => node.wait_for_peers(others, MESH).await?,
        }
    }
    Ok(())
}

/// Returns what the user is told about a network that is up.
fn greeting(layouts: &Layouts, nodes: &[Node]) -> String {
    let count = match nodes.len() {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    let mut lines = vec![format!(
        "AMOP network of {count} is up, with no chain below it."
    )];
    let names = match layouts {
        Layouts { v2: Some(v2), .. } => v2.nodes.iter().map(|node| node.index).collect(),
        Layouts { v3: Some(v3), .. } => v3.nodes.iter().map(|node| node.index).collect(),
        _ => Vec::new(),
    };
    lines.extend(
        names
            .into_iter()
            .zip(nodes)
            .map(|(name, node)| line(layouts, name, node)),
    );
    if let Some(v2) = &layouts.v2 {
        let sdk = v2.root.join("sdk");
        lines.push(format!("Certificates for SDKs: {}", sdk.display()));
    }
    if let Some(v3) = &layouts.v3 {
        let sdk = v3.root.join("sdk");
        lines.push(format!("Certificates for SDKs of 3.x: {}", sdk.display()));
    }
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

/// Returns the line about one node.
fn line(layouts: &Layouts, name: u16, node: &Node) -> String {
    let v3 = node.v3_address();
    if layouts.v2.is_none() {
        let v3 = v3.map_or_else(String::new, |v3| v3.to_string());
        return format!("  node{name}  SDKs of 3.x {v3}");
    }
    let v3 = v3.map_or_else(String::new, |v3| format!("  SDKs of 3.x {v3}"));
    let rpc = node.rpc_address();
    let rpc = rpc.map_or_else(String::new, |rpc| format!("  JSON-RPC {rpc}"));
    format!(
        "  node{name}  SDKs {}  nodes {}{rpc}{v3}",
        node.channel_address(),
        node.p2p_address(),
    )
}
