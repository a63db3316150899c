//! Two servers of each system, with TLS on every port, in separate processes.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
};

use amop_node::layout::{DevnetSpec, DevnetV3Spec, write_devnet, write_devnet_v3};
use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    certs,
    job::{System, Target},
    process::Server,
};

/// A started system. Dropping it kills its servers.
#[derive(Debug)]
pub struct Servers {
    pub target: Target,
    running: Vec<Server>,
    _dir: Option<TempDir>,
}

impl Servers {
    /// Starts a system's two servers and waits for their ports. The load generator finds out
    /// whether they are connected with each other.
    pub async fn start(system: System, node_binary: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("amop-compare-").tempdir()?;
        let started = match system {
            System::Amop => amop(dir, node_binary).await,
            System::Amop3 => amop3(dir, node_binary).await,
            System::Nats => nats(dir).await,
            System::Mqtt => mosquitto(dir).await,
            System::Raw => relays(dir).await,
        };
        started.with_context(|| format!("cannot start {system}"))
    }

    /// Returns servers that run elsewhere.
    pub fn external(target: Target) -> Self {
        Self {
            target,
            running: Vec::new(),
            _dir: None,
        }
    }

    pub async fn stop(self) -> Result<()> {
        for server in self.running {
            server.stop().await?;
        }
        Ok(())
    }

    /// Waits for the ports of servers, which run in `dir` with `certs`.
    async fn ready(
        dir: TempDir,
        system: System,
        endpoints: [u16; 2],
        certs: PathBuf,
        mut running: Vec<(Server, u16)>,
    ) -> Result<Self> {
        for (server, port) in &mut running {
            server.ready(*port).await?;
        }
        let pids = running.iter().map(|(server, _)| server.pid());
        let target = Target {
            system,
            endpoints: endpoints.map(|port| format!("127.0.0.1:{port}")),
            certs,
            pids: pids.collect::<Result<_>>()?,
        };
        Ok(Self {
            target,
            running: running.into_iter().map(|(server, _)| server).collect(),
            _dir: Some(dir),
        })
    }
}

/// Returns ports that are free now; the second port of each pair follows the first.
fn port_pairs<const N: usize>() -> Result<[[u16; 2]; N]> {
    let mut held = Vec::new();
    let mut pairs = [[0; 2]; N];
    for pair in &mut pairs {
        loop {
            let first = TcpListener::bind("127.0.0.1:0")?;
            let port = first.local_addr()?.port();
            let Some(next) = port.checked_add(1) else {
                continue;
            };
            if let Ok(second) = TcpListener::bind(("127.0.0.1", next)) {
                // Kept open until all pairs are found, so that none is found twice.
                held.push([first, second]);
                *pair = [port, next];
                break;
            }
        }
    }
    Ok(pairs)
}

async fn amop(dir: TempDir, binary: &Path) -> Result<Servers> {
    let [channel, p2p, rpc] = port_pairs()?;
    let mut spec = DevnetSpec::new(dir.path().join("nodes"), 2);
    (spec.base_channel_port, spec.base_p2p_port) = (channel[0], p2p[0]);
    spec.base_rpc_port = rpc[0];
    let layout = write_devnet(&spec)?;
    let configs = layout.nodes.iter().map(|node| &node.config);
    let running = start_nodes(&dir, binary, configs.zip(channel))?;
    let sdk = layout.root.join("sdk");
    Servers::ready(dir, System::Amop, channel, sdk, running).await
}

async fn amop3(dir: TempDir, binary: &Path) -> Result<Servers> {
    let [sdks, p2p] = port_pairs()?;
    let mut spec = DevnetV3Spec::new(dir.path().join("nodes"), 2);
    (spec.base_sdk_port, spec.base_p2p_port) = (sdks[0], p2p[0]);
    let layout = write_devnet_v3(&spec)?;
    let configs = layout.nodes.iter().map(|node| &node.config);
    let running = start_nodes(&dir, binary, configs.zip(sdks))?;
    let sdk = layout.root.join("sdk");
    Servers::ready(dir, System::Amop3, sdks, sdk, running).await
}

