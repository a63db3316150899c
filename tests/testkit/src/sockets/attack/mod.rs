//! Programs that attack a node: members that hold one certificate, of an SDK or a node, and
//! strangers that hold none.
//!
//! Each starts tasks that go on until they are stopped, whatever the node does to their
//! connections, and counts its actions. `tests/hostile` limits their effect on others,
//! `benches/hostile` measures it. None of this is ever shipped.

mod link;
mod nodes;
mod programs;
mod sessions;
mod strangers;

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use amop_node::{Network, Node};
use amop_proto::p2p::NodeId;
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};
use tokio::{task::JoinSet, time::sleep};

pub use self::{
    link::Link,
    nodes::{FiscoLie, Lie, fisco_liars, liars, relay},
    programs::{Field, PROGRAMS, Program, Size, program},
    sessions::{
        big_messages, change_topics, half_frames, hold_answers, json, leave_unread, sessions,
        write_logs,
    },
    strangers::{half_open, hellos, long_chains, stranger},
};
use crate::{identity, within};

/// The addresses that an attacker connects to, and the one certificate that it holds.
#[derive(Debug, Clone)]
pub struct Target {
    /// A node's port for SDKs.
    pub channel: String,
    /// The same node's port for nodes.
    pub p2p: String,
    /// An SDK's certificate of the node's chain and agency.
    pub sdk: Identity,
}

impl Field {
    /// Returns the nodes of a network, with certificates for an attacker in it.
    ///
    /// # Panics
    ///
    /// If the certificates cannot be made.
    pub fn of(network: &Network) -> Self {
        let count = network.running().count();
        let targets = (0..count).map(|node| Target::of(network, node)).collect();
        let members = network.running().map(Node::node_id).collect();
        Self::new(targets, members, network.agency())
    }

    /// Returns a field of nodes at these addresses and with these IDs, with certificates of their
    /// agency for an attacker.
    ///
    /// # Panics
    ///
    /// If the certificates cannot be made.
    pub fn new(targets: Vec<Target>, members: Vec<NodeId>, agency: &Agency) -> Self {
        let key = agency.key_pem().unwrap();
        let own = Agency::from_pem(agency.root_pem(), agency.cert_pem(), &key).unwrap();
        Self {
            targets,
            members,
            node: identity(agency, Leaf::Node, "attacker"),
            others: vec![identity(agency, Leaf::Node, "other")],
            agency: Arc::new(own),
            stranger: stranger(agency.root_pem()),
        }
    }

    /// Adds certificates of `count` more nodes.
    ///
    /// # Panics
    ///
    /// If the certificates cannot be made.
    #[must_use]
    pub fn with_others(mut self, count: usize) -> Self {
        let issue = |n| identity(&self.agency, Leaf::Node, &format!("invented{n}"));
        self.others = (0..count).map(issue).collect();
        self
    }

    /// Returns the ID by which nodes know the attacker.
    ///
    /// # Panics
    ///
    /// If its certificate has no key of a node.
    pub fn attacker(&self) -> NodeId {
        NodeId(self.node.public_key().expect("a node's key").0)
    }
}

impl Target {
    /// Returns a node of a network. Every target gets its own certificate.
    ///
    /// # Panics
    ///
    /// If the node is not running.
    pub fn of(network: &Network, node: usize) -> Self {
        let running = network.node(node).expect("the node runs");
        Self {
            channel: network.endpoint(node).to_owned(),
            p2p: running.p2p_address().to_string(),
            sdk: identity(network.agency(), Leaf::Sdk, "attacker"),
        }
    }
}

/// A running attack. Dropping it ends its tasks.
#[derive(Debug)]
pub struct Attack {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
    /// Attacks that run at the same time.
    others: Vec<Attack>,
}

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    refused: AtomicU64,
    seen: AtomicU64,
}

/// The counters of a task.
#[derive(Debug, Clone)]
struct Tally(Arc<Counts>);

impl Tally {
    fn done(&self) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts messages between others that it was given.
    fn saw(&self, count: u64) {
        self.0.seen.fetch_add(count, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }
}

impl Attack {
    fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            counts: Arc::default(),
            others: Vec::new(),
        }
    }

    /// Joins two attacks that run at the same time.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// Runs a task that starts again, after a moment, whenever the node ends it.
    fn persist<F, Fut>(&mut self, mut attempt: F)
    where
        F: FnMut(Tally) -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<()>> + Send,
    {
        let tally = Tally(self.counts.clone());
        self.tasks.spawn(async move {
            loop {
                if attempt(tally.clone()).await.is_err() {
                    tally.refused();
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }

    /// Returns how often it did its action.
    pub fn count(&self) -> u64 {
        let others: u64 = self.others.iter().map(Self::count).sum();
        self.counts.done.load(Ordering::Relaxed) + others
    }

    /// Returns how often the node ended one of its tasks.
    pub fn refusals(&self) -> u64 {
        let others: u64 = self.others.iter().map(Self::refusals).sum();
        self.counts.refused.load(Ordering::Relaxed) + others
    }

    /// Waits until it has done `count` actions, or has been stopped by the node that often.
    ///
    /// # Panics
    ///
    /// If this takes too long: in that case it does not attack anything.
    pub async fn has_done(&self, count: u64) {
        within("the attack", async {
            while self.count() + self.refusals() < count {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Ends the attack; its connections are closed when this returns. Returns how many messages of
    /// others it was given.
    pub async fn stop(mut self) -> u64 {
        self.tasks.shutdown().await;
        let mut seen = self.counts.seen.load(Ordering::Relaxed);
        for other in self.others {
            seen += Box::pin(other.stop()).await;
        }
        seen
    }
}
