//! The nodes of an example.

use std::env;

use amop::{Client, ClientBuilder};
use amop_node::{Network, StartError};

/// The nodes that an example connects to: those named on the command line, or else a network in this
/// process, so that an example needs nothing around it.
#[derive(Debug)]
pub struct Nodes {
    endpoints: Vec<String>,
    network: Option<Network>,
}

impl Nodes {
    /// Takes the endpoints on the command line. Without any, starts a network of `count` nodes on free ports of this
    /// machine, with new certificates.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the network cannot be started.
    pub async fn from_args(count: usize) -> Result<Self, StartError> {
        let endpoints: Vec<String> = env::args().skip(1).collect();
        if !endpoints.is_empty() {
            return Ok(Self {
                endpoints,
                network: None,
            });
        }
        let network = Network::start(count).await?;
        Ok(Self {
            endpoints,
            network: Some(network),
        })
    }

    /// Returns a builder of clients of one node. If fewer endpoints were named, nodes have several clients.
    ///
    /// A client of a named endpoint finds its certificates itself, see [`amop::find_certificates`].
    pub fn client(&self, node: usize) -> ClientBuilder {
        match &self.network {
            Some(network) => Client::builder().access(network.access(node)),
            None => Client::builder().endpoint(&self.endpoints[node % self.endpoints.len()]),
        }
    }

    /// Stops the network, if this process started it.
    pub async fn shutdown(self) {
        if let Some(network) = self.network {
            network.shutdown().await;
        }
    }
}
