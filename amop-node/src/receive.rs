//! Reads one connection: cuts bytes into frames, and gives long frames room and time.

mod part;

use std::{pin::pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, HEADER_LEN, PROTOCOL_MAX_FRAME, result_code},
    node::{Checker, NodeEvent, PeerId, RecordsCheck, SessionId, SessionInput},
    p2p::{Assembled, FRAGMENT, FragmentAssembler, PeerCodec, PeerFrame, mesh, protocol},
};
use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::AsyncRead,
    task::yield_now,
    time::{Instant, sleep, sleep_until, timeout},
};

use self::part::{Buffer, read_more, read_part};
use crate::{
    apart::{Gone, SHORT, answer, aside},
    checking::{Checking, Progress},
    core::Core,
    effort::{Effort, WorkDone, Worker},
    intake::{IntakeRoom, IntakeShare},
    journal::{Cause, LineKind},
    link::LinkEnd,
    outbox::Signals,
    pace::Pace,
    turns::Party,
};

/// The initial size of a read buffer; small, so that idle connections stay small.
const READ_MIN: usize = 4 * 1024;
/// The largest size of the buffer of a busy connection.
const READ_MAX: usize = 64 * 1024;
/// The bytes of a long frame that are read before others get their turn.
const READ_LONG: usize = 256 * 1024;
/// The bytes that are read for a session that uses much while others do so, too.
const READ_MUCH: usize = 16 * 1024;
/// Up to this number of bytes are hashed in place: this takes less than 100 microseconds.
const HASHED_HERE: usize = 64 * 1024;
/// While a peer's records wait for their turn, the machine is told this often that the peer is
/// alive. This is much more often than the time after which a silent peer is closed.
const ALIVE: Duration = Duration::from_millis(500);
/// Incomplete frames are checked this often.
const LOOK: Duration = Duration::from_secs(1);

/// The time that frames may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The time that any frame has.
    pub(crate) grace: Duration,
    /// For each of this number of bytes received, a frame has one second more.
    pub(crate) rate: usize,
}

impl Patience {
    fn of(self, received: usize) -> Duration {
        let more = Duration::from_secs_f64(received as f64 / self.rate.max(1) as f64);
        self.grace.saturating_add(more)
    }
}

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
    /// Whether it uses much.
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
type ReadText = Box<dyn FnOnce() -> NodeEvent + Send>;

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
    ready: Vec<NodeEvent>,
    /// Events to prepare next; `None` if there are none left.
    later: Option<Vec<NodeEvent>>,
}

impl Prepared {
    fn all(ready: Vec<NodeEvent>) -> Self {
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
        let text = format_args!(
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
                let LongReply { len, head } =
                    self.long_reply(buffer).ok_or_else(|| error.to_string())?;
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

/// Whether it is a message, of any version, and not a packet about the network.
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

/// An incomplete frame.
#[derive(Debug)]
struct IncompleteFrame {
    since: Instant,
    /// How much of it has been dropped, if it is not wanted, and how much is still to be dropped.
    dropped: usize,
    to_drop: usize,
    room: Option<IntakeRoom>,
}

impl IncompleteFrame {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            dropped: 0,
            to_drop: 0,
            room: None,
        }
    }
}

/// The results of one read.
#[derive(Default)]
struct ReadBatch {
    events: Vec<NodeEvent>,
    /// Texts that must still be read: their position among the events, where a placeholder stands,
    /// and their length.
    texts: Vec<(usize, usize, ReadText)>,
    /// The room of long frames. It is kept until the machine has the events, so that everything
    /// that waits for its turn before that is in the budget.
    rooms: Vec<IntakeRoom>,
}

impl ReadBatch {
    /// Whether handling it takes so long that other connections should not wait for it.
    fn takes_long(&self) -> bool {
        !self.rooms.is_empty() || self.texts.iter().any(|&(_, text, _)| text > SHORT)
    }

