//! Nodes in either mode that come back on their ports, and the files that SDKs need for them.

use std::net::SocketAddr;

use amop::{Client, PublishErrorKind, Reply, TopicName};
use amop_interop::{Mode, SdkFiles};
use amop_node::Node;
use amop_testkit::{PATIENCE, free_ports, identity, identity_of, log, patient, within};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf, RsaAuthority},
};
use bytes::Bytes;

pub(crate) struct Net {
    agency: Agency,
    /// Whether SDKs may sign with SHA-1.
    sha1: bool,
    /// In RSA mode the channel has separate certificates.
    channel: Option<RsaAuthority>,
    identities: Vec<Identity>,
    nodes: Vec<Option<Node>>,
    /// The channel and the P2P port of each.
    ports: Vec<(SocketAddr, SocketAddr)>,
}

impl Net {
    pub(crate) async fn start(mode: Mode, nodes: usize) -> Self {
        Self::start_with(mode, nodes, true).await
    }

    pub(crate) async fn without_sha1() -> Self {
        Self::start_with(Mode::Ec, 1, false).await
    }

    async fn start_with(mode: Mode, nodes: usize, sha1: bool) -> Self {
        log();
        let agency = Authority::new_ec("chain")
            .unwrap()
            .agency("agency")
            .unwrap();
        let identities = (0..nodes).map(|n| identity(&agency, Leaf::Node, &format!("node{n}")));
        let mut net = Self {
            identities: identities.collect(),
            channel: (mode == Mode::Rsa).then(|| RsaAuthority::new("agency").unwrap()),
            agency,
            sha1,
            nodes: Vec::new(),
            ports: Vec::new(),
        };
        // Not ports that the system might give to other programs while a node is stopped.
        let base = free_ports(nodes as u16);
        for index in 0..nodes {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port + index as u16));
            net.ports.push((at(base), at(base + 10_100)));
            let node = net.run(index).await;
            net.nodes.push(Some(node));
        }
        net.meshed().await;
        net
    }

    async fn run(&self, index: usize) -> Node {
        let (channel, p2p) = self.ports[index];
        let mut builder = Node::builder()
            .identity(self.identities[index].clone())
            .channel_listen(channel)
            .p2p_listen(p2p)
            .groups([1])
            .sha1_client_signatures(self.sha1)
            .timeouts(patient());
        if self.channel.is_some() {
            builder = builder.channel_identity(self.channel_identity());
        }
        // Each node dials those before it.
        for (_, p2p) in &self.ports[..index] {
            builder = builder.peer(p2p.to_string().parse().unwrap());
        }
        builder.start().await.unwrap()
    }

    async fn meshed(&self) {
        let others = self.nodes.iter().flatten().count() - 1;
        for node in self.nodes.iter().flatten() {
            node.wait_for_peers(others, PATIENCE).await.unwrap();
        }
    }

    /// Stops a node and starts it again on its ports; other nodes that dial it find it.
    pub(crate) async fn restart(&mut self, index: usize) {
        let node = self.nodes[index].take().unwrap();
        within("a node's end", node.shutdown()).await;
        self.nodes[index] = Some(self.run(index).await);
        self.meshed().await;
    }

    pub(crate) fn endpoint(&self, index: usize) -> String {
        self.ports[index].0.to_string()
    }

    pub(crate) fn node_id(&self, index: usize) -> String {
        self.nodes[index].as_ref().unwrap().node_id().to_string()
    }

    /// Returns the files of an SDK with this name in its certificate.
    pub(crate) fn files(&self, name: &str) -> SdkFiles {
        match &self.channel {
            None => {
                let issued = self.agency.issue(Leaf::Sdk, name).unwrap();
                SdkFiles {
                    ca: self.agency.root_pem().to_owned(),
                    cert: issued.cert_pem.to_string(),
                    key: issued.key_pem.to_string(),
                }
            }
            Some(channel) => {
                let issued = channel.issue().unwrap();
                SdkFiles {
                    ca: channel.cert_pem().to_owned(),
                    cert: issued.cert_pem.to_string(),
                    key: issued.key_pem.to_string(),
                }
            }
        }
    }

    fn channel_identity(&self) -> Identity {
        let SdkFiles { ca, cert, key } = self.files("channel");
        identity_of(&cert, &key, &ca)
    }

    /// Connects a native client to a node.
    pub(crate) async fn client(&self, index: usize) -> Client {
        let builder = Client::builder()
            .endpoint(self.endpoint(index))
            .identity(self.channel_identity())
            .timeout(PATIENCE);
        within("connecting", builder.connect()).await.unwrap()
    }

    pub(crate) async fn end(self, clients: impl IntoIterator<Item = Client>) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes.into_iter().flatten() {
            within("a node's end", node.shutdown()).await;
        }
    }
}

/// Returns a topic with this name.
pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// Sends requests until there is a subscriber: a Java SDK does not know when the node has its
/// topics.
pub(crate) async fn ask(client: &Client, topic: &TopicName, payload: impl Into<Bytes>) -> Reply {
    let payload = payload.into();
    let asking = async {
        loop {
            match client.publish_unicast_raw(topic, payload.clone()).await {
                Ok(reply) => return reply,
                Err(error) if matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }) => {
                    tokio::task::yield_now().await
                }
                Err(error) => panic!("{topic}: {error}"),
            }
        }
    };
    within(&format!("an answer to {topic}"), asking).await
}
