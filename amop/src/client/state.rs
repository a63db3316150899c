//! The connections of a client, behind its lock, and the choice among them.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use amop_proto::{
    TopicName,
    channel::PrivateName,
    client::{Attempts, CloseReason, EndpointPool, MessageKind, PoolConfig},
    log::with_causes,
    race::AddressOrder,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

use super::{node_info::NodeInfo, settings::ClientSettings};
use crate::{ConnectError, Generation, connection::Connection, send::Pins};

/// FISCO nodes of 3.x that fail again and again are not dialled sooner, as by their own SDKs (ws-v3
/// section 12.2).
const PAUSE_OF_V3: Duration = Duration::from_secs(10);

pub(super) struct ClientState {
    pub(super) pool: EndpointPool,
    pub(super) rng: StdRng,
    pub(super) links: Vec<EndpointConnections>,
    /// The connections that the multicasts of each topic use.
    pub(super) pins: Pins,
    pub(super) connections_made: u64,
    pub(super) last_lost: Option<CloseReason>,
    pub(super) closing: Option<CloseReason>,
}

/// The state of an endpoint.
#[derive(Default)]
pub(super) struct EndpointConnections {
    /// A connection that is not ready: the handshake or the confirmation of the topics is not
    /// finished.
    pub(super) joining: Option<Connection>,
    /// A connection that can be used.
    pub(super) up: Option<Connection>,
    /// The number of its chain.
    pub(super) chain: usize,
    /// The generations that its node may have.
    pub(super) allowed: Vec<Generation>,
    /// The generation of the node on the last connection.
    pub(super) generation: Option<Generation>,
    /// What the node said about itself on the last connection.
    pub(super) info: Option<NodeInfo>,
    /// The error of the last failed try.
    pub(super) failure: Option<Arc<ConnectError>>,
    /// Which of its addresses to try first.
    pub(super) order: AddressOrder,
    /// The longest frame that a node here has taken.
    pub(super) longest_taken: Arc<AtomicUsize>,
}

/// The choice of a connection to try.
pub(crate) enum Picked {
    Connection(Connection),
    None,
    Closed(CloseReason),
}

impl ClientState {
    pub(super) fn new(endpoints: usize, options: &ClientSettings, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let mut config = PoolConfig::new(options.connections.min(endpoints));
        config.first_pause = options.reconnect.first.min(options.reconnect.max);
        config.max_pause = options.reconnect.max;
        config.retries = options.reconnect.retries;
        let now = Instant::now().into_std();
        let pool = EndpointPool::new(config, endpoints, rng.random(), now);
        Self {
            pool,
            rng,
            links: (0..endpoints)
                .map(|_| EndpointConnections::default())
                .collect(),
            pins: Pins::default(),
            connections_made: 0,
            last_lost: None,
            closing: None,
        }
    }

    /// Records that dialling an endpoint failed, or that its connection was lost. Returns the pause
    /// before it may be tried again; `None` if it is given up.
    pub(super) fn failed(&mut self, index: usize) -> Option<Duration> {
        let info = self.links[index].info.as_ref();
        let slow = info.is_some_and(|info| info.fisco && info.generation == Generation::V3);
        let least = if slow { PAUSE_OF_V3 } else { Duration::ZERO };
        let now = Instant::now().into_std();
        self.pool.failed_for(index, now, least)
    }

    /// Returns the reason why a client ends that never had a connection.
    pub(super) fn never_connected(&self) -> Option<CloseReason> {
        let failures = self.links.iter().rev();
        let last = failures.filter_map(|link| link.failure.as_ref()).next()?;
        Some(CloseReason::Transport {
            kind: std::io::ErrorKind::NotConnected,
            message: with_causes(&**last).to_string(),
        })
    }

    /// Returns whether no endpoint is tried any more.
    pub(super) fn gave_up(&self) -> bool {
        self.closing.is_some() || self.pool.is_over()
    }

    /// Returns the connections that are ready and open.
    pub(super) fn open(&self) -> impl Iterator<Item = &Connection> {
        let up = self.links.iter().filter_map(|link| link.up.as_ref());
        up.filter(|connection| connection.is_open())
    }

