//! What may happen in a search: the network, who comes and goes, what is sent, what is sabotaged.

use crate::hostile::Wile;

/// How a link behaves in a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It stays.
    Never,
    /// It fails, both ends find out at times of their own, and it comes back.
    Known,
    /// It fails and nobody is told: only signs of life that stay out can tell. It comes back.
    Silent,
}

/// A subscriber that comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscriber {
    /// The node it connects to.
    pub host: usize,
    /// Whether it is there from the beginning.
    pub present: bool,
    /// How often it changes that.
    pub changes: u8,
}

/// A wrong done on purpose, so that tests see the search find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A multicast reaches a session twice.
    MulticastTwice,
    /// A node's unicast reaches a session with another content.
    Alter,
    /// A publisher is answered as soon as it asks.
    FalseAnswer,
    /// A heartbeat is answered before the neighbours know what the session subscribed to.
    EarlyBarrier,
    /// What one node tells the others of itself and them vanishes.
    LoseRecords,
    /// When a link comes back, the ends do not say what they know.
    LoseKnown,
    /// What is sent again vanishes.
    LoseRepeats,
    /// Nodes wait for signs of life for an hour.
    NoSignsOfLife,
    /// A unicast crosses every link again and again.
    Loop,
    /// Nodes believe every signature.
    BelieveSignatures,
    /// Nodes believe a neighbour's message to be of the node that it names.
    BelieveNames,
    /// Nodes believe every seal of a message from afar.
    BelieveSeals,
    /// Nodes take an answer from anybody.
    AnyAnswer,
    /// A message uses up its id though it does not prove where it comes from.
    UseIds,
    /// Nodes take an old record for a new one.
    BelieveOld,
    /// A node does not learn what others hold of it, so that it cannot state something above that.
    NoOutbid,
    /// Nodes believe a version that nothing can be above.
    BelieveVersions,
}

/// A small network and what may happen in it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Names it on the command line.
    pub name: &'static str,
    /// The links between its three nodes. The first is the one that may break.
    pub links: &'static [(usize, usize)],
    /// What the first link does.
    pub breaks: Break,
    /// The subscribers.
    pub subscribers: Vec<Subscriber>,
    /// What the publisher, an SDK of node 0, sends: whether each message is a unicast.
    pub unicasts: &'static [bool],
    /// The node that lies. It has no subscribers and is not the publisher's.
    pub hostile: Option<usize>,
    /// What it does, each once.
    pub wiles: &'static [Wile],
    /// So often time may pass while something is under way.
    pub early: u8,
    /// Seeds the nodes' random choices.
    pub seed: u64,
    /// What is done wrong.
    pub sabotage: Option<Sabotage>,
}

/// What a node can do beside the honest link of two others.
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

/// What a node can do that is the only way between two others.
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

    /// All scenarios of the command, the small ones first.
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

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|held| held.name == name)
    }

    pub(crate) fn does(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
