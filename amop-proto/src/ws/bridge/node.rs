//! The bridge of a client to a node of 3.x.

mod answers;
mod pushes;
#[cfg(test)]
mod tests;
mod topics;

use std::{collections::VecDeque, io, time::Instant};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use self::{
    answers::{WaitingAnswers, handshake_answer, outcome_answer, probe_answer, refusal_result},
    pushes::OpenPushes,
    topics::{BridgedTopics, usable},
};
use super::Bridge;
use crate::{
    channel::{
        Frame, FrameType, NO_ACK, ProtocolVersion, Seq, heartbeat_answer, heartbeat_shortage,
        result_code, split_topic, topic_end,
    },
    client::{CloseReason, MessageKind},
    ws::{
        MAX_MESSAGE, WsHandshakeResponse, WsMessage, WsMessageError, WsStatus, WsTransmit,
        client::{
            WsClientCloseReason, WsClientConfig, WsClientEvent, WsClientNotice, WsClientSession,
            WsPush, WsRefusal,
        },
    },
};

/// How long a unicast waits for its answer. Nodes of 3.x need up to 60 s (ws-v3 section 10.4). The
/// client's own deadline is usually earlier; nothing tells this side of it.
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(70);

/// How many unicasts wait: those that the client has given up are not known here, and wait until
/// [`REQUEST_TIMEOUT`].
const MAX_IN_FLIGHT: usize = 65_536;

/// The longest frame of a client whose message is not longer than what nodes of 3.x accept. The
/// message has its seq, of the same length, and 16 bytes where the frame has 11.
const MAX_FRAME: usize = MAX_MESSAGE - 5;

/// What a client's session of 2.x, [`ClientSession`](crate::client::ClientSession), takes for a node:
/// behind it is a [`WsClientSession`] with a node of 3.x.
///
/// | the client | this bridge and the node of 3.x |
/// | --- | --- |
/// | version handshake | It is answered once the handshake of 3.x has finished: version 3, 30 s for answers, frames of at most 32 MiB less 5 bytes, quiet multicasts. `node_version` is the compatibility version of the first group of a chain; overlay nodes have none, and it is empty. |
/// | heartbeat, JSON-RPC probe | A WebSocket ping. Any later sign of life of the node answers it; after a new set of topics, only the pong of a ping that follows the set. |
/// | set of topics | The list of 3.x. FISCO nodes confirm nothing and handle messages in any order, so the heartbeat's answer says that the node has read the list. Topics that 3.x cannot have are reported as missing: private topics, topics with NUL, and those for which the list has no room. |
/// | unicast | A unicast with the same seq. Its outcome is a response; see the next table. |
/// | multicast | A multicast with the same seq. No node answers it; it is confirmed by the pong of a ping that follows it. It was read then, and may have reached nobody. |
/// | response to a unicast | A response with the seq of the node's last copy. The result is the status; one that has no room there becomes -1. |
/// | anything else | Ignored: there is no private topic to verify. |
///
/// | the node of 3.x | the client gets |
/// | --- | --- |
/// | answer with status 0 | result 0 |
/// | 3001, 3003 | result 100: no subscriber |
/// | 3002 | result 104: not taken |
/// | -4006 | result 101: the subscriber left with the message |
/// | -4008, -7, -8, no answer within 70 s | result 102: the node timed out |
/// | -1 of the node | result 103: the node is over a limit, or fails |
/// | any other status, also of a subscriber | the same number as result |
/// | unicast | A unicast with the same seq; with a random one if that has not 32 bytes, or is in use. |
/// | its second copy, after 30 s | A unicast with the seq of the first copy, so that the client repeats its answer; it goes to the second copy, because only that one reaches the publisher. |
/// | multicast | A multicast with the same seq if publisher and subscriber have this node, otherwise with a random one, because 3.x sends none. The publisher's own session gets its own multicasts, as at overlay nodes. |
/// | the end of the session | The end of the stream; see [`close_reason`](Self::close_reason). |
///
/// ```
/// use std::time::Instant;
///
/// use amop_proto::{
///     channel::FrameType,
///     ws::{MAX_MESSAGE, WsHandshakeResponse, WsMessage, WsTransmit, bridge::{Bridge, NodeBridge}},
/// };
/// # use amop_proto::channel::{HandshakeRequest, Seq};
///
/// let now = Instant::now();
/// let mut bridge = NodeBridge::new([7; 32], now);
/// bridge.handle_frame(now, HandshakeRequest::native().to_frame(Seq([b'1'; 32])));
/// assert!(bridge.poll_frame().is_none());
///
/// // The node answers the handshake of 3.x, and so the client gets its own answer.
/// let Some(WsTransmit::Message(hello)) = bridge.poll_transmit() else { panic!() };
/// let hello = WsMessage::decode(hello.to_bytes(), MAX_MESSAGE)?;
/// let payload = WsHandshakeResponse::new(2, Vec::new()).to_payload();
/// bridge.handle_message(now, WsMessage { payload, ..hello });
/// assert_eq!(bridge.poll_frame().unwrap().kind, FrameType::HANDSHAKE);
/// # Ok::<(), amop_proto::ws::WsMessageError>(())
/// ```
#[derive(Debug)]
pub struct NodeBridge {
    session: WsClientSession<BridgedUnicast>,
    rng: StdRng,
    frames: VecDeque<Frame>,
    /// The client's handshake, until the node's is finished.
    handshake: Option<Frame>,
    /// The node's answer to the handshake.
    node: Option<Bytes>,
    answers: WaitingAnswers,
    pushes: OpenPushes,
    topics: BridgedTopics,
    closed: Option<WsClientCloseReason>,
}

