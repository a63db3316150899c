//! Several nodes that are played by a test and can stop and come back.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

/// The other side of a client's dials, for each endpoint.
pub(super) struct FakeNodes {
    arrivals: Vec<UnboundedReceiver<Node>>,
    open: Arc<Vec<AtomicBool>>,
}

struct Pipes {
    arrivals: Vec<UnboundedSender<Node>>,
    open: Arc<Vec<AtomicBool>>,
}

impl Dialer for Pipes {
    type Stream = DuplexStream;

    async fn dial(
        &self,
        index: usize,
        _: DialWay,
        _: &AddressOrder,
        _: &Budget,
    ) -> Result<Dialed<DuplexStream>, ConnectError> {
        let (ours, node) = pipe(PIPE);
        if self.open[index].load(Ordering::SeqCst) && self.arrivals[index].send(node).is_ok() {
            return Ok(dialed(ours));
        }
        Err(ConnectError::Tcp {
            endpoint: format!("node:{index}"),
            address: ([127, 0, 0, 1], 1).into(),
            source: std::io::ErrorKind::ConnectionRefused.into(),
        })
    }
}

impl FakeNodes {
    /// Returns a client with this number of endpoints, which waits for its first connection.
    pub(super) fn start(
        endpoints: usize,
        builder: &ClientBuilder,
    ) -> (
        Self,
        impl Future<Output = Result<Client, ConnectError>> + use<>,
    ) {
        let (nodes, client) = Self::lazy(endpoints, builder);
        let connected = async move {
            client.connected().await?;
            Ok(client)
        };
        (nodes, connected)
    }

    /// Returns a client with this number of endpoints. It is not connected yet.
    pub(super) fn lazy(endpoints: usize, builder: &ClientBuilder) -> (Self, Client) {
        let open: Vec<_> = (0..endpoints).map(|_| AtomicBool::new(true)).collect();
        let open = Arc::new(open);
        let (senders, arrivals) = (0..endpoints).map(|_| unbounded_channel()).unzip();
        let pipes = Pipes {
            arrivals: senders,
            open: Arc::clone(&open),
        };
        let names = (0..endpoints).map(|index| format!("node:{index}").into());
        let client = Client::start(pipes, names.collect(), builder.options(), [3; 32]);
        (Self { arrivals, open }, client)
    }

    /// Returns a client that is connected to all of its endpoints.
    pub(super) async fn connected<const N: usize>(
        builder: ClientBuilder,
    ) -> (Self, Client, [Node; N]) {
        let (mut fake_nodes, client) = Self::start(N, &builder);
        let client = tokio::spawn(client);
        let mut nodes = Vec::new();
        for index in 0..N {
            nodes.push(fake_nodes.welcome(index).await);
        }
        let client = client.await.unwrap().unwrap();
        let mut events = client.events();
        for _ in 0..N {
            let event = events.next().await;
            assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
        }
        let Ok(nodes) = nodes.try_into() else {
            unreachable!("there are as many nodes as endpoints")
        };
        (fake_nodes, client, nodes)
    }

    /// Lets dials to an endpoint fail or succeed from now on.
    pub(super) fn set_open(&self, index: usize, open: bool) {
        self.open[index].store(open, Ordering::SeqCst);
    }

    /// Returns the next connection to an endpoint.
    pub(super) async fn arrival(&mut self, index: usize) -> Node {
        self.arrivals[index].recv().await.unwrap()
    }

    /// Returns the next connection to an endpoint, after its version handshake.
    pub(super) async fn welcome(&mut self, index: usize) -> Node {
        let mut node = self.arrival(index).await;
        node.shake_hands(3).await;
        node
    }

    /// Returns whether no connection arrives at an endpoint for this time.
    pub(super) async fn is_deserted(&mut self, index: usize, time: Duration) -> bool {
        let arrival = self.arrivals[index].recv();
        !matches!(tokio::time::timeout(time, arrival).await, Ok(Some(_)))
    }
}

/// Subscribes at both nodes.
pub(super) async fn subscribe_at(client: &Client, nodes: &mut [Node; 2]) -> Subscription<Hello> {
    let [a, b] = nodes;
    let (subscription, _, _) = tokio::join!(client.subscribe::<Hello>(), a.confirm(), b.confirm());
    subscription.unwrap()
}

/// As [`subscribe_at`], but with deliveries, which the test answers.
pub(super) async fn deliveries_at(client: &Client, nodes: &mut [Node; 2]) -> Deliveries<Hello> {
    let [a, b] = nodes;
    let (deliveries, _, _) = tokio::join!(client.deliveries::<Hello>(), a.confirm(), b.confirm());
    deliveries.unwrap()
}
