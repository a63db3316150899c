//! Reads the connections of SDKs.

use std::time::Duration;

use amop_proto::{
    channel::{
        Frame, FrameDecoder, FrameError, FrameType, HEADER_LEN, PROTOCOL_MAX_FRAME, result_code,
    },
    node::{NodeEvent, SessionId, SessionInput},
};
use bytes::{Buf, BytesMut};

use super::{
    reading::{FrameMeaning, NoRoom, Prepared, Reading},
    sizes::{HASHED_HERE, READ_MIN},
};
use crate::{
    apart::{Gone, aside},
    core::Core,
    effort::{Effort, WorkDone, Worker},
    journal::{Cause, LineKind},
    pace::Pace,
    turns::Party,
};

/// SDK connections.
#[derive(Debug)]
pub(crate) struct ChannelReading<'a> {
    pub(crate) core: &'a Core,
    pub(crate) decoder: FrameDecoder,
    /// The number of topics of a set that are read.
    pub(crate) max_topics: usize,
    /// How fast its texts are read and written.
    pub(crate) text: Pace,
    pub(crate) effort: Effort,
}

/// A frame over the limit that is a reply, or may be one.
struct LongReply {
    len: usize,
    /// The header, or `None` until all of it is there.
    head: Option<Frame>,
}

/// Returns why bytes cannot be read as frames of 2.x.
fn explain(error: &FrameError, buffer: &[u8]) -> String {
    match buffer.starts_with(b"GET ") {
        true => "an HTTP request came to a connection of 2.x; an SDK of 3.x needs the port for \
                 SDKs of 3.x, and where one port serves both, it has to send its request within a \
                 second after TLS"
            .to_owned(),
        false => error.to_string(),
    }
}

impl ChannelReading<'_> {
    /// Returns the first frame in the buffer if it is over the limit and may be a reply. Another
    /// subscriber's reply would be as long and would cost that subscriber its connection, too.
    /// Because of this the frame is skipped, and the publisher is told that there is no reply.
    fn long_reply(&self, buffer: &[u8]) -> Option<LongReply> {
        let len = u32::from_be_bytes(*buffer.first_chunk()?) as usize;
        if len <= self.decoder.max() || len > PROTOCOL_MAX_FRAME {
            return None;
        }
        let head = Frame::peek(buffer);
        let may_be = head
            .as_ref()
            .is_none_or(|head| head.kind == FrameType::RESPONSE);
        may_be.then_some(LongReply { len, head })
    }

    /// Returns what the machine is told instead of a reply that is skipped.
    fn no_reply(&self, id: SessionId, head: Frame, len: usize) -> NodeEvent {
        self.core.refusals.long_reply();
        let max = self.decoder.max();
        let text = format!(
            "session {}: its reply of {len} bytes is over the limit of {max} and was dropped: its \
             publisher gets result {}; send less, or raise amop_limits.frame",
            id.0,
            result_code::NO_REPLY
        );
        let journal = &self.core.journal;
        journal.warn(LineKind::LongReply, Cause::Session(id.0), text);
        let result = result_code::NO_REPLY;
        let input = SessionInput::read(Frame { result, ..head }, self.max_topics);
        NodeEvent::SessionFrame(id, input)
    }
}

impl Reading for ChannelReading<'_> {
    type Id = SessionId;
    const SHORT: usize = READ_MIN;

    fn decode(
        &mut self,
        id: SessionId,
        buffer: &mut BytesMut,
    ) -> Result<Option<FrameMeaning>, String> {
        let frame = match self.decoder.decode(buffer) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(None),
            Err(error) => {
                let LongReply { len, head } = self
                    .long_reply(buffer)
                    .ok_or_else(|| explain(&error, buffer))?;
                // Otherwise it is skipped as it arrives.
                let whole = head.filter(|_| buffer.len() >= len);
                return Ok(whole.map(|head| {
                    buffer.advance(len);
                    FrameMeaning::Event(self.no_reply(id, head, len))
                }));
            }
        };
        let (text, max_topics) = (SessionInput::text(&frame), self.max_topics);
        let event = move || NodeEvent::SessionFrame(id, SessionInput::read(frame, max_topics));
        Ok(Some(if text == 0 {
            FrameMeaning::Event(event())
        } else {
            FrameMeaning::Text(text, Box::new(event))
        }))
    }

    fn missing(&self, buffer: &[u8]) -> usize {
        match self.long_reply(buffer) {
            Some(LongReply { len, head }) => {
                let known = if head.is_some() { len } else { HEADER_LEN };
                known.saturating_sub(buffer.len())
            }
            None => self.decoder.missing(buffer),
        }
    }

    fn pointless(&self, id: SessionId, buffer: &[u8], len: usize) -> Option<NoRoom> {
        if let Some(LongReply { len, head }) = self.long_reply(buffer) {
            return Some(NoRoom::Drop(self.no_reply(id, head?, len)));
        }
        let input = SessionInput::too_long(Frame::peek(buffer)?, len)?;
        Some(NoRoom::Drop(NodeEvent::SessionFrame(id, input)))
    }

    fn refuse(&self, id: SessionId, buffer: &[u8]) -> Option<NoRoom> {
        let head = Frame::peek(buffer)?;
        Some(match head.kind {
            FrameType::UNICAST | FrameType::MULTICAST => {
                NoRoom::Drop(NodeEvent::SessionRefused(id, head))
            }
            // An answer: another subscriber may give one instead.
            FrameType::RESPONSE => {
                let result = result_code::NO_SESSION;
                let input = SessionInput::read(Frame { result, ..head }, self.max_topics);
                NoRoom::Drop(NodeEvent::SessionFrame(id, input))
            }
            _ => NoRoom::Close,
        })
    }

    fn active(id: SessionId) -> NodeEvent {
        NodeEvent::SessionActive(id)
    }

    fn number(SessionId(number): SessionId) -> u64 {
        number
    }

    fn spend(&self, work: WorkDone) -> Duration {
        let pause = self.effort.spend(work);
        if !pause.is_zero() {
            self.core.refusals.read_later();
        }
        pause
    }

    fn turn(&self, party: Party) -> impl Future<Output = Option<Worker>> + Send {
        self.effort.turn(party)
    }

    fn is_much(&self) -> bool {
        self.effort.is_much()
    }

    fn pace(&self) -> Pace {
        self.text.clone()
    }

    async fn prepare(&mut self, events: Vec<NodeEvent>) -> Result<Prepared, Gone> {
        if !self.core.has_distant() {
            return Ok(Prepared::all(events));
        }
        let long: usize = events.iter().map(undigested).sum();
        let events = match long {
            0 => events,
            1..=HASHED_HERE => events.into_iter().map(digested).collect(),
            _ => aside(move || events.into_iter().map(digested).collect()).await,
        };
        Ok(Prepared::all(events))
    }
}

/// Returns how many bytes of a session's message should be hashed before the machine sees it.
fn undigested(event: &NodeEvent) -> usize {
    match event {
        NodeEvent::SessionFrame(_, input) => input.undigested(),
        _ => 0,
    }
}

fn digested(event: NodeEvent) -> NodeEvent {
    match event {
        NodeEvent::SessionFrame(session, input) => {
            NodeEvent::SessionFrame(session, input.digested())
        }
        event => event,
    }
}

#[cfg(test)]
mod tests;
