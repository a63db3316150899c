//! Finds the messages in one direction of a 3.x connection, without holding back or changing the
//! bytes: the HTTP upgrade, then WebSocket frames.

use amop_proto::ws::{MIN_MESSAGE, WsStatus, WsType};
use bytes::{Buf, Bytes, BytesMut};

use super::watch::{MessageHead, StreamPart};

/// The longest HTTP header that is read.
const MAX_HTTP: usize = 8 * 1024;

/// The bytes of seq and topic that are kept of each message; usual ones are shorter.
const KEEP: usize = 512;

/// The bytes of an AMOP message before its topic: a version and the topic's length.
const BEFORE_TOPIC: usize = 6;

/// The watcher of one direction.
#[derive(Debug)]
pub(super) struct V3Watcher {
    /// Bytes to keep of each message.
    keep: usize,
    phase: WatchPhase,
    /// The HTTP header, or the header of a WebSocket frame, as far as it has arrived.
    head: BytesMut,
    /// The beginning of the current message, over all its frames, and its length.
    message: KeptBytes,
    /// The payload of the current ping, pong or Close.
    control: KeptBytes,
}

#[derive(Debug)]
enum WatchPhase {
    Http,
    FrameHead,
    Frame(OpenFrame),
    /// Nothing is recognised any more.
    Raw,
}

/// A WebSocket frame whose payload is arriving.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    opcode: u8,
    is_final: bool,
    mask: [u8; 4],
    /// Bytes of the payload that have arrived.
    at: usize,
    missing: usize,
}

#[derive(Debug, Default)]
struct KeptBytes {
    start: BytesMut,
    len: usize,
}

mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

impl V3Watcher {
    /// Creates a watcher that keeps `preview` bytes of each payload.
    pub(super) fn new(preview: usize) -> Self {
        Self {
            keep: MIN_MESSAGE + KEEP + preview,
            phase: WatchPhase::Http,
            head: BytesMut::new(),
            message: KeptBytes::default(),
            control: KeptBytes::default(),
        }
    }

    /// Takes the next bytes of the stream, and returns the messages that end with them.
    pub(super) fn see(&mut self, mut bytes: &[u8]) -> Vec<StreamPart> {
        let mut seen = Vec::new();
        // A frame without a payload ends without another byte.
        while !bytes.is_empty()
            || matches!(self.phase, WatchPhase::Frame(frame) if frame.missing == 0)
        {
            match self.phase {
                WatchPhase::Http => self.see_http(&mut bytes, &mut seen),
                WatchPhase::FrameHead => self.see_head(&mut bytes, &mut seen),
                WatchPhase::Frame(frame) => self.see_payload(frame, &mut bytes, &mut seen),
                WatchPhase::Raw => {
                    seen.push(self.raw(bytes));
                    break;
                }
            }
        }
        seen
    }

    /// Handles the end of the stream.
    pub(super) fn end(&mut self) -> Option<StreamPart> {
        let missing = match self.phase {
            WatchPhase::Frame(frame) => frame.missing.max(1),
            _ => 1,
        };
        let (head, kept) = (&mut self.head, &mut self.message.start);
        let start = if kept.is_empty() { head } else { kept };
        let start = std::mem::take(start).freeze();
        let is_within = !start.is_empty() || matches!(self.phase, WatchPhase::Frame(_));
        is_within.then_some(StreamPart::Truncated { missing, start })
    }

    fn see_http(&mut self, bytes: &mut &[u8], seen: &mut Vec<StreamPart>) {
        let byte = bytes.get_u8();
        self.head.extend_from_slice(&[byte]);
        if self.head.ends_with(b"\r\n\r\n") {
            let head = std::mem::take(&mut self.head);
            let line = head[..]
                .split(|&byte| byte == b'\r')
                .next()
                .unwrap_or(&head);
            let line = String::from_utf8_lossy(line);
            // After a refusal, no WebSocket follows.
            let refused = line.starts_with("HTTP/") && line.split(' ').nth(1) != Some("101");
            self.phase = if refused {
                WatchPhase::Raw
            } else {
                WatchPhase::FrameHead
            };
            seen.push(StreamPart::Note(format!("upgrade: {line}")));
        } else if self.head.len() >= MAX_HTTP {
            self.give_up("the HTTP header is too long", seen);
        }
    }

