//! The end of a unicast: an answer, or an error.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    channel::{Frame, FrameType, result_code},
    node::{
        HashedFrame, Lane, PeerId, SessionId,
        router::{
            Router,
            ends::{Origin, UnicastId},
            in_flight::{AttemptState, CreditOutcome, Unicast},
            outbound::amop_message,
        },
    },
    p2p::{packet, protocol},
};

impl Router {
    /// Returns the unicast that a frame from a session answers: if a message with the frame's seq
    /// was pushed to the session and waits for its answer, the frame is that answer, whatever its
    /// type (channel-v2 section 4). Pass it to [`take_answer`](Self::take_answer).
    pub(in crate::node) fn answered_by(
        &self,
        session: SessionId,
        frame: &Frame,
    ) -> Option<UnicastId> {
        let link = self.out.links.sessions.get(&session)?;
        let &id = link.asked.get(&frame.seq)?;
        // A frame is not an answer if the session publishes the same message that was pushed to it,
        // having published it over another connection before.
        let pushed = || self.in_flight.get(id).map(|unicast| &unicast.frame);
        let published = frame.kind == FrameType::UNICAST && pushed() == Some(frame);
        (!published).then_some(id)
    }

    /// Handles the answer to a message.
    pub(in crate::node) fn take_answer(
        &mut self,
        now: Instant,
        id: UnicastId,
        answer: HashedFrame,
    ) {
        let frame = &answer.frame;
        if frame.kind == FrameType::RESPONSE && frame.result == result_code::NO_SESSION {
            // A native client that cannot take the message now refuses it this way; another
            // subscriber may take it.
            self.attempt_failed(now, id, true);
        } else {
            self.finish(id, Ok(answer));
        }
    }

    /// Ends a unicast, and copies that wait for it, with a subscriber's answer or an error.
    pub(in crate::node::router) fn finish(
        &mut self,
        id: UnicastId,
        outcome: Result<HashedFrame, i32>,
    ) {
        if let Some(mut unicast) = self.in_flight.take(id) {
            self.end(id, &mut unicast, outcome);
        }
    }

    /// Like [`finish`](Self::finish), for a unicast that is no longer in the table of those in
    /// flight.
    pub(in crate::node::router) fn end(
        &mut self,
        id: UnicastId,
        unicast: &mut Unicast,
        outcome: Result<HashedFrame, i32>,
    ) {
        let mut joined = std::mem::take(&mut unicast.joined);
        if joined.is_empty() {
            return self.end_one(id, unicast, outcome);
        }
        self.end_one(id, unicast, outcome.clone());
        while let Some(id) = joined.pop() {
            if let Some(mut unicast) = self.in_flight.take(id) {
                joined.append(&mut unicast.joined);
                self.end_one(id, &mut unicast, outcome.clone());
            }
        }
    }

    pub(in crate::node::router) fn end_one(
        &mut self,
        id: UnicastId,
        unicast: &mut Unicast,
        outcome: Result<HashedFrame, i32>,
    ) {
        let lane = unicast.at.and_then(AttemptState::lane);
        let ended = match outcome {
            Ok(_) => CreditOutcome::Answered,
            Err(_) => CreditOutcome::Ended,
        };
        self.in_flight.end(&mut self.out.links, id, unicast, ended);
        match outcome {
            Ok(answer) => {
                self.out.counters.answered += 1;
                let lane = lane.unwrap_or_else(|| unicast.origin.lane());
                self.answer(unicast.origin, answer, lane);
            }
            Err(result) => self.answer_error(unicast.origin, &unicast.frame, result),
        }
    }

    pub(in crate::node::router) fn answer_error(
        &mut self,
        origin: Origin,
        request: &Frame,
        result: i32,
    ) {
        self.out.counters.errors += 1;
        let answer = match (origin, result) {
            // The body of a 104 is the request's, of all other errors empty (channel-v2 section
            // 10). A native client does not read it, and its queue should not fill with messages
            // that it could not send.
            (Origin::Session(session), result_code::NO_SESSION) if !self.out.is_native(session) => {
                request.respond(result, request.body.clone())
            }
            (Origin::Session(_), _) => request.respond(result, Bytes::new()),
            // Between nodes there is no other error (p2p-v2 section 7.2).
            (Origin::Fisco(..), _) => {
                request.respond(result_code::NO_SESSION, request.body.clone())
            }
            // The asking node still has the request.
            (Origin::Node(..), _) => request.respond(result_code::NO_SESSION, Bytes::new()),
        };
        self.answer(origin, answer.into(), origin.lane());
    }

    /// Refuses a message of a peer that is not an overlay node, because there was no room for it.
    pub(in crate::node) fn refuse_peer(&mut self, peer: PeerId, seq: u32, request: &Frame) {
        if request.kind == FrameType::UNICAST {
            self.answer_error(Origin::Fisco(peer, seq), request, result_code::NO_SESSION);
        }
    }

    /// Sends an answer. `lane` is the lane of the node or session that answers.
    fn answer(&mut self, origin: Origin, mut answer: HashedFrame, lane: Lane) {
        match origin {
            Origin::Session(session) => {
                self.out.queue_apart(&mut answer.frame);
                self.out.send_session(session, answer.frame);
            }
            Origin::Fisco(peer, seq) => {
                let mut message = amop_message(packet::UNICAST, seq, answer.frame.to_parts());
                message.frame.protocol = -protocol::AMOP;
                self.out.send_in(&self.mesh, peer, lane, message);
            }
            Origin::Node(source, target, id) => {
                self.answer_node(source, target, id, &answer, lane);
            }
        }
    }
}
