//! Two nodes that serve both generations, and what SDKs of 3.x need for them.

use amop::{Client, Protocol};
use amop_interop::{JavaSdks, Running, Sdk3, SdkFiles};
use amop_node::{Network, NodeBuilder};
use amop_testkit::{PATIENCE, log, within};

pub(crate) struct Net {
    pub(crate) network: Network,
}

impl Net {
    pub(crate) async fn start(nodes: usize) -> Self {
        log();
        let configure = |_, builder: NodeBuilder| builder.v3_groups("chain0", ["group0"]);
        let network = Network::start_bridged_with(nodes, configure).await.unwrap();
        Self { network }
    }

    /// Starts an SDK of 3.x at a node; `None` if it cannot run here.
    pub(crate) async fn sdk(&self, sdks: &JavaSdks, sdk: Sdk3, node: usize) -> Option<Running> {
        let endpoint = self.network.v3_endpoint(node).unwrap();
        sdk.start(sdks, &self.files(), endpoint).await
    }

    fn files(&self) -> SdkFiles {
        let authority = self.network.v3_authority().unwrap();
        files_of(authority)
    }

    /// Connects a native client over the protocol of one generation.
    pub(crate) async fn client(&self, protocol: Protocol, node: usize) -> Client {
        let access = match protocol {
            Protocol::V3 => self.network.v3_access(node).unwrap(),
            _ => self.network.access(node),
        };
        let builder = Client::builder()
            .access(access)
            .protocol(protocol)
            .timeout(PATIENCE);
        within("connecting", builder.connect()).await.unwrap()
    }

    pub(crate) async fn end(self, clients: impl IntoIterator<Item = Client>) {
        for client in clients {
            client.close().await;
        }
        self.network.shutdown().await;
    }
}

/// Returns new certificates of a chain.
pub(crate) fn files_of(authority: &amop_tls::pki::ChainV3Authority) -> SdkFiles {
    let issued = authority.issue().unwrap();
    SdkFiles {
        ca: authority.cert_pem().to_owned(),
        cert: issued.cert_pem.to_string(),
        key: issued.key_pem.to_string(),
    }
}
