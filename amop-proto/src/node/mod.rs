//! A node: its sessions, its peers and the router between them.
//!
//! [`NodeMachine`] is the whole node without I/O: events go in, [`Action`]s come out. [`Router`] is
//! the part that decides who gets a message.

mod action;
mod bandwidth;
mod barrier;
mod bucket;
mod checker;
mod config;
mod dice;
mod digest;
mod event;
mod held;
mod input;
mod lanes;
mod lapse;
mod machine;
mod mesh;
mod peer;
mod peer_input;
mod question;
mod router;
pub mod rpc;
mod session;
mod shares;
mod topic_set;
mod visits;

use std::{
    fmt,
    time::{Duration, Instant},
};

pub use action::{Action, NodeNotice, PeerCloseReason, SessionCloseReason};
pub use checker::{CheckedRecord, CheckedRecords, Checker, RecordsCheck, RecordsFault};
pub use config::{Limits, MachineConfig, Timeouts};
pub use digest::HashedFrame;
pub use event::{NodeEvent, PeerIdentity};
pub use held::LockHeld;
pub use input::SessionInput;
pub use lanes::{Group, Lane, LinkQueue, Piece, Sender};
pub use lapse::CertificateLapse;
pub use machine::{Listing, NodeMachine};
pub use mesh::{Restated, Restatement};
pub use peer_input::PeerInput;
pub use question::Question;
pub use router::{Counters, Router};
pub use shares::SessionIdentity;
pub use topic_set::TopicSet;

/// Returns the time `time` after `now`, or a time that never comes if the sum cannot be
/// represented.
fn after(now: Instant, time: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now.checked_add(time.min(NEVER)).unwrap_or(now)
}

/// Returns the earlier of two optional times. Called after every event.
fn sooner(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A value that follows from the rest of the state and is stored because it is read after every
/// event. Its `Debug` text has no content, because searches compare states by their `Debug` text.
#[derive(Clone, Copy, Default)]
struct Kept<T>(T);

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// Names one SDK connection of a node. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Names one connection to another node. A number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);
