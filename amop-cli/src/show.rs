//! Readable forms of frames and bytes: names of types, and previews that always stay on one line.

use std::fmt::Write as _;

use amop_proto::{
    channel::{Frame, FrameType, split_topic},
    ws::WsType,
};
use bytes::Bytes;

/// Returns the name of a frame's type.
pub(crate) fn type_name(kind: FrameType) -> &'static str {
    match kind {
        FrameType::RPC => "rpc",
        FrameType::HEARTBEAT => "heartbeat",
        FrameType::HANDSHAKE => "handshake",
        FrameType::EVENT_REGISTER => "event-register",
        FrameType::EVENT_UNREGISTER => "event-unregister",
        FrameType::UNICAST => "unicast",
        FrameType::RESPONSE => "response",
        FrameType::SET_TOPICS => "set-topics",
        FrameType::MULTICAST => "multicast",
        FrameType::VERIFY_PEER => "verify-peer",
        FrameType::VERIFY_RESULT => "verify-result",
        FrameType::TRANSACTION_NOTIFY => "transaction-notify",
        FrameType::BLOCK_NOTIFY => "block-notify",
        FrameType::EVENT_PUSH => "event-push",
        _ => "unknown",
    }
}

/// Returns the name of the type of a 3.x message.
pub(crate) fn v3_type_name(kind: WsType) -> &'static str {
    match kind {
        WsType::NODE_ANSWER => "node-answer",
        WsType::HANDSHAKE => "handshake",
        WsType::BLOCK_NOTIFY => "block-notify",
        WsType::RPC => "rpc",
        WsType::GROUP_NOTIFY => "group-notify",
        WsType::SET_TOPICS => "set-topics",
        WsType::UNICAST => "unicast",
        WsType::MULTICAST => "multicast",
        WsType::RESPONSE => "response",
        WsType::EVENT_REGISTER => "event-register",
        WsType::EVENT_UNREGISTER => "event-unregister",
        WsType::EVENT_PUSH => "event-push",
        _ => "unknown",
    }
}

/// Returns whether bodies of this type begin with a topic (channel-v2 sections 5 to 8 and 12).
pub(crate) fn has_topic(kind: FrameType) -> bool {
    matches!(
        kind,
        FrameType::UNICAST
            | FrameType::RESPONSE
            | FrameType::MULTICAST
            | FrameType::BLOCK_NOTIFY
            | FrameType::EVENT_REGISTER
            | FrameType::EVENT_UNREGISTER
    )
}

/// Splits a body into topic and payload. If there is no topic, all of it is payload. Answers may be
/// unframed (channel-v2 section 7.2).
pub(crate) fn parts(kind: FrameType, body: &Bytes) -> (Option<Bytes>, Bytes) {
    match split_topic(body) {
        Ok(parts) if has_topic(kind) => (Some(parts.topic), parts.payload),
        _ => (None, body.clone()),
    }
}

/// Returns the longest beginning of `bytes` that is text of at most `max` bytes; `None` if it is
/// not text.
///
/// A character that the cut would split is left out.
pub(crate) fn text(bytes: &[u8], max: usize) -> Option<&str> {
    let cut = &bytes[..bytes.len().min(max)];
    match std::str::from_utf8(cut) {
        Ok(text) => Some(text),
        Err(error) => {
            let split_by_cut = error.error_len().is_none() && bytes.len() > max;
            let text = std::str::from_utf8(&cut[..error.valid_up_to()]).ok()?;
            split_by_cut.then_some(text)
        }
    }
}

/// Returns bytes on one line: quoted and escaped if they are text, otherwise as hex. Three dots
/// mean that there is more.
pub(crate) fn preview(bytes: &[u8], max: usize, hex: bool) -> String {
    let mut shown = match text(bytes, max).filter(|_| !hex) {
        Some(text) => format!("{text:?}"),
        None => hex::encode(&bytes[..bytes.len().min(max)]),
    };
    if bytes.len() > max {
        shown.push_str("...");
    }
    shown
}

/// Returns a whole frame on one line.
pub(crate) fn frame(frame: &Frame) -> String {
    /// Long enough to tell messages apart.
    const PREVIEW: usize = 64;
    let mut line = format!(
        "{} (0x{:x}) seq={} result={}",
        type_name(frame.kind),
        frame.kind.0,
        frame.seq,
        frame.result
    );
    let (topic, payload) = parts(frame.kind, &frame.body);
    if let Some(topic) = topic {
        // Writing to a string does not fail.
        let _ = write!(line, " topic={}", preview(&topic, PREVIEW, false));
    }
    let _ = write!(
        line,
        " {} bytes {}",
        payload.len(),
        preview(&payload, PREVIEW, false)
    );
    line
}

#[cfg(test)]
mod tests;
