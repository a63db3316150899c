//! The translator on the node's side: a 3.x SDK that looks to the node like one of 2.x.

mod codes;
mod config;
mod events;
mod frames;
mod notice;
mod pending;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

pub use config::SdkBridgeConfig;
pub use notice::{SdkNotice, TopicNotCarried};

use self::pending::{DeliveredUnicast, PendingUnicasts};
use super::Bridge;
use crate::{
    channel::{
        Frame, FrameType, HandshakeRequest, ProtocolVersion, Seq, Shortage, heartbeat_request,
    },
    ws::{
        WsMessage, WsMessageError, WsTransmit,
        server::{WsServerCloseReason, WsServerSession},
    },
};

/// The maximum number of notices that wait for the log.
const MAX_NOTICES: usize = 32;

/// How long pongs wait at most. SDKs end a connection on which nothing has arrived for 10 s, and ping
/// every 5 s (ws-v3 section 4.1).
const PONGS_WAIT: Duration = Duration::from_secs(3);

/// The end of a 3.x SDK's session at an overlay node. To the node it is a session of 2.x: it
/// sends the handshake of a native client, the whole set of topics after each change, heartbeats, and
/// frames for the SDK's messages.
///
/// # The SDK as the publisher
///
/// A unicast has the SDK's seq in 2.x, too, or a random one if the SDK's has another length than 32
/// bytes. A multicast asks for no acknowledgement, because none exists in 3.x.
///
/// | 2.x result | what the SDK gets |
/// | --- | --- |
/// | 0 | type 0x0113, status 0, the reply |
/// | 100, no subscriber | status 3001 |
/// | 101, the subscriber's session ended | status -4006 |
/// | 102, no answer in time | status -4008 |
/// | 103, over a limit of the node | status -1 with a text |
/// | 104, no session took it | status 3002 |
/// | any other of -32,768 to 32,767 (105, 106 and 107 of native clients, numbers of programs) | type 0x0113, this status, the subscriber's bytes |
/// | any other | type 0x0113, status -1, the subscriber's bytes |
///
/// Errors of the node itself have the type 0x0000 and the texts of FISCO nodes. A unicast to a topic that is
/// not UTF-8, or over 254 bytes, gets the status 3001, because nobody can subscribe to it; a multicast
/// to one is dropped. A message over the node's limit gets -4011, or is dropped.
///
/// # The SDK as a subscriber
///
/// | what the SDK does with a unicast | 2.x result | another subscriber is asked |
/// | --- | --- | --- |
/// | it answers with the status 0 | 0 | no |
/// | it answers with the status 104, as a native client that cannot take a message now | 104 | yes |
/// | it answers with any other status | the same number | no |
/// | its reply is over the node's limit | 106, empty | no |
/// | it does not answer within [`answer_within`](crate::ws::server::WsServerConfig::answer_within) | 102, empty | no |
/// | its session ends before it answers | 101, empty | no |
/// | it cannot be handed to the SDK: the queue is full, too many wait, too long | 104 | yes |
///
/// **A message that was handed to a 3.x SDK is never handed to another subscriber, except if that SDK
/// refuses it.** SDKs in Go answer only if the program gives them a reply, so their silence says nothing:
/// the program usually has handled the message. The node machine keeps this by itself, because the
/// handshake tells it that this is such a session: it ends a unicast with 102 if this bridge says nothing
/// within [`Timeouts::session_answer`](crate::node::Timeouts::session_answer), and with 101 if the session
/// ends, where it asks the next subscriber after a session of 2.x. So `answer_within` may have any length.
/// A shorter one than `session_answer` gives the result more time to reach the publisher's node, if this is
/// another one: that node asks the next subscriber when it has heard nothing for `session_answer` and 1 s
/// (1 s more for each 4 MiB), or when links change and no path is left.
///
/// Multicasts are delivered with their seq, which FISCO nodes give to their own sessions only: native
/// clients detect repeats with it. A seq that is not printable ASCII is left out, because SDKs pass it
/// through strings of C.
///
/// Replies are framed with the topic in 2.x and not in 3.x, so the translator adds and removes this.
///
/// # Topics
///
/// The SDK's topics that are UTF-8 and not over 254 bytes are the session's set in 2.x. Others are left
/// out. Nothing is lost without a notice; see [`poll_notice`](Self::poll_notice).
///
/// A pong says that the neighbours of the node know the topics of all lists before the ping, as the
/// answer to a heartbeat does in 2.x: it waits for this, for at most 3 s.
#[derive(Debug)]
pub struct SdkBridge {
    config: SdkBridgeConfig,
    rng: StdRng,
    /// The session with the SDK. Its tickets are the node's pushes.
    session: WsServerSession<DeliveredUnicast>,
    /// Frames for the node.
    frames: VecDeque<Frame>,
    pending: PendingUnicasts,
    /// When the next heartbeat is due; `None` before the handshake.
    heartbeat: Option<Instant>,
    /// Whether the node does not know the current set of topics.
    topics_changed: bool,
    /// `None` if the neighbours of the node know the topics.
    unconfirmed: Option<Unconfirmed>,
    /// The last shortage that was reported, so that it is reported once.
    told_of_shortage: Option<Shortage>,
    notices: VecDeque<SdkNotice>,
    lost_notices: u64,
    close_reason: Option<WsServerCloseReason>,
    /// The same, until it is taken.
    failure: Option<WsServerCloseReason>,
}

