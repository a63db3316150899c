//! Reads connections to other nodes.

use std::{pin::pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::Frame,
    node::{Checker, NodeEvent, PeerId, RecordsCheck},
    p2p::{Assembled, FRAGMENT, FragmentAssembler, PeerCodec, PeerFrame, mesh, protocol},
};
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::{
    reading::{FrameMeaning, NoRoom, Prepared, Reading},
    sizes::{HASHED_HERE, READ_MIN},
};
use crate::{
    apart::{Gone, aside},
    checking::{Checking, Progress},
    core::Core,
    intake::{IntakeRoom, IntakeShare},
};

/// While a peer's records wait for their turn, the machine is told this often that the peer is
/// alive. This is much more often than the time after which a silent peer is closed.
const ALIVE: Duration = Duration::from_millis(500);
/// Incomplete frames are checked this often.
const LOOK: Duration = Duration::from_secs(1);

/// Connections to other nodes.
#[derive(Debug)]
pub(crate) struct PeerReading<'a> {
    core: &'a Core,
    codec: PeerCodec,
    share: IntakeShare,
    assembler: FragmentAssembler<IntakeRoom>,
    looked: Instant,
    peer: PeerId,
    checker: Arc<Checker>,
    checking: Checking,
    /// A packet whose records have been checked only in part.
    begun: Option<RecordsCheck>,
}

impl<'a> PeerReading<'a> {
    /// Creates a reader. Drops a fragmented frame if no fragment arrives for `fragment_time`.
    /// `checking` checks records.
    pub(crate) fn new(
        (core, peer): (&'a Core, PeerId),
        codec: PeerCodec,
        share: IntakeShare,
        fragment_time: Duration,
        (checker, checking): (Arc<Checker>, Checking),
    ) -> Self {
        Self {
            core,
            codec,
            share,
            assembler: FragmentAssembler::new(codec.max_body(), fragment_time),
            looked: Instant::now(),
            peer,
            checker,
            checking,
            begun: None,
        }
    }

    /// Does some work in turns with others. Meanwhile the peer is not read from, so the machine is
    /// told that it is alive.
    async fn in_turns<T: Send + 'static>(
        &self,
        turn: impl FnMut() -> Progress<T> + Send + 'static,
    ) -> Result<T, Gone> {
        let party = self.share.party(self.peer.0);
        let mut done = pin!(self.checking.run(party, turn));
        loop {
            if let Ok(done) = timeout(ALIVE, done.as_mut()).await {
                return done;
            }
            self.core.handle([NodeEvent::PeerActive(self.peer)]);
        }
    }

    /// Continues with the current packet until there is something for the machine.
    async fn check(
        &mut self,
        check: RecordsCheck,
        later: Vec<NodeEvent>,
    ) -> Result<Prepared, Gone> {
        let checker = self.checker.clone();
        let mut check = Some(check);
        let turn = move || {
            let cost = check.as_mut().map_or(0, |check| checker.go_on(check));
            match check.take_if(|check| check.ready().is_some()) {
                Some(mut check) => Progress::Done(cost, (check.take_event(), check)),
                None => Progress::More(cost),
            }
        };
        let (event, check) = self.in_turns(turn).await?;
        self.begun = (!check.is_over()).then_some(check);
        let later = (self.begun.is_some() || !later.is_empty()).then_some(later);
        let ready = vec![event];
        Ok(Prepared { ready, later })
    }

    fn fragment(&mut self, id: PeerId, fragment: PeerFrame) -> Result<FrameMeaning, String> {
        let (share, now) = (&self.share, Instant::now().into_std());
        let taken = self
            .assembler
            .take(now, fragment, |len| share.admit(len))
            .map_err(|error| error.to_string())?;
        match taken {
            Assembled::Nothing => Ok(FrameMeaning::Nothing),
            Assembled::Whole(frame) => {
                Ok(FrameMeaning::Event(NodeEvent::PeerFrame(id, frame.into())))
            }
            Assembled::Refused { frame, total } => {
                self.core.refusals.no_room(total);
                // The node that sent a unicast sends it again.
                if is_message(&frame) {
                    Ok(FrameMeaning::Nothing)
                } else {
                    Err(format!(
                        "no room for a packet of {total} bytes that the network depends on"
                    ))
                }
            }
        }
    }
}

