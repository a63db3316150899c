//! The limits that only overlay nodes have.

use std::time::Duration;

use super::super::ConfigError;
use super::section::SectionKeys;
use crate::{Limits, ListenLimits};

/// The section of the limits that only overlay nodes have.
pub(super) const LIMITS: &str = "amop_limits";

pub(super) const LIMIT_KEYS: [&str; 37] = [
    "session_queue",
    "session_queues",
    "peer_queue",
    "frame",
    "in_flight",
    "in_flight_bytes",
    "lag",
    "session_in_flight",
    "session_in_flight_bytes",
    "session_topics",
    "session_text",
    "session_topic_changes",
    "topic_changes",
    "subscriptions",
    "topics",
    "peer_topics",
    "nodes",
    "records_bytes",
    "record_bytes",
    "stubs",
    "max_claimed_subscribers",
    // The name of `max_claimed_subscribers` before it had this one.
    "claimed",
    "sessions",
    "peers",
    "handshakes",
    "source_handshakes",
    "first_byte_time",
    "hello_time",
    "handshake_time",
    "frame_time",
    "frame_rate",
    "receiving",
    "fragment_time",
    "http",
    "http_rate",
    "http_answers",
    "http_time",
];

/// Returns the limits, and those of the ports, that the section [`LIMITS`] gives.
pub(super) fn limits(keys: SectionKeys<'_>) -> Result<(Limits, ListenLimits), ConfigError> {
    let (mut limits, mut listen) = (Limits::default(), ListenLimits::default());
    let fields = [
        ("session_queue", &mut limits.session_queue),
        ("session_queues", &mut limits.session_queues),
        ("peer_queue", &mut limits.peer_queue),
        ("frame", &mut limits.frame),
        ("in_flight", &mut limits.in_flight),
        ("in_flight_bytes", &mut limits.in_flight_bytes),
        ("session_in_flight", &mut limits.session_in_flight),
        (
            "session_in_flight_bytes",
            &mut limits.session_in_flight_bytes,
        ),
        ("session_topics", &mut limits.session_topics),
        ("session_topic_changes", &mut limits.session_topic_changes),
        ("topic_changes", &mut limits.topic_changes),
        ("session_text", &mut limits.session_text),
        ("subscriptions", &mut limits.subscriptions),
        ("topics", &mut limits.topics),
        ("peer_topics", &mut limits.peer_topics),
        ("nodes", &mut limits.nodes),
        ("records_bytes", &mut limits.records_bytes),
        ("record_bytes", &mut limits.record_bytes),
        ("stubs", &mut limits.stubs),
        ("sessions", &mut listen.sessions),
        ("peers", &mut listen.peers),
        ("handshakes", &mut listen.handshakes),
        ("source_handshakes", &mut listen.source_handshakes),
        ("frame_rate", &mut listen.frame_rate),
        ("receiving", &mut listen.receiving),
        ("http", &mut listen.http),
        ("http_rate", &mut listen.http_rate),
        ("http_answers", &mut listen.http_answers),
    ];
    let count = "a whole number from 1 to 4294967295";
    let number = |key| keys.get(key, count, |value| value.parse().ok().filter(|n| *n > 0u32));
    for (key, field) in fields {
        if let Some(value) = number(key)? {
            *field = value as usize;
        }
    }
    if let Some(millis) = number("lag")? {
        listen.lag = Duration::from_millis(u64::from(millis));
    }
    let claimed = number("max_claimed_subscribers")?.or(number("claimed")?);
    limits.max_claimed_subscribers = claimed.unwrap_or(limits.max_claimed_subscribers);
    for (key, field) in [
        ("first_byte_time", &mut listen.first_byte_time),
        ("hello_time", &mut listen.hello_time),
        ("handshake_time", &mut listen.handshake_time),
        ("frame_time", &mut listen.frame_time),
        ("fragment_time", &mut listen.fragment_time),
        ("http_time", &mut listen.http_time),
    ] {
        if let Some(seconds) = number(key)? {
            *field = Duration::from_secs(seconds.into());
        }
    }
    Ok((limits, listen))
}
