//! Copies of multicasts that subscribers did not receive, and why.

use std::{fmt, time::Duration};

use super::{
    books::{Books, EXAMPLES},
    plan::{Fault, PlannedFault},
};

/// A fault can affect a multicast sent this long before it: messages that a node has confirmed to
/// its neighbour are lost with the node.
const BEFORE: Duration = Duration::from_secs(1);

/// A fault can affect a multicast sent this long after it: some nodes still use the node that is
/// gone.
const AFTER: Duration = Duration::from_secs(2);

/// The time that a client needs to reconnect and subscribe again.
const BACK: Duration = Duration::from_secs(5);

/// A period in which subscribers may miss multicasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Excuse {
    from: Duration,
    until: Duration,
    /// The affected subscriber; `None` means all.
    subscriber: Option<usize>,
}

impl Excuse {
    /// Returns the excuse that a fault gives. The cut or slowdown of a link is no excuse while the
    /// network holds together. The first `publishers` clients are publishers.
    pub(crate) fn of(step: &PlannedFault, publishers: usize, partitions: bool) -> Option<Self> {
        let from = step.at.saturating_sub(BEFORE);
        match step.fault {
            Fault::Kill { .. } | Fault::Stop { .. } => Some(Self {
                from,
                until: step.at + AFTER,
                subscriber: None,
            }),
            Fault::CutClient { client, .. } => Some(Self {
                from,
                until: step.at + step.down + BACK,
                subscriber: Some(client.checked_sub(publishers)?),
            }),
            Fault::Cut { .. } | Fault::Hold { .. } | Fault::Slow { .. } => {
                partitions.then_some(Self {
                    from,
                    until: Duration::MAX,
                    subscriber: None,
                })
            }
        }
    }

    fn covers(&self, at: Duration, subscriber: usize) -> bool {
        let concerned = self.subscriber.is_none_or(|one| one == subscriber);
        concerned && self.from <= at && at <= self.until
    }
}

/// The numbers of missing copies, by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The subscriber's own queue was full.
    pub(crate) queues: u64,
    /// A fault explains it.
    pub(crate) faults: u64,
    /// Nothing explains it.
    pub(crate) lost: u64,
    /// Some of the lost copies.
    examples: Vec<String>,
}

impl Missing {
    /// Finds the cause of each missing copy. `dropped` has, for each subscriber, the number of
    /// messages that its full queue dropped.
    pub(crate) fn of(books: &Books, excuses: &[Excuse], dropped: &[u64]) -> Self {
        let mut dropped = dropped.to_vec();
        let mut missing = Self::default();
        for (message, at, subscriber) in books.missed() {
            let left = dropped.get_mut(subscriber).filter(|left| **left > 0);
            if excuses.iter().any(|excuse| excuse.covers(at, subscriber)) {
                missing.faults += 1;
            } else if let Some(left) = left {
                *left -= 1;
                missing.queues += 1;
            } else {
                missing.lost += 1;
                if missing.examples.len() < EXAMPLES {
                    let at = at.as_secs_f64();
                    missing.examples.push(format!(
                        "multicast {message}, sent after {at:.3} s, never reached subscriber {subscriber}"
                    ));
                }
            }
        }
        missing
    }

    /// Returns the number of all missing copies.
    pub(crate) fn all(&self) -> u64 {
        self.queues + self.faults + self.lost
    }
}

/// The copies that nothing explains, one line each.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for example in &self.examples {
            writeln!(f, "  wrong       {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
