//! The client session's state machine.

mod private;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    ClientConfig, CloseReason, ExpiredCertificate, MessageKind, Push, RefusalReason,
    RefusedRequest, RequestOutcome, SessionEvent, SessionNotice,
    challenges::Challenges,
    liveness::Liveness,
    multicasts::SentMulticasts,
    requests::{Ended, Requests},
    topics::{SessionTopics, Settled},
};
use crate::{
    TopicName,
    channel::{
        Frame, FrameError, FrameType, HEADER_LEN, HandshakeRequest, HandshakeResponse,
        PROTOCOL_MAX_FRAME, ProtocolVersion, RESULT_OFFSET, Seq, SetTopics, heartbeat_request,
        is_route, read_shortage, result_code, topic_end,
    },
    log::with_causes,
};

/// How long a node waits for an answer, if it does not report it (channel-v2 section 7.2).
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The maximum number of unanswered heartbeats that are remembered. A live node answers each one
/// before the next is due.
const MAX_HEARTBEATS: usize = 8;

/// The length of a frame, in bytes, that makes no node end a session.
const SURELY_TAKEN: usize = 64 * 1024;

/// A request that every node answers at once, even if it is busy.
const PROBE: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion","params":[]}"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionPhase {
    Negotiating { deadline: Instant },
    Ready,
    Closed,
}

#[derive(Debug)]
struct Heartbeat {
    seq: Seq,
    /// The last topic change that was sent before this heartbeat.
    covers: u64,
}

/// The SDK side of one channel connection (channel-v2 section 14.1).
///
/// `T` is a token that the owner gets back when a request has ended.
///
/// After any call, drain [`poll_event`](Self::poll_event), write the bytes of
/// [`poll_transmit`](Self::poll_transmit), and call [`handle_timeout`](Self::handle_timeout) at
/// [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct ClientSession<T> {
    config: ClientConfig,
    rng: StdRng,
    state: SessionPhase,
    version: ProtocolVersion,
    handshake: Seq,
    /// Whether the node is an overlay node.
    overlay: bool,
    /// The longest frame that the node accepts, if it reported it.
    node_max: Option<usize>,
    /// Whether the node understands quiet multicasts.
    quiet: bool,
    /// How long the node waits for an answer to a unicast.
    answer_within: Duration,
    out: BytesMut,
    events: VecDeque<SessionEvent<T>>,
    requests: Requests<T>,
    /// Multicasts that may be quiet; all others are in `requests`.
    multicasts: SentMulticasts<T>,
    topics: SessionTopics,
    challenges: Challenges,
    heartbeats: VecDeque<Heartbeat>,
    next_heartbeat: Instant,
    last_received: Instant,
    liveness: Liveness,
    /// The longest frame that the node has accepted.
    longest_taken: usize,
}