    fn push(&mut self, step: FrameMeaning, placeholder: impl FnOnce() -> NodeEvent) {
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

/// Reads until the connection ends.
pub(crate) async fn read<R: Reading, C: std::fmt::Display>(
    core: &Arc<Core>,
    mut reading: R,
    id: R::Id,
    signals: &Signals,
    (patience, share): (Patience, &IntakeShare),
    reader: &mut (impl AsyncRead + Unpin),
) -> LinkEnd<C> {
    let mut paused = signals.paused.subscribe();
    let mut buffer = Buffer::default();
    let mut room = READ_MIN;
    let mut head: Option<IncompleteFrame> = None;
    let mut pace = reading.pace();
    let party = share.party(R::number(id));
    loop {
        // A connection that has had much text read is read from again when this is paid for.
        if let Some(at) = pace.next(Instant::now().into_std()) {
            let since = Instant::now();
            buffer.wait(head.as_ref());
            sleep_until(at.into()).await;
            if let Some(head) = &mut head {
                head.since += since.elapsed();
            }
        }
        if *paused.borrow_and_update() {
            let since = Instant::now();
            buffer.wait(head.as_ref());
            if paused.wait_for(|&paused| !paused).await.is_err() {
                return LinkEnd::Closed;
            }
            // This is not the fault of the other side, so the frame gets the time back.
            if let Some(head) = &mut head {
                head.since += since.elapsed();
            }
        }
        let most = match reading.is_much() {
            true => (READ_MIN, READ_MIN),
            false => (room, READ_LONG),
        };
        let part = read_part(reader, &mut buffer, &reading, head.as_ref(), most, patience);
        let mut len = match part.await {
            Ok(Ok(0)) => return LinkEnd::Closed,
            Ok(Ok(len)) => len,
            Ok(Err(error)) => return LinkEnd::of(error),
            Err(_) => {
                core.refusals.slow_frame();
                return LinkEnd::SlowFrame(patience);
            }
        };
        // The time that the node needs for what has arrived does not count against a frame either.
        let since = head.as_ref().map(|_| Instant::now());
        let mut worker = reading.turn(party).await;
        if let Some(worker) = &worker {
            let most = match worker.is_crowded() {
                true => READ_MUCH,
                false if head.as_ref().is_some_and(|head| head.room.is_some()) => READ_LONG,
                false => READ_MAX,
            };
            len += read_more(reader, &mut buffer, most.saturating_sub(len)).await;
        }
        // Busy connections get larger reads; idle ones give the memory back.
        room = (len * 2).clamp(READ_MIN, READ_MAX);
        let mut taken = ReadBatch::default();
        let end = take_frames(
            core,
            &mut reading,
            id,
            &mut buffer.bytes,
            &mut head,
            share,
            &mut taken,
        );
        reading.look_through();
        if taken.events.is_empty() {
            taken.events.push(R::active(id));
        }
        if taken.takes_long() {
            worker = None;
        }
        let Ok(text) = read_texts((core, party), &mut pace, &mut taken).await else {
            return LinkEnd::Shutdown;
        };
        let mut work = WorkDone {
            bytes: len,
            text,
            steps: 0,
        };
        let mut left = Some(taken.events);
        while let Some(events) = left {
            let Ok(Prepared { ready, later }) = reading.prepare(events).await else {
                return LinkEnd::Shutdown;
            };
            left = later;
            let handled = handle(
                core,
                (&reading, party, worker.take()),
                &mut pace,
                ready,
                &mut work,
            );
            if handled.await.is_err() {
                return LinkEnd::Shutdown;
            }
        }
        drop(taken.rooms);
        let pause = reading.spend(work);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        if let (Some(head), Some(since)) = (&mut head, since) {
            head.since += since.elapsed();
        }
        if len >= READ_MAX / 2 || reading.is_much() {
            // Lets the results of this much be written before more is read, instead of waiting for
            // the last part.
            yield_now().await;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Hands events to the machine in parts, so that others get their turn in between, and answers
/// questions.
async fn handle(
    core: &Arc<Core>,
    (reading, party, worker): (&impl Reading, Party, Option<Worker>),
    pace: &mut Pace,
    events: Vec<NodeEvent>,
    work: &mut WorkDone,
) -> Result<(), Gone> {
    let mut events = events.into_iter();
    let mut more = true;
    let mut worker = match worker {
        None => reading.turn(party).await,
        worker => worker,
    };
    while more {
        let part = core.handle_some(&mut events);
        let was_much = worker.take().is_some();
        more = part.more;
        work.steps += part.work;
        for (session, question) in part.questions {
            let written = answer(core, party, session, question).await?;
            pace.spend(Instant::now, written);
            work.text += written;
        }
        if more && was_much {
            worker = reading.turn(party).await;
        } else if more {
            yield_now().await;
        }
    }
    Ok(())
}

/// Turns the texts that arrived into events. Long texts are read on another thread. Returns their
/// total length.
async fn read_texts(
    (core, party): (&Core, Party),
    pace: &mut Pace,
    taken: &mut ReadBatch,
) -> Result<usize, Gone> {
    let mut read = 0;
    for (place, text, event) in taken.texts.drain(..) {
        read += text;
        pace.spend(Instant::now, text);
        taken.events[place] = if text > SHORT {
            core.apart.run(party, text, event).await?
        } else {
            event()
        };
    }
    Ok(read)
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
fn take_frames<R: Reading, C: std::fmt::Display>(
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
