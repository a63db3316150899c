//! How the node handles its sessions: their frames, their topics, and the answers they wait for.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::NodeMachine;
use crate::{
    channel::{
        BRIDGE_TYPE, CLIENT_TYPE, Frame, FrameType, HandshakeError, HandshakeRequest,
        HandshakeResponse, PROTOCOL_MAX_FRAME, frame_topic, heartbeat_answer,
    },
    node::{
        Action, HashedFrame, NodeNotice, Question, SessionCloseReason, SessionId, SessionIdentity,
        after,
        input::{FrameText, SessionInput},
        session::Session,
        topic_set::{Ignored, ReadTopics},
    },
};

/// The number of heartbeats of one session that may wait for its topics; further ones get no
/// answer. Native clients remember the same number.
const MAX_HELD: usize = 8;

/// How long a native client waits for its topics: after this time it would treat the node as dead.
const NATIVE_WAIT: Duration = Duration::from_secs(15);

/// How long other SDKs wait: their heartbeats do not ask about topics, and Java SDKs drop a node
/// that does not answer for 10 s.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// The answer to event-log registrations: an AMOP node has no groups (channel-v2 section 11.7).
const NO_SUCH_GROUP: &[u8] = b"{\"result\":-41002}\n";

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl NodeMachine {
    pub(super) fn session_opened(
        &mut self,
        now: Instant,
        session: SessionId,
        identity: SessionIdentity,
    ) {
        if self.router.admit(identity) {
            self.sessions.insert(session, Session::new(now, identity));
            return self.router.session_up(now, session, identity);
        }
        let max = self.config.limits.sessions;
        let reason = SessionCloseReason::TooManySessions { max };
        self.actions
            .push_back(Action::CloseSession { session, reason });
    }

    pub(super) fn session_active(&mut self, now: Instant, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.active = now;
        }
    }

    pub(super) fn forget_session(&mut self, now: Instant, session: SessionId) {
        if let Some(gone) = self.sessions.remove(&session) {
            self.closed = true;
            if let Some(until) = gone.held_until {
                self.late.remove(&(until, session));
            }
            self.router.session_down(now, session);
        }
    }

    pub(super) fn session_frame(&mut self, now: Instant, id: SessionId, input: SessionInput) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        session.active = now;
        let SessionInput { message, text } = input;
        if let Some(asked) = self.router.answered_by(id, &message.frame) {
            return self.router.take_answer(now, asked, message);
        }
        let Some(text) = text else {
            return self.plain_frame(now, id, message);
        };
        match *text {
            FrameText::Handshake(request) => self.handshake(now, id, message.frame, request),
            FrameText::Topics(topics) => self.topics(now, id, topics),
            FrameText::Rpc(request) => {
                let seq = message.frame.seq;
                self.actions.push_back(Action::Answer {
                    session: id,
                    question: Question { seq, request },
                });
            }
            FrameText::Verdict(verdict) => {
                self.router.verdict(now, id, verdict);
            }
        }
    }

    /// Handles a frame without a text.
    pub(super) fn plain_frame(&mut self, now: Instant, id: SessionId, message: HashedFrame) {
        let frame = &message.frame;
        match frame.kind {
            FrameType::UNICAST | FrameType::MULTICAST => {
                self.router.session_message(now, id, message);
            }
            FrameType::HEARTBEAT => self.heartbeat(now, id, message.frame),
            FrameType::EVENT_REGISTER | FrameType::EVENT_UNREGISTER => {
                let body = frame_topic(b"", NO_SUCH_GROUP);
                let result = 0;
                let answer = Frame {
                    body,
                    result,
                    ..message.frame
                };
                self.router.send_session(id, answer);
            }
            // The acknowledgement of a request to verify; only the verdict counts.
            FrameType::VERIFY_PEER => {}
            FrameType::RESPONSE => {
                self.notice(NodeNotice::UnsolicitedResponse {
                    session: id,
                    seq: frame.seq,
                });
            }
            kind => self.notice(NodeNotice::UnknownFrame { session: id, kind }),
        }
    }

    pub(super) fn heartbeat(&mut self, now: Instant, id: SessionId, frame: Frame) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        let Some(body) = heartbeat_answer(session.version, &frame.body) else {
            return;
        };
        let answer = Frame { body, ..frame };
        if self.router.is_changing(id) {
            return self.hold(now, id, answer);
        }
        self.answer_heartbeat(now, id, answer);
    }

    /// Answers a heartbeat once the neighbours know the session's topics, which are already in
    /// force here.
    pub(super) fn answer_heartbeat(&mut self, now: Instant, id: SessionId, mut answer: Frame) {
        let Some(session) = self.sessions.get(&id) else {
            return;
        };
        if let Some(shortage) = self.router.shortage(id) {
            answer.body = shortage;
        }
        let version = session.topics_version;
        let until = after(now, self.config.timeouts.neighbours);
        if let Some((session, oldest)) = self.barriers.push((now, until), id, version, answer) {
            self.router.send_session(session, oldest);
        }
        self.release_barriers(now);
    }

    /// Holds an answer back until the session's topics are in force, or until a timeout.
    pub(super) fn hold(&mut self, now: Instant, id: SessionId, answer: Frame) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if session.held.len() == MAX_HELD {
            return;
        }
        session.held.push_back(answer);
        if session.held_until.is_none() {
            let until = after(
                now,
                if session.native {
                    NATIVE_WAIT
                } else {
                    OTHERS_WAIT
                },
            );
            session.held_until = Some(until);
            self.late.insert((until, id));
        }
    }

    /// Releases the answers that were held back.
    pub(super) fn let_go(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if let Some(until) = session.held_until.take() {
            self.late.remove(&(until, id));
        }
        for answer in std::mem::take(&mut session.held) {
            self.answer_heartbeat(now, id, answer);
        }
    }

    pub(super) fn topics(&mut self, now: Instant, session: SessionId, topics: Option<ReadTopics>) {
        let Some(ReadTopics { set, ignored }) = topics else {
            self.router.counters_mut().bad_topics += 1;
            self.router.keep_topics(session);
            return self.notice(NodeNotice::BadTopics { session });
        };
        let mut refused = Vec::new();
        if let Some(Ignored {
            first,
            others,
            names,
        }) = ignored
        {
            refused = names;
            let identity = self.sessions.get(&session).map(|session| session.identity);
            self.router.counters_mut().topics_ignored += 1 + others as u64;
            self.notice(NodeNotice::TopicIgnored {
                session,
                identity: identity.unwrap_or_default(),
                topic: first,
                others,
            });
        }
        self.router.session_topics(now, session, set, refused);
    }

    pub(super) fn handshake(
        &mut self,
        now: Instant,
        id: SessionId,
        frame: Frame,
        request: Result<HandshakeRequest, HandshakeError>,
    ) {
        let request = match request {
            Ok(request) => request,
            Err(error) => return self.notice(NodeNotice::BadHandshake { session: id, error }),
        };
        let version = match request.negotiate() {
            Ok(version) => version,
            Err(error) => return self.close_session(now, id, SessionCloseReason::Handshake(error)),
        };
        if let Some(session) = self.sessions.get_mut(&id) {
            session.version = version;
        }
        let drops_repeats = request.client_type == CLIENT_TYPE;
        let native = drops_repeats || request.client_type == BRIDGE_TYPE;
        let response = HandshakeResponse {
            node_version: self.config.facts.fisco_version.clone(),
            protocol: version.number(),
            quiet_multicasts: native,
            answer_within: native.then(|| millis(self.config.timeouts.session_answer)),
            max_frame: native.then_some(self.config.limits.frame.min(PROTOCOL_MAX_FRAME)),
        };
        self.router.send_session(
            id,
            Frame {
                body: response.to_body(),
                ..frame
            },
        );
        if native {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.native = true;
            }
            self.router.session_is_native(id, drops_repeats);
            self.actions
                .push_back(Action::CoalesceSession { session: id });
        }
    }

    /// Closes sessions that have been idle for too long.
    pub(super) fn sweep(&mut self, now: Instant) {
        let timeouts = self.config.timeouts;
        let idle: BTreeSet<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| after(session.active, timeouts.session_idle) <= now)
            .map(|(&id, _)| id)
            .collect();
        for session in idle {
            self.close_session(now, session, SessionCloseReason::Idle);
        }
    }

    pub(super) fn close_session(
        &mut self,
        now: Instant,
        session: SessionId,
        reason: SessionCloseReason,
    ) {
        self.apply(now, Action::CloseSession { session, reason });
    }
}
