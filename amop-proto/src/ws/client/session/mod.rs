//! The client session's state machine.

mod messages;
mod publishing;

use std::{collections::VecDeque, io, time::Instant};

use rand::{SeedableRng, rngs::StdRng};

use super::{
    WsClientCloseReason, WsClientConfig, WsClientEvent, WsClientNotice, WsOutcome, WsRefusal,
    deliveries::Deliveries, topics::TopicSet,
};
use crate::{
    channel::Seq,
    client::{ExpiredCertificate, Requests},
    log::with_causes,
    ws::{
        EncodedMessage, WsHandshakeRequest, WsMessage, WsMessageError, WsTopic, WsTransmit, WsType,
        liveness::{Due, PingTimer},
        outbox::{Outbox, cost},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WsPhase {
    Negotiating { deadline: Instant },
    Ready,
    Closed,
}

/// The SDK side of one connection to a node of 3.x (ws-v3 section 14).
///
/// `T` is a token that the owner gets back when a unicast has ended.
///
/// Create it when the WebSocket is open. After any call, drain [`poll_event`](Self::poll_event), send
/// what [`poll_transmit`](Self::poll_transmit) returns, and call
/// [`handle_timeout`](Self::handle_timeout) at [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct WsClientSession<T> {
    config: WsClientConfig,
    rng: StdRng,
    phase: WsPhase,
    began: Instant,
    handshake: Seq,
    /// The version that the node chose; 0 before.
    version: u32,
    out: Outbox,
    events: VecDeque<WsClientEvent<T>>,
    requests: Requests<T, ()>,
    topics: TopicSet,
    deliveries: Deliveries,
    pings: PingTimer,
}

impl<T> WsClientSession<T> {
    /// Creates a session on a new connection. `seed` decides every seq; except in tests, it must
    /// come from a good source of randomness.
    pub fn new(config: WsClientConfig, seed: [u8; 32], now: Instant) -> Self {
        let config = config.held();
        let mut rng = StdRng::from_seed(seed);
        let handshake = Seq::random(&mut rng);
        let mut session = Self {
            phase: WsPhase::Negotiating {
                deadline: now + config.handshake_timeout,
            },
            rng,
            began: now,
            handshake,
            version: 0,
            out: Outbox::default(),
            events: VecDeque::new(),
            requests: Requests::new(),
            topics: TopicSet::new(config.max_topic_list),
            deliveries: Deliveries::new(config.max_deliveries),
            pings: PingTimer::new(config.ping, config.silence, now),
            config,
        };
        let payload = WsHandshakeRequest::client().to_payload();
        session.put(WsMessage::new(WsType::HANDSHAKE, handshake.into(), payload));
        session
    }

    /// Returns whether messages can be published.
    pub fn is_ready(&self) -> bool {
        self.phase == WsPhase::Ready
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.phase == WsPhase::Closed
    }

    /// Returns the version that the node chose; 0 before the handshake has finished.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the number of unicasts that wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Returns the number of delivered unicasts that the program could still answer.
    pub fn deliveries(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns the number of bytes that wait for [`poll_transmit`](Self::poll_transmit), 128 more for
    /// each message included.
    pub fn queued_bytes(&self) -> usize {
        self.out.bytes()
    }

    /// Adds a topic to the set. Returns whether it is new.
    ///
    /// The node confirms nothing, and FISCO nodes handle messages in any order. Other nodes learn of
    /// the topic about 2 s later; until then their publishers get the status 3001 (ws-v3 section
    /// 10.1).
    ///
    /// # Errors
    ///
    /// [`WsRefusal::TopicList`] if the list of topics would be too long.
    pub fn subscribe(&mut self, topic: &WsTopic) -> Result<bool, WsRefusal> {
        self.topics.subscribe(topic)
    }

    /// Removes a topic from the set. Returns whether it was in the set. A FISCO node sends its messages
    /// until the session ends; they are not pushed, and unicasts are refused.
    pub fn unsubscribe(&mut self, topic: &WsTopic) -> bool {
        self.topics.unsubscribe(topic)
    }

    /// Sends the list of topics once more.
    pub(crate) fn repeat_topics(&mut self) {
        self.topics.repeat();
    }

    /// Records a sign of life of the node at `at`: a ping or a pong, or a part of a message.
    pub fn note_activity(&mut self, at: Instant) {
        self.pings.alive(at);
    }

    /// Handles the passage of time.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            WsPhase::Closed => return,
            WsPhase::Negotiating { deadline } if deadline <= now => {
                let after = now.saturating_duration_since(self.began);
                return self.finish(WsClientCloseReason::NoHandshakeAnswer { after });
            }
            _ => {}
        }
        match self.pings.poll(now) {
            Due::Nothing => {}
            Due::Ping => self.out.ping(),
            Due::Silent { after } => return self.finish(WsClientCloseReason::Silent { after }),
        }
        for token in self.requests.take_expired(now) {
            let outcome = WsOutcome::TimedOut;
            self.events
                .push_back(WsClientEvent::Finished { token, outcome });
        }
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` once the session has
    /// ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        let pings = self.pings.next_timeout();
        let other = match self.phase {
            WsPhase::Closed => return None,
            WsPhase::Negotiating { deadline } => Some(deadline),
            WsPhase::Ready => self.requests.next_deadline(),
        };
        Some(other.map_or(pings, |at| at.min(pings)))
    }

    /// Closes the session because a WebSocket message is not a message of the protocol. A FISCO node
    /// would read the next one as its end (ws-v3 section 15).
    pub fn handle_message_error(&mut self, error: WsMessageError) {
        self.finish(error.into());
    }

    /// Closes the session because the node closed the connection, in any of these ways: a Close
    /// message, the end of TLS, or the end of TCP without either, as nodes before 3.12 do (ws-v3
    /// section 4.2).
    pub fn handle_eof(&mut self) {
        self.finish(match self.phase {
            WsPhase::Negotiating { .. } => WsClientCloseReason::DuringHandshake,
            _ => WsClientCloseReason::Peer,
        });
    }

    /// Closes the session because the transport failed.
    pub fn handle_io_error(&mut self, error: &io::Error) {
        self.finish(WsClientCloseReason::Transport {
            kind: error.kind(),
            message: with_causes(error).to_string(),
        });
    }

    /// Closes the session from this side. Queued messages may still be sent.
    pub fn close(&mut self) {
        self.finish(WsClientCloseReason::Local);
    }

    /// Does the same as [`close`](Self::close), because a certificate has expired.
    pub fn expire(&mut self, certificate: ExpiredCertificate) {
        self.finish(WsClientCloseReason::Expired(Box::new(certificate)));
    }

    /// Returns the next thing to send.
    pub fn poll_transmit(&mut self) -> Option<WsTransmit> {
        if self.phase == WsPhase::Ready
            && let Some(payload) = self.topics.take_update()
        {
            let seq = Seq::random(&mut self.rng);
            self.put(WsMessage::new(WsType::SET_TOPICS, seq.into(), payload));
        }
        self.out.pop()
    }

    /// Returns the next event for the owner.
    pub fn poll_event(&mut self) -> Option<WsClientEvent<T>> {
        self.events.pop_front()
    }

    /// Sends a message of the session itself, whose length is limited.
    fn put(&mut self, message: WsMessage) {
        if let Ok(message) = message.encode() {
            self.out.push(message);
        }
    }

    /// Sends a message, unless it is too long or too much is waiting.
    fn put_limited(&mut self, message: EncodedMessage) -> Result<(), WsRefusal> {
        self.has_room(message.len())?;
        self.out.push(message);
        Ok(())
    }

    fn has_room(&self, len: usize) -> Result<(), WsRefusal> {
        let max = self.config.max_message;
        if len > max {
            return Err(WsRefusal::TooLong { len, max });
        }
        let (queued, max) = (self.out.bytes(), self.config.max_queued);
        // A message that is longer than the limit may go alone.
        if queued > 0 && queued + cost(len) > max {
            return Err(WsRefusal::QueueFull { queued, max });
        }
        Ok(())
    }

    fn notice(&mut self, notice: WsClientNotice) {
        self.events.push_back(WsClientEvent::Notice(notice));
    }

    fn finish(&mut self, reason: WsClientCloseReason) {
        if self.phase == WsPhase::Closed {
            return;
        }
        self.phase = WsPhase::Closed;
        for ended in self.requests.take_all() {
            let (token, outcome) = (ended.token, WsOutcome::Disconnected);
            self.events
                .push_back(WsClientEvent::Finished { token, outcome });
        }
        self.deliveries.clear();
        self.events.push_back(WsClientEvent::Closed(reason));
    }
}
