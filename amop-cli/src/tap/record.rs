//! The tap's output: one line per frame, as text or as JSON.

use std::fmt::Write as _;

use amop_proto::log::OneLine;
use chrono::{DateTime, Local, SecondsFormat};
use serde_json::{Map, Value, json};

use super::watch::{FrameHead, MessageHead, StreamPart};
use crate::show;

/// The direction of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the SDK to the node.
    ToNode,
    /// From the node to the SDK.
    ToSdk,
}

impl Direction {
    fn text(self) -> &'static str {
        match self {
            Self::ToNode => "sdk->node",
            Self::ToSdk => "node->sdk",
        }
    }
}

/// One line of the tap's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapRecord {
    /// When the last byte arrived.
    pub time: DateTime<Local>,
    /// The number of the connection, counted from 1; 0 is the tap itself.
    pub connection: u64,
    /// The direction; `None` for notes about the connection.
    pub direction: Option<Direction>,
    /// The content.
    pub what: What,
}

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A frame of 2.x, or a message of 3.x.
    Frame(FrameRecord),
    /// Bytes that cannot be frames. They are passed on.
    Bytes {
        /// Their number.
        len: usize,
        /// The first of them.
        start: bytes::Bytes,
    },
    /// The stream ended within a frame.
    Truncated {
        /// The number of missing bytes, at least.
        missing: usize,
        /// The first bytes of the frame.
        start: bytes::Bytes,
    },
    /// A note about the connection, or, with a direction, an upgrade, ping, pong or Close of 3.x.
    Note(String),
    /// This many records are missing here, because the reader was too slow. Their traffic was
    /// passed on.
    Lost(u64),
}

/// The recorded part of a frame or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameRecord {
    /// The number of its type.
    pub code: u16,
    /// The name of its type.
    pub name: &'static str,
    /// Its seq; bytes that are not ASCII are escaped.
    pub seq: String,
    /// Its result field; the status of a message of 3.x.
    pub result: i32,
    /// Its topic, if its type has one and the body is framed.
    pub topic: Option<bytes::Bytes>,
    /// The length of the payload, or of the whole body if there is no topic.
    pub payload_len: usize,
    /// The beginning of the payload.
    pub payload: bytes::Bytes,
}

impl What {
    pub(super) fn of(seen: StreamPart) -> Self {
        match seen {
            StreamPart::Frame(head) => Self::Frame(FrameRecord::new(head)),
            StreamPart::Message(head) => Self::Frame(FrameRecord::of_message(head)),
            StreamPart::Note(text) => Self::Note(text),
            StreamPart::Bytes { len, start } => Self::Bytes { len, start },
            StreamPart::Truncated { missing, start } => Self::Truncated { missing, start },
            StreamPart::Undecodable(error) => Self::Note(format!(
                "{error}; what follows is passed on without being read"
            )),
        }
    }
}

impl FrameRecord {
    fn new(head: FrameHead) -> Self {
        let (topic, payload) = show::parts(head.kind, &head.start);
        let framing = topic.as_ref().map_or(0, |topic| 1 + topic.len());
        Self {
            code: head.kind.0,
            name: show::type_name(head.kind),
            seq: head.seq.to_string(),
            result: head.result,
            topic,
            payload_len: head.body_len - framing,
            payload,
        }
    }

    fn of_message(head: MessageHead) -> Self {
        Self {
            code: head.kind.0,
            name: show::v3_type_name(head.kind),
            seq: head.seq.escape_ascii().to_string(),
            result: head.status.0.into(),
            topic: head.topic,
            payload_len: head.payload_len,
            payload: head.start,
        }
    }
}

/// Why lines are lost.
const SLOW: &str = "the output was not read fast enough; the traffic itself was passed on";

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to show all payloads as hex, even text.
    pub hex: bool,
    /// The number of bytes to show of each payload.
    pub max: usize,
}

impl TapRecord {
    /// Returns the memory of the record beyond its own size.
    pub(super) fn len(&self) -> usize {
        match &self.what {
            What::Frame(frame) => {
                let topic = frame.topic.as_ref().map_or(0, |topic| topic.len());
                frame.seq.len() + topic + frame.payload.len()
            }
            What::Bytes { start, .. } | What::Truncated { start, .. } => start.len(),
            What::Note(text) => text.len(),
            What::Lost(_) => 0,
        }
    }

