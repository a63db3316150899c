//! What a connection does as time passes (gateway-v3 section 8).

use std::time::Instant;

use bytes::Bytes;

use super::GatewayPeer;
use crate::gateway::{
    config::{HEARTBEAT, IDLE, ROUTER_SEQ_INTERVAL},
    event::{GatewayCloseReason, GatewayEvent, GatewayOutcome},
};

impl<T> GatewayPeer<T> {
    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` after the end.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.is_closed {
            return None;
        }
        let due = &self.due;
        let regular = due.heartbeat.min(due.topic_seq).min(due.router_seq);
        let other = [self.requests.next_deadline(), self.outbox.stuck_at()];
        let other = other.into_iter().flatten();
        other.chain([regular, self.last_read + IDLE]).min()
    }

    /// Does what is due. Call it at [`next_timeout`](Self::next_timeout); an earlier call does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed {
            return;
        }
        while let Some(token) = self.requests.take_expired(now) {
            let outcome = GatewayOutcome::TimedOut;
            self.events
                .push_back(GatewayEvent::Finished { token, outcome });
        }
        if self.last_read + IDLE <= now {
            return self.finish(GatewayCloseReason::Silent);
        }
        if self.outbox.stuck_at().is_some_and(|stuck| stuck <= now) {
            return self.finish(GatewayCloseReason::NotReading);
        }
        self.send_regular(now);
    }

    fn send_regular(&mut self, now: Instant) {
        if self.due.heartbeat <= now {
            self.due.heartbeat = now + HEARTBEAT;
            self.put_heartbeat(now);
        }
        if self.due.router_seq <= now {
            self.put_router_seq(now);
        }
        if self.due.topic_seq <= now {
            let gone = self.nodes.forget_silent(now);
            self.notice_gone(gone);
            self.put_topic_seqs(now);
        }
    }

    /// Announces the number of this node's router table, which never changes: it is empty.
    pub(super) fn put_router_seq(&mut self, now: Instant) {
        /// The number of a node's first table (gateway-v3 section 5.1).
        const FIRST: &[u8] = &1_u32.to_be_bytes();

        self.due.router_seq = now + ROUTER_SEQ_INTERVAL;
        self.put_neighbours_only(now, Bytes::from_static(FIRST));
    }
}
