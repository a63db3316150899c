//! Hosts that lie: nodes with a certificate of their own and SDKs that do what no honest program does.
//!
//! A hostile node runs the real machine, so that it is let in and knows all that a node knows, and
//! bends what goes in and out; beside that it writes frames of its own making to its neighbours. It
//! cannot sign for others nor make their seals: it has no key but its own.

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

pub(crate) use self::{defence::Missing, sdk::Rogue, trust::Gullible};
pub use self::{
    late::run_late,
    plan::{HostilePlan, run_hostile},
};

/// Payloads of messages that hostile hosts publish in their own name, which anybody may, begin so.
pub(crate) const OWN: u64 = u64::MAX - 1;

/// Payloads of messages that are made to look like those of others begin so. Nobody may get one.
pub(crate) const FORGED: u64 = u64::MAX - 2;

/// Who answers a forged unicast. No publisher may be told so.
pub(crate) const FORGER: u32 = u32::MAX - 2;

/// Frames that passed are remembered up to this number.
const MAX_CAPTURED: usize = 256;

/// What a hostile node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wile {
    /// States what other nodes never said.
    ForgeRecords,
    /// States links to everybody.
    ClaimLinks,
    /// States many subscribers of its own.
    ClaimTopics,
    /// States its own record with versions far ahead and far behind.
    OddVersions,
    /// Says again what nodes said before.
    ReplayRecords,
    /// Announces nodes behind itself that it made up, or that are somebody else.
    Stubs,
    /// Sends messages in others' names.
    ForgeMessages,
    /// Sends again what passed.
    ReplayMessages,
    /// Sends messages with the ids that others are about to use.
    PreemptIds,
    /// Answers what others were asked.
    ForgeAnswers,
    /// Changes what it passes on.
    Alter,
    /// Passes no message on.
    Mute,
    /// Never says that it has taken a record.
    Deaf,
    /// Sends what it passes on back where it came from as well, with as many hops as fit.
    Loop,
    /// Asks again and again.
    FloodQuestions,
    /// States itself again and again.
    FloodRecords,
    /// Sends what nobody can read.
    Garbage,
    /// Sends messages in its own name, proven with its own key, with counters that no clock ever shows.
    OddCounters,
    /// States links to thousands of nodes, always others.
    LongLists,
    /// Passes no records on.
    HoldBack,
}

/// All of them.
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

/// A hostile node's part of a host.
#[derive(Debug)]
pub(crate) struct Attacker {
    pub(crate) wiles: Vec<Wile>,
    /// Frames that came or went, with the neighbour they came from if they came.
    captured: VecDeque<PeerFrame>,
    /// A key to agree on others with, whose secret half its machine does not know.
    agreement: Option<Agreement>,
    rng: StdRng,
    pub(crate) active: bool,
    /// Frames of its own making that it wrote.
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
            // Old ones are worth keeping, too.
            let at = self.rng.random_range(0..MAX_CAPTURED);
            self.captured.remove(at);
        }
        self.captured.push_back(frame.clone());
    }

    /// A frame that passed and fits.
    fn captured(&mut self, fits: impl Fn(&PeerFrame) -> bool) -> Option<PeerFrame> {
        let fitting: Vec<&PeerFrame> = self.captured.iter().filter(|frame| fits(frame)).collect();
        let at = self.rng.random_range(0..fitting.len().max(1));
        fitting.get(at).copied().cloned()
    }
}
