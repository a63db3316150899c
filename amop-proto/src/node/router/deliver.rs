//! The way of one message through the router: unicasts with their attempts, multicasts, answers.

use std::{collections::BTreeSet, time::Instant};

use bytes::Bytes;

use super::{
    Router,
    unicast::{AttemptKey, Origin, Target, Unicast, UnicastId},
};
use crate::{
    channel::{AmopBodyError, Frame, FrameType, PROTOCOL_MAX_FRAME, code, split_topic},
    node::{Action, CloseReason, Notice, PeerId},
    p2p::{PeerFrame, packet, protocol},
};

impl Router {
    pub(super) fn peer_message(&mut self, now: Instant, peer: PeerId, message: PeerFrame) {
        let inner = Frame::from_bytes(message.body.clone(), PROTOCOL_MAX_FRAME);
        if message.is_response() {
            let Some(link) = self.links.peers.get_mut(&peer) else {
                return;
            };
            let Some(id) = link.asked.remove(&message.seq) else {
                self.notice(Notice::BadPeerMessage {
                    peer,
                    what: "a response nobody waits for",
                });
                return;
            };
            let expected = self.unicasts.get(&id).map(|unicast| unicast.frame.seq);
            match inner {
                Ok(answer) if Some(answer.seq) == expected => {
                    if answer.result == code::NO_SESSION {
                        self.attempt_failed(now, id, true);
                    } else {
                        self.finish(id, Ok(answer));
                    }
                }
                _ => {
                    self.notice(Notice::BadPeerMessage {
                        peer,
                        what: "an undecodable answer",
                    });
                    self.attempt_failed(now, id, false);
                }
            }
            return;
        }
        // No answer to what cannot be decoded (p2p-v2 section 7).
        match inner {
            Ok(frame) if frame.kind == FrameType::UNICAST || frame.kind == FrameType::MULTICAST => {
                self.unicast_or_multicast(now, Origin::Peer(peer, message.seq), frame);
            }
            _ => self.notice(Notice::BadPeerMessage {
                peer,
                what: "an undecodable AMOP message",
            }),
        }
    }

    pub(super) fn unicast_or_multicast(&mut self, now: Instant, origin: Origin, frame: Frame) {
        if let Origin::Peer(peer, _) = origin
            && frame.wire_len() > self.limits.frame
        {
            self.notice(Notice::BadPeerMessage {
                peer,
                what: "an AMOP message over this node's frame limit",
            });
            if frame.kind == FrameType::UNICAST {
                self.answer_error(origin, &frame, code::NO_SESSION);
            }
            return;
        }
        let topic = match (split_topic(&frame.body), origin) {
            (Ok(body), _) => Some(body.topic),
            (Err(AmopBodyError::Empty), Origin::Session(session)) => {
                return self.notice(Notice::EmptyAmopBody { session });
            }
            (Err(error @ AmopBodyError::ZeroLength), Origin::Session(session)) => {
                self.actions.push_back(Action::CloseSession {
                    session,
                    reason: CloseReason::Malformed(error),
                });
                return;
            }
            (Err(AmopBodyError::Empty | AmopBodyError::ZeroLength), Origin::Peer(peer, _)) => {
                return self.notice(Notice::BadPeerMessage {
                    peer,
                    what: "an AMOP body without a topic",
                });
            }
            // A real node reads past the end and finds nobody (channel-v2 section 3.5); so does
            // this one, without the reading. It goes to nobody at all, not even to a peer that
            // announces an empty topic: that peer may be one that reads past the end.
            (Err(AmopBodyError::BeyondBody { .. }), _) => None,
        };
        if frame.kind == FrameType::MULTICAST {
            self.multicast(now, origin, frame, topic.as_deref());
        } else {
            self.unicast(now, origin, frame, topic);
        }
    }

