//! WebSocket framing in memory.

use std::io::{self, Cursor};

use amop_proto::ws::WsTransmit;
use bytes::{Bytes, BytesMut};
use tungstenite::{
    Error, Message,
    error::CapacityError,
    protocol::{
        CloseFrame, Role, WebSocketConfig, WebSocketContext,
        frame::{
            FrameHeader,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::{WsLimits, WsSide, WsViolation, pipe::Pipe};

/// Bytes that tungstenite reads at once, and keeps room for. Memory for longer messages is made as it
/// is needed.
const READ: usize = 4 * 1024;

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// The bytes of a message.
    Message(Bytes),
    /// A ping.
    Ping,
    /// The answer to a ping.
    Pong,
    /// The other side closes the connection.
    Close,
}

/// A WebSocket over memory.
#[derive(Debug)]
pub(crate) struct Socket {
    context: WebSocketContext,
    /// What the context reads and writes: it gets whole frames.
    pipe: Pipe,
    /// The frames of pongs that are not to be sent yet.
    pongs: BytesMut,
    /// What arrived and is not a whole frame yet.
    input: BytesMut,
    /// The length of `input` when neither it nor the context had a whole frame. They are looked at again
    /// when more has arrived.
    no_frame_in: Option<usize>,
    /// The length of the frames, with their headers, of a message whose last frame has not arrived.
    fragments: usize,
    max: usize,
}

impl Socket {
    /// Creates a WebSocket after the upgrade. `rest` arrived behind it.
    pub(crate) fn new(side: WsSide, limits: &WsLimits, rest: &[u8]) -> Self {
        let role = match side {
            WsSide::Client => Role::Client,
            WsSide::Server => Role::Server,
        };
        let max = limits.max_message;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_message_size(Some(max))
            .max_frame_size(Some(max));
        Self {
            context: WebSocketContext::new(role, Some(config)),
            pipe: Pipe::default(),
            pongs: BytesMut::new(),
            input: BytesMut::from(rest),
            no_frame_in: None,
            fragments: 0,
            max,
        }
    }

    /// Returns the buffer of bytes that arrived, to append more.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Returns the bytes that wait to be written to the stream.
    pub(crate) fn output(&mut self) -> &mut BytesMut {
        &mut self.pipe.output
    }

    /// Returns how many bytes of an incomplete message have arrived.
    pub(crate) fn held(&self) -> usize {
        self.input.len() + self.fragments
    }

    /// Returns how many bytes have arrived and are not taken by [`next`](Self::next), roughly.
    pub(crate) fn unread(&self) -> usize {
        self.input.len() + self.pipe.input.len()
    }

    /// Returns what arrived next; `None` until more bytes arrive.
    pub(crate) fn next(&mut self) -> Result<Option<Arrived>, WsViolation> {
        if self.no_frame_in == Some(self.input.len()) {
            return Ok(None);
        }
        self.no_frame_in = None;
        loop {
            let arrived = match self.context.read(&mut self.pipe) {
                Ok(Message::Binary(bytes)) => Arrived::Message(bytes),
                // A FISCO node takes either (ws-v3 section 4).
                Ok(Message::Text(text)) => Arrived::Message(text.into()),
                Ok(Message::Ping(_)) => {
                    self.put_pong();
                    return Ok(Some(Arrived::Ping));
                }
                Ok(Message::Pong(_)) => return Ok(Some(Arrived::Pong)),
                Ok(Message::Close(_) | Message::Frame(_)) => {
                    // Writes the answer; the error says that this is the end.
                    let _ = self.context.flush(&mut self.pipe);
                    Arrived::Close
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => Arrived::Close,
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.take_frames() {
                        true => continue,
                        false => {
                            self.no_frame_in = Some(self.input.len());
                            return Ok(None);
                        }
                    }
                }
                Err(error) => return Err(self.violation(error)),
            };
            self.fragments = 0;
            return Ok(Some(arrived));
        }
    }

    /// Takes the pong that the context has for the ping that it read last.
    fn put_pong(&mut self) {
        let before = self.pipe.output.len();
        let _ = self.context.flush(&mut self.pipe);
        self.pongs.extend_from_slice(&self.pipe.output[before..]);
        self.pipe.output.truncate(before);
    }

    /// Moves the pongs into [`output`](Self::output). Returns their length in bytes.
    pub(crate) fn send_pongs(&mut self) -> usize {
        let pongs = std::mem::take(&mut self.pongs);
        // Nothing is sent after a Close message.
        if self.context.can_write() {
            self.pipe.output.extend_from_slice(&pongs);
        }
        pongs.len()
    }

    /// Returns the length of the pongs that are not to be sent yet, in bytes.
    pub(crate) fn pongs(&self) -> usize {
        self.pongs.len()
    }

    /// Gives the next frames to the context. Returns whether there is a whole one.
    ///
    /// Several short ones go together, because the context clears its buffer at each read. A part of a
    /// message goes alone: it counts until the next message is whole.
    fn take_frames(&mut self) -> bool {
        let mut len = 0;
        while len < READ {
            match next_frame(&self.input[len..], self.max) {
                NextFrame::Whole(frame) if len == 0 || len + frame <= READ => len += frame,
                NextFrame::Part(frame) if len == 0 => {
                    self.fragments += frame;
                    len = frame;
                    break;
                }
                // The context refuses it.
                NextFrame::Wrong if len == 0 => len = self.input.len(),
                _ => break,
            }
        }
        self.pipe.input = self.input.split_to(len);
        len > 0
    }

    /// Writes something to send into [`output`](Self::output). Nothing is sent after a Close message.
    pub(crate) fn send(&mut self, transmit: WsTransmit) {
        let message = match transmit {
            WsTransmit::Message(message) => Message::Binary(message.to_bytes()),
            WsTransmit::Ping => Message::Ping(Bytes::new()),
        };
        if self.context.can_write() {
            // The pipe takes everything, and the buffer before it has no limit.
            let _ = self.context.write(&mut self.pipe, message);
        }
    }

    /// Sends a Close message, unless one was sent already.
    pub(crate) fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        let _ = self.context.close(&mut self.pipe, Some(frame));
    }

    /// Tells the other side what it did wrong, and returns this.
    fn violation(&mut self, error: Error) -> WsViolation {
        let (code, violation) = match error {
            Error::Capacity(CapacityError::MessageTooLong { size, .. }) => {
                let (len, max) = (size, self.max);
                (CloseCode::Size, WsViolation::TooLong { len, max })
            }
            Error::Utf8(text) => (CloseCode::Invalid, WsViolation::Protocol(text)),
            error => (
                CloseCode::Protocol,
                WsViolation::Protocol(error.to_string()),
            ),
        };
        self.close(code);
        violation
    }
}

/// What a buffer begins with.
enum NextFrame {
    /// A frame of this length that is a message, or a control frame.
    Whole(usize),
    /// A frame of this length that is a part of a message.
    Part(usize),
    Incomplete,
    /// Bytes that are no frame, or the head of one that is too long.
    Wrong,
}

fn next_frame(bytes: &[u8], max: usize) -> NextFrame {
    let mut head = Cursor::new(bytes);
    let (header, len) = match FrameHeader::parse(&mut head) {
        Ok(None) => return NextFrame::Incomplete,
        Ok(Some((header, len))) if len <= max as u64 => (header, len as usize),
        Ok(Some(_)) | Err(_) => return NextFrame::Wrong,
    };
    let whole = head.position() as usize + len;
    let is_part = match header.opcode {
        OpCode::Data(Data::Continue) => true,
        OpCode::Data(_) => !header.is_final,
        OpCode::Control(_) => false,
    };
    match (bytes.len() < whole, is_part) {
        (true, _) => NextFrame::Incomplete,
        (false, true) => NextFrame::Part(whole),
        (false, false) => NextFrame::Whole(whole),
    }
}