impl<T> ClientSession<T> {
    /// Creates a session on a new connection. `seed` decides every seq; except in tests, it must
    /// come from a good source of randomness.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Instant) -> Self {
        let config = config.held();
        let longest_taken = config.longest_taken;
        let mut rng = StdRng::from_seed(seed);
        let handshake = Seq::random(&mut rng);
        let mut out = BytesMut::new();
        HandshakeRequest::native()
            .to_frame(handshake)
            .encode(&mut out);
        Self {
            state: SessionPhase::Negotiating {
                deadline: now + config.handshake_timeout,
            },
            next_heartbeat: now + config.heartbeat,
            config,
            rng,
            version: ProtocolVersion::V1,
            handshake,
            overlay: false,
            node_max: None,
            quiet: false,
            answer_within: ANSWER_WITHIN,
            out,
            events: VecDeque::new(),
            requests: Requests::new(),
            multicasts: SentMulticasts::new(),
            topics: SessionTopics::default(),
            challenges: Challenges::default(),
            heartbeats: VecDeque::new(),
            last_received: now,
            liveness: Liveness::default(),
            longest_taken,
        }
    }

    /// Returns whether requests can be made.
    pub fn is_ready(&self) -> bool {
        self.state == SessionPhase::Ready
    }

    /// Returns whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.state == SessionPhase::Closed
    }

    /// Returns how long the node waits for an answer to a unicast that it delivered; a later answer
    /// is lost.
    pub fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// Returns whether the node is an overlay node. Before the handshake has finished it counts as
    /// a FISCO node.
    pub fn is_overlay(&self) -> bool {
        self.overlay
    }

    /// Returns the longest frame that may be sent, header included, in bytes: the smaller of this
    /// side's limit and the limit that the node reported, if it did.
    pub fn max_frame(&self) -> usize {
        let max = self.config.max_frame;
        self.node_max.map_or(max, |node| node.min(max))
    }

    /// Returns the longest frame that the node is known to have accepted, in bytes.
    pub fn longest_taken(&self) -> usize {
        self.longest_taken
    }

    /// Returns the protocol version in use: 1 until the handshake chooses another one.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Returns the number of requests that wait for their answers.
    pub fn in_flight(&self) -> usize {
        self.requests.len() + self.multicasts.len()
    }

    #[cfg(test)]
    pub(super) fn remembered_multicasts(&self) -> usize {
        self.multicasts.remembered()
    }

    /// Returns the last settled change of the topic set; see [`SessionEvent::TopicsSettled`].
    pub fn settled(&self) -> u64 {
        self.topics.settled()
    }

    /// Returns the number of bytes that wait for [`poll_transmit`](Self::poll_transmit).
    pub fn queued_bytes(&self) -> usize {
        self.out.len()
    }

    // ---- requests ----

    /// Publishes a message; [`SessionEvent::Finished`] returns `token` with the outcome.
    ///
    /// # Errors
    ///
    /// [`RefusedRequest`] returns the token if nothing was sent.
    pub fn request(
        &mut self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) -> Result<Seq, RefusedRequest<T>> {
        if let Err(why) = self.may_request(topic, payload.len()) {
            return Err(RefusedRequest { token, why });
        }
        // No other message has this seq: it has 128 random bits.
        let seq = Seq::random(&mut self.rng);
        self.put_request(seq, kind, topic, payload, deadline, token);
        Ok(seq)
    }

    /// Does the same as [`request`](Self::request), with a token that is made when the seq is
    /// known.
    ///
    /// # Errors
    ///
    /// [`RefusalReason`] says why nothing was sent. `token` is not called then.
    pub fn request_with(
        &mut self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: impl FnOnce(Seq) -> T,
    ) -> Result<Seq, RefusalReason> {
        self.may_request(topic, payload.len())?;
        let seq = Seq::random(&mut self.rng);
        self.put_request(seq, kind, topic, payload, deadline, token(seq));
        Ok(seq)
    }

    /// Does the same as [`request`](Self::request), with a given seq: that of a message whose
    /// outcome on another session is unknown, so that subscribers recognise it.
    ///
    /// # Errors
    ///
    /// [`RefusedRequest`] returns the token if nothing was sent.
    pub fn request_as(
        &mut self,
        seq: Seq,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) -> Result<(), RefusedRequest<T>> {
        let may = self.may_request(topic, payload.len());
        if let Err(why) = may.and_then(|()| self.is_free(&seq)) {
            return Err(RefusedRequest { token, why });
        }
        self.put_request(seq, kind, topic, payload, deadline, token);
        Ok(())
    }

    fn put_request(
        &mut self,
        seq: Seq,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) {
        let len = wire_len(topic, payload.len());
        let result = if self.quiet && kind == MessageKind::Multicast {
            let at = self.out.len() + RESULT_OFFSET;
            self.multicasts.push(seq, deadline, token, len, at)
        } else {
            let ended = Ended { token, len };
            self.requests.insert(seq, topic.clone(), deadline, ended);
            result_code::SUCCESS
        };
        let kind = kind.frame_type();
        put_amop(&mut self.out, kind, seq, result, topic, payload);
    }

    /// Returns whether a request with this seq waits for its answer.
    pub fn awaits(&self, seq: &Seq) -> bool {
        self.is_free(seq).is_err()
    }

    fn is_free(&self, seq: &Seq) -> Result<(), RefusalReason> {
        if self.multicasts.contains(seq) {
            return Err(RefusalReason::SeqInUse);
        }
        self.requests.is_free(seq)
    }

    fn may_request(&self, topic: &TopicName, payload: usize) -> Result<(), RefusalReason> {
        match self.state {
            SessionPhase::Negotiating { .. } => return Err(RefusalReason::NotReady),
            SessionPhase::Closed => return Err(RefusalReason::Closed),
            SessionPhase::Ready => {}
        }
        let (len, max) = (wire_len(topic, payload), self.max_frame());
        if len > max {
            return Err(RefusalReason::TooLong { len, max });
        }
        let limit = self.config.max_in_flight;
        if self.in_flight() >= limit {
            return Err(RefusalReason::InFlight { limit });
        }
        Ok(())
    }

    /// Forgets a request and returns its token. A frame that was sent already is not taken back.
    pub fn cancel(&mut self, seq: &Seq) -> Option<T> {
        let request = self.requests.take(seq).map(|(_, ended)| ended.token);
        let token = request.or_else(|| self.multicasts.cancel(seq));
        self.rest();
        token
    }

    /// Answers a pushed unicast. Returns whether the answer was queued; it is not if the session
    /// has ended.
    ///
    /// If the answer would be longer than [`max_frame`](Self::max_frame), [`result_code::NO_REPLY`]
    /// is sent instead, so that the node does not wait for it.
    pub fn respond(&mut self, seq: Seq, topic: &TopicName, result: i32, payload: &[u8]) -> bool {
        if self.state == SessionPhase::Closed {
            return false;
        }
        let (result, payload) = match wire_len(topic, payload.len()) > self.max_frame() {
            true => (result_code::NO_REPLY, &b""[..]),
            false => (result, payload),
        };
        put_amop(
            &mut self.out,
            FrameType::RESPONSE,
            seq,
            result,
            topic,
            payload,
        );
        true
    }

    // ---- topics ----

    /// Adds a topic to the set. The change is settled once [`SessionEvent::TopicsSettled`] or
    /// [`settled`](Self::settled) reach the number returned.
    pub fn subscribe(&mut self, topic: &TopicName) -> u64 {
        self.topics.subscribe(topic)
    }

    /// Removes a topic from the set. Until the change is settled, messages of the topic are still
    /// pushed; after that they are refused.
    pub fn unsubscribe(&mut self, topic: &TopicName) -> u64 {
        self.topics.unsubscribe(topic)
    }

    // ---- input ----

    /// Records a sign of life of the node at `at`: some of its bytes arrived, even if not a whole
    /// frame, or it accepted bytes that had waited.
    pub fn note_activity(&mut self, at: Instant) {
        self.last_received = self.last_received.max(at);
        self.liveness.heard();
    }

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
    }

    /// Closes the session because the bytes received are not frames.
    pub fn handle_frame_error(&mut self, error: FrameError) {
        self.finish(error.into());
    }

    /// Closes the session because the node closed the connection.
    pub fn handle_eof(&mut self) {
        self.finish(match self.state {
            SessionPhase::Negotiating { .. } => CloseReason::DuringHandshake,
            _ => CloseReason::Peer,
        });
    }

    /// Closes the session because the transport failed.
    pub fn handle_io_error(&mut self, error: &io::Error) {
        self.finish(CloseReason::Transport {
            kind: error.kind(),
            message: with_causes(error).to_string(),
        });
    }

    /// Closes the session from this side. Queued bytes may still be sent.
    pub fn close(&mut self) {
        self.finish(CloseReason::Local);
    }

    /// Does the same as [`close`](Self::close), because a certificate has expired.
    pub fn expire(&mut self, certificate: ExpiredCertificate) {
        self.finish(CloseReason::Expired(Box::new(certificate)));
    }

    /// Does what is due. Call it at [`next_timeout`](Self::next_timeout); an earlier call does
    /// nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            SessionPhase::Closed => return,
            SessionPhase::Negotiating { deadline } if deadline <= now => {
                self.notice(SessionNotice::NoHandshakeAnswer);
                self.ready(now, None);
            }
            SessionPhase::Negotiating { .. } => {}
            SessionPhase::Ready => {
                if self.silent_at() <= now {
                    let after = now.saturating_duration_since(self.last_received);
                    self.finish(CloseReason::Silent { after });
                    return;
                }
                if self.next_heartbeat <= now {
                    self.put_heartbeat();
                    self.next_heartbeat = now + self.config.heartbeat;
                }
                if self.probe_at().is_some_and(|at| at <= now) {
                    self.put_probe(now);
                }
            }
        }
        self.topics.handle_timeout(now);
        let requests = self.requests.take_expired(now).into_iter();
        for token in requests.chain(self.multicasts.take_expired(now)) {
            let outcome = RequestOutcome::TimedOut;
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
        }
        self.rest();
        while let Some(request) = self.challenges.take_expired(now) {
            let outcome = RequestOutcome::TimedOut;
            self.notice(SessionNotice::Unproven { request, outcome });
        }
    }

    // ---- output ----

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due; `None` once the session has
    /// ended.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            SessionPhase::Closed => None,
            SessionPhase::Negotiating { deadline } => Some(deadline),
            SessionPhase::Ready => [
                Some(self.next_heartbeat),
                Some(self.silent_at()),
                self.probe_at(),
                self.requests.next_deadline(),
                self.multicasts.next_deadline(),
                self.topics.next_timeout(),
                self.challenges.next_deadline(),
            ]
            .into_iter()
            .flatten()
            .min(),
        }
    }

    /// Appends all bytes that are to be written to `out`. Returns whether there were any.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut BytesMut) -> bool {
        if self.state == SessionPhase::Ready
            && let Some(body) = self.topics.take_update(now, self.longest_set())
        {
            let seq = Seq::random(&mut self.rng);
            Frame::new(FrameType::SET_TOPICS, seq, body).encode(&mut self.out);
            self.put_heartbeat();
        }
        if self.out.is_empty() {
            return false;
        }
        if let Some(at) = self.multicasts.transmitted() {
            self.out[at..HEADER_LEN - RESULT_OFFSET + at].fill(0);
        }
        self.liveness.sent(self.out.len());
        if self.state == SessionPhase::Ready && self.is_waiting() {
            self.liveness.waits(now);
        }
        if out.is_empty() {
            std::mem::swap(&mut self.out, out);
        } else {
            out.extend_from_slice(&self.out);
            self.out.clear();
        }
        true
    }

    /// Returns the maximum length of the body of a topic set: a node ends the connection if a frame
    /// is too long, and an overlay node does not read a set beyond a certain length.
    fn longest_set(&self) -> usize {
        let frame = match self.overlay {
            true => self.node_max.unwrap_or(PROTOCOL_MAX_FRAME),
            false => PROTOCOL_MAX_FRAME,
        };
        let body = frame.saturating_sub(HEADER_LEN);
        match self.overlay {
            true => body.min(SetTopics::MOST),
            false => body,
        }
    }

    /// Returns the next event for the owner.
    pub fn poll_event(&mut self) -> Option<SessionEvent<T>> {
        self.events.pop_front()
    }

    // ---- inside ----

    fn handle_handshake(&mut self, frame: Frame) {
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

    fn ready(&mut self, now: Instant, node_version: Option<String>) {
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

    fn handle_response(&mut self, frame: Frame) {
        if let Some((topic, Ended { token, len })) = self.requests.take(&frame.seq) {
            self.longest_taken = self.longest_taken.max(len);
            let outcome = RequestOutcome::of_response(&topic, frame.result, frame.body);
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
            return self.rest();
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
            self.rest();
        } else if let Some(challenge) = self.challenges.take(&frame.seq) {
            self.handle_signature(challenge, frame);
        } else {
            self.notice(SessionNotice::UnsolicitedResponse(frame.seq));
        }
    }

    fn handle_push(&mut self, kind: MessageKind, frame: Frame) {
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

    fn handle_heartbeat(&mut self, frame: Frame) {
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

    fn put_heartbeat(&mut self) {
        let seq = Seq::random(&mut self.rng);
        let body = heartbeat_request(self.version);
        Frame::new(FrameType::HEARTBEAT, seq, body).encode(&mut self.out);
        if self.heartbeats.len() == MAX_HEARTBEATS {
            self.heartbeats.pop_front();
        }
        self.heartbeats.push_back(Heartbeat {
            seq,
            covers: self.topics.sent(),
        });
    }

    /// Asks the node for a sign of life. The node may delay the answer to a heartbeat until a topic
    /// set is in force, so it is sent another request while a set is unconfirmed.
    fn put_probe(&mut self, now: Instant) {
        let other = self.topics.is_unconfirmed().then(|| {
            let seq = Seq::random(&mut self.rng);
            Frame::new(FrameType::RPC, seq, Bytes::from_static(PROBE)).encode(&mut self.out);
            seq
        });
        if other.is_none() {
            self.put_heartbeat();
        }
        self.liveness.probed(now, other);
    }

    /// Returns whether anything waits for an answer to bytes that were sent.
    fn is_waiting(&self) -> bool {
        self.in_flight() > 0 || self.topics.is_unconfirmed()
    }

    /// Records that nothing waits for the node any more, if this is so.
    fn rest(&mut self) {
        if !self.is_waiting() {
            self.liveness.rest();
        }
    }

    fn probe_at(&self) -> Option<Instant> {
        self.liveness
            .probe_at(self.last_received, self.config.probe)
    }

    /// Returns when the node counts as dead. Nodes of every version answer heartbeats (channel-v2
    /// section 5.2), so silence always means something.
    fn silent_at(&self) -> Instant {
        let idle = self.last_received + 2 * self.config.heartbeat;
        let waiting = self.liveness.silent_at(self.config.probe);
        waiting.map_or(idle, |at| at.min(idle))
    }

    fn notice(&mut self, notice: SessionNotice) {
        self.events.push_back(SessionEvent::Notice(notice));
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.state == SessionPhase::Closed {
            return;
        }
        self.state = SessionPhase::Closed;
        let requests = self.requests.take_all().into_iter();
        let ended: Vec<Ended<T>> = requests.chain(self.multicasts.take_all()).collect();
        let longest = self.longest_taken;
        let suspect = match reason {
            // A node that reported its limit was not sent a longer frame.
            CloseReason::Peer | CloseReason::Transport { .. } if self.node_max.is_none() => {
                let most = ended.iter().map(|ended| ended.len).max();
                most.filter(|&most| most > longest.max(SURELY_TAKEN))
            }
            _ => None,
        };
        for Ended { token, len } in ended {
            let outcome = match suspect {
                Some(most) if most == len => RequestOutcome::CutOff { len, longest },
                _ => RequestOutcome::Disconnected,
            };
            self.events
                .push_back(SessionEvent::Finished { token, outcome });
        }
        self.challenges = Challenges::default();
        self.events.push_back(SessionEvent::Closed(reason));
    }
}

/// Returns whether a node sends frames of this type as answers.
fn is_answer(kind: FrameType) -> bool {
    matches!(
        kind,
        FrameType::RESPONSE | FrameType::HEARTBEAT | FrameType::RPC | FrameType::HANDSHAKE
    )
}

/// Returns the length of an AMOP frame in bytes.
fn wire_len(topic: &TopicName, payload: usize) -> usize {
    HEADER_LEN + 1 + topic.as_bytes().len() + payload
}

/// Writes an AMOP frame directly into `out`; the layout is in channel-v2 sections 3.1 and 7.1.
fn put_amop(
    out: &mut BytesMut,
    kind: FrameType,
    seq: Seq,
    result: i32,
    topic: &TopicName,
    payload: &[u8],
) {
    let len = wire_len(topic, payload.len());
    out.reserve(len);
    // Callers enforce `max_frame`, and a topic name has at most 254 bytes, so no number wraps.
    out.put_u32(len as u32);
    out.put_u16(kind.0);
    out.put_slice(&seq.0);
    out.put_i32(result);
    out.put_u8(topic.as_bytes().len() as u8 + 1);
    out.put_slice(topic.as_bytes());
    out.put_slice(payload);
}
