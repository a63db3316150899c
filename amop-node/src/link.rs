//! One connection, SDK or peer: reads frames into the machine, writes what the machine sends.

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use amop_proto::{
    channel::{Frame, FrameDecoder},
    node::{Checker, CloseReason, Event, PeerCloseReason, PeerId, SessionId, SessionInput},
    p2p::{PeerCodec, PeerFrame},
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    task::spawn_blocking,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::{io::poll_read_buf, sync::CancellationToken};

use crate::{
    apart::{Gone, SHORT, answer},
    core::{Core, State},
    outbox::{Outbox, Signals, Taken},
    pace::Pace,
};

/// A read buffer starts with this much, so that idle connections stay small.
const READ_MIN: usize = 4 * 1024;
/// A busy one grows to this.
const READ_MAX: usize = 64 * 1024;
/// Room is made for the rest of a long frame at once, up to this much. The memory is touched only as
/// bytes come.
const READ_AHEAD: usize = 4 * 1024 * 1024;
/// Bodies from this length on are written by themselves rather than copied behind their headers.
const LONG_BODY: usize = 64 * 1024;
/// A connection that waits for something to write keeps a buffer of this much.
const KEEP: usize = 4 * 1024;
/// Frames are joined up to about this much for one write.
const WRITE_BATCH: usize = 128 * 1024;
/// A peer is not read from for this long for each signature that it gave reason to verify: a third of
/// a processor, and no more, for one that does nothing else.
const SIGNATURE: Duration = Duration::from_micros(200);
/// Nor longer than this at once, since it must be heard of.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// A connection that is closed gets this long to take what was sent to it before.
const FLUSH: Duration = Duration::from_secs(2);

/// What differs between the two kinds of connection.
pub(crate) trait Wire: Clone + Send + Sync + 'static {
    type Id: Copy + Send + Sync + 'static;
    type Frame: Send + 'static;
    type Close: fmt::Display + Clone + Send + Sync + 'static;

    fn decode(&self, buffer: &mut BytesMut) -> Result<Option<Self::Frame>, String>;
    /// Appends a frame's header, and returns its body, which goes behind it.
    fn encode_header(&self, frame: &Self::Frame, out: &mut BytesMut) -> Bytes;
    /// How much is missing of the frame that begins the buffer, as far as is known.
    fn missing(&self, buffer: &[u8]) -> usize;
    /// The length the machine counts for a frame.
    fn len(frame: &Self::Frame) -> usize;
    fn outbox(state: &mut State, id: Self::Id) -> Option<&mut Outbox<Self::Frame, Self::Close>>;
    /// How many bytes of a frame have to be read as text before it is an event.
    fn text(frame: &Self::Frame) -> usize;
    /// Makes an event of a frame. All that has to be read is read here: the machine, which is locked
    /// when it gets the event, reads no text.
    fn event(&self, id: Self::Id, frame: Self::Frame) -> Event;
    /// How fast the other side may have texts read and written.
    fn pace(&self) -> Pace;
    fn active(id: Self::Id) -> Event;
    fn written(id: Self::Id, len: usize) -> Event;
    /// Does with events what takes longer than the machine should, before it sees them. Also returns
    /// how long not to read on for that.
    fn prepare(&self, events: Vec<Event>) -> impl Future<Output = (Vec<Event>, Duration)> + Send;
}

/// SDK connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel {
    pub(crate) decoder: FrameDecoder,
    /// So many topics of a set are read.
    pub(crate) max_topics: usize,
    /// Bytes of text per second.
    pub(crate) text: usize,
}

impl Wire for Channel {
    type Id = SessionId;
    type Frame = Frame;
    type Close = CloseReason;

