//! The state machine of a node's session.

mod delivering;
mod messages;

use std::{collections::VecDeque, io, sync::Arc, time::Instant};

use bytes::Bytes;
use rand::{SeedableRng, rngs::StdRng};

use super::{
    WsServerCloseReason, WsServerConfig, WsServerEvent, WsServerNotice, topics::SdkTopics,
};
use crate::{
    client::Requests,
    log::with_causes,
    ws::{
        EncodedMessage, WsMessage, WsMessageError, WsSeq, WsStatus, WsTransmit,
        liveness::{Due, PingTimer},
        outbox::{Outbox, cost},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerPhase {
    /// The SDK has not done the handshake.
    Waiting {
        deadline: Instant,
    },
    Ready,
    Closed,
}

/// The node's side of one connection with an SDK of 3.x (ws-v3 section 13).
///
/// `D` is a ticket that the owner gets back when a delivered unicast has ended.
///
/// Create it when the WebSocket is open. After any call, drain [`poll_event`](Self::poll_event), send
/// what [`poll_transmit`](Self::poll_transmit) returns, and call
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct WsServerSession<D> {
    config: Arc<WsServerConfig>,
    rng: StdRng,
    phase: ServerPhase,
    began: Instant,
    out: Outbox,
    events: VecDeque<WsServerEvent<D>>,
    topics: SdkTopics,
    /// The SDK's unicasts, by the seq that it chose.
    requests: Requests<WsSeq, (), WsSeq>,
    /// The unicasts delivered to the SDK, by the seq that was chosen here.
    deliveries: Requests<D, ()>,
    pings: PingTimer,
}

impl<D> WsServerSession<D> {
    /// Creates a session on a new connection. `seed` decides every seq; except in tests, it must
    /// come from a good source of randomness: an SDK that guesses the seq of another session's
    /// delivery gains nothing, but one that guesses its own could answer what it has not seen.
    pub fn new(config: Arc<WsServerConfig>, seed: [u8; 32], now: Instant) -> Self {
        Self {
            rng: StdRng::from_seed(seed),
            phase: ServerPhase::Waiting {
                deadline: now + config.handshake_timeout,
            },
            began: now,
            out: Outbox::default(),
            events: VecDeque::new(),
            topics: SdkTopics::new(
                config.topic_lists,
                config.max_topics,
                config.max_topic_bytes,
            ),
            requests: Requests::new(),
            deliveries: Requests::new(),
            pings: PingTimer::new(config.ping, config.silence, now),
            config,
        }
    }

    /// Returns whether the handshake has finished and the session has not ended.
    pub fn is_ready(&self) -> bool {
        self.phase == ServerPhase::Ready
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.phase == ServerPhase::Closed
    }

    /// Returns whether the session has a topic. Before the handshake has finished it has none.
    pub fn has_topic(&self, topic: &[u8]) -> bool {
        self.is_ready() && self.topics.contains(topic)
    }

    /// Returns the session's topics in byte order. They need not be text.
    pub fn topics(&self) -> impl Iterator<Item = &Bytes> {
        self.topics.iter()
    }

    /// Returns the number of the SDK's unicasts that wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Returns the number of delivered unicasts that the SDK has not answered.
    pub fn deliveries(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns the number of bytes that wait for [`poll_transmit`](Self::poll_transmit), 128 more for
    /// each message included.
    pub fn queued_bytes(&self) -> usize {
        self.out.bytes()
    }

    /// Records a sign of life of the SDK at `at`: a ping or a pong, or a part of a message.
    pub fn note_activity(&mut self, at: Instant) {
        self.pings.alive(at);
    }

    /// Handles the passage of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            ServerPhase::Closed => return,
            ServerPhase::Waiting { deadline } if deadline <= now => {
                let after = now.saturating_duration_since(self.began);
                return self.finish(WsServerCloseReason::NoHandshake { after });
            }
            _ => {}
        }
        match self.pings.poll(now) {
            Due::Nothing => {}
            Due::Ping => self.out.ping(),
            Due::Silent { after } => return self.finish(WsServerCloseReason::Silent { after }),
        }
        for ticket in self.deliveries.take_expired(now) {
            let status = WsStatus::TIMED_OUT;
            self.events
                .push_back(WsServerEvent::Unanswered { ticket, status });
        }
        for seq in self.requests.take_expired(now) {
            self.put_failure(&seq, WsStatus::TIMED_OUT, b"");
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` once the session has
    /// ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        let handshake = match self.phase {
            ServerPhase::Closed => return None,
            ServerPhase::Waiting { deadline } => Some(deadline),
            ServerPhase::Ready => None,
        };
        [
            Some(self.pings.next_timeout()),
            handshake,
            self.deliveries.next_deadline(),
            self.requests.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Closes the session because a WebSocket message is not a message of the protocol.
    pub fn handle_message_error(&mut self, error: WsMessageError) {
        self.finish(error.into());
    }

    /// Closes the session because the SDK closed the connection, in any of these ways: a Close
    /// message, the end of TLS, or the end of TCP without either, as SDKs up to 3.6 do. This is the
    /// usual end of a session, not an error.
    pub fn handle_eof(&mut self) {
        self.finish(WsServerCloseReason::Peer);
    }

    /// Closes the session because the transport failed.
    pub fn handle_io_error(&mut self, error: &io::Error) {
        self.finish(WsServerCloseReason::Transport {
            kind: error.kind(),
            message: with_causes(error).to_string(),
        });
    }

    /// Closes the session from this side. Queued messages may still be sent.
    pub fn close(&mut self) {
        self.finish(WsServerCloseReason::Local);
    }

    /// Returns the next thing to send.
    pub fn poll_transmit(&mut self) -> Option<WsTransmit> {
        self.out.pop()
    }

    /// Returns the next event for the owner.
    pub fn poll_event(&mut self) -> Option<WsServerEvent<D>> {
        self.events.pop_front()
    }

    /// Sends an answer. Answers are limited by what the SDK has asked for, so a full queue of them
    /// means that it does not read. Deliveries do not count: others cause them, and must not be able
    /// to end the session.
    fn put(&mut self, message: EncodedMessage) {
        let (queued, max) = (self.out.answer_bytes(), self.config.max_queued);
        // A message that is longer than the limit may go alone.
        if queued > 0 && queued + cost(message.len()) > max {
            return self.finish(WsServerCloseReason::SlowReader { queued });
        }
        self.out.push_answer(message);
    }

    fn put_message(&mut self, message: &WsMessage) {
        // The node's own answers are shorter than any limit.
        if let Ok(message) = message.encode() {
            self.put(message);
        }
    }

    /// Answers the SDK's message with an error of the node.
    fn put_failure(&mut self, seq: &WsSeq, status: WsStatus, topic: &[u8]) {
        self.put_error(seq, status, status.text(topic));
    }

    fn put_error(&mut self, seq: &WsSeq, status: WsStatus, text: String) {
        if let Ok(message) = EncodedMessage::failure(seq, status, text) {
            self.put(message);
        }
    }

    fn announce(&mut self, added: Vec<Bytes>, removed: Vec<Bytes>) {
        if self.is_ready() && !(added.is_empty() && removed.is_empty()) {
            self.events
                .push_back(WsServerEvent::TopicsChanged { added, removed });
        }
    }

    fn notice(&mut self, notice: WsServerNotice) {
        self.events.push_back(WsServerEvent::Notice(notice));
    }

    fn finish(&mut self, reason: WsServerCloseReason) {
        if self.phase == ServerPhase::Closed {
            return;
        }
        self.phase = ServerPhase::Closed;
        for ended in self.deliveries.take_all() {
            let (ticket, status) = (ended.token, WsStatus::DISCONNECTED);
            self.events
                .push_back(WsServerEvent::Unanswered { ticket, status });
        }
        self.requests = Requests::new();
        self.topics.clear();
        self.events.push_back(WsServerEvent::Closed(reason));
    }
}