    /// Picks the connection over which a message is tried next. This is the connection of the
    /// topic's last multicast, for a multicast and for a unicast soon after one; otherwise it is
    /// the least busy connection.
    pub(super) fn pick(
        &mut self,
        attempts: &Attempts,
        topic: &TopicName,
        kind: MessageKind,
    ) -> Picked {
        if let Some(reason) = &self.closing {
            return Picked::Closed(reason.clone());
        }
        let now = Instant::now();
        let pinned = match kind {
            MessageKind::Multicast => self.pins.ways(topic).first().copied(),
            MessageKind::Unicast => self.pins.recent(topic, now),
        };
        let may = |connection: &Connection| {
            attempts.may_try(connection.id()) && may_carry(connection, topic)
        };
        let pinned = pinned.and_then(|id| self.usable(|c| c.id() == id && may(c)));
        let Some(connection) = pinned.or_else(|| self.least_busy(may)) else {
            return Picked::None;
        };
        if kind == MessageKind::Multicast {
            let id = connection.id();
            let others = self.pins.ways(topic).iter().filter(|&&other| other != id);
            let ways: Vec<u64> = std::iter::once(id).chain(others.copied().take(1)).collect();
            self.pins.set(topic, &ways, now);
        }
        Picked::Connection(connection)
    }

    /// Picks another connection for a copy of a message that went by those with the numbers in `not`: to
    /// another node of 2.x of the same chain. A copy is for FISCO nodes, which do not deliver to their own
    /// subscribers; for other nodes it would be a second message.
    /// For a multicast this is the connection that had the copy of the topic's last multicast;
    /// otherwise it is the least busy one.
    pub(super) fn pick_other(
        &mut self,
        topic: &TopicName,
        kind: MessageKind,
        not: &[u64],
    ) -> Option<Connection> {
        if self.closing.is_some() {
            return None;
        }
        let others = self.beside(not);
        let may = |connection: &Connection| others.contains(&connection.id());
        if kind == MessageKind::Unicast {
            return self.least_busy(may);
        }
        let pinned = self.pins.ways(topic).get(1).copied();
        let pinned = pinned.and_then(|id| self.usable(|c| c.id() == id && may(c)));
        let other = pinned.or_else(|| self.least_busy(may))?;
        if let Some(&first) = self.pins.ways(topic).first() {
            let ways = [first, other.id()];
            self.pins.set(topic, &ways, Instant::now());
        }
        Some(other)
    }

    /// Returns the numbers of the other connections to nodes of 2.x of the chain to which those in `not`
    /// belong.
    fn beside(&self, not: &[u64]) -> Vec<u64> {
        let up = self.links.iter();
        let up = up.filter_map(|link| Some((link.chain, link.up.as_ref()?)));
        let is_asked = |connection: &Connection| not.contains(&connection.id());
        let mut asked = up.clone().filter(|(_, connection)| is_asked(connection));
        let Some((chain, _)) = asked.next() else {
            return Vec::new();
        };
        let others = up.filter(|&(of, connection)| {
            of == chain && !connection.is_v3() && !is_asked(connection)
        });
        others.map(|(_, connection)| connection.id()).collect()
    }

    /// Returns a usable connection for which `is_it` is true.
    fn usable(&self, is_it: impl Fn(&Connection) -> bool) -> Option<Connection> {
        self.open().find(|c| is_it(c)).cloned()
    }

    fn least_busy(&mut self, may: impl Fn(&Connection) -> bool) -> Option<Connection> {
        let Self { pool, links, .. } = self;
        let usable = links.iter().enumerate().filter_map(|(index, link)| {
            let connection = link.up.as_ref()?;
            let usable = connection.is_open() && may(connection);
            usable.then(|| (index, connection.load()))
        });
        let index = pool.pick(usable)?;
        links[index].up.clone()
    }
}

/// Returns whether messages of a topic may be published through a connection. Nodes of 3.x have no
/// private topics: they would give the messages to everybody.
fn may_carry(connection: &Connection, topic: &TopicName) -> bool {
    !connection.is_v3() || !PrivateName::concerns(topic.as_str())
}

impl EndpointConnections {
    /// Returns whether the endpoint's node is known to be of a generation: it was, or it may have no
    /// other.
    pub(super) fn is_known_as(&self, generation: Generation) -> bool {
        self.generation == Some(generation) || self.allowed == [generation]
    }

    pub(super) fn current_info(&self) -> Option<NodeInfo> {
        let mut info = self.info.clone()?;
        if let Some(connection) = &self.up {
            info.protocol_version = connection.protocol_version();
        }
        Some(info)
    }
}
