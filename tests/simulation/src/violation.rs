//! The invariants, and reports of those that did not hold.

use std::{fmt, time::Duration};

/// What must hold in every run. See the crate's documentation for the exact words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// No message goes round in a circle.
    NoLoop,
    /// No program gets a message twice, and no session gets a multicast twice.
    NoDuplicate,
    /// Every acknowledged message was delivered.
    TrueAnswers,
    /// Every published message has exactly one outcome, in time.
    OneOutcome,
    /// A unicast is answered while there is a path to a subscriber that answers.
    UnicastsArrive,
    /// A multicast reaches every subscriber whose node can be reached.
    MulticastsArrive,
    /// After the last fault every node's view becomes the truth.
    Convergence,
    /// Queues and tables stay within their limits.
    BoundedMemory,
    /// No overlay node finds packets of another overlay node malformed.
    WellFormed,
    /// When all hosts have left, nothing is left.
    NothingLeft,
    /// No program gets a message that was forged or altered in transit, and no honest node takes
    /// another for a forger.
    NoForgery,
    /// A unicast that an SDK of 3.x has, and did not refuse, goes to no other.
    HandedOnce,
    /// The work that a hostile host causes for others is in proportion to its own.
    BoundedWork,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it was found.
    pub at: Duration,
    /// The invariant.
    pub invariant: Invariant,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            invariant,
            text,
        } = self;
        write!(f, "{:.6} s: {invariant:?}: {text}", at.as_secs_f64())
    }
}
