//! The SDK clients of a run, and the wires by which they reach their nodes.

use std::{path::Path, time::Duration};

use amop::Client;
use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::{
    net::Net,
    proxy::{Proxy, Wire},
};

/// Between two looks at something that cannot be waited for.
const LOOK: Duration = Duration::from_millis(20);

/// For all connections of a client to come up.
const CONNECT: Duration = Duration::from_secs(60);

/// A client with a wire to each of its nodes.
#[derive(Debug)]
pub(crate) struct Sdk {
    pub(crate) client: Client,
    pub(crate) ways: Vec<Way>,
}

/// A client's way to a node.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) node: usize,
    wire: Proxy,
    endpoint: String,
}

impl Sdk {
    /// A client that is connected to all of these nodes.
    pub(crate) async fn connect(net: &Net, nodes: &[usize], certificates: &Path) -> Result<Self> {
        let mut ways = Vec::new();
        for &node in nodes {
            let wire = net.wire(node).await?;
            let endpoint = wire.address().to_string();
            ways.push(Way {
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
            sleep(LOOK).await;
        }
        Ok(sdk)
    }

    /// Whether it would be connected without one of its ways.
    pub(crate) fn survives(&self, without: impl Fn(usize, &Way) -> bool) -> bool {
        let nodes = self.client.nodes();
        let mut left = self
            .ways
            .iter()
            .enumerate()
            .filter(|&(at, way)| !without(at, way));
        left.any(|(_, way)| nodes.iter().any(|node| node.endpoint == way.endpoint))
    }

    pub(crate) fn set_way(&self, way: usize, wire: Wire) {
        self.ways[way].wire.set(wire);
    }

    pub(crate) async fn close(self) {
        self.client.close().await;
        for way in self.ways {
            way.wire.stop().await;
        }
    }
}