/// Topics that the neighbours of the node may not know yet.
#[derive(Debug)]
struct Unconfirmed {
    /// The heartbeat that the node answers when they do; `None` until it is sent.
    heartbeat: Option<Seq>,
    /// When the answer is no longer waited for.
    until: Instant,
}

impl SdkBridge {
    /// Creates the end of a session on a WebSocket that is open. `seed` decides every seq; except in
    /// tests, it must come from a good source of randomness.
    pub fn new(config: SdkBridgeConfig, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            session: WsServerSession::new(config.session.clone(), rng.random(), now),
            pending: PendingUnicasts::new(config.session.max_in_flight),
            config,
            rng,
            frames: VecDeque::new(),
            heartbeat: None,
            topics_changed: false,
            unconfirmed: None,
            told_of_shortage: None,
            notices: VecDeque::new(),
            lost_notices: 0,
            close_reason: None,
            failure: None,
        }
    }

    /// Returns the next unusual thing to log. At most 32 wait; the number of others is reported, too.
    pub fn poll_notice(&mut self) -> Option<SdkNotice> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        let count = std::mem::take(&mut self.lost_notices);
        (count > 0).then_some(SdkNotice::Dropped { count })
    }

    /// Returns why the session has ended; `None` while it has not.
    pub fn close_reason(&self) -> Option<&WsServerCloseReason> {
        self.close_reason.as_ref()
    }

    fn notice(&mut self, notice: impl Into<SdkNotice>) {
        if self.notices.len() < MAX_NOTICES {
            self.notices.push_back(notice.into());
        } else {
            self.lost_notices += 1;
        }
    }

    /// Begins the session with the node.
    fn greet(&mut self, now: Instant) {
        let seq = Seq::random(&mut self.rng);
        self.frames
            .push_back(HandshakeRequest::bridge().to_frame(seq));
        self.heartbeat = Some(now + self.config.heartbeat);
    }

    /// Asks the node for a sign of life, which also says which topics it has no room for. Returns the
    /// seq of the question.
    fn beat(&mut self) -> Seq {
        let seq = Seq::random(&mut self.rng);
        let body = heartbeat_request(ProtocolVersion::V3);
        self.frames
            .push_back(Frame::new(FrameType::HEARTBEAT, seq, body));
        seq
    }
}

impl Bridge for SdkBridge {
    fn handle_message(&mut self, now: Instant, message: WsMessage) {
        self.session.handle_message(now, message);
        self.drain(Some(now));
    }

    fn handle_message_error(&mut self, error: WsMessageError) {
        self.session.handle_message_error(error);
        self.drain(None);
    }

    fn note_activity(&mut self, at: Instant) {
        self.session.note_activity(at);
    }

    fn holds_pongs(&self) -> bool {
        self.unconfirmed.is_some()
    }

    fn handle_frame(&mut self, now: Instant, frame: Frame) {
        if !self.session.is_closed() {
            self.take_frame(now, frame);
            self.drain(Some(now));
        }
    }

    fn handle_eof(&mut self) {
        self.session.handle_eof();
        self.drain(None);
    }

    fn handle_io_error(&mut self, error: &io::Error) {
        self.session.handle_io_error(error);
        self.drain(None);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.drain(Some(now));
        if self.session.is_closed() {
            return;
        }
        self.unconfirmed.take_if(|waiting| waiting.until <= now);
        if self.heartbeat.is_some_and(|due| due <= now) {
            self.beat();
            self.heartbeat = Some(now + self.config.heartbeat);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let session = self.session.next_timeout()?;
        let unconfirmed = self.unconfirmed.as_ref().map(|waiting| waiting.until);
        let others = self.heartbeat.into_iter().chain(unconfirmed);
        Some(others.fold(session, Instant::min))
    }

    fn poll_transmit(&mut self) -> Option<WsTransmit> {
        self.session.poll_transmit()
    }

    fn poll_frame(&mut self) -> Option<Frame> {
        // The set is written when it is needed, so that several changes are one.
        if self.frames.is_empty() && std::mem::take(&mut self.topics_changed) {
            self.put_topics();
        }
        self.frames.pop_front()
    }

    fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    fn take_failure(&mut self) -> Option<io::Error> {
        use WsServerCloseReason::{Handshake, Message, NoHandshake, Silent, SlowReader};
        let reason = self.failure.take()?;
        let kind = match reason {
            NoHandshake { .. } | Silent { .. } | SlowReader { .. } => io::ErrorKind::TimedOut,
            Message(_) | Handshake(_) => io::ErrorKind::InvalidData,
            // The connection has reported this itself, or it is not a failure.
            _ => return None,
        };
        Some(io::Error::new(kind, reason))
    }
}