    /// Reads the header of a frame (RFC 6455, section 5.2).
    fn see_head(&mut self, bytes: &mut &[u8], seen: &mut Vec<StreamPart>) {
        self.head.extend_from_slice(&[bytes.get_u8()]);
        let &[first, second, ref rest @ ..] = &self.head[..] else {
            return;
        };
        let is_masked = second & 0x80 != 0;
        let len_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < len_bytes + if is_masked { 4 } else { 0 } {
            return;
        }
        let (len, mask) = rest.split_at(len_bytes);
        let number = len.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        let number = if len.is_empty() {
            u64::from(second & 0x7f)
        } else {
            number
        };
        let opcode = first & 0x0f;
        let is_known = matches!(
            opcode,
            opcode::CONTINUATION..=opcode::BINARY | opcode::CLOSE..=opcode::PONG
        );
        let (Ok(missing), true, 0) = (usize::try_from(number), is_known, first & 0x70) else {
            return self.give_up("this is not a WebSocket frame", seen);
        };
        self.phase = WatchPhase::Frame(OpenFrame {
            opcode,
            is_final: first & 0x80 != 0,
            mask: mask.first_chunk().copied().unwrap_or_default(),
            at: 0,
            missing,
        });
        self.head.clear();
    }

    fn see_payload(&mut self, frame: OpenFrame, bytes: &mut &[u8], seen: &mut Vec<StreamPart>) {
        let OpenFrame {
            mask, at, missing, ..
        } = frame;
        let taken = bytes.len().min(missing);
        let kept = match frame.opcode {
            opcode::CLOSE.. => &mut self.control,
            _ => &mut self.message,
        };
        let room = self.keep.saturating_sub(kept.start.len()).min(taken);
        let plain = bytes[..room].iter().zip(mask.iter().cycle().skip(at % 4));
        kept.start.extend(plain.map(|(byte, mask)| byte ^ mask));
        kept.len += taken;
        bytes.advance(taken);
        if taken < missing {
            let (at, missing) = (at + taken, missing - taken);
            self.phase = WatchPhase::Frame(OpenFrame {
                at,
                missing,
                ..frame
            });
            return;
        }
        self.phase = WatchPhase::FrameHead;
        if frame.opcode == opcode::TEXT {
            seen.push(StreamPart::Note("a text message follows".to_owned()));
        }
        match frame.opcode {
            opcode::CLOSE.. => {
                let control = std::mem::take(&mut self.control);
                seen.push(StreamPart::Note(control_text(frame.opcode, &control)));
            }
            _ if frame.is_final => seen.push(message(std::mem::take(&mut self.message))),
            _ => {}
        }
    }

    fn give_up(&mut self, why: &str, seen: &mut Vec<StreamPart>) {
        self.phase = WatchPhase::Raw;
        let text = format!("{why}; what follows is passed on without being read");
        seen.push(StreamPart::Note(text));
        let head = std::mem::take(&mut self.head);
        seen.push(self.raw(&head));
    }

    fn raw(&self, bytes: &[u8]) -> StreamPart {
        StreamPart::Bytes {
            len: bytes.len(),
            start: Bytes::copy_from_slice(&bytes[..bytes.len().min(self.keep)]),
        }
    }
}

fn control_text(opcode: u8, control: &KeptBytes) -> String {
    let len = control.len;
    match (opcode, control.start.first_chunk()) {
        (opcode::PING, _) => format!("ping, {len} bytes"),
        (opcode::PONG, _) => format!("pong, {len} bytes"),
        (_, Some(&code)) => format!("close {}", u16::from_be_bytes(code)),
        (_, None) => "close".to_owned(),
    }
}

/// Reads the beginning of a message (ws-v3 section 5).
fn message(kept: KeptBytes) -> StreamPart {
    let KeptBytes { start, len } = kept;
    let start = start.freeze();
    head(start.clone(), len).map_or(StreamPart::Bytes { len, start }, StreamPart::Message)
}

fn head(mut bytes: Bytes, len: usize) -> Option<MessageHead> {
    if bytes.len() < MIN_MESSAGE {
        return None;
    }
    bytes.advance(2);
    let (kind, status) = (WsType(bytes.get_u16()), WsStatus(bytes.get_i16()));
    let seq_len = usize::from(bytes.get_u16());
    if bytes.len() < seq_len + 2 {
        return None;
    }
    let seq = bytes.split_to(seq_len);
    bytes.advance(2);
    let topic = kind.has_request().then(|| topic_of(&bytes)).flatten();
    let framing = topic.as_ref().map_or(0, |topic| BEFORE_TOPIC + topic.len());
    bytes.advance(framing);
    Some(MessageHead {
        kind,
        status,
        seq,
        topic,
        payload_len: len - MIN_MESSAGE - seq_len - framing,
        start: bytes,
    })
}

/// Returns the topic of an AMOP message; `None` if it is malformed or was not kept as a whole.
fn topic_of(payload: &Bytes) -> Option<Bytes> {
    let len = payload.get(4..BEFORE_TOPIC)?.first_chunk()?;
    let end = BEFORE_TOPIC + usize::from(u16::from_be_bytes(*len));
    (end <= payload.len()).then(|| payload.slice(BEFORE_TOPIC..end))
}

#[cfg(test)]
mod tests;
