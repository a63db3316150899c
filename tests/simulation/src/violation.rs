//! What must hold, and what did not.

use std::{fmt, time::Duration};

/// What must hold in every run. See the crate's documentation for the exact words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// No message goes round in a circle.
    NoLoop,
    /// No program gets a message twice, no session a multicast.
    NoDuplicate,
    /// What is acknowledged was delivered.
    TrueAnswers,
    /// Every published message has exactly one outcome, in time.
    OneOutcome,
    /// A unicast is answered while there is a way to a subscriber that answers.
    UnicastsArrive,
    /// A multicast reaches every subscriber to whose node there is a way.
    MulticastsArrive,
    /// After the last fault every node's view becomes the truth.
    Convergence,
    /// Queues and tables stay within their limits.
    BoundedMemory,
    /// No node finds what another node of ours sends malformed.
    WellFormed,
    /// When all have left nothing is left.
    NothingLeft,
    /// No program gets a message that was forged or altered on its way, and no honest node takes
    /// another for a forger.
    NoForgery,
    /// What a hostile host does costs the others no more than in proportion.
    BoundedWork,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When that was found.
    pub at: Duration,
    /// Which.
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
