//! How one message is tried over several connections.

use std::time::Duration;

/// The first pause before a message whose fate is unknown is tried again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// So many connections a message may cost.
pub const MAX_CUT_OFFS: u32 = 2;

/// How an attempt over one connection ended, when that is not the end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The connection was gone before the message was sent.
    NotSent,
    /// The connection was lost before the answer came.
    Lost,
    /// The same, and the message may be why: the node may not take one that long.
    CutOff,
    /// The node answered that it reaches no subscriber (result 100), or none that took the message
    /// (result 104).
    Turned,
    /// The node answered that it reaches no subscriber of a private topic: none may have been
    /// verified yet (result 100).
    Unverified,
}

/// What to do when a message was tried over every connection there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for a connection that was not tried.
    Wait,
    /// Wait that long, or for a connection that was not tried, and then try all again.
    Pause(Duration),
    /// The verdict stands.
    Finish,
}

/// The attempts at one message, by number of the connection. Every attempt has the message's own
/// seq, by which subscribers recognise what they have already.
///
/// * A connection that is gone is followed by another one, or by the same endpoint's next.
/// * Results 100 and 104 are followed by the next connection, since another node may reach others,
///   and stand when all were asked.
/// * They do not stand if the connection that brought them is gone since: a node that stops loses its
///   subscribers a moment before its publishers.
/// * A node that reaches no verified subscriber of a private topic may do so soon: it is asked again,
///   until the deadline, unless a subscriber of another node refused the message.
/// * Once a connection was lost with the message under way they do not stand: the message may be
///   with a subscriber whose node refuses a second copy for now, and a node that restarts knows no
///   subscribers at first. So it is tried until its deadline.
/// * A message that may have cost a connection twice is not sent a third time.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Connections that are gone, or were asked in this round, with how that ended.
    tried: Vec<(u64, Attempt)>,
    lost: bool,
    cut_off: u32,
    pauses: u32,
}

impl Attempts {
    /// Whether the message may be tried over this connection.
    pub fn may_try(&self, link: u64) -> bool {
        self.tried.iter().all(|&(tried, _)| tried != link)
    }

    /// Takes note of how an attempt ended.
    pub fn ended(&mut self, link: u64, attempt: Attempt) {
        self.lost |= matches!(attempt, Attempt::Lost | Attempt::CutOff);
        self.cut_off += u32::from(attempt == Attempt::CutOff);
        self.tried.push((link, attempt));
    }

    /// A message that cost so many connections before.
    pub fn after_cut_offs(cut_off: u32) -> Self {
        Self {
            lost: cut_off > 0,
            cut_off,
            ..Self::default()
        }
    }

    /// Whether the message has cost too many connections to be sent again.
    pub fn is_costly(&self) -> bool {
        self.cut_off >= MAX_CUT_OFFS
    }

    /// Whether the message may have been delivered by a connection that was lost.
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// What to do when no connection is left to try. `is_open` knows the connections that are there.
    pub fn when_exhausted(&mut self, is_open: impl Fn(u64) -> bool) -> Next {
        let asked = |attempt| matches!(attempt, Attempt::Turned | Attempt::Unverified);
        for (link, attempt) in &mut self.tried {
            if *attempt == Attempt::Turned && !is_open(*link) {
                *attempt = Attempt::Lost;
                self.lost = true;
            }
        }
        let has = |wanted| self.tried.iter().any(|&(_, attempt)| attempt == wanted);
        let (turned, unverified) = (has(Attempt::Turned), has(Attempt::Unverified));
        let again = self.lost || unverified && !turned;
        match (again, turned || unverified) {
            (true, true) => {
                self.tried.retain(|&(_, attempt)| !asked(attempt));
                let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16));
                self.pauses += 1;
                Next::Pause(pause.min(MAX_PAUSE))
            }
            (false, true) => Next::Finish,
            (_, false) => Next::Wait,
        }
    }
}
