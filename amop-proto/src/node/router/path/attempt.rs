//! Attempts to get a unicast answered, one subscriber after the other.

use std::time::Instant;

use crate::{
    channel::result_code,
    node::{
        after,
        router::{
            Router,
            ends::{Origin, UnicastId, UnicastTarget},
            in_flight::{AttemptState, CreditOutcome, DrawnTarget, LOOK_PAUSE, Unicast},
            outbound::{agency_of, amop_message, peer_len},
            overlay::again_after,
        },
    },
    p2p::packet,
};

impl Router {
    /// Sends a unicast that is not in the table of those in flight to the next subscriber and puts
    /// it into the table, or ends it if there is no subscriber.
    pub(in crate::node::router) fn advance(
        &mut self,
        now: Instant,
        id: UnicastId,
        mut unicast: Box<Unicast>,
    ) {
        loop {
            let drawn = self
                .draw_evenly(now, &mut unicast)
                .unwrap_or(DrawnTarget::Nobody {
                    busy: false,
                    asked: None,
                });
            let target = match drawn {
                DrawnTarget::Target(target) => target,
                DrawnTarget::Nobody { busy, asked } => {
                    if let Some(other) = self.in_flight.other_copy(
                        (&self.topics.table, &self.out.links),
                        &unicast,
                        asked,
                    ) {
                        return self.in_flight.join(id, unicast, other);
                    }
                    let result = if unicast.refused || busy {
                        result_code::NO_SESSION
                    } else {
                        self.unfound |= matches!(unicast.origin, Origin::Session(_));
                        result_code::NO_SUBSCRIBER
                    };
                    return self.end(id, &mut unicast, Err(result));
                }
                DrawnTarget::Later => {
                    self.in_flight.set_timer(id, &mut unicast, now + LOOK_PAUSE);
                    self.in_flight.put(id, unicast);
                    return;
                }
            };
            unicast.tried.insert(target);
            let elsewhere = !matches!(target, UnicastTarget::Session(_));
            if elsewhere && matches!(unicast.origin, Origin::Session(_)) {
                let len = peer_len(&unicast.frame);
                if !self.out.bandwidth.take(now, len) {
                    self.out.counters.over_bandwidth += 1;
                    return self.end(id, &mut unicast, Err(result_code::OVER_LIMIT));
                }
            }
            if self.attempt(now, id, &mut unicast, target) {
                self.in_flight.put(id, unicast);
                return;
            }
            self.in_flight.forget_attempt(
                &mut self.out.links,
                id,
                &mut unicast,
                CreditOutcome::Ended,
            );
            unicast.refused = true;
        }
    }

    /// Sends a unicast to a subscriber; returns `false` if it cannot be sent there.
    fn attempt(
        &mut self,
        now: Instant,
        id: UnicastId,
        unicast: &mut Unicast,
        target: UnicastTarget,
    ) -> bool {
        match target {
            UnicastTarget::Session(session) => {
                let Some(link) = self.out.links.sessions.get_mut(&session) else {
                    return false;
                };
                link.asked.insert(unicast.frame.seq, id);
                unicast.at = Some(AttemptState::Session(session));
                self.in_flight
                    .set_timer(id, unicast, after(now, self.timeouts.session_answer));
                self.out.send_session(session, unicast.frame.clone());
                true
            }
            UnicastTarget::Fisco(peer) => {
                let Some(seq) = self.out.ask_peer(peer, id) else {
                    return false;
                };
                unicast.at = Some(AttemptState::Fisco(peer, seq));
                self.in_flight
                    .set_timer(id, unicast, after(now, self.timeouts.peer_answer));
                let message = amop_message(packet::UNICAST, seq, unicast.frame.to_parts());
                self.out
                    .send_of(&self.mesh, now, unicast.origin, peer, message);
                true
            }
            UnicastTarget::Node(node) => {
                let until = after(now, self.timeouts.peer_answer);
                let again = again_after(unicast.frame.wire_len());
                let owner = self.mesh.owner(node);
                let agency = || agency_of(&self.out.links, &self.mesh, owner);
                let given = self.in_flight.credits.give(owner, agency);
                unicast.at = Some(AttemptState::Node {
                    node,
                    given,
                    until,
                    again,
                    changes: self.mesh.changes(),
                });
                self.in_flight.ask(node, id);
                self.in_flight
                    .set_timer(id, unicast, until.min(now + again));
                self.send_with_header(now, id, unicast) || self.mesh.is_suspended(node)
            }
        }
    }

    /// Ends an attempt because the subscriber did not take the unicast, and tries the next one at
    /// once.
    pub(in crate::node::router) fn attempt_failed(
        &mut self,
        now: Instant,
        id: UnicastId,
        refused: bool,
    ) {
        self.attempt_ended(now, id, refused, CreditOutcome::Failed(now));
    }

    /// Ends an attempt because the subscriber can no longer answer, and tries the next one at once.
    pub(in crate::node::router) fn attempt_ended(
        &mut self,
        now: Instant,
        id: UnicastId,
        refused: bool,
        outcome: CreditOutcome,
    ) {
        self.out.counters.failed_attempts += 1;
        if let Some(mut unicast) = self.in_flight.take(id) {
            self.in_flight
                .forget_attempt(&mut self.out.links, id, &mut unicast, outcome);
            unicast.refused |= refused;
            self.advance(now, id, unicast);
        }
    }
}
