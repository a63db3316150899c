//! Overlay nodes that have a unicast and do not answer. A node that claims subscribers and is
//! silent delays the unicasts that it draws no longer than a silent subscriber does.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    channel::{Frame, FrameType, result_code},
    node::{
        after,
        digest::FrameDigest,
        mesh::SeenStatus,
        router::{
            Router,
            ends::{Origin, UnicastId, UnicastTarget},
            in_flight::{AttemptState, CreditOutcome, DrawnTarget, LOOK_PAUSE, Unicast},
            overlay::again_after,
        },
    },
    p2p::mesh::RoutingKey,
};

impl Router {
    /// Handles a unicast that an overlay node has not answered yet. After some time the node is
    /// sent the unicast again. When the time that a subscriber may take has passed, and the time
    /// for the path there and back, another target is asked, if there is one: the node may have no
    /// subscriber at all.
    pub(in crate::node::router) fn node_is_late(&mut self, now: Instant, id: UnicastId) {
        let Some(mut unicast) = self.in_flight.take(id) else {
            return;
        };
        let first = again_after(unicast.frame.wire_len());
        let part = self.timeouts.session_answer.saturating_add(first);
        let Some(AttemptState::Node { until, again, .. }) = &mut unicast.at else {
            self.in_flight.put(id, unicast);
            return;
        };
        let until = *until;
        // The unicast is sent again after `first`, then after twice that time, and so on: `passed`
        // is the sum of these times.
        let passed = *again * 2 - first;
        let asked = until.checked_sub(self.timeouts.peer_answer);
        // If the timeout is endless, the timer has fired because it is time to send again.
        let asked = asked.or(now.checked_sub(passed)).unwrap_or(now);
        let sends = now >= asked + passed;
        if sends {
            *again *= 2;
        }
        let next = (asked + *again * 2 - first).max(now + first / 4);
        let mut at = until.min(next);
        let enough = after(asked, part);
        if now < enough {
            at = at.min(enough);
        } else {
            match self.draw_another(now, &mut unicast) {
                DrawnTarget::Target(_) => {
                    self.out.counters.failed_attempts += 1;
                    self.take_back(id, &unicast);
                    self.in_flight.forget_attempt(
                        &mut self.out.links,
                        id,
                        &mut unicast,
                        CreditOutcome::Failed(now),
                    );
                    return self.advance(now, id, unicast);
                }
                DrawnTarget::Later => at = at.min(now + LOOK_PAUSE),
                DrawnTarget::Nobody { .. } => at = at.min(after(now, part)),
            }
        }
        self.in_flight.set_timer(id, &mut unicast, at);
        if sends {
            self.send_with_header(now, id, &mut unicast);
        }
        self.in_flight.put(id, unicast);
    }

    /// Draws a target that has not been asked, other than the publisher itself.
    fn draw_another(&mut self, now: Instant, unicast: &mut Unicast) -> DrawnTarget {
        let nobody = DrawnTarget::Nobody {
            busy: false,
            asked: None,
        };
        let Some(drawn) = self.draw_evenly(now, unicast) else {
            return nobody;
        };
        match (drawn, unicast.origin) {
            (DrawnTarget::Target(UnicastTarget::Session(session)), Origin::Session(own))
                if session == own =>
            {
                nobody
            }
            _ => drawn,
        }
    }

    /// Tells an overlay node that another target is asked instead, so that it no longer hands the
    /// unicast to its subscribers.
    fn take_back(&mut self, id: UnicastId, unicast: &Unicast) {
        let Some(AttemptState::Node { node, .. }) = unicast.at else {
            return;
        };
        let frame = Frame {
            kind: FrameType::RESPONSE,
            seq: unicast.frame.seq,
            result: result_code::NO_SESSION,
            body: Bytes::new(),
        };
        let lane = unicast.origin.lane();
        if let Some((peer, message)) =
            self.with_header(node, id, lane, (&frame, FrameDigest::UNKNOWN))
        {
            self.out.send_in(&self.mesh, peer, lane, message);
        }
    }

    /// Handles the message that an overlay node has asked another target instead.
    pub(in crate::node::router) fn taken_back(
        &mut self,
        now: Instant,
        source: RoutingKey,
        target: RoutingKey,
        id: u64,
    ) {
        // If the unicast comes after this, it is not new.
        if self.seen_messages.see(now, source, target, id) == SeenStatus::New {
            return;
        }
        if let Some(id) = self.in_flight.of_node(source, target, id) {
            self.finish(id, Err(result_code::TIMEOUT));
        }
    }
}
