//! Long messages of some clients and short ones of others on one link between nodes.

use std::time::Duration;

use amop::{Client, TopicName};
use amop_node::{Limits, Node};
use amop_testkit::{PATIENCE, agency, identity, log, patient, within};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};
use bytes::Bytes;
use tokio::task::JoinSet;

use super::meter::Meter;

/// The number of clients that send long messages, the number of messages of each, and their length.
const HOGS: usize = 6;
const EACH: usize = 2;
const LONG: usize = 8 << 20;

/// The short message and its answer need at most this much of the link. The messages queued before
/// them are many times as long.
const ENOUGH: usize = 8 << 20;

struct Pair {
    agency: Agency,
    meter: Meter,
    nodes: [Node; 2],
}

impl Pair {
    /// Starts two nodes whose only link is metered in the direction from the first to the second.
    async fn start() -> Self {
        log();
        let agency = agency();
        let builder = |name: &str| {
            let timeouts = patient().with(|timeouts| {
                // A link that lets nothing through must not count as broken in this test.
                timeouts.link_idle = PATIENCE * 2;
            });
            let limits = Limits::default().with(|limits| {
                limits.peer_queue = 1 << 30;
                // Because they take turns, they complete at about the same time.
                limits.session_queue = 1 << 30;
                limits.session_in_flight_bytes = 1 << 30;
            });
            Node::builder()
                .identity(identity(&agency, Leaf::Node, name))
                .timeouts(timeouts)
                .limits(limits)
        };
        let far = builder("far").start().await.unwrap();
        let meter = Meter::start(far.p2p_address());
        let peer = meter.address.to_string().parse().unwrap();
        let near = builder("near").peer(peer).start().await.unwrap();
        near.wait_for_peers(1, PATIENCE).await.unwrap();
        far.wait_for_peers(1, PATIENCE).await.unwrap();
        Self {
            agency,
            meter,
            nodes: [near, far],
        }
    }

    async fn client(&self, node: usize) -> Client {
        let sdk: Identity = identity(&self.agency, Leaf::Sdk, "sdk");
        Client::builder()
            .endpoint(self.nodes[node].channel_address().to_string())
            .identity(sdk)
            .timeout(PATIENCE * 2)
            .connect_timeout(PATIENCE)
            .connect()
            .await
            .unwrap()
    }

    async fn end(self, clients: Vec<Client>) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes {
            within("a node's end", node.shutdown()).await;
        }
        self.meter.end().await;
    }
}

/// Receives and counts messages, so that no queue builds up.
fn taking(mut subscription: amop::RawSubscription, count: usize) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        for _ in 0..count {
            let message = within("a long message", subscription.next()).await.unwrap();
            assert_eq!(message.len(), LONG);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_message_passes_long_ones_of_others_that_were_sent_before_it() {
    let pair = Pair::start().await;
    let (long, short) = (
        TopicName::new("long").unwrap(),
        TopicName::new("short").unwrap(),
    );
    let (reader, answerer) = (pair.client(1).await, pair.client(1).await);
    let taken = taking(reader.subscribe_raw(&long).await.unwrap(), HOGS * EACH);
    let mut questions = answerer.subscribe_raw(&short).await.unwrap();
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            question.reply_bytes("answer").unwrap();
        }
    });
    let asker = pair.client(0).await;
    let asking = asker.clone();
    let ask = || async {
        asking
            .publish_unicast_raw(&short, "question".into())
            .await
            .unwrap()
    };
    assert_eq!(within("an answer", ask()).await.payload, "answer");

    let mut hogs = Vec::new();
    for _ in 0..HOGS {
        hogs.push(pair.client(0).await);
    }
    pair.meter.close();
    let mut sending = JoinSet::new();
    for hog in &hogs {
        let (hog, long) = (hog.clone(), long.clone());
        sending.spawn(async move {
            for _ in 0..EACH {
                hog.publish_multicast_raw(&long, Bytes::from(vec![7; LONG]))
                    .await
                    .unwrap();
            }
        });
    }
    // The node confirms the messages that it has queued.
    while let Some(sent) = within("the long messages", sending.join_next()).await {
        sent.unwrap();
    }
    let before = pair.nodes[1].stats().messages.delivered;
    let question = ask();
    tokio::pin!(question);
    // The request is sent before anything moves.
    let early = tokio::time::timeout(Duration::from_millis(100), &mut question).await;
    assert!(early.is_err(), "the link is closed");
    pair.meter.allow(ENOUGH);
    let answer = within("the answer among long messages", question).await;
    assert_eq!(answer.payload, "answer");
    let passed = pair.nodes[1].stats().messages.delivered - before;
    assert!(
        passed < (HOGS * EACH) as u64,
        "{passed}: the long ones had left before"
    );

    // And all of them arrive.
    pair.meter.open();
    within("all long messages", taken).await.unwrap();
    within("memory for them given back", async {
        while pair.nodes.iter().any(|node| node.receiving_bytes() > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    answering.abort();
    hogs.extend([reader, answerer, asker]);
    pair.end(hogs).await;
}