/// A unicast that waits for its answer.
#[derive(Debug)]
struct BridgedUnicast {
    seq: Seq,
    /// The topic with its length byte, which begins the answer.
    framed: Box<[u8]>,
}

impl NodeBridge {
    /// Creates a bridge on a new WebSocket connection, with the default settings. `seed` decides
    /// every seq that is made here; except in tests, it must come from a good source of randomness.
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        Self::with_config(WsClientConfig::default(), seed, now)
    }

    /// Creates a bridge with settings of the session of 3.x. The limit
    /// [`max_in_flight`](WsClientConfig::max_in_flight) is raised to 65,536: it counts unicasts that
    /// the client has given up, too.
    pub fn with_config(config: WsClientConfig, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        let config = config.with(|config| {
            config.max_in_flight = config.max_in_flight.max(MAX_IN_FLIGHT);
        });
        Self {
            session: WsClientSession::new(config, rng.random(), now),
            rng,
            frames: VecDeque::new(),
            handshake: None,
            node: None,
            answers: WaitingAnswers::default(),
            pushes: OpenPushes::default(),
            topics: BridgedTopics::default(),
            closed: None,
        }
    }

    /// Returns why the session with the node has ended, in the words of 2.x; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.closed.clone().map(CloseReason::from)
    }

    fn handle_events(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            match event {
                WsClientEvent::Ready(answer) => self.ready(&answer),
                WsClientEvent::Finished { token, outcome } => {
                    let BridgedUnicast { seq, framed } = token;
                    self.frames.extend(outcome_answer(seq, &framed, outcome));
                }
                WsClientEvent::Push(push) => self.push(now, push),
                WsClientEvent::Notice(WsClientNotice::UnsolicitedResponse(seq)) => {
                    // The client counts answers that come too late.
                    let late = seq.as_seq();
                    let late = late.map(|seq| Frame::new(FrameType::RESPONSE, seq, Bytes::new()));
                    self.frames.extend(late);
                }
                WsClientEvent::Notice(_) => {}
                WsClientEvent::Closed(reason) => self.closed = Some(reason),
            }
        }
    }

    fn ready(&mut self, answer: &WsHandshakeResponse) {
        let body = handshake_answer(answer, MAX_FRAME);
        self.frames.extend(
            self.handshake
                .take()
                .map(|request| answered(request, body.clone())),
        );
        self.node = Some(body);
    }

    // ---- from the node ----

    fn push(&mut self, now: Instant, push: WsPush) {
        let WsPush {
            kind,
            seq,
            topic,
            payload,
            repeats,
        } = push;
        let rng = &mut self.rng;
        let shown = match kind {
            MessageKind::Unicast => {
                let random = || Seq::random(rng);
                self.pushes.push(now, &seq, repeats.as_ref(), random)
            }
            MessageKind::Multicast => seq.as_seq().unwrap_or_else(|| Seq::random(rng)),
        };
        let frame = Frame::amop(kind.frame_type(), shown, topic.as_bytes(), &payload);
        self.frames.push_back(frame);
    }

    fn alive(&mut self) {
        self.frames.extend(self.answers.alive());
    }

    // ---- from the client ----

    fn greet(&mut self, request: Frame) {
        match self.node.clone() {
            Some(body) => self.frames.push_back(answered(request, body)),
            None => self.handshake = Some(request),
        }
    }

    fn heartbeat(&mut self, request: Frame) {
        let shortage = self.topics.shortage();
        let body = match shortage.is_none() {
            true => heartbeat_answer(ProtocolVersion::V3, &request.body).unwrap_or_default(),
            false => heartbeat_shortage(shortage),
        };
        self.answers.of_heartbeat(answered(request, body));
    }

    fn unicast(&mut self, now: Instant, frame: Frame) {
        let Ok(end) = topic_end(&frame.body) else {
            return;
        };
        let Some(topic) = usable(&frame.body[1..end]) else {
            let none = frame.respond(result_code::NO_SUBSCRIBER, Bytes::new());
            return self.frames.push_back(none);
        };
        let unicast = BridgedUnicast {
            seq: frame.seq,
            framed: frame.body[..end].into(),
        };
        let payload = frame.body.slice(end..);
        let deadline = now + REQUEST_TIMEOUT;
        let sent = self
            .session
            .request_as(frame.seq, &topic, payload, deadline, unicast);
        if let Err(refused) = sent
            && let Some(result) = refusal_result(refused.why)
        {
            self.frames.push_back(frame.respond(result, Bytes::new()));
        }
    }

    fn multicast(&mut self, frame: &Frame) {
        let Ok(end) = topic_end(&frame.body) else {
            return;
        };
        let sent = match usable(&frame.body[1..end]) {
            None => Some(result_code::NO_SUBSCRIBER),
            Some(topic) => {
                let payload = frame.body.slice(end..);
                let sent = self.session.multicast_as(frame.seq, &topic, payload);
                sent.err().and_then(refusal_result)
            }
        };
        // A refusal confirms the multicasts before it, so it waits like a confirmation.
        if sent.is_some() || frame.result != NO_ACK {
            let result = sent.unwrap_or(result_code::SUCCESS);
            let answer = frame.respond(result, Bytes::new());
            self.answers.of_message(answer);
        }
    }

    fn respond(&mut self, now: Instant, frame: Frame) {
        let Some(seq) = self.pushes.answer(&frame.seq) else {
            return;
        };
        let payload = match split_topic(&frame.body) {
            Ok(body) => body.payload,
            Err(_) => frame.body,
        };
        let status = i16::try_from(frame.result).map_or(WsStatus::FAILED, WsStatus);
        let answered = self.session.respond(now, &seq, status, payload);
        if let Err(WsRefusal::QueueFull { .. }) = answered {
            // If the node sends a second copy, the client answers that one.
            self.pushes.push(now, &seq, None, || frame.seq);
        }
    }
}