    /// Returns the record as a line of text. No content of a frame can break the line.
    pub fn to_text(&self, style: Style) -> String {
        let mut line = format!("{} #{}", self.time.format("%H:%M:%S%.3f"), self.connection);
        if let Some(direction) = self.direction {
            line.push(' ');
            line.push_str(direction.text());
        }
        // Writing to a string does not fail.
        let _ = match &self.what {
            What::Frame(frame) => write!(line, " {}", frame.to_text(style)),
            What::Bytes { len, start } => write!(
                line,
                " undecodable {len} bytes {}",
                cut(start, *len, style.max, true)
            ),
            What::Truncated { missing, start } => write!(
                line,
                " truncated, {missing} bytes missing after {}",
                cut(start, start.len(), style.max, true)
            ),
            What::Note(text) => write!(line, " {}", OneLine::new(text)),
            What::Lost(1) => write!(line, " 1 line was lost: {SLOW}"),
            What::Lost(lost) => write!(line, " {lost} lines were lost: {SLOW}"),
        };
        line
    }

    /// Returns the record as a line of JSON.
    pub fn to_json(&self, style: Style) -> String {
        let mut object = Map::new();
        let time = self.time.to_rfc3339_opts(SecondsFormat::Millis, false);
        object.insert("time".into(), time.into());
        object.insert("connection".into(), self.connection.into());
        if let Some(direction) = self.direction {
            object.insert("direction".into(), direction.text().into());
        }
        let mut put = |key: &str, value: Value| object.insert(key.into(), value);
        match &self.what {
            What::Frame(frame) => {
                put("event", "frame".into());
                put("type", frame.name.into());
                put("code", format!("0x{:x}", frame.code).into());
                put("seq", frame.seq.as_str().into());
                put("result", frame.result.into());
                if let Some(topic) = &frame.topic {
                    put("topic", String::from_utf8_lossy(topic).into());
                }
                put("length", frame.payload_len.into());
                let shown = &frame.payload[..frame.payload.len().min(style.max)];
                match show::text(&frame.payload, style.max).filter(|_| !style.hex) {
                    Some(text) => put("text", text.into()),
                    None => put("hex", hex::encode(shown).into()),
                };
            }
            What::Bytes { len, start } => {
                put("event", "undecodable".into());
                put("length", json!(len));
                put(
                    "hex",
                    hex::encode(&start[..start.len().min(style.max)]).into(),
                );
            }
            What::Truncated { missing, start } => {
                put("event", "truncated".into());
                put("missing", json!(missing));
                put(
                    "hex",
                    hex::encode(&start[..start.len().min(style.max)]).into(),
                );
            }
            What::Note(text) => {
                put("event", "note".into());
                put("text", text.as_str().into());
            }
            What::Lost(lost) => {
                put("event", "lost".into());
                put("lines", json!(lost));
            }
        }
        // JSON escapes only the first 32 characters, but terminals obey others, too.
        escape_json_controls(&Value::Object(object).to_string())
    }
}

impl FrameRecord {
    fn to_text(&self, style: Style) -> String {
        let mut line = format!(
            "{} (0x{:x}) seq={} result={}",
            self.name, self.code, self.seq, self.result
        );
        if let Some(topic) = &self.topic {
            let shown = show::preview(topic, topic.len(), false);
            let _ = write!(line, " topic={shown}");
        }
        let _ = write!(line, " {} bytes", self.payload_len);
        if self.payload_len > 0 {
            let shown = cut(&self.payload, self.payload_len, style.max, style.hex);
            let _ = write!(line, " {shown}");
        }
        line
    }
}

/// Returns a preview of `start`, which is the beginning of `len` bytes.
fn cut(start: &[u8], len: usize, max: usize, hex: bool) -> String {
    let mut shown = show::preview(start, max, hex);
    if len > start.len() && start.len() <= max {
        shown.push_str("...");
    }
    shown
}

fn escape_json_controls(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            // All these characters are below U+00A0.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
