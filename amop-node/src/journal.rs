//! The node's log of events that others cause, limited to as many lines as a person can read. Each
//! event is one line.

use std::{
    fmt,
    mem::{Discriminant, discriminant},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use amop_proto::{
    admission::Source,
    log::{LogLimits, LogThrottle, OneLine, Summary},
    node::NodeNotice,
    ws::bridge::SdkNotice,
};
use tokio::time::{MissedTickBehavior, interval};
use tracing::Level;

/// The kinds of lines; lines of one kind are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LineKind {
    /// A handshake failed, at the port named.
    Refused(&'static str),
    /// A handshake took too long, at the port named.
    TimedOut(&'static str),
    /// A connection closed without sending anything, at the port named.
    Silent(&'static str),
    /// A connection lost its place or found none, at the port named.
    Displaced(&'static str),
    /// There were too many established connections, at the port named.
    TurnedAway(&'static str),
    /// Accepting failed.
    CannotAccept,
    /// A session was opened.
    SessionOpened,
    /// A session's handshake was signed with SHA-1.
    Sha1Signature,
    /// A session was closed.
    SessionClosed,
    /// A connection with a node ended.
    PeerEnded,
    /// A configured peer cannot be reached.
    DialFailed,
    /// A connection with a 3.x node began.
    GatewayOpened,
    /// A connection with a 3.x node ended, or was refused.
    GatewayEnded,
    /// A 3.x node sent something unusual.
    GatewayNotice,
    /// Another overlay node carries the messages of the 3.x chain.
    GatewayStandsBy,
    /// An HTTP request failed.
    Http,
    /// A reply was over the frame limit.
    LongReply,
    /// A WebSocket upgrade was refused.
    UpgradeRefused,
    /// A session of a 3.x SDK gave a notice.
    V3Notice(Discriminant<SdkNotice>),
    /// The machine gave a notice.
    Notice(Discriminant<NodeNotice>),
}

/// The cause of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// An unauthenticated client at an address.
    Address(Source),
    /// An SDK's session.
    Session(u64),
    /// A connection with a node.
    Peer(u64),
    /// A configured peer, by the hash of its address.
    Configured(u64),
    /// The node itself, or no specific cause.
    Node,
}

/// The log of events that others cause.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<LogThrottle<(LineKind, Level), Cause>>);

impl Journal {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LogThrottle::new(LogLimits::default())))
    }

    fn lock(&self) -> MutexGuard<'_, LogThrottle<(LineKind, Level), Cause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn warn(&self, kind: LineKind, cause: Cause, text: impl fmt::Display) {
        self.note(Level::WARN, kind, cause, text);
    }

    pub(crate) fn info(&self, kind: LineKind, cause: Cause, text: impl fmt::Display) {
        self.note(Level::INFO, kind, cause, text);
    }

    pub(crate) fn debug(&self, kind: LineKind, cause: Cause, text: impl fmt::Display) {
        self.note(Level::DEBUG, kind, cause, text);
    }

    /// Logs a notice at the level an operator would give it.
    pub(crate) fn notice(&self, notice: &NodeNotice) {
        self.note(
            level(notice),
            LineKind::Notice(discriminant(notice)),
            cause(notice),
            notice,
        );
    }

    fn note(&self, level: Level, kind: LineKind, cause: Cause, text: impl fmt::Display) {
        if !enabled(level) {
            return;
        }
        // Formatted without the lock: others need the throttle, too, and a long text takes time.
        let text = OneLine::new(text).to_string();
        let (now, key) = (Instant::now(), (kind, level));
        let mut throttle = self.lock();
        let summary = throttle.summary(now, &key);
        let line = throttle.escaped(now, key, cause, text);
        drop(throttle);
        if let Some(summary) = summary {
            emit(level, &summary);
        }
        if let Some(line) = line {
            emit(level, &line);
        }
    }

    /// Logs the counts of suppressed lines from time to time; never returns.
    pub(crate) async fn run(&self) {
        let mut windows = interval(LogLimits::default().window);
        windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            windows.tick().await;
            let summaries = self.lock().summaries(Instant::now());
            emit_all(summaries);
        }
    }

    /// Logs the counts of all suppressed lines.
    pub(crate) fn finish(&self) {
        let summaries = self.lock().finish(Instant::now());
        emit_all(summaries);
    }
}

fn emit_all(summaries: Vec<((LineKind, Level), Summary)>) {
    for ((_, level), summary) in summaries {
        emit(level, &summary);
    }
}

fn enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(target: "amop_node", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "amop_node", Level::WARN),
        Level::INFO => tracing::enabled!(target: "amop_node", Level::INFO),
        Level::DEBUG => tracing::enabled!(target: "amop_node", Level::DEBUG),
        Level::TRACE => tracing::enabled!(target: "amop_node", Level::TRACE),
    }
}

fn emit(level: Level, text: &dyn fmt::Display) {
    match level {
        Level::ERROR => tracing::error!(target: "amop_node", "{text}"),
        Level::WARN => tracing::warn!(target: "amop_node", "{text}"),
        Level::INFO => tracing::info!(target: "amop_node", "{text}"),
        Level::DEBUG => tracing::debug!(target: "amop_node", "{text}"),
        Level::TRACE => tracing::trace!(target: "amop_node", "{text}"),
    }
}

fn level(notice: &NodeNotice) -> Level {
    match notice {
        NodeNotice::PeerUp { .. } | NodeNotice::PeerDown { .. } | NodeNotice::Verdict { .. } => {
            Level::INFO
        }
        NodeNotice::BadHandshake { .. }
        | NodeNotice::BadTopics { .. }
        | NodeNotice::TopicIgnored { .. }
        | NodeNotice::SessionBehind { .. }
        | NodeNotice::SessionCaughtUp { .. }
        | NodeNotice::PeerBehind { .. }
        | NodeNotice::PeerCaughtUp { .. }
        | NodeNotice::BadPeerMessage { .. }
        | NodeNotice::PeerMisbehaves { .. }
        | NodeNotice::Disbelieved { .. }
        | NodeNotice::OverFrameLimit { .. }
        | NodeNotice::BadVerdict { .. } => Level::WARN,
        // Go SDKs answer every multicast, although no answer is expected.
        NodeNotice::UnsolicitedResponse { .. } => Level::TRACE,
        _ => Level::DEBUG,
    }
}

fn cause(notice: &NodeNotice) -> Cause {
    match notice.connection() {
        (Some(session), _) => Cause::Session(session.0),
        (None, Some(peer)) => Cause::Peer(peer.0),
        (None, None) => Cause::Node,
    }
}
