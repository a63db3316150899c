//! Nodes that come back on their ports, and clients that count the messages they get.

use std::{collections::BTreeMap, net::SocketAddr};

use amop::{Client, ClientBuilder, Event, Events, PublishError, PublishErrorKind};
use amop_node::Node;
use amop_testkit::{PATIENCE, free_ports, identity, log, patient, within};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf},
};
use futures::StreamExt;
use tokio::{sync::watch, task::JoinHandle};

#[amop::topic("number")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Number(pub(crate) String);

/// Nodes that keep their certificates and ports.
pub(crate) struct Chain {
    pub(crate) agency: Agency,
    identities: Vec<Identity>,
    pub(crate) nodes: Vec<Option<Node>>,
    /// The channel and the P2P port of each.
    ports: Vec<(SocketAddr, SocketAddr)>,
}

impl Chain {
    pub(crate) async fn start(nodes: usize) -> Self {
        log();
        let agency = Authority::new_ec("chain")
            .unwrap()
            .agency("agency")
            .unwrap();
        let identities = (0..nodes).map(|n| identity(&agency, Leaf::Node, &format!("node{n}")));
        let mut chain = Self {
            identities: identities.collect(),
            agency,
            nodes: Vec::new(),
            ports: Vec::new(),
        };
        // Not ports that the system might give to other programs while a node is stopped.
        let base = free_ports(nodes as u16);
        for index in 0..nodes {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port + index as u16));
            let ports = (at(base), at(base + 10_100));
            let node = chain.run(index, ports).await;
            chain.ports.push(ports);
            chain.nodes.push(Some(node));
        }
        chain.meshed().await;
        chain
    }

    async fn run(&self, index: usize, (channel, p2p): (SocketAddr, SocketAddr)) -> Node {
        let builder = Node::builder()
            .identity(self.identities[index].clone())
            .channel_listen(channel)
            .p2p_listen(p2p)
            .timeouts(patient());
        // Each node dials those before it.
        let others = self.ports.iter().take(index);
        let builder = others.fold(builder, |builder, (_, p2p)| {
            builder.peer(p2p.to_string().parse().unwrap())
        });
        builder.start().await.unwrap()
    }

    pub(crate) async fn meshed(&self) {
        let others = self.nodes.iter().flatten().count() - 1;
        for node in self.nodes.iter().flatten() {
            node.wait_for_peers(others, PATIENCE).await.unwrap();
        }
    }

    pub(crate) async fn stop(&mut self, index: usize) {
        within("a node's end", self.nodes[index].take().unwrap().shutdown()).await;
    }

    pub(crate) async fn resume(&mut self, index: usize) {
        self.nodes[index] = Some(self.run(index, self.ports[index]).await);
    }

    pub(crate) fn endpoint(&self, index: usize) -> String {
        self.ports[index].0.to_string()
    }

    pub(crate) fn builder(&self, endpoints: &[usize]) -> ClientBuilder {
        Client::builder()
            .endpoints(endpoints.iter().map(|&index| self.endpoint(index)))
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
    }

    /// Connects a client to all of these nodes.
    pub(crate) async fn client(&self, endpoints: &[usize]) -> Client {
        let client = self.builder(endpoints).connect().await.unwrap();
        let mut events = client.events();
        for _ in endpoints {
            next_event(&mut events, |event| {
                matches!(event, Event::Connected { .. })
            })
            .await;
        }
        client
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

/// Returns the next event of a kind; others are skipped.
pub(crate) async fn next_event(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Event {
    within("an event", async {
        loop {
            let event = events.next().await.expect("the client is closed");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

/// How often each number was received from a subscription.
pub(crate) type Taken = JoinHandle<BTreeMap<u32, u32>>;

pub(crate) fn take_all(mut numbers: amop::Subscription<Number>) -> Taken {
    tokio::spawn(async move {
        let mut taken = BTreeMap::new();
        while let Some(Number(number)) = numbers.next().await {
            *taken.entry(number.parse().unwrap()).or_default() += 1;
        }
        taken
    })
}

/// Publishes numbers as unicasts, several at a time. Returns those that were acknowledged and the
/// errors of the others; `done` counts both.
pub(crate) async fn publish_all(
    publisher: &Client,
    count: u32,
    done: &watch::Sender<u32>,
) -> (Vec<u32>, Vec<PublishError>) {
    let publishing = futures::stream::iter(0..count).map(|number| async move {
        let result = Number(number.to_string()).publish_unicast(publisher).await;
        done.send_modify(|done| *done += 1);
        result.map(|()| number)
    });
    let results: Vec<_> = publishing.buffer_unordered(32).collect().await;
    let mut errors = Vec::new();
    let acknowledged = results.into_iter().filter_map(|result| match result {
        Ok(number) => Some(number),
        Err(error) => {
            errors.push(error);
            None
        }
    });
    (acknowledged.collect(), errors)
}

/// Returns whether a node reported that no subscriber took the message.
pub(crate) fn is_verdict(error: &PublishError) -> bool {
    matches!(
        error.kind(),
        PublishErrorKind::NoSubscriber { .. } | PublishErrorKind::Unanswered
    )
}

/// Checks that nothing acknowledged is lost and that nothing was received twice.
pub(crate) fn judge(acknowledged: &[u32], taken: &BTreeMap<u32, u32>) {
    let twice: Vec<_> = taken.iter().filter(|&(_, &times)| times > 1).collect();
    assert!(twice.is_empty(), "taken twice: {twice:?}");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|number| !taken.contains_key(number))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}