    fn multicast(&mut self, now: Instant, origin: Origin, frame: Frame, topic: Option<&[u8]>) {
        self.counters.multicasts += 1;
        let (sessions, peers) = match topic.and_then(|topic| self.table.get(topic)) {
            Some(entry) => (entry.sessions.clone(), entry.peers.clone()),
            None => Default::default(),
        };
        for session in sessions {
            match self.links.sessions.get_mut(&session) {
                Some(link) if link.queue.is_open() => {
                    self.counters.delivered += 1;
                    self.send_session(session, frame.clone());
                }
                Some(link) => {
                    link.queue.count_dropped();
                    self.counters.dropped += 1;
                }
                None => {}
            }
        }
        // Receivers do not forward (p2p-v2 section 7.3).
        let Origin::Session(publisher) = origin else {
            return;
        };
        if !peers.is_empty() {
            let seq = self.peer_seq();
            let message = PeerFrame {
                protocol: protocol::AMOP,
                packet: packet::MULTICAST,
                seq,
                body: frame.to_bytes(),
            };
            for (peer, _) in peers {
                match self.links.peers.get_mut(&peer) {
                    Some(link) if link.queue.is_open() => {
                        self.send_peer(peer, message.clone());
                        self.pause_if_filling(now, origin, peer);
                    }
                    Some(link) => {
                        link.queue.count_dropped();
                        self.counters.dropped += 1;
                    }
                    None => {}
                }
            }
        }
        let acknowledgement = frame.respond(code::SUCCESS, frame.body.clone());
        self.send_session(publisher, acknowledgement);
    }

    fn unicast(&mut self, now: Instant, origin: Origin, frame: Frame, topic: Option<Bytes>) {
        self.counters.unicasts += 1;
        let Some(topic) = topic else {
            return self.answer_error(origin, &frame, code::NO_SUBSCRIBER);
        };
        if self.unicasts.len() >= self.limits.in_flight
            || self.in_flight_bytes.saturating_add(frame.wire_len()) > self.limits.in_flight_bytes
        {
            self.counters.over_limit += 1;
            return self.answer_error(origin, &frame, code::OVER_LIMIT);
        }
        let id = self.next_unicast;
        self.next_unicast += 1;
        // The asking node waits no longer than that for this one's answer.
        let patience = match origin {
            Origin::Session(_) => self.timeouts.unicast,
            Origin::Peer(..) => self.timeouts.unicast.min(self.timeouts.peer_answer),
        };
        let deadline = now + patience;
        self.in_flight_bytes += frame.wire_len();
        self.timers.insert((deadline, id));
        let unicast = Unicast {
            origin,
            frame,
            topic,
            at: None,
            tried: BTreeSet::new(),
            refused: false,
            deadline,
            timer: deadline,
        };
        self.unicasts.insert(id, unicast);
        self.advance(now, id);
    }

    /// Sends a unicast to the next subscriber, or ends it when there is none.
    fn advance(&mut self, now: Instant, id: UnicastId) {
        let Some(unicast) = self.unicasts.get_mut(&id) else {
            return;
        };
        let target = self
            .table
            .get(&unicast.topic)
            .and_then(|entry| unicast.draw(entry, &self.links, &mut self.rng));
        let Some(target) = target else {
            let result = if unicast.refused {
                code::NO_SESSION
            } else {
                code::NO_SUBSCRIBER
            };
            return self.finish(id, Err(result));
        };
        unicast.tried.insert(target);
        let patience = match target {
            Target::Session(_) => self.timeouts.session_answer,
            Target::Peer(_) => self.timeouts.peer_answer,
        };
        let timer = unicast.deadline.min(now + patience);
        self.timers.remove(&(unicast.timer, id));
        self.timers.insert((timer, id));
        unicast.timer = timer;
        let (origin, frame) = (unicast.origin, unicast.frame.clone());
        match target {
            Target::Session(session) => {
                unicast.at = Some((target, AttemptKey::Seq));
                if let Some(link) = self.links.sessions.get_mut(&session) {
                    link.asked.insert(frame.seq, id);
                }
                self.send_session(session, frame);
            }
            Target::Peer(peer) => {
                let seq = next_peer_seq(&mut self.next_peer_seq);
                unicast.at = Some((target, AttemptKey::PeerSeq(seq)));
                if let Some(link) = self.links.peers.get_mut(&peer) {
                    link.asked.insert(seq, id);
                }
                let message = PeerFrame {
                    protocol: protocol::AMOP,
                    packet: packet::UNICAST,
                    seq,
                    body: frame.to_bytes(),
                };
                self.send_peer(peer, message);
                self.pause_if_filling(now, origin, peer);
            }
        }
    }

