//! The SDK clients of a run, and the proxies through which they reach their nodes.

use std::{path::Path, time::Duration};

use amop::Client;
use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::{
    net::Net,
    proxy::{Proxy, WireState},
};

/// The time that all connections of a client have to come up.
const CONNECT: Duration = Duration::from_secs(60);

/// A client with a proxy to each of its nodes.
#[derive(Debug)]
pub(crate) struct Sdk {
    pub(crate) client: Client,
    pub(crate) ways: Vec<ClientWire>,
}

/// A client's connection to a node.
#[derive(Debug)]
pub(crate) struct ClientWire {
    pub(crate) node: usize,
    wire: Proxy,
    endpoint: String,
}

impl Sdk {
    /// Connects a client to all of these nodes.
    pub(crate) async fn connect(net: &Net, nodes: &[usize], certificates: &Path) -> Result<Self> {
        let mut ways = Vec::new();
        for &node in nodes {
            let wire = net.wire(node).await?;
            let endpoint = wire.address().to_string();
            ways.push(ClientWire {
                node,
                wire,
                endpoint,
            });
        }
        let client = Client::builder()
            .endpoints(ways.iter().map(|way| &*way.endpoint))
            .certificates(certificates)
            .connect()
            .await
            .context("a client cannot connect")?;
        let sdk = Self { client, ways };
        let deadline = Instant::now() + CONNECT;
        while sdk.client.nodes().len() < nodes.len() {
            if deadline <= Instant::now() {
                bail!(
                    "a client is not connected to all its nodes after {} s",
                    CONNECT.as_secs()
                );
            }
            sleep(super::poll::LOOK).await;
        }
        Ok(sdk)
    }

    /// Returns whether the client stays connected without some of its connections.
    pub(crate) fn survives(&self, without: impl Fn(usize, &ClientWire) -> bool) -> bool {
        let nodes = self.client.nodes();
        let mut left = self
            .ways
            .iter()
            .enumerate()
            .filter(|&(at, way)| !without(at, way));
        left.any(|(_, way)| nodes.iter().any(|node| node.endpoint == way.endpoint))
    }

    pub(crate) fn set_way(&self, way: usize, wire: WireState) {
        self.ways[way].wire.set(wire);
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
        for way in self.ways {
            way.wire.stop().await;
        }
    }
}
