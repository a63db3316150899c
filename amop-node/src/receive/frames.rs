//! Cuts the bytes that were read into frames.

use amop_proto::node::NodeEvent;
use bytes::{Buf, BytesMut};

use super::{
    incomplete::IncompleteFrame,
    reading::{FrameMeaning, NoRoom, ReadText, Reading},
    sizes::READ_MAX,
};
use crate::{
    apart::SHORT,
    core::Core,
    intake::{IntakeRoom, IntakeShare},
    link_end::LinkEnd,
};

/// The most events for which room is made in advance.
const MOST_EXPECTED: usize = 1024;

/// The results of one read.
#[derive(Default)]
pub(super) struct ReadBatch {
    pub(super) events: Vec<NodeEvent>,
    /// Texts that must still be read: their position among the events, where a placeholder stands,
    /// and their length.
    pub(super) texts: Vec<(usize, usize, ReadText)>,
    /// The room of long frames. It is kept until the machine has the events, so that everything
    /// that waits for its turn before that is in the budget.
    pub(super) rooms: Vec<IntakeRoom>,
}

impl ReadBatch {
    /// Creates an empty batch with room for about this many events, so that they are not moved as
    /// more are added.
    pub(super) fn with_capacity(events: usize) -> Self {
        Self {
            events: Vec::with_capacity(events.min(MOST_EXPECTED)),
            ..Self::default()
        }
    }

    /// Returns whether handling it takes so long that other connections should not wait for it.
    pub(super) fn takes_long(&self) -> bool {
        !self.rooms.is_empty() || self.texts.iter().any(|&(_, text, _)| text > SHORT)
    }

    pub(super) fn push(&mut self, step: FrameMeaning, placeholder: impl FnOnce() -> NodeEvent) {
        match step {
            FrameMeaning::Event(event) => self.events.push(event),
            FrameMeaning::Text(len, text) => {
                self.texts.push((self.events.len(), len, text));
                self.events.push(placeholder());
            }
            FrameMeaning::Nothing => {}
        }
    }
}

/// Takes all frames out of a buffer.
fn decode_all<R: Reading>(
    reading: &mut R,
    id: R::Id,
    buffer: &mut BytesMut,
    head: &mut Option<IncompleteFrame>,
    taken: &mut ReadBatch,
) -> Result<(), String> {
    loop {
        let before = buffer.len();
        let Some(step) = reading.decode(id, buffer)? else {
            return Ok(());
        };
        let room = head.take().and_then(|head| head.room);
        taken.rooms.extend(room.into_iter().chain(reading.room()));
        taken.push(step, || R::active(id));
        if before - buffer.len() > READ_MAX {
            // The few bytes that follow must not keep the memory of a long frame.
            *buffer = BytesMut::from(&buffer[..]);
        }
    }
}

/// Takes all frames out of the buffer, and gets room for the incomplete frame that remains.
pub(super) fn take_frames<R: Reading, C: std::error::Error + 'static>(
    core: &Core,
    reading: &mut R,
    id: R::Id,
    buffer: &mut BytesMut,
    head: &mut Option<IncompleteFrame>,
    share: &IntakeShare,
    taken: &mut ReadBatch,
) -> Option<LinkEnd<C>> {
    if let Some(unwanted) = head
        && unwanted.to_drop > 0
    {
        let len = unwanted.to_drop.min(buffer.len());
        buffer.advance(len);
        unwanted.dropped += len;
        unwanted.to_drop -= len;
        if unwanted.to_drop > 0 {
            return None;
        }
        *head = None;
    }
    let decoded = if buffer.len() < buffer.capacity() / 2 && reading.missing(buffer) == 0 {
        // Small frames that are kept must not keep a large buffer.
        let mut little = BytesMut::from(&buffer[..]);
        let decoded = decode_all(reading, id, &mut little, head, taken);
        buffer.advance(buffer.len() - little.len());
        decoded
    } else {
        decode_all(reading, id, buffer, head, taken)
    };
    if let Err(error) = decoded {
        core.refusals.bad_frame();
        return Some(LinkEnd::BadFrame(error));
    }
    if buffer.is_empty() {
        return None;
    }
    let frame = head.get_or_insert_with(IncompleteFrame::new);
    let missing = reading.missing(buffer);
    let len = buffer.len() + missing;
    if missing == 0 || len <= R::SHORT || frame.room.is_some() {
        return None;
    }
    let refusal = match reading.pointless(id, buffer, len) {
        Some(refusal) => refusal,
        None => {
            frame.room = share.admit(len);
            if frame.room.is_some() {
                return None;
            }
            let refusal = reading.refuse(id, buffer)?;
            core.refusals.no_room(len);
            refusal
        }
    };
    match refusal {
        NoRoom::Drop(event) => {
            taken.events.push(event);
            (frame.dropped, frame.to_drop) = (buffer.len(), missing);
            *buffer = BytesMut::new();
            None
        }
        NoRoom::Close => Some(LinkEnd::NoRoom {
            len,
            limit: share.intake().limit(),
        }),
    }
}