    fn decode(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, String> {
        let decoded = self.decoder.decode(buffer);
        decoded.map_err(|error| error.to_string())
    }

    fn encode_header(&self, frame: &Frame, out: &mut BytesMut) -> Bytes {
        out.extend_from_slice(&frame.header());
        frame.body.clone()
    }

    fn missing(&self, buffer: &[u8]) -> usize {
        self.decoder.missing(buffer)
    }

    fn len(frame: &Frame) -> usize {
        frame.wire_len()
    }

    fn outbox(state: &mut State, id: SessionId) -> Option<&mut Outbox<Frame, CloseReason>> {
        state.sessions.get_mut(&id)
    }

    fn text(frame: &Frame) -> usize {
        SessionInput::text(frame)
    }

    fn event(&self, id: SessionId, frame: Frame) -> Event {
        Event::SessionFrame(id, SessionInput::read(frame, self.max_topics))
    }

    fn pace(&self) -> Pace {
        Pace::new(self.text)
    }

    fn active(id: SessionId) -> Event {
        Event::SessionActive(id)
    }

    fn written(id: SessionId, len: usize) -> Event {
        Event::SessionWritten(id, len)
    }

    async fn prepare(&self, events: Vec<Event>) -> (Vec<Event>, Duration) {
        (events, Duration::ZERO)
    }
}

/// Connections to other nodes.
#[derive(Debug, Clone)]
pub(crate) struct P2p {
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
}

impl Wire for P2p {
    type Id = PeerId;
    type Frame = PeerFrame;
    type Close = PeerCloseReason;

    fn decode(&self, buffer: &mut BytesMut) -> Result<Option<PeerFrame>, String> {
        self.codec.decode(buffer).map_err(|error| error.to_string())
    }

    fn encode_header(&self, frame: &PeerFrame, out: &mut BytesMut) -> Bytes {
        self.codec.encode_header(frame, out)
    }

    fn missing(&self, buffer: &[u8]) -> usize {
        self.codec.missing(buffer)
    }

    fn len(frame: &PeerFrame) -> usize {
        frame.wire_len()
    }

    fn outbox(state: &mut State, id: PeerId) -> Option<&mut Outbox<PeerFrame, PeerCloseReason>> {
        state.peers.get_mut(&id)
    }

    fn text(_: &PeerFrame) -> usize {
        0
    }

    fn event(&self, id: PeerId, frame: PeerFrame) -> Event {
        Event::PeerFrame(id, frame)
    }

    fn pace(&self) -> Pace {
        Pace::none()
    }

    fn active(id: PeerId) -> Event {
        Event::PeerActive(id)
    }

    fn written(id: PeerId, len: usize) -> Event {
        Event::PeerWritten(id, len)
    }

