//! The parts of reading that differ between SDK connections and connections to other nodes.

use std::time::Duration;

use amop_proto::node::NodeEvent;
use bytes::BytesMut;

use crate::{
    apart::Gone,
    effort::{WorkDone, Worker},
    intake::IntakeRoom,
    pace::Pace,
    turns::Party,
};

/// The differences between the two kinds of connection.
pub(crate) trait Reading: Send {
    type Id: Copy + Send;
    /// Frames up to this length need no room of their own.
    const SHORT: usize;

    /// Takes the next frame out of the buffer; `None` until it is complete. Its body shares the
    /// memory of the buffer.
    fn decode(
        &mut self,
        id: Self::Id,
        buffer: &mut BytesMut,
    ) -> Result<Option<FrameMeaning>, String>;
    /// Returns the room of a frame that came in fragments and has become complete since the last
    /// call.
    fn room(&mut self) -> Option<IntakeRoom> {
        None
    }
    /// Returns what to do with the first frame in the buffer, of this length, if it is certain that
    /// no one will read it.
    fn pointless(&self, _id: Self::Id, _buffer: &[u8], _len: usize) -> Option<NoRoom> {
        None
    }
    /// Returns how much of the first frame in the buffer is missing, as far as is known.
    fn missing(&self, buffer: &[u8]) -> usize;
    /// Returns what to do when there is no room for the first frame in the buffer; `None` while too
    /// little of it is there to decide.
    fn refuse(&self, id: Self::Id, buffer: &[u8]) -> Option<NoRoom>;
    /// Drops frames that have waited for too long.
    fn look_through(&mut self) {}
    fn active(id: Self::Id) -> NodeEvent;
    /// Returns a number that distinguishes its connections.
    fn number(id: Self::Id) -> u64;
    /// Returns how fast texts of this connection may be read and written.
    fn pace(&self) -> Pace {
        Pace::none()
    }
    /// Waits for a turn to work for this connection, if it uses much.
    fn turn(&self, _party: Party) -> impl Future<Output = Option<Worker>> + Send {
        std::future::ready(None)
    }
    /// Returns whether it uses much.
    fn is_much(&self) -> bool {
        false
    }
    /// Counts work done for this connection. Returns how long to pause reading because of it.
    fn spend(&self, _work: WorkDone) -> Duration {
        Duration::ZERO
    }
    /// Does the part of handling events that would take the machine too long, before the machine
    /// sees them. Handles at least the first event; events that are not ready yet are returned.
    fn prepare(
        &mut self,
        events: Vec<NodeEvent>,
    ) -> impl Future<Output = Result<Prepared, Gone>> + Send {
        std::future::ready(Ok(Prepared::all(events)))
    }
}

/// A function that reads a text.
pub(super) type ReadText = Box<dyn FnOnce() -> NodeEvent + Send>;

/// The meaning of a frame.
pub(crate) enum FrameMeaning {
    Event(NodeEvent),
    /// A text of this many bytes must be read before it becomes an event. The machine is locked
    /// when it gets the event, so it must not read the text itself.
    Text(usize, ReadText),
    /// A part of something longer.
    Nothing,
}

/// Events in order.
pub(crate) struct Prepared {
    /// Events for the machine.
    pub(super) ready: Vec<NodeEvent>,
    /// Events to prepare next; `None` if there are none left.
    pub(super) later: Option<Vec<NodeEvent>>,
}

impl Prepared {
    pub(super) fn all(ready: Vec<NodeEvent>) -> Self {
        let later = None;
        Self { ready, later }
    }
}

/// What to do with a frame for which there is no room.
#[derive(Debug)]
pub(crate) enum NoRoom {
    /// Drop it as it arrives, and tell the machine.
    Drop(NodeEvent),
    /// Close the connection: the sender relies on this frame being taken.
    Close,
}
