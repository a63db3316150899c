//! Tests of the client against nodes of 3.x that are played by the test: the same client, upgrade and
//! WebSocket as over a network, over in-memory pipes and with the clock stopped.

mod detecting;
mod failover;
mod node;
mod publishing;
mod sockets;
mod subscribing;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::node::WsNode;
use super::*;
use crate::client::NodeStream;

const V2: Generation = Generation::V2;
const V3: Generation = Generation::V3;

/// The other sides of a client's dials, for each endpoint.
struct Hosts {
    arrivals: Vec<UnboundedReceiver<DuplexStream>>,
}

struct Lines {
    arrivals: Vec<UnboundedSender<DuplexStream>>,
    generations: Vec<Vec<Generation>>,
}

impl Dialer for Lines {
    type Stream = NodeStream<DuplexStream>;

    fn generations(&self, index: usize) -> &[Generation] {
        &self.generations[index]
    }

    async fn dial(
        &self,
        index: usize,
        way: DialWay,
        _: &AddressOrder,
        budget: &Budget,
    ) -> Result<Dialed<Self::Stream>, ConnectError> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let name = format!("node:{index}");
        if self.arrivals[index].send(theirs).is_err() {
            return Err(ConnectError::Tcp {
                endpoint: name,
                address: ([127, 0, 0, 1], 1).into(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            });
        }
        Ok(Dialed {
            stream: NodeStream::start(ours, &name, way, budget).await?,
            address: None,
            public_key: None,
            expiry: None,
        })
    }
}

impl Hosts {
    /// Returns a client of endpoints whose nodes may be of these generations.
    fn start(generations: &[&[Generation]], builder: &ClientBuilder) -> (Self, Client) {
        let (arrivals, ends) = generations.iter().map(|_| unbounded_channel()).unzip();
        let lines = Lines {
            arrivals,
            generations: generations.iter().map(|some| some.to_vec()).collect(),
        };
        let names = (0..generations.len()).map(|index| format!("node:{index}").into());
        let client = Client::start(lines, names.collect(), builder.options(), [3; 32]);
        (Self { arrivals: ends }, client)
    }

    /// Returns the next connection to an endpoint.
    async fn arrival(&mut self, index: usize) -> DuplexStream {
        self.arrivals[index].recv().await.unwrap()
    }

    /// Returns the next connection to an endpoint of 3.x, after upgrade and handshake.
    async fn welcome(&mut self, index: usize) -> WsNode {
        let mut node = WsNode::accept(self.arrival(index).await).await;
        node.shake_hands().await;
        node
    }

    /// Returns the next connection to an endpoint of 2.x, after its handshake.
    async fn welcome_v2(&mut self, index: usize) -> Node {
        let mut node = Node {
            stream: self.arrival(index).await,
            buffer: BytesMut::new(),
        };
        node.shake_hands(3).await;
        node
    }

    /// Returns whether no connection arrives at an endpoint for this time.
    async fn is_deserted(&mut self, index: usize, time: Duration) -> bool {
        let arrival = self.arrivals[index].recv();
        !matches!(tokio::time::timeout(time, arrival).await, Ok(Some(_)))
    }
}

/// Returns a client that is connected to one node of 3.x.
async fn connect_v3(builder: ClientBuilder) -> (Hosts, Client, WsNode) {
    let (mut hosts, client) = Hosts::start(&[&[V3]], &builder);
    let (connected, node) = tokio::join!(client.connected(), hosts.welcome(0));
    connected.unwrap();
    (hosts, client, node)
}

async fn subscribe_v3(client: &Client, node: &mut WsNode) -> Subscription<Hello> {
    let (subscription, topics) = tokio::join!(client.subscribe::<Hello>(), node.topics());
    assert_eq!(topics, ["hello"]);
    subscription.unwrap()
}
