//! Hosts that lie: nodes with their own certificate, and SDKs that do things no honest program
//! does.
//!
//! A hostile node runs the machine of `amop-proto`, so that it is admitted and knows everything
//! that a node knows. It changes frames that go in and out, and also writes frames of its own to
//! its neighbours. It cannot sign for others or make their seals: it has no key except its own.

mod defence;
mod forge;
mod late;
mod node;
mod plan;
mod sdk;
mod trust;

use std::collections::VecDeque;

use amop_proto::p2p::{PeerFrame, mesh::Agreement};
use rand::{RngExt, rngs::StdRng};

pub(crate) use self::{defence::Missing, sdk::Rogue};
pub use self::{
    late::run_late,
    plan::{HostilePlan, run_hostile},
};

/// The first number in payloads of messages that hostile hosts publish in their own name, which
/// every host may do.
pub(crate) const OWN: u64 = u64::MAX - 1;

/// The first number in payloads of messages that imitate messages of others. No program may get
/// one.
pub(crate) const FORGED: u64 = u64::MAX - 2;

/// The subscriber named in answers to forged unicasts. No publisher may get such an answer.
pub(crate) const FORGER: u32 = u32::MAX - 2;

/// The maximum number of frames that are remembered.
const MAX_CAPTURED: usize = 256;

/// An action of a hostile node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wile {
    /// States things about other nodes that they never stated.
    ForgeRecords,
    /// States links to all nodes.
    ClaimLinks,
    /// States that it has many subscribers.
    ClaimTopics,
    /// States its own record with versions far ahead and far behind.
    OddVersions,
    /// Repeats old statements of nodes.
    ReplayRecords,
    /// Announces nodes behind itself that do not exist, or that are other nodes.
    Stubs,
    /// Sends messages in the names of others.
    ForgeMessages,
    /// Sends passing messages again.
    ReplayMessages,
    /// Sends messages with the ids that others are about to use.
    PreemptIds,
    /// Answers messages that others were asked.
    ForgeAnswers,
    /// Changes messages that it relays.
    Alter,
    /// Relays no messages.
    Mute,
    /// Never acknowledges a record.
    Deaf,
    /// Also sends relayed messages back to where they came from, with as many hops as possible.
    Loop,
    /// Asks for records again and again.
    FloodQuestions,
    /// States itself again and again.
    FloodRecords,
    /// Sends frames that cannot be read.
    Garbage,
    /// Sends messages in its own name, proven with its own key, with counters that no clock ever
    /// shows.
    OddCounters,
    /// States links to thousands of nodes, different ones each time.
    LongLists,
    /// Relays no records.
    HoldBack,
}

/// All wiles.
pub const WILES: [Wile; 20] = [
    Wile::ForgeRecords,
    Wile::ClaimLinks,
    Wile::ClaimTopics,
    Wile::OddVersions,
    Wile::ReplayRecords,
    Wile::Stubs,
    Wile::ForgeMessages,
    Wile::ReplayMessages,
    Wile::PreemptIds,
    Wile::ForgeAnswers,
    Wile::Alter,
    Wile::Mute,
    Wile::Deaf,
    Wile::Loop,
    Wile::FloodQuestions,
    Wile::FloodRecords,
    Wile::Garbage,
    Wile::OddCounters,
    Wile::LongLists,
    Wile::HoldBack,
];

/// The state of a hostile node.
#[derive(Debug)]
pub(crate) struct Attacker {
    pub(crate) wiles: Vec<Wile>,
    /// Frames that arrived or were sent, and for those that arrived the neighbour they came from.
    captured: VecDeque<PeerFrame>,
    /// A key for agreements with others, whose secret half its machine does not know.
    agreement: Option<Agreement>,
    rng: StdRng,
    pub(crate) active: bool,
    /// The number of its own frames that it wrote.
    pub(crate) injected: u64,
    version: u64,
}

impl Attacker {
    pub(crate) fn new(wiles: Vec<Wile>, rng: StdRng) -> Self {
        Self {
            wiles,
            captured: VecDeque::new(),
            agreement: None,
            rng,
            active: false,
            injected: 0,
            version: 0,
        }
    }

    pub(crate) fn does(&self, wile: Wile) -> bool {
        self.active && self.wiles.contains(&wile)
    }

    fn capture(&mut self, frame: &PeerFrame) {
        if !forge::is_message(frame) && !forge::is_records(frame) {
            return;
        }
        if self.captured.len() >= MAX_CAPTURED {
            // Old frames are worth keeping, too, so replace a random one.
            let at = self.rng.random_range(0..MAX_CAPTURED);
            self.captured.remove(at);
        }
        self.captured.push_back(frame.clone());
    }

    /// Returns a random remembered frame that fits.
    fn captured(&mut self, fits: impl Fn(&PeerFrame) -> bool) -> Option<PeerFrame> {
        let fitting: Vec<&PeerFrame> = self.captured.iter().filter(|frame| fits(frame)).collect();
        let at = self.rng.random_range(0..fitting.len().max(1));
        fitting.get(at).copied().cloned()
    }
}
