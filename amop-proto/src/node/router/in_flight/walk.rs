//! How far the search for a subscriber has come.

use std::time::Duration;

use super::credit::Allowance;
use crate::node::{SessionId, router::ends::UnicastTarget};

/// The pause between two parts of a search through very many subscribers, in which other work is
/// done.
pub(in crate::node::router) const LOOK_PAUSE: Duration = Duration::from_millis(1);

/// The result of drawing a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node::router) enum DrawnTarget {
    Target(UnicastTarget),
    /// No subscriber can be asked.
    Nobody {
        /// Whether some subscriber has the topic but cannot be sent the message now.
        busy: bool,
        /// A session that cannot be asked because another message with the same seq is there.
        asked: Option<SessionId>,
    },
    /// There are so many that the search continues later.
    Later,
}

/// A search through all subscribers, one after the other from a random one on. There are two
/// rounds, because subscribers change places when others leave, and one more in between if some
/// nodes lack credit because of others of their agency. However many subscribers refuse a unicast,
/// each is looked at a limited number of times.
#[derive(Debug, Clone, Copy)]
pub(in crate::node::router) struct SubscriberWalk {
    pub(super) at: u64,
    /// The number of subscribers left in this round.
    pub(super) left: u64,
    pub(super) round: SearchRound,
    /// Whether some nodes lack credit because of others of their agency.
    pub(super) crowded: bool,
    pub(super) busy: bool,
    pub(super) asked: Option<SessionId>,
}

/// The targets that a round considers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SearchRound {
    /// Targets that have credit.
    Credit,
    /// Also targets that lack credit only because of others of their agency.
    Alone,
    Any,
}

impl SearchRound {
    pub(super) fn allows(self, credit: Allowance) -> bool {
        match self {
            Self::Credit => credit.more,
            Self::Alone => credit.alone,
            Self::Any => true,
        }
    }
}

impl SubscriberWalk {
    /// Moves on to the next subscriber, in the next round if this one has ended; returns `false` if
    /// all rounds have ended.
    pub(super) fn step(&mut self, total: u64) -> bool {
        if self.is_over() {
            return false;
        }
        if self.left == 0 {
            self.left = total;
            self.round = match self.round {
                SearchRound::Credit if self.crowded => SearchRound::Alone,
                _ => SearchRound::Any,
            };
        }
        self.left -= 1;
        true
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0 && self.round == SearchRound::Any
    }
}
