//! Multicasts while the connection between two nodes is cut, or is one of two.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use amop::{Client, TopicName};
use amop_node::{Node, NodeBuilder};
use amop_testkit::{PATIENCE, agency, identity, patient, within};
use amop_tls::pki::{Agency, Leaf};
use bytes::Bytes;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

const TOPIC: &str = "cuts";

/// A connection to a node that can be cut. Until it is told the node's address, connections wait.
struct Line {
    address: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
    cuts: watch::Sender<u32>,
    serving: JoinHandle<()>,
}

impl Line {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, cuts) = (watch::Sender::new(None), watch::Sender::new(0));
        let serving = tokio::spawn(serve(listener, to.subscribe(), cuts.subscribe()));
        Self {
            address,
            to,
            cuts,
            serving,
        }
    }

    /// Ends all connections. Bytes in transit are lost.
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn serve(
    listener: TcpListener,
    to: watch::Receiver<Option<SocketAddr>>,
    cuts: watch::Receiver<u32>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        let (mut to, mut cuts) = (to.clone(), cuts.clone());
        cuts.mark_unchanged();
        connections.spawn(async move {
            let to = to.wait_for(Option::is_some).await.unwrap().unwrap();
            let (mut near, mut far) = (near, TcpStream::connect(to).await?);
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                _ = cuts.changed() => {}
            }
            std::io::Result::Ok(())
        });
    }
}

/// Two nodes: the second one dials the first, and if `both` is set the first one also dials the
/// second.
struct Pair {
    agency: Agency,
    nodes: [Node; 2],
    lines: [Line; 2],
}

impl Pair {
    async fn start(both: bool) -> Self {
        let agency = agency();
        let lines = [Line::start().await, Line::start().await];
        let mut nodes = Vec::new();
        for (index, name) in ["node0", "node1"].into_iter().enumerate() {
            let mut builder = Node::builder()
                .identity(identity(&agency, Leaf::Node, name))
                .timeouts(patient());
            if both || index == 1 {
                let other = lines[1 - index].address.to_string();
                builder = NodeBuilder::peer(builder, other.parse().unwrap());
            }
            nodes.push(builder.start().await.unwrap());
        }
        let nodes: [Node; 2] = nodes.try_into().unwrap();
        Self {
            agency,
            nodes,
            lines,
        }
    }

    /// Lets the nodes reach each other.
    fn join(&self) {
        for (line, node) in self.lines.iter().zip(&self.nodes) {
            line.to.send_replace(Some(node.p2p_address()));
        }
    }

    async fn client(&self, index: usize) -> Client {
        let builder = Client::builder()
            .endpoint(self.nodes[index].channel_address().to_string())
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .queue(10_000)
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE);
        builder.connect().await.unwrap()
    }

    async fn end(self, clients: [Client; 2]) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes {
            within("a node's end", node.shutdown()).await;
        }
        for line in self.lines {
            line.serving.abort();
        }
    }
}

/// Counts the numbers of multicasts as they arrive, until all have arrived once or it takes too
/// long.
fn take(
    client: &Client,
    count: u32,
) -> impl Future<Output = (JoinHandle<Vec<u32>>, Arc<watch::Sender<u32>>)> {
    let client = client.clone();
    async move {
        let topic = TopicName::new(TOPIC).unwrap();
        let mut deliveries = client.subscribe_raw(&topic).await.unwrap();
        let came = Arc::new(watch::Sender::new(0));
        let told = came.clone();
        let taking = tokio::spawn(async move {
            let mut numbers = Vec::new();
            while numbers.len() < count as usize
                && let Ok(Some(delivery)) = tokio::time::timeout(PATIENCE, deliveries.next()).await
            {
                let number = u32::from_be_bytes(delivery[..].try_into().unwrap());
                // The first ones are repeated until one arrives.
                if number < count {
                    numbers.push(number);
                }
                told.send_modify(|came| *came += 1);
            }
            numbers
        });
        (taking, came)
    }
}

/// Publishes until the node knows the subscriber.
async fn find(client: &Client, came: &watch::Sender<u32>) {
    let topic = TopicName::new(TOPIC).unwrap();
    let finding = async {
        while *came.borrow() == 0 {
            let nobody = Bytes::copy_from_slice(&u32::MAX.to_be_bytes());
            client.publish_multicast_raw(&topic, nobody).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("a subscriber", finding).await;
}

/// Publishes numbers in parts; calls `between` after each part.
async fn publish(client: &Client, parts: u32, part: u32, mut between: impl AsyncFnMut(u32)) {
    let topic = TopicName::new(TOPIC).unwrap();
    let mut publisher = client.publisher_raw(&topic);
    for n in 0..parts {
        for number in n * part..(n + 1) * part {
            let payload = Bytes::copy_from_slice(&number.to_be_bytes());
            publisher.publish(payload).await.unwrap();
        }
        publisher.flush().await.unwrap();
        between(n).await;
    }
}

fn is_everything(mut numbers: Vec<u32>, count: u32) {
    let came = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    let missing: Vec<u32> = (0..count)
        .filter(|number| numbers.binary_search(number).is_err())
        .take(10)
        .collect();
    assert!(missing.is_empty(), "{came} came; missing {missing:?}");
    assert_eq!(came, count as usize, "some came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_cut_under_load_costs_no_multicast() {
    const PARTS: u32 = 30;
    const PART: u32 = 200;
    let pair = Pair::start(false).await;
    pair.join();
    let clients = [pair.client(0).await, pair.client(1).await];
    let (taking, came) = take(&clients[1], PARTS * PART).await;
    find(&clients[0], &came).await;
    publish(&clients[0], PARTS, PART, async |n| {
        // The node has all of them; some are on their way to the other node.
        if n % 6 == 3 {
            pair.lines[0].cut();
        }
    })
    .await;
    let numbers = within("multicasts", taking).await.unwrap();
    is_everything(numbers, PARTS * PART);
    pair.end(clients).await;
}

/// Both nodes dial at the same time, and they close one of the two connections while it is in use.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_lose_no_multicast() {
    const PARTS: u32 = 20;
    const PART: u32 = 100;
    for _ in 0..3 {
        let pair = Pair::start(true).await;
        let clients = [pair.client(0).await, pair.client(1).await];
        let (taking, came) = take(&clients[1], PARTS * PART).await;
        pair.join();
        find(&clients[0], &came).await;
        publish(&clients[0], PARTS, PART, async |_| {}).await;
        let numbers = within("multicasts", taking).await.unwrap();
        is_everything(numbers, PARTS * PART);
        pair.end(clients).await;
    }
}