    async fn prepare(&self, events: Vec<Event>) -> (Vec<Event>, Duration) {
        if !events.iter().any(Checker::concerns) {
            return (events, Duration::ZERO);
        }
        // It takes milliseconds, in bad cases seconds: other connections must not wait for that.
        let checker = self.checker.clone();
        let checked = spawn_blocking(move || {
            let events = events.into_iter().map(|event| checker.checked(event));
            events.collect::<Vec<Event>>()
        });
        match checked.await {
            Ok(events) => {
                let work: usize = events.iter().map(work).sum();
                let pause = SIGNATURE.saturating_mul(work.try_into().unwrap_or(u32::MAX));
                (events, pause.min(MAX_PAUSE))
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// How many signatures were verified for an event.
fn work(event: &Event) -> usize {
    match event {
        Event::PeerRecords(_, records) => records.work(),
        _ => 0,
    }
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd<R: fmt::Display> {
    #[error("the other side closed it")]
    Closed,
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    BadFrame(String),
    #[error("{0}")]
    ByMachine(R),
    #[error("a frame took longer than {} s to arrive", .0.as_secs())]
    SlowFrame(Duration),
    #[error("the node stops")]
    Shutdown,
}

/// Runs a connection until it ends. The machine knows it already; the caller tells the machine that
/// it is gone.
pub(crate) async fn run<W: Wire, S: AsyncRead + AsyncWrite>(
    core: &Arc<Core>,
    wire: &W,
    id: W::Id,
    signals: &Arc<Signals>,
    stream: S,
    frame_time: Duration,
    stop: &CancellationToken,
) -> LinkEnd<W::Close> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut writing = pin!(async {
        let end = write(core, wire, id, signals, &mut writer).await;
        // An orderly close, if the other side still takes it.
        let _ = timeout(FLUSH, writer.shutdown()).await;
        end
    });
    let mut writer_ended = false;
    let end = tokio::select! {
        end = read(core, wire, id, signals, frame_time, &mut reader) => end,
        end = &mut writing => {
            writer_ended = true;
            end
        }
        () = signals.close.cancelled() => LinkEnd::Closed,
        () = stop.cancelled() => LinkEnd::Shutdown,
    };
    if !writer_ended && !matches!(end, LinkEnd::Io(_)) {
        // What was sent before the end still goes out; a write under way is not cut in two.
        if let Some(outbox) = W::outbox(&mut core.lock(), id) {
            outbox.finish();
        }
        let _ = timeout(FLUSH, writing).await;
    }
    match W::outbox(&mut core.lock(), id).and_then(Outbox::close_reason) {
        Some(reason) => LinkEnd::ByMachine(reason),
        None => end,
    }
}

async fn read<W: Wire>(
    core: &Arc<Core>,
    wire: &W,
    id: W::Id,
    signals: &Signals,
    frame_time: Duration,
    reader: &mut (impl AsyncRead + Unpin),
) -> LinkEnd<W::Close> {
    let mut paused = signals.paused.subscribe();
    let mut buffer = BytesMut::new();
    let mut room = READ_MIN;
    // When the frame at the head of the buffer must have arrived: whoever sends a byte now and then
    // may not hold a frame's worth of memory for ever.
    let mut due: Option<Instant> = None;
    let mut pace = wire.pace();
    loop {
        // Whoever has much text read is read from again when that is paid for.
        if let Some(at) = pace.next(Instant::now().into_std()) {
            sleep_until(at.into()).await;
        }
        if paused.wait_for(|&paused| !paused).await.is_err() {
            return LinkEnd::Closed;
        }
        let missing = wire.missing(&buffer).min(READ_AHEAD);
        let reading = read_some(reader, &mut buffer, room.max(missing));
        let read = match due {
            None => Ok(reading.await),
            Some(due) => timeout_at(due, reading).await,
        };
        let len = match read {
            Ok(Ok(0)) => return LinkEnd::Closed,
            Ok(Ok(len)) => len,
            Ok(Err(error)) => return closed_or(error),
            Err(_) => {
                core.refusals.slow_frame();
                return LinkEnd::SlowFrame(frame_time);
            }
        };
        // Busy connections get larger reads, idle ones give the memory back.
        room = (len * 2).clamp(READ_MIN, READ_MAX);
        let mut events = Vec::new();
        let error = loop {
            match wire.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    let text = W::text(&frame);
                    pace.spend(Instant::now, text);
                    if text > SHORT {
                        let wire = wire.clone();
                        match core.apart.run(move || wire.event(id, frame)).await {
                            Ok(event) => events.push(event),
                            Err(Gone) => return LinkEnd::Shutdown,
                        }
                    } else {
                        events.push(wire.event(id, frame));
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if buffer.is_empty() {
            due = None;
        } else if !events.is_empty() || due.is_none() {
            due = Instant::now().checked_add(frame_time);
        }
        if events.is_empty() {
            events.push(W::active(id));
        }
        let (events, pause) = wire.prepare(events).await;
        for (session, question) in core.handle(events) {
            let Ok(written) = answer(core, session, question).await else {
                return LinkEnd::Shutdown;
            };
            pace.spend(Instant::now, written);
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
        if len >= READ_MAX / 2 {
            // What came of this much is written while more is read, instead of all of it waiting for
            // the last of it.
            tokio::task::yield_now().await;
        }
        if let Some(error) = error {
            core.refusals.bad_frame();
            return LinkEnd::BadFrame(error);
        }
        if buffer.is_empty() && room == READ_MIN {
            // Idle connections hold no buffer while they wait.
            buffer = BytesMut::new();
        }
    }
}

/// Waits for bytes and reads what is there, up to about `room`: TLS gives out one record at a time,
/// and the machine is better asked once for many frames. 0 at the end of the stream.
async fn read_some(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    room: usize,
) -> io::Result<usize> {
    let before = buffer.len();
    poll_fn(|cx| {
        loop {
            buffer.reserve(room.saturating_sub(buffer.len() - before).max(READ_MIN));
            let polled = poll_read_buf(Pin::new(&mut *reader), cx, buffer);
            let len = buffer.len() - before;
            match polled {
                Poll::Ready(Ok(read)) if read > 0 && len < room => {}
                // Comes again at the next call.
                Poll::Ready(_) | Poll::Pending if len > 0 => return Poll::Ready(Ok(len)),
                polled => return polled,
            }
        }
    })
    .await
}

async fn write<W: Wire>(
    core: &Core,
    wire: &W,
    id: W::Id,
    signals: &Signals,
    writer: &mut (impl AsyncWrite + Unpin),
) -> LinkEnd<W::Close> {
    let mut out = BytesMut::new();
    loop {
        let taken = W::outbox(&mut core.lock(), id).map(Outbox::take);
        match taken {
            None => return LinkEnd::Closed,
            Some(None) => {
                if out.capacity() > KEEP {
                    out = BytesMut::new();
                }
                signals.write.notified().await;
            }
            Some(Some(Taken {
                frames,
                last,
                coalesce,
            })) => {
                if let Err(error) =
                    write_frames(core, wire, id, frames, coalesce, &mut out, writer).await
                {
                    return closed_or(error);
                }
                if last {
                    return LinkEnd::Closed;
                }
            }
        }
    }
}

async fn write_frames<W: Wire>(
    core: &Core,
    wire: &W,
    id: W::Id,
    frames: VecDeque<W::Frame>,
    coalesce: bool,
    out: &mut BytesMut,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    out.clear();
    if coalesce {
        let len: usize = frames.iter().map(W::len).sum();
        out.reserve(len.min(WRITE_BATCH));
    }
    let mut written = 0;
    for frame in frames {
        let body = wire.encode_header(&frame, out);
        written += W::len(&frame);
        if coalesce && body.len() >= LONG_BODY {
            writer.write_all(out).await?;
            writer.write_all(&body).await?;
            out.clear();
            core.handle([W::written(id, std::mem::take(&mut written))]);
            continue;
        }
        out.extend_from_slice(&body);
        // One write is one TLS record (or several of one frame alone): SDKs in other languages
        // break on two frames in one read (channel-v2 section 3.4).
        if !coalesce || out.len() >= WRITE_BATCH {
            writer.write_all(out).await?;
            if !coalesce {
                // TLS buffers what TCP does not take, and would spread the next frame over what
                // room is left there and a second record.
                writer.flush().await?;
            }
            out.clear();
            // Not only at the end, so that a slow reader's progress is seen.
            if written >= WRITE_BATCH {
                core.handle([W::written(id, std::mem::take(&mut written))]);
            }
        }
    }
    if !out.is_empty() {
        writer.write_all(out).await?;
    }
    writer.flush().await?;
    if written > 0 {
        core.handle([W::written(id, written)]);
    }
    Ok(())
}

/// Ends that are no more than the other side leaving without a word are no errors.
fn closed_or<R: fmt::Display>(error: io::Error) -> LinkEnd<R> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => LinkEnd::Closed,
        _ => LinkEnd::Io(error),
    }
}
