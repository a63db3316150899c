//! The possible events of a search: the network, SDKs that come and go, messages, and sabotage.

use crate::hostile::Wile;

/// How a link behaves in a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It stays up.
    Never,
    /// It fails, both ends learn this at different times, and it comes back.
    Known,
    /// It fails without notice: the ends can only notice missing signs of life. It comes back.
    Silent,
}

/// A subscriber that comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriber {
    /// The node it connects to.
    pub host: usize,
    /// Whether it is connected from the beginning.
    pub present: bool,
    /// How often it connects or disconnects.
    pub changes: u8,
}

/// A fault that is built in on purpose, so that tests can check that the search finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A multicast reaches a session twice.
    MulticastTwice,
    /// A unicast reaches a session with another content.
    Alter,
    /// A publisher gets an answer as soon as it publishes.
    FalseAnswer,
    /// A heartbeat is answered before the neighbours know the session's topics.
    EarlyBarrier,
    /// The records that one node sends are lost.
    LoseRecords,
    /// When a link comes back, the ends do not tell each other what they know.
    LoseKnown,
    /// Repeated messages are lost.
    LoseRepeats,
    /// Nodes wait an hour for signs of life.
    NoSignsOfLife,
    /// A unicast crosses every link again and again.
    Loop,
    /// Nodes accept every signature.
    BelieveSignatures,
    /// Nodes accept a neighbour's message as coming from the node that it names.
    BelieveNames,
    /// Nodes accept every seal of a message from a distant node.
    BelieveSeals,
    /// Nodes accept an answer from any node.
    AnyAnswer,
    /// A message uses up its id although it does not prove its source.
    UseIds,
    /// Nodes accept an old record as a new one.
    BelieveOld,
    /// A node does not learn what others store about it, so it cannot state a higher version.
    NoOutbid,
    /// Nodes accept a version so high that no version can be above it.
    BelieveVersions,
}

/// A small network and the events that are possible in it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// The links between its three nodes. The first is the one that may break.
    pub links: &'static [(usize, usize)],
    /// The behaviour of the first link.
    pub breaks: Break,
    /// The subscribers.
    pub subscribers: Vec<Subscriber>,
    /// The messages that the publisher, an SDK of node 0, sends; true for a unicast.
    pub unicasts: &'static [bool],
    /// The node that lies. It has no subscribers and is not the publisher's node.
    pub hostile: Option<usize>,
    /// Its actions, each done at most once.
    pub wiles: &'static [Wile],
    /// How often time may pass while something is in transit.
    pub early: u8,
    /// Seeds the nodes' random choices.
    pub seed: u64,
    /// The built-in fault.
    pub sabotage: Option<Sabotage>,
}

/// Wiles of a node in addition to which two others have an honest link.
const BESIDE: &[Wile] = &[
    Wile::ForgeRecord,
    Wile::ReplayRecord,
    Wile::Claim,
    Wile::FarVersion,
    Wile::LastVersion,
    Wile::Stub,
    Wile::ForgeMulticast,
    Wile::ForgeRelayed,
    Wile::Preempt,
    Wile::ReplayMessage,
    Wile::FalseAnswer,
    Wile::Drop,
];

/// Wiles of a node that is the only connection between two others.
const BETWEEN: &[Wile] = &[
    Wile::ForgeRecord,
    Wile::ReplayRecord,
    Wile::FarVersion,
    Wile::Preempt,
    Wile::ReplayMessage,
    Wile::FalseAnswer,
    Wile::Drop,
    Wile::Alter,
    Wile::SendBack,
];

const LINE: &[(usize, usize)] = &[(0, 1), (1, 2)];
const RING: &[(usize, usize)] = &[(0, 1), (1, 2), (0, 2)];

const fn subscriber(host: usize, present: bool, changes: u8) -> Subscriber {
    Subscriber {
        host,
        present,
        changes,
    }
}

impl Scenario {
    const fn new(name: &'static str, links: &'static [(usize, usize)]) -> Self {
        Self {
            name,
            links,
            breaks: Break::Never,
            subscribers: Vec::new(),
            unicasts: &[],
            hostile: None,
            wiles: &[],
            early: 0,
            seed: 1,
            sabotage: None,
        }
    }

    /// Returns all scenarios of the command, the small ones first.
    pub fn all() -> Vec<Self> {
        vec![
            Self {
                subscribers: vec![subscriber(1, true, 2), subscriber(2, false, 2)],
                unicasts: &[true, false],
                ..Self::new("come-and-go-line", LINE)
            },
            Self {
                subscribers: vec![subscriber(1, true, 1), subscriber(2, false, 1)],
                unicasts: &[true, false],
                ..Self::new("come-and-go-ring", RING)
            },
            Self {
                breaks: Break::Known,
                subscribers: vec![subscriber(1, true, 0)],
                unicasts: &[true, false],
                ..Self::new("break-line", LINE)
            },
            Self {
                breaks: Break::Known,
                subscribers: vec![subscriber(1, true, 0)],
                unicasts: &[true, false],
                ..Self::new("break-ring", RING)
            },
            Self {
                breaks: Break::Silent,
                subscribers: vec![subscriber(1, true, 1), subscriber(2, false, 1)],
                unicasts: &[true, false],
                ..Self::new("silent-ring", RING)
            },
            Self {
                subscribers: vec![subscriber(1, true, 0), subscriber(2, true, 0)],
                unicasts: &[true, false],
                early: 2,
                ..Self::new("late-ring", RING)
            },
            Self {
                breaks: Break::Known,
                subscribers: vec![subscriber(1, true, 1), subscriber(2, false, 1)],
                unicasts: &[true, false],
                ..Self::new("all-line", LINE)
            },
            Self {
                breaks: Break::Known,
                subscribers: vec![subscriber(1, true, 1), subscriber(2, false, 1)],
                unicasts: &[true, false],
                ..Self::new("all-ring", RING)
            },
            Self {
                breaks: Break::Known,
                subscribers: vec![subscriber(1, true, 1), subscriber(2, false, 2)],
                unicasts: &[true, false],
                early: 2,
                ..Self::new("all-late-ring", RING)
            },
            Self {
                hostile: Some(2),
                wiles: BESIDE,
                subscribers: vec![subscriber(1, true, 1), subscriber(1, false, 1)],
                unicasts: &[true, false],
                ..Self::new("hostile-ring", RING)
            },
            Self {
                hostile: Some(1),
                wiles: BETWEEN,
                subscribers: vec![subscriber(2, true, 1), subscriber(0, false, 1)],
                unicasts: &[true, false],
                ..Self::new("hostile-line", LINE)
            },
        ]
    }

    /// Returns the scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|held| held.name == name)
    }

    pub(crate) fn does(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
