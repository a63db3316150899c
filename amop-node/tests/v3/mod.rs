//! SDKs of FISCO BCOS 3.x at a node: a raw SDK that sends any bytes, and native clients of 2.x.

mod bad_input;
mod config;
mod messages;
mod ports;

use amop::{Client, ReconnectPolicy};
use amop_node::{Node, NodeBuilder, Timeouts};
use amop_testkit::{
    PATIENCE, agency, identity, log, patient,
    v3::{V3Certificates, V3Sdk},
    within,
};
use amop_tls::pki::{Agency, Leaf};

/// A node that serves SDKs of both generations, on two ports.
struct Bridge {
    node: Node,
    agency: Agency,
    certificates: V3Certificates,
}

impl Bridge {
    async fn start() -> Self {
        Self::start_with(|builder| builder).await
    }

    async fn start_with(change: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Self {
        log();
        let (agency, certificates) = (agency(), V3Certificates::new());
        let any = "127.0.0.1:0".parse().unwrap();
        let builder = Node::builder()
            .identity(identity(&agency, Leaf::Node, "node"))
            .v3_listen(any, certificates.node.clone())
            .timeouts(patient());
        let node = change(builder).start().await.unwrap();
        Self {
            node,
            agency,
            certificates,
        }
    }

    fn v3_endpoint(&self) -> String {
        self.node.v3_address().unwrap().to_string()
    }

    /// Connects an SDK of 3.x, which has done the handshake.
    async fn v3(&self) -> V3Sdk {
        let endpoint = self.v3_endpoint();
        let connected = V3Sdk::connect(&endpoint, &self.certificates.sdk);
        within("an SDK of 3.x", connected).await
    }

    /// Connects with TLS alone.
    async fn v3_tls(&self) -> V3Sdk {
        V3Sdk::tls(&self.v3_endpoint(), &self.certificates.sdk)
            .await
            .unwrap()
    }

    /// Connects a native client over 2.x.
    async fn v2(&self) -> Client {
        let builder = Client::builder()
            .endpoint(self.node.channel_address().to_string())
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .reconnect(ReconnectPolicy::never())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE);
        builder.connect().await.unwrap()
    }

    async fn stop(self) {
        self.node.shutdown().await;
    }
}

/// Timeouts with which a silent subscriber is given up soon.
fn impatient() -> Timeouts {
    patient().with(|timeouts| timeouts.session_answer = std::time::Duration::from_secs(1))
}
