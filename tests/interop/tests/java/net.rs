//! Nodes in either mode that come back on their ports, and the files that SDKs need for them.

use std::sync::Arc;

use amop::Client;
use amop_interop::{Mode, SdkFiles};
use amop_node::NodeBuilder;
use amop_testkit::{Graph, PATIENCE, agency, identity_of, within};
use amop_tls::{
    Identity,
    pki::{Leaf, RsaAuthority},
};

pub(crate) struct Net {
    graph: Graph,
    /// In RSA mode the channel has separate certificates.
    channel: Option<Arc<RsaAuthority>>,
}

impl Net {
    pub(crate) async fn start(mode: Mode, nodes: usize) -> Self {
        Self::start_with(mode, nodes, true).await
    }

    pub(crate) async fn without_sha1() -> Self {
        Self::start_with(Mode::Ec, 1, false).await
    }

    /// Starts nodes; `sha1` says whether SDKs may sign with SHA-1.
    async fn start_with(mode: Mode, nodes: usize, sha1: bool) -> Self {
        let rsa = mode == Mode::Rsa;
        let channel = rsa.then(|| Arc::new(RsaAuthority::new("agency").unwrap()));
        let of_nodes = channel.clone();
        let configure = move |_, builder: NodeBuilder| {
            let builder = builder.groups([1]).sha1_client_signatures(sha1);
            match &of_nodes {
                Some(channel) => builder.channel_identity(identity_from(&files_of(channel))),
                None => builder,
            }
        };
        Self {
            graph: Graph::full_with(nodes, agency(), configure).await,
            channel,
        }
    }

    /// Stops a node and starts it again on its ports; other nodes that dial it find it.
    pub(crate) async fn restart(&mut self, index: usize) {
        self.graph.stop(index).await;
        self.graph.start_again(index).await;
    }

    pub(crate) fn endpoint(&self, index: usize) -> String {
        self.graph.endpoint(index)
    }

    pub(crate) fn node_id(&self, index: usize) -> String {
        self.graph.node(index).node_id().to_string()
    }

    /// Returns the files of an SDK with this name in its certificate.
    pub(crate) fn files(&self, name: &str) -> SdkFiles {
        match &self.channel {
            None => {
                let agency = self.graph.agency();
                let issued = agency.issue(Leaf::Sdk, name).unwrap();
                SdkFiles {
                    ca: agency.root_pem().to_owned(),
                    cert: issued.cert_pem.to_string(),
                    key: issued.key_pem.to_string(),
                }
            }
            Some(channel) => files_of(channel),
        }
    }

    /// Connects a native client to a node.
    pub(crate) async fn client(&self, index: usize) -> Client {
        let builder = Client::builder()
            .endpoint(self.endpoint(index))
            .identity(identity_from(&self.files("channel")))
            .timeout(PATIENCE);
        within("connecting", builder.connect()).await.unwrap()
    }

    pub(crate) async fn end(self, clients: impl IntoIterator<Item = Client>) {
        self.graph.end(clients).await;
    }
}

/// Returns new certificates of an authority in RSA mode.
fn files_of(channel: &RsaAuthority) -> SdkFiles {
    let issued = channel.issue().unwrap();
    SdkFiles {
        ca: channel.cert_pem().to_owned(),
        cert: issued.cert_pem.to_string(),
        key: issued.key_pem.to_string(),
    }
}

fn identity_from(files: &SdkFiles) -> Identity {
    identity_of(&files.cert, &files.key, &files.ca)
}