    fn peer_seq(&mut self) -> u32 {
        next_peer_seq(&mut self.next_peer_seq)
    }

    /// Whoever has the unicast did not take it: forget the attempt and try the next at once.
    pub(super) fn attempt_failed(&mut self, now: Instant, id: UnicastId, refused: bool) {
        self.counters.failed_attempts += 1;
        self.forget_attempt(id);
        if let Some(unicast) = self.unicasts.get_mut(&id) {
            unicast.refused |= refused;
            self.advance(now, id);
        }
    }

    fn forget_attempt(&mut self, id: UnicastId) {
        let Some(unicast) = self.unicasts.get_mut(&id) else {
            return;
        };
        match unicast.at.take() {
            Some((Target::Session(session), _)) => {
                if let Some(link) = self.links.sessions.get_mut(&session) {
                    link.asked.remove(&unicast.frame.seq);
                }
            }
            Some((Target::Peer(peer), AttemptKey::PeerSeq(seq))) => {
                if let Some(link) = self.links.peers.get_mut(&peer) {
                    link.asked.remove(&seq);
                }
            }
            Some((Target::Peer(_), AttemptKey::Seq)) | None => {}
        }
    }

    /// Ends a unicast with a subscriber's answer or an error.
    pub(super) fn finish(&mut self, id: UnicastId, outcome: Result<Frame, i32>) {
        self.forget_attempt(id);
        let Some(unicast) = self.unicasts.remove(&id) else {
            return;
        };
        self.timers.remove(&(unicast.timer, id));
        self.in_flight_bytes -= unicast.frame.wire_len();
        match outcome {
            Ok(answer) => {
                self.counters.answered += 1;
                self.answer(unicast.origin, answer);
            }
            Err(result) => self.answer_error(unicast.origin, &unicast.frame, result),
        }
    }

    fn answer_error(&mut self, origin: Origin, request: &Frame, result: i32) {
        self.counters.errors += 1;
        let answer = match (origin, result) {
            // The body of a 104 is the request's, of all others empty (channel-v2 section 10).
            (Origin::Session(_), code::NO_SESSION) => request.respond(result, request.body.clone()),
            (Origin::Session(_), _) => request.respond(result, Bytes::new()),
            // Between nodes there is no other error (p2p-v2 section 7.2).
            (Origin::Peer(..), _) => request.respond(code::NO_SESSION, request.body.clone()),
        };
        self.answer(origin, answer);
    }

    fn answer(&mut self, origin: Origin, answer: Frame) {
        match origin {
            Origin::Session(session) => self.send_session(session, answer),
            Origin::Peer(peer, seq) => {
                let message = PeerFrame {
                    protocol: -protocol::AMOP,
                    packet: packet::UNICAST,
                    seq,
                    body: answer.to_bytes(),
                };
                self.send_peer(peer, message);
            }
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            let Some(unicast) = self.unicasts.get(&id) else {
                continue;
            };
            let asked_session = matches!(unicast.at, Some((Target::Session(_), _)));
            if unicast.deadline <= now {
                self.counters.failed_attempts += 1;
                self.finish(id, Err(code::TIMEOUT));
            } else {
                self.attempt_failed(now, id, asked_session);
            }
        }
        let stuck: Vec<PeerId> = self
            .pauses
            .iter()
            .filter(|&(_, &at)| at <= now)
            .map(|(&peer, _)| peer)
            .collect();
        for peer in stuck {
            self.pauses.remove(&peer);
            if let Some(link) = self.links.peers.get_mut(&peer) {
                link.stuck = true;
                let paused = std::mem::take(&mut link.paused);
                self.resume(paused);
            }
        }
    }
}

fn next_peer_seq(next: &mut u32) -> u32 {
    let seq = *next;
    *next = next.wrapping_add(1);
    seq
}
