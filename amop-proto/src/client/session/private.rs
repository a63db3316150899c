//! Private topics in a session: challenges that it sends to subscribers, and challenges of
//! publishers that it receives.

use std::time::Instant;

use bytes::Bytes;

use super::{ClientSession, SessionPhase, wire::put_amop};
use crate::{
    TopicName,
    channel::{Frame, FrameType, Seq, VerifyRequest, result_code},
    client::{
        Challenge, RequestOutcome, SessionEvent, SessionNotice,
        challenges::{Begun, MAX_CHALLENGE_LEN},
    },
};

impl<T> ClientSession<T> {
    /// Tells the node that the subscriber behind another node may get the messages of a private
    /// topic (0x38). Call it only with a `request` from [`SessionEvent::Signed`].
    ///
    /// There is no way to tell the node that the subscriber may not: the node would then never ask
    /// again while the other node has any subscriber of the topic, also one with another key
    /// (channel-v2 section 9.2). A node that gets no result asks again 5 s later.
    pub fn verified(&mut self, request: &VerifyRequest) {
        if self.state == SessionPhase::Closed {
            return;
        }
        let seq = Seq::random(&mut self.rng);
        Frame::new(FrameType::VERIFY_RESULT, seq, request.result(true)).encode(&mut self.out);
    }

    /// Handles a node's request to verify the subscriber behind another node (channel-v2 section
    /// 9.3).
    pub(super) fn handle_verify(&mut self, now: Instant, frame: Frame) {
        // Without this acknowledgement the node pushes the request to the next session.
        Frame::new(FrameType::VERIFY_PEER, frame.seq, Bytes::new()).encode(&mut self.out);
        let request = match VerifyRequest::parse(&frame.body) {
            Ok(request) => request,
            Err(error) => return self.notice(SessionNotice::BadVerifyRequest(error)),
        };
        if !self.topics.wants(request.topic.push_topic()) {
            return self.notice(SessionNotice::NotGranted(request));
        }
        let route = request.route.clone();
        match self.challenges.begin(request, now, &mut self.rng) {
            Begun::Challenge { seq, bytes } => {
                put_amop(&mut self.out, FrameType::UNICAST, seq, 0, &route, &bytes)
            }
            // The node asks again until it gets a result.
            Begun::UnderWay => {}
            Begun::TooMany(request) => self.notice(SessionNotice::TooManyChallenges(request)),
        }
    }

    /// Handles a subscriber's answer to its challenge, or a node's refusal.
    pub(super) fn handle_signature(&mut self, challenge: Challenge, frame: Frame) {
        let outcome =
            RequestOutcome::of_response(&challenge.request.route, frame.result, frame.body);
        match outcome {
            RequestOutcome::Answered(signature) => self.events.push_back(SessionEvent::Signed {
                challenge,
                signature,
            }),
            outcome => self.notice(SessionNotice::Unproven {
                request: challenge.request,
                outcome,
            }),
        }
    }

    /// Handles a challenge: a publisher wants to know whether this side holds its key.
    pub(super) fn handle_challenge(&mut self, route: TopicName, seq: Seq, challenge: Bytes) {
        if challenge.is_empty() || challenge.len() > MAX_CHALLENGE_LEN {
            let len = challenge.len();
            self.respond(seq, &route, result_code::DECODE, b"");
            return self.notice(SessionNotice::BadChallenge { route, len });
        }
        self.events.push_back(SessionEvent::Challenged {
            seq,
            route,
            challenge,
        });
    }
}
