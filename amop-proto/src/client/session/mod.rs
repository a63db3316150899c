//! The client session's state machine.

mod frames;
mod private;
mod requests;
mod timers;
mod wire;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use rand::{SeedableRng, rngs::StdRng};

use super::{
    ClientConfig, CloseReason, ExpiredCertificate, RequestOutcome, SessionEvent, SessionNotice,
    attempts::SURELY_TAKEN,
    challenges::Challenges,
    liveness::Liveness,
    multicasts::SentMulticasts,
    requests::{Ended, Requests},
    topics::SessionTopics,
};
use crate::{
    TopicName,
    channel::{
        Frame, FrameError, FrameType, HEADER_LEN, HandshakeRequest, PROTOCOL_MAX_FRAME,
        ProtocolVersion, RESULT_OFFSET, Seq, SetTopics,
    },
    log::with_causes,
};

/// How long a node waits for an answer, if it does not report it (channel-v2 section 7.2).
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

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

    /// Records a sign of life of the node at `at`: some of its bytes arrived, even if not a whole
    /// frame, or it accepted bytes that had waited.
    pub fn note_activity(&mut self, at: Instant) {
        self.last_received = self.last_received.max(at);
        self.liveness.heard();
        self.rest();
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

    fn notice(&mut self, notice: SessionNotice) {
        self.events.push_back(SessionEvent::Notice(notice));
    }

    /// Returns the length in bytes above which a frame may be why the node ended the session for
    /// `reason`; `None` if no frame was.
    pub fn suspect_above(&self, reason: &CloseReason) -> Option<usize> {
        let ended_by_node = matches!(reason, CloseReason::Peer | CloseReason::Transport { .. });
        // A node that reported its limit was not sent a longer frame.
        (ended_by_node && self.node_max.is_none()).then(|| self.longest_taken.max(SURELY_TAKEN))
    }

    /// Closes the session for a reason that the transport knows: behind it may be another session.
    pub fn end(&mut self, reason: CloseReason) {
        self.finish(reason);
    }

    fn finish(&mut self, reason: CloseReason) {
        if self.state == SessionPhase::Closed {
            return;
        }
        self.state = SessionPhase::Closed;
        let requests = self.requests.take_all().into_iter();
        let ended: Vec<Ended<T>> = requests.chain(self.multicasts.take_all()).collect();
        let longest = self.longest_taken;
        let suspect = self.suspect_above(&reason).and_then(|above| {
            let most = ended.iter().map(|ended| ended.len).max();
            most.filter(|&most| most > above)
        });
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