/// Starts nodes with these files, and returns them with these ports.
fn start_nodes<'a>(
    dir: &TempDir,
    binary: &Path,
    nodes: impl Iterator<Item = (&'a PathBuf, u16)>,
) -> Result<Vec<(Server, u16)>> {
    let start = |(index, (config, port)): (usize, (&PathBuf, u16))| {
        let log = dir.path().join(format!("node{index}.log"));
        let mut command = Command::new(binary);
        let server = Server::start(command.arg("--config").arg(config), &log)?;
        Ok((server, port))
    };
    nodes.enumerate().map(start).collect()
}

async fn nats(dir: TempDir) -> Result<Servers> {
    let [clients, routes] = port_pairs()?;
    let certs = dir.path().join("certs");
    certs::write(&certs)?;
    let certs_path = certs.display();
    // A handshake may have to wait for its turn when thousands of clients connect at once.
    let tls = format!(
        "tls {{ ca_file: \"{certs_path}/ca.crt\", cert_file: \"{certs_path}/server.crt\", \
         key_file: \"{certs_path}/server.key\", verify: true, timeout: 30 }}"
    );
    let mut running = Vec::new();
    for at in 0..2 {
        let config = format!(
            "server_name: s{at}\n\
             listen: \"127.0.0.1:{}\"\n\
             {tls}\n\
             cluster {{\n\
               name: compare\n\
               listen: \"127.0.0.1:{}\"\n\
               {tls}\n\
               routes: [\"nats://127.0.0.1:{}\"]\n\
             }}\n",
            clients[at],
            routes[at],
            routes[1 - at]
        );
        let file = dir.path().join(format!("nats{at}.conf"));
        fs::write(&file, config)?;
        let mut command = Command::new("nats-server");
        command.arg("--config").arg(&file);
        let log = dir.path().join(format!("nats{at}.log"));
        running.push((Server::start(&mut command, &log)?, clients[at]));
    }
    Servers::ready(dir, System::Nats, clients, certs, running).await
}

async fn mosquitto(dir: TempDir) -> Result<Servers> {
    let [ports] = port_pairs()?;
    let certs = dir.path().join("certs");
    certs::write(&certs)?;
    let path = certs.display();
    let mut running = Vec::new();
    for (at, port) in ports.into_iter().enumerate() {
        let mut config = format!(
            "user root\n\
             listener {port} 127.0.0.1\n\
             cafile {path}/ca.crt\n\
             certfile {path}/server.crt\n\
             keyfile {path}/server.key\n\
             require_certificate true\n\
             allow_anonymous true\n\
             set_tcp_nodelay true\n\
             max_queued_messages 0\n\
             persistence false\n"
        );
        // The publishers' broker forwards everything to the subscribers' broker.
        if at == 0 {
            config += &format!(
                "connection subscribers\n\
                 address 127.0.0.1:{}\n\
                 topic # out 0\n\
                 bridge_cafile {path}/ca.crt\n\
                 bridge_certfile {path}/client.crt\n\
                 bridge_keyfile {path}/client.key\n\
                 restart_timeout 1\n\
                 notifications false\n\
                 try_private true\n",
                ports[1]
            );
        }
        let file = dir.path().join(format!("mosquitto{at}.conf"));
        fs::write(&file, config)?;
        let mut command = Command::new("mosquitto");
        command.arg("-c").arg(&file);
        let log = dir.path().join(format!("mosquitto{at}.log"));
        running.push((Server::start(&mut command, &log)?, port));
    }
    Servers::ready(dir, System::Mqtt, ports, certs, running).await
}

async fn relays(dir: TempDir) -> Result<Servers> {
    let [relays, [receiver, _]] = port_pairs()?;
    let certs = dir.path().join("certs");
    certs::write(&certs)?;
    let mut running = Vec::new();
    for (at, to) in [(0, relays[1]), (1, receiver)] {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("relay").arg("--certs").arg(&certs);
        command.args(["--listen", &format!("127.0.0.1:{}", relays[at])]);
        command.args(["--to", &format!("127.0.0.1:{to}")]);
        let log = dir.path().join(format!("relay{at}.log"));
        running.push((Server::start(&mut command, &log)?, relays[at]));
    }
    Servers::ready(dir, System::Raw, [relays[0], receiver], certs, running).await
}