impl Bridge for NodeBridge {
    fn handle_message(&mut self, now: Instant, message: WsMessage) {
        self.session.handle_message(now, message);
        self.handle_events(now);
        self.alive();
    }

    fn handle_message_error(&mut self, error: WsMessageError) {
        self.session.handle_message_error(error);
        self.end();
    }

    fn note_activity(&mut self, at: Instant) {
        self.session.note_activity(at);
        self.alive();
    }

    fn handle_pong(&mut self, now: Instant) {
        self.session.note_activity(now);
        self.frames.extend(self.answers.pong());
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        match frame.kind {
            FrameType::HANDSHAKE => self.greet(frame),
            FrameType::HEARTBEAT => self.heartbeat(frame),
            FrameType::RPC => self.answers.of_probe(probe_answer(frame)),
            FrameType::SET_TOPICS => {
                self.topics.apply(now, &mut self.session, &frame.body);
                self.answers.topics_changed();
            }
            FrameType::UNICAST => self.unicast(now, frame),
            FrameType::MULTICAST => self.multicast(&frame),
            FrameType::RESPONSE => self.respond(now, frame),
            _ => {}
        }
        self.handle_events(now);
    }

    fn handle_eof(&mut self) {
        self.session.handle_eof();
        self.end();
    }

    fn handle_io_error(&mut self, error: &io::Error) {
        self.session.handle_io_error(error);
        self.end();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.topics.handle_timeout(now, &mut self.session);
        self.handle_events(now);
    }

    fn next_timeout(&self) -> Option<Instant> {
        let session = self.session.next_timeout()?;
        let topics = self.topics.next_timeout();
        Some(topics.map_or(session, |at| at.min(session)))
    }

    fn poll_transmit(&mut self) -> Option<WsTransmit> {
        match self.session.poll_transmit() {
            Some(WsTransmit::Ping) if self.answers.idle_ping() => Some(WsTransmit::Ping),
            Some(message @ WsTransmit::Message(_)) => Some(message),
            // A ping is on its way already, so this one can be left out.
            Some(WsTransmit::Ping) => self.poll_transmit(),
            None => self.answers.take_ping().then_some(WsTransmit::Ping),
        }
    }

    fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// The inner error is the [`CloseReason`].
    fn take_failure(&mut self) -> Option<io::Error> {
        let reason = self.close_reason()?;
        let kind = match &reason {
            CloseReason::Local | CloseReason::Peer | CloseReason::DuringHandshake => return None,
            CloseReason::Silent { .. } => io::ErrorKind::TimedOut,
            CloseReason::Transport { kind, .. } => *kind,
            _ => io::ErrorKind::InvalidData,
        };
        Some(io::Error::new(kind, reason))
    }
}

impl NodeBridge {
    /// Takes the last events of a session that has ended.
    fn end(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let WsClientEvent::Closed(reason) = event {
                self.closed = Some(reason);
            }
        }
    }
}

/// Returns the answer to a request of the client that is not a message.
fn answered(request: Frame, body: Bytes) -> Frame {
    Frame { body, ..request }
}
