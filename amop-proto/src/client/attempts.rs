//! Decides how one message is tried over several connections.

use std::time::Duration;

/// The first pause before a message with an unknown outcome is tried again; the pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause of this kind.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The number of lost connections after which a message is not sent again.
pub const MAX_CUT_OFFS: u32 = 2;

/// The length of a frame, in bytes, that makes no node end a session.
pub(super) const SURELY_TAKEN: usize = 64 * 1024;

/// How an attempt over one connection ended, if it did not end the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The connection was lost before the message was sent.
    NotSent,
    /// The connection was lost before the answer came.
    Lost,
    /// The connection was lost before the answer came, and the message may be the reason: it may be
    /// too long for the node.
    CutOff,
    /// The node answered that it reaches no subscriber (result 100), or that no subscriber took the
    /// message (result 104).
    Refused,
    /// The node answered that it reaches no subscriber of a private topic (result 100): perhaps
    /// none is verified yet.
    Unverified,
}

/// What to do after a message was tried over every connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// Wait for a connection that was not tried.
    Wait,
    /// Wait for this time, or for a connection that was not tried, and then try all again.
    Pause(Duration),
    /// The last result is final.
    Finish,
}

/// The attempts at one message, by number of the connection. Every attempt uses the message's own
/// seq, so that subscribers recognise a message that they already have.
///
/// * After a connection is lost, another one is tried, or the next connection to the same endpoint.
/// * After the results 100 and 104 the next connection is tried, since another node may reach other
///   subscribers. The result is final when all were asked.
/// * The result is not final if the connection that brought it has been lost since: a node that
///   stops loses its subscribers a moment before its publishers.
/// * A node that reaches no verified subscriber of a private topic may reach one soon. It is asked
///   again until the deadline, unless a subscriber of another node refused the message.
/// * Once a connection was lost while the message was in flight, the results 100 and 104 are not
///   final: the message may be with a subscriber whose node refuses a second copy for now, and a
///   node that restarts knows no subscribers at first. So the message is tried until its deadline.
/// * A message that may have caused the loss of a connection twice is not sent a third time.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Connections that are lost, or were asked in this round, with how the attempt ended.
    tried: Vec<(u64, AttemptEnd)>,
    lost: bool,
    cut_off: u32,
    pauses: u32,
}

impl Attempts {
    /// Returns whether the message may be tried over this connection.
    pub fn may_try(&self, link: u64) -> bool {
        self.tried.iter().all(|&(tried, _)| tried != link)
    }

    /// Records how an attempt ended.
    pub fn ended(&mut self, link: u64, attempt: AttemptEnd) {
        self.lost |= matches!(attempt, AttemptEnd::Lost | AttemptEnd::CutOff);
        self.cut_off += u32::from(attempt == AttemptEnd::CutOff);
        self.tried.push((link, attempt));
    }

    /// Creates the attempts at a message that caused the loss of `cut_off` connections before.
    pub fn after_cut_offs(cut_off: u32) -> Self {
        Self {
            lost: cut_off > 0,
            cut_off,
            ..Self::default()
        }
    }

    /// Returns whether the message has caused the loss of too many connections to be sent again.
    pub fn is_costly(&self) -> bool {
        self.cut_off >= MAX_CUT_OFFS
    }

    /// Returns whether the message may have been delivered by a connection that was lost.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// Returns what to do when no connection is left to try. `is_open` says whether a connection
    /// still exists.
    pub fn when_exhausted(&mut self, is_open: impl Fn(u64) -> bool) -> NextAttempt {
        let asked = |attempt| matches!(attempt, AttemptEnd::Refused | AttemptEnd::Unverified);
        for (link, attempt) in &mut self.tried {
            if *attempt == AttemptEnd::Refused && !is_open(*link) {
                *attempt = AttemptEnd::Lost;
                self.lost = true;
            }
        }
        let has = |wanted| self.tried.iter().any(|&(_, attempt)| attempt == wanted);
        let (refused, unverified) = (has(AttemptEnd::Refused), has(AttemptEnd::Unverified));
        let again = self.lost || unverified && !refused;
        match (again, refused || unverified) {
            (true, true) => {
                self.tried.retain(|&(_, attempt)| !asked(attempt));
                let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16));
                self.pauses += 1;
                NextAttempt::Pause(pause.min(MAX_PAUSE))
            }
            (false, true) => NextAttempt::Finish,
            (_, false) => NextAttempt::Wait,
        }
    }
}
