//! The network of overlay nodes: which nodes are linked, which topics they have, and the shortest
//! paths between them.
//!
//! A link-state protocol. Each node floods its own signed record (its neighbours, its topics with
//! their subscriber counts) as changes with rising versions; a link that comes up is followed by an
//! exchange of what both sides know. A record crosses a link once, and a node passes on only
//! records that are new to it, so flooding ends. `docs/mesh-protocol.md` says what a node does not
//! trust its neighbours with.

mod arrivals;
mod bucket;
mod claims;
mod damping;
mod database;
mod extension;
mod flood;
mod forgetting;
mod hops;
mod inbox;
mod limits;
mod link;
mod linking;
mod memory;
mod output;
mod pairs;
mod paths;
mod pending;
mod proofs;
mod restated;
mod restating;
mod seen_messages;
mod seen_multicasts;
mod signed;
mod speaker;
mod speaking;
mod stub;
mod stubs;
mod sync;
mod unsent;
mod view;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

pub(super) use self::{
    bucket::TokenBucket,
    extension::extension,
    output::{Hop, MeshOutput},
    pairs::SealProof,
    seen_messages::{GivenAnswer, SeenMessages, SeenStatus},
};
use self::{
    damping::Damping, database::Database, link::Link, pairs::Pairs, paths::Paths,
    pending::PendingRecords, speaker::Speaker, stub::Stub,
};
pub use self::{restated::Restated, restating::Restatement};
use super::{Kept, Limits, MachineConfig, PeerId, sooner};
use crate::{
    hash::HashMap,
    p2p::{
        NodeId,
        mesh::{Agreement, MAX_VERSION, RoutingKey, StatementSigner, Subject},
    },
};

/// What this node knows of the overlay.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    own_id: NodeId,
    /// This node's statements of itself.
    own: Speaker,
    signer: Arc<dyn StatementSigner>,
    /// The time, in microseconds since 1970, at `born`.
    epoch: u64,
    born: Option<Instant>,
    /// The time of the latest event.
    now: Option<Instant>,
    links: BTreeMap<PeerId, Link>,
    by_key: BTreeMap<RoutingKey, PeerId>,
    /// FISCO nodes that take part through this one, by the names under which they are announced.
    stubs: BTreeMap<RoutingKey, Stub>,
    database: Database,
    pairs: Pairs,
    paths: Paths,
    work: PendingRecords,
    /// For each node, which of several equal paths is next.
    turns: HashMap<RoutingKey, usize>,
    /// The number of changes of links.
    changes: u64,
    /// Whether nodes can be reached that are not neighbours.
    distant: bool,
    /// The earliest time at which a suspension may end; that link may be gone already.
    suspensions_end: Option<Instant>,
    damping: Damping,
    /// The earliest time at which a link that is held down may count.
    holds_end: Option<Instant>,
    /// Packets to neighbours. They are sent before the router acts on the other outputs: a message
    /// that is sent over another path must not overtake the news that explains it.
    sends: VecDeque<MeshOutput>,
    outputs: VecDeque<MeshOutput>,
    /// Changed subscriber counts that are reported when there is time.
    backlog: VecDeque<(RoutingKey, Bytes, u32)>,
    backlog_at: Option<Instant>,
    limits: Limits,
    /// Whether something other than a message was handled since `due` was computed.
    touched: Kept<bool>,
    /// When the next thing is due, as long as `touched` is not set: messages do not change it.
    due: Kept<Option<Instant>>,
}

impl Mesh {
    pub(super) fn new(config: &MachineConfig) -> Self {
        let own = Speaker::new(Subject::Node(config.node));
        let agreement = Agreement::new(config.node, &config.seed, config.epoch);
        Self {
            own_id: config.node,
            signer: config.signer.clone(),
            epoch: config.epoch.clamp(1, MAX_VERSION / 2),
            born: None,
            now: None,
            links: BTreeMap::new(),
            by_key: BTreeMap::new(),
            stubs: BTreeMap::new(),
            database: Database::new(own.key(), config.limits),
            pairs: Pairs::new(agreement, config.limits.nodes),
            paths: Paths::new(own.key()),
            own,
            work: PendingRecords::default(),
            turns: HashMap::default(),
            changes: 0,
            distant: false,
            suspensions_end: None,
            damping: Damping::default(),
            holds_end: None,
            sends: VecDeque::new(),
            outputs: VecDeque::new(),
            backlog: VecDeque::new(),
            backlog_at: None,
            limits: config.limits,
            touched: Kept(true),
            due: Kept(None),
        }
    }

    /// Notes the time.
    pub(super) fn tick(&mut self, now: Instant) {
        self.born.get_or_insert(now);
        self.now = Some(now);
    }

    /// Returns the version that a statement made now would have.
    fn clock(&self) -> u64 {
        let lived = self.now.zip(self.born);
        let lived = lived.map_or(Duration::ZERO, |(now, born)| {
            now.saturating_duration_since(born)
        });
        let lived = lived.as_micros() as u64;
        self.epoch.saturating_add(lived).min(MAX_VERSION / 2)
    }

    pub(super) fn own(&self) -> RoutingKey {
        self.own.key()
    }

    pub(super) fn poll_output(&mut self) -> Option<MeshOutput> {
        self.sends.pop_front().or_else(|| self.outputs.pop_front())
    }

    /// Returns when [`age`](Self::age) or [`speak`](Self::speak) has something to do next.
    pub(super) fn next_age(&self) -> Option<Instant> {
        if self.touched.0 {
            return self.find_due();
        }
        debug_assert_eq!(self.due.0, self.find_due(), "a change was not noted");
        self.due.0
    }

    fn find_due(&self) -> Option<Instant> {
        let mut next = sooner(self.suspensions_end, self.database.next_age());
        next = sooner(next, self.holds_end);
        next = sooner(next, self.work.next());
        if !self.links.is_empty() {
            next = sooner(next, self.own.next());
        }
        for stub in self.stubs.values() {
            next = sooner(next, stub.speaker.next());
        }
        sooner(next, self.backlog_at)
    }
}