/// Returns whether it is a message, of any version, and not a packet about the network.
fn is_message(frame: &PeerFrame) -> bool {
    match frame.protocol.checked_abs() {
        Some(protocol::AMOP) => true,
        Some(protocol::EXTENSION) => !matches!(
            frame.packet,
            mesh::packet::HELLO
                | mesh::packet::KNOWN
                | mesh::packet::RECORDS
                | mesh::packet::TAKEN
                | mesh::packet::ASK
        ),
        _ => false,
    }
}

impl Reading for PeerReading<'_> {
    type Id = PeerId;
    // A fragment needs no room in addition to that of its frame.
    const SHORT: usize = FRAGMENT + READ_MIN;

    fn decode(
        &mut self,
        id: PeerId,
        buffer: &mut BytesMut,
    ) -> Result<Option<FrameMeaning>, String> {
        let frame = self
            .codec
            .decode(buffer)
            .map_err(|error| error.to_string())?;
        let Some(frame) = frame else {
            return Ok(None);
        };
        if FragmentAssembler::<IntakeRoom>::is_fragment(&frame) {
            return self.fragment(id, frame).map(Some);
        }
        Ok(Some(FrameMeaning::Event(NodeEvent::PeerFrame(
            id,
            frame.into(),
        ))))
    }

    fn missing(&self, buffer: &[u8]) -> usize {
        self.codec.missing(buffer)
    }

    fn refuse(&self, id: PeerId, buffer: &[u8]) -> Option<NoRoom> {
        let (frame, compressed) = self.codec.peek(buffer)?;
        if !is_message(&frame) {
            return Some(NoRoom::Close);
        }
        if frame.protocol != protocol::AMOP || compressed {
            let body = Bytes::new();
            // For an answer, an empty body means that it cannot be read.
            let response = frame.protocol == -protocol::AMOP;
            let event = if response {
                NodeEvent::PeerFrame(id, PeerFrame { body, ..frame }.into())
            } else {
                NodeEvent::PeerActive(id)
            };
            return Some(NoRoom::Drop(event));
        }
        let head = Frame::peek(&frame.body)?;
        Some(NoRoom::Drop(NodeEvent::PeerRefused(id, frame.seq, head)))
    }

    fn room(&mut self) -> Option<IntakeRoom> {
        self.assembler.take_held()
    }

    fn look_through(&mut self) {
        if !self.assembler.is_busy() || self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let given_up = self.assembler.give_up(self.looked.into_std());
        self.core.refusals.fragments_lost(given_up);
    }

    fn active(id: PeerId) -> NodeEvent {
        NodeEvent::PeerActive(id)
    }

    fn number(PeerId(number): PeerId) -> u64 {
        number
    }

    async fn prepare(&mut self, mut events: Vec<NodeEvent>) -> Result<Prepared, Gone> {
        if let Some(begun) = self.begun.take() {
            return self.check(begun, events).await;
        }
        if !events.iter().any(Checker::concerns) {
            return Ok(Prepared::all(events));
        }
        // Events before records must not wait for them, and events after records may depend on
        // them.
        let before = events.iter().position(Checker::is_signed);
        let later = match before {
            Some(0) => {
                let later = events.split_off(1);
                return match events.first().and_then(|first| self.checker.begin(first)) {
                    Some(check) => {
                        drop(events);
                        self.check(check, later).await
                    }
                    None => Ok(Prepared {
                        ready: events,
                        later: Some(later),
                    }),
                };
            }
            Some(first) => Some(events.split_off(first)),
            None => None,
        };
        let length: usize = events.iter().map(Checker::length).sum();
        let lists = events.iter().any(Checker::is_list);
        let checker = self.checker.clone();
        let check = move |events: Vec<NodeEvent>| {
            let events = events.into_iter().map(|event| checker.checked(event));
            events.collect::<Vec<NodeEvent>>()
        };
        let ready = if length <= HASHED_HERE {
            check(events)
        } else if lists {
            let mut events = Some(events);
            let turn = move || Progress::Done(length, check(events.take().unwrap_or_default()));
            self.in_turns(turn).await?
        } else {
            // This takes milliseconds: other connections must not wait for it.
            aside(move || check(events)).await
        };
        Ok(Prepared { ready, later })
    }
}
