//! Long frames between overlay nodes are sent in fragments, so that short frames need not wait for
//! a whole long one.
//!
//! A fragment is a frame of the extension protocol with packet type
//! [`FRAGMENT`](super::mesh::packet::FRAGMENT). Its seq identifies the frame that it is part of, on
//! this connection and in this direction. This is the body; all integers are big-endian:
//!
//! | field | bytes | |
//! | --- | --- | --- |
//! | offset | 4 | the number of body bytes in earlier fragments |
//! | total | 4 | with offset 0 only: the length of the whole body |
//! | protocol, packet, seq | 4, 2, 4 | with offset 0 only: those of the frame |
//! | content | rest | at least one byte |
//!
//! The fragments of one frame are sent in order and without gaps; fragments of several frames may
//! alternate.

use bytes::{BufMut, BytesMut};

use super::{FRAGMENT, PEER_HEADER_LEN, PeerFrame, PeerMessage, mesh, protocol};

/// The head of a body in two parts is copied into the first fragment if it is not longer than this.
pub(super) const SHORT: usize = 4 * 1024;

/// A frame that is being cut.
#[derive(Debug)]
pub(crate) struct Cutting {
    number: u32,
    total: usize,
    sent: usize,
    message: PeerMessage,
}

impl Cutting {
    pub(crate) fn new(number: u32, message: PeerMessage) -> Self {
        Self {
            number,
            total: message.body_len(),
            sent: 0,
            message,
        }
    }

    /// Returns the next fragment, the part of the frame's own length that it stands for, and
    /// whether it is the last fragment.
    pub(crate) fn next(&mut self) -> (PeerMessage, usize, bool) {
        let PeerMessage { frame, tail } = &mut self.message;
        let mut head = BytesMut::with_capacity(18);
        head.put_u32(self.sent as u32);
        if self.sent == 0 {
            head.put_u32(self.total as u32);
            head.put_i32(frame.protocol);
            head.put_u16(frame.packet);
            head.put_u32(frame.seq);
        }
        let mut copied = 0;
        if !frame.body.is_empty() && frame.body.len() <= SHORT && !tail.is_empty() {
            copied = frame.body.len();
            head.extend_from_slice(&std::mem::take(&mut frame.body));
        }
        let source = if frame.body.is_empty() {
            tail
        } else {
            &mut frame.body
        };
        let content = source.split_to(source.len().min(FRAGMENT - copied));
        let len = copied + content.len();
        self.sent += len;
        let last = self.sent == self.total;
        let message = PeerMessage {
            frame: PeerFrame {
                protocol: protocol::EXTENSION,
                packet: mesh::packet::FRAGMENT,
                seq: self.number,
                body: head.freeze(),
            },
            tail: content,
        };
        let counts = if last { len + PEER_HEADER_LEN } else { len };
        (message, counts, last)
    }
}
