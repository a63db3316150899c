//! Frames from the node.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::{ClientSession, SessionPhase};
use crate::{
    channel::{
        Frame, FrameType, HEADER_LEN, HandshakeResponse, ProtocolVersion, read_shortage,
        result_code, topic_end,
    },
    client::{
        CloseReason, MessageKind, Push, RequestOutcome, SessionEvent, SessionNotice,
        requests::Ended, topics::Settled,
    },
    topic::is_route,
};

impl<T> ClientSession<T> {
    /// Handles a frame from the node.
    pub fn handle_frame(&mut self, now: Instant, frame: Frame) {
        if self.state == SessionPhase::Closed {
            return;
        }
        self.last_received = now;
        self.liveness.heard();
        if is_answer(frame.kind) {
            self.liveness.answered();
        }
        match frame.kind {
            FrameType::RPC if self.liveness.is_answer(&frame.seq) => {}
            FrameType::RESPONSE => self.handle_response(frame),
            // A push is never an answer, even with the seq of a request of this session: publisher
            // and subscriber may be the same session (channel-v2 section 7.6).
            FrameType::UNICAST => self.handle_push(MessageKind::Unicast, frame),
            FrameType::MULTICAST => self.handle_push(MessageKind::Multicast, frame),
            FrameType::HEARTBEAT => self.handle_heartbeat(frame),
            FrameType::HANDSHAKE if frame.seq == self.handshake => self.handle_handshake(frame),
            FrameType::VERIFY_PEER => self.handle_verify(now, frame),
            FrameType::TRANSACTION_NOTIFY | FrameType::BLOCK_NOTIFY | FrameType::EVENT_PUSH => {}
            kind => self.notice(SessionNotice::Ignored(kind)),
        }
        self.rest();
    }

    pub(super) fn handle_handshake(&mut self, frame: Frame) {
        let answer = match HandshakeResponse::parse(&frame.body) {
            Ok(answer) => answer,
            Err(error) => return self.finish(error.into()),
        };
        let Some(version) = ProtocolVersion::new(answer.protocol) else {
            return self.finish(CloseReason::Version(answer.protocol));
        };
        // A late answer counts, too: the node speaks this version from here on.
        self.version = version;
        self.overlay = answer.is_overlay();
        self.topics.set_fisco(!self.overlay);
        self.node_max = answer.max_frame.map(|max| max.max(HEADER_LEN));
        self.quiet = answer.quiet_multicasts;
        if let Some(millis) = answer.answer_within {
            self.answer_within = Duration::from_millis(millis);
        }
        if self.state != SessionPhase::Ready {
            self.ready(self.last_received, Some(answer.node_version));
        }
    }

    pub(super) fn ready(&mut self, now: Instant, node_version: Option<String>) {
        self.state = SessionPhase::Ready;
        self.topics.set_fisco(!self.overlay);
        self.next_heartbeat = now + self.config.heartbeat;
        self.last_received = now;
        self.events.push_back(SessionEvent::Ready {
            version: self.version,
            node_version,
            overlay: self.overlay,
        });
    }

    pub(super) fn handle_response(&mut self, frame: Frame) {
        if let Some((topic, Ended { token, len })) = self.requests.take(&frame.seq) {
            self.longest_taken = self.longest_taken.max(len);
            let outcome = RequestOutcome::of_response(&topic, frame.result, frame.body);
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
            return;
        }
        let events = &mut self.events;
        let answered = self.multicasts.answered(&frame.seq, |token| {
            let outcome = RequestOutcome::Answered(Bytes::new());
            events.push_back(SessionEvent::Finished { token, outcome });
        });
        if let Some((_, longest)) = answered {
            self.longest_taken = self.longest_taken.max(longest);
        }
        if let Some((Some(token), _)) = answered {
            let outcome = RequestOutcome::of_multicast(frame.result, frame.body);
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
        } else if let Some(challenge) = self.challenges.take(&frame.seq) {
            self.handle_signature(challenge, frame);
        } else {
            self.notice(SessionNotice::UnsolicitedResponse(frame.seq));
        }
    }

    pub(super) fn handle_push(&mut self, kind: MessageKind, frame: Frame) {
        let end = match topic_end(&frame.body) {
            Ok(end) => end,
            // A node reads the topic itself to route the message, so a node that sends this is
            // broken.
            Err(error) => {
                return self.finish(CloseReason::Malformed {
                    kind: frame.kind,
                    error,
                });
            }
        };
        if let Some(topic) = self.topics.find(&frame.body[1..end]) {
            let topic = topic.clone();
            let mut payload = frame.body;
            payload.advance(end);
            if kind == MessageKind::Unicast && is_route(&topic) {
                return self.handle_challenge(topic, frame.seq, payload);
            }
            self.events.push_back(SessionEvent::Push(Push {
                kind,
                seq: frame.seq,
                topic,
                payload,
            }));
            return;
        }
        let topic = frame.body.slice(1..end);
        if kind == MessageKind::Unicast {
            // This is not an empty success, as one SDK answers: after 104 a node can try another
            // subscriber, and the publisher does not believe that the message was delivered.
            let framed = frame.body.slice(..end);
            frame
                .respond(result_code::NO_SESSION, framed)
                .encode(&mut self.out);
        }
        self.notice(SessionNotice::NotSubscribed { kind, topic });
    }

    pub(super) fn handle_heartbeat(&mut self, frame: Frame) {
        let Some(at) = self.heartbeats.iter().position(|h| h.seq == frame.seq) else {
            return self.notice(SessionNotice::Ignored(frame.kind));
        };
        let Some(heartbeat) = self.heartbeats.remove(at) else {
            return;
        };
        let shortage = read_shortage(&frame.body);
        let settled = self
            .topics
            .confirm(heartbeat.covers, &shortage, self.last_received);
        if let Some(Settled { version, refused }) = settled {
            if !refused.is_empty() {
                let topics = refused;
                self.events
                    .push_back(SessionEvent::TopicsRefused { topics });
            }
            self.events
                .push_back(SessionEvent::TopicsSettled { version });
        }
    }
}

/// Returns whether a node sends frames of this type as answers.
fn is_answer(kind: FrameType) -> bool {
    matches!(
        kind,
        FrameType::RESPONSE | FrameType::HEARTBEAT | FrameType::RPC | FrameType::HANDSHAKE
    )
}
