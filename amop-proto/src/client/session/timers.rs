//! What a session does as time passes: heartbeats, probes, and what ends for lack of an answer.

use std::time::Instant;

use bytes::Bytes;

use super::{ClientSession, Heartbeat, SessionPhase};
use crate::{
    channel::{Frame, FrameType, Seq, heartbeat_request},
    client::{CloseReason, RequestOutcome, SessionEvent, SessionNotice},
};

/// The maximum number of unanswered heartbeats that are remembered. A live node answers each one
/// before the next is due.
const MAX_HEARTBEATS: usize = 8;

/// A request that every node answers at once, even if it is busy.
const PROBE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion","params":[]}"#;

impl<T> ClientSession<T> {
    /// Does what is due. Call it at [`next_timeout`](Self::next_timeout); an earlier call does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            SessionPhase::Closed => return,
            SessionPhase::Negotiating { deadline } if deadline <= now => {
                self.notice(SessionNotice::NoHandshakeAnswer);
                self.ready(now, None);
            }
            SessionPhase::Negotiating { .. } => {}
            SessionPhase::Ready => {
                if self.silent_at() <= now {
                    let after = now.saturating_duration_since(self.last_received);
                    self.finish(CloseReason::Silent { after });
                    return;
                }
                if self.next_heartbeat <= now {
                    self.put_heartbeat();
                    self.next_heartbeat = now + self.config.heartbeat;
                }
                if self.probe_at().is_some_and(|at| at <= now) {
                    self.put_probe(now);
                }
            }
        }
        self.topics.handle_timeout(now);
        let requests = self.requests.take_expired(now).into_iter();
        for token in requests.chain(self.multicasts.take_expired(now)) {
            let outcome = RequestOutcome::TimedOut;
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
        }
        while let Some(request) = self.challenges.take_expired(now) {
            let outcome = RequestOutcome::TimedOut;
            self.notice(SessionNotice::Unproven { request, outcome });
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` once the session has
    /// ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            SessionPhase::Closed => None,
            SessionPhase::Negotiating { deadline } => Some(deadline),
            SessionPhase::Ready => [
                Some(self.next_heartbeat),
                Some(self.silent_at()),
                self.probe_at(),
                self.requests.next_deadline(),
                self.multicasts.next_deadline(),
                self.topics.next_timeout(),
                self.challenges.next_deadline(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    pub(super) fn put_heartbeat(&mut self) {
        let seq = Seq::random(&mut self.rng);
        let body = heartbeat_request(self.version);
        Frame::new(FrameType::HEARTBEAT, seq, body).encode(&mut self.out);
        if self.heartbeats.len() == MAX_HEARTBEATS {
            self.heartbeats.pop_front();
        }
        self.heartbeats.push_back(Heartbeat {
            seq,
            covers: self.topics.sent(),
        });
    }

    /// Asks the node for a sign of life. The node may delay the answer to a heartbeat until a topic
    /// set is in force, so it is sent another request while a set is unconfirmed.
    pub(super) fn put_probe(&mut self, now: Instant) {
        let other = self.topics.is_unconfirmed().then(|| {
            let seq = Seq::random(&mut self.rng);
            Frame::new(FrameType::RPC, seq, Bytes::from_static(PROBE)).encode(&mut self.out);
            seq
        });
        if other.is_none() {
            self.put_heartbeat();
        }
        self.liveness.probed(now, other);
    }

    /// Returns whether anything waits for an answer to bytes that were sent.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight() > 0 || self.topics.is_unconfirmed()
    }

    /// Records that nothing waits for the node any more, if this is so. This follows signs of life
    /// only: a message that is given up says nothing about the node, which may have to be given up
    /// as well.
    pub(super) fn rest(&mut self) {
        if !self.is_waiting() {
            self.liveness.rest();
        }
    }

    pub(super) fn probe_at(&self) -> Option<Instant> {
        self.liveness
            .probe_at(self.last_received, self.config.probe)
    }

    /// Returns when the node counts as dead. Nodes of every version answer heartbeats (channel-v2
    /// section 5.2), so silence always means something.
    pub(super) fn silent_at(&self) -> Instant {
        let idle = self.last_received + 2 * self.config.heartbeat;
        let waiting = self.liveness.silent_at(self.config.probe);
        waiting.map_or(idle, |at| at.min(idle))
    }
}
