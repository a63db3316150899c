//! One connection, SDK or peer: reads frames into the machine, writes what the machine sends.

use std::{collections::VecDeque, error::Error, io, pin::pin, sync::Arc, time::Duration};

use amop_proto::{
    channel::Frame,
    node::{
        Lane, LinkQueue, NodeEvent, PeerCloseReason, PeerId, Piece, SessionCloseReason, SessionId,
    },
    p2p::PeerCodec,
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    core::{Core, CoreState},
    intake::IntakeShare,
    link_end::LinkEnd,
    outbox::{Outbox, OutboxQueue, Signals, WriteBatch},
    receive::{Patience, Reading, read},
    supervise::caught,
};

/// Bodies of at least this length are written separately, not copied behind their headers.
const LONG_BODY: usize = 64 * 1024;
/// The buffer that a connection keeps while it has nothing to write.
const KEEP: usize = 4 * 1024;
/// The number of frames for which a busy writer keeps room.
const SPARE: usize = 1024;
/// Frames are joined up to about this much for one write.
const WRITE_BATCH: usize = 128 * 1024;
/// The maximum content of a TLS record.
const RECORD: usize = 16 * 1024;
/// The number of recent lanes that are searched for the one to count written bytes for.
const LANES: usize = 8;
/// How long a connection that is being closed may take to accept what was sent before.
const FLUSH: Duration = Duration::from_secs(2);

/// The differences between SDK connections and peer connections.
pub(crate) trait Wire: Clone + Send + Sync + 'static {
    type Id: Copy + Send + Sync + 'static;
    type Queue: OutboxQueue<Item = Self::Item> + Send;
    type Item: Send + 'static;
    /// The lanes whose written bytes the machine counts separately.
    type Lane: Copy + PartialEq + Send;
    type Close: Error + Clone + Send + Sync + 'static;

    /// Appends the beginning of a frame, and returns the rest, to be written after it.
    fn encode(&self, item: &Self::Item, out: &mut BytesMut) -> Bytes;
    /// Returns the length that the machine counts for a frame, and the lane.
    fn len(item: &Self::Item) -> (Self::Lane, usize);
    fn outbox(state: &mut CoreState, id: Self::Id)
    -> Option<&mut Outbox<Self::Queue, Self::Close>>;
    fn written(id: Self::Id, lane: Self::Lane, len: usize) -> NodeEvent;
}

/// SDK connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel;

impl Wire for Channel {
    type Id = SessionId;
    type Queue = VecDeque<Frame>;
    type Item = Frame;
    type Lane = ();
    type Close = SessionCloseReason;

    fn encode(&self, frame: &Frame, out: &mut BytesMut) -> Bytes {
        out.extend_from_slice(&frame.header());
        frame.body.clone()
    }

    fn len(frame: &Frame) -> ((), usize) {
        ((), frame.wire_len())
    }

    fn outbox(
        state: &mut CoreState,
        id: SessionId,
    ) -> Option<&mut Outbox<Self::Queue, SessionCloseReason>> {
        state.sessions.get_mut(&id)
    }

    fn written(id: SessionId, (): (), len: usize) -> NodeEvent {
        NodeEvent::SessionWritten(id, len)
    }
}

/// Connections to other nodes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct P2p(pub(crate) PeerCodec);

impl Wire for P2p {
    type Id = PeerId;
    type Queue = LinkQueue;
    type Item = Piece;
    type Lane = Lane;
    type Close = PeerCloseReason;

    fn encode(&self, piece: &Piece, out: &mut BytesMut) -> Bytes {
        self.0.encode_message(&piece.message, out)
    }

    fn len(piece: &Piece) -> (Lane, usize) {
        (piece.lane, piece.counts)
    }

    fn outbox(
        state: &mut CoreState,
        id: PeerId,
    ) -> Option<&mut Outbox<LinkQueue, PeerCloseReason>> {
        state.peers.get_mut(&id)
    }

    fn written(id: PeerId, lane: Lane, len: usize) -> NodeEvent {
        NodeEvent::PeerWritten(id, lane, len)
    }
}

/// Runs a connection until it ends or panics. The machine knows it already; the caller tells the
/// machine when it has ended.
pub(crate) async fn run<W: Wire, R: Reading<Id = W::Id>>(
    core: &Arc<Core>,
    wiring: (&W, R),
    id: W::Id,
    signals: &Arc<Signals>,
    stream: impl AsyncRead + AsyncWrite,
    intake: (Patience, &IntakeShare),
    stop: &CancellationToken,
) -> LinkEnd<W::Close> {
    let running = run_until_it_ends(core, wiring, id, signals, stream, intake, stop);
    caught(running).await.unwrap_or_else(LinkEnd::Fault)
}

async fn run_until_it_ends<W: Wire, R: Reading<Id = W::Id>>(
    core: &Arc<Core>,
    (wire, reading): (&W, R),
    id: W::Id,
    signals: &Arc<Signals>,
    stream: impl AsyncRead + AsyncWrite,
    intake: (Patience, &IntakeShare),
    stop: &CancellationToken,
) -> LinkEnd<W::Close> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut writing = pin!(async {
        let end = write(core, wire, id, signals, &mut writer).await;
        // Close the connection in order, if the other side still accepts it.
        let _ = timeout(FLUSH, writer.shutdown()).await;
        end
    });
    let mut writer_ended = false;
    let end = tokio::select! {
        end = read(core, reading, id, signals, intake, &mut reader) => end,
        end = &mut writing => {
            writer_ended = true;
            end
        }
        () = signals.close.cancelled() => LinkEnd::Closed,
        () = stop.cancelled() => LinkEnd::Shutdown,
    };
    if !writer_ended && !matches!(end, LinkEnd::Io(_)) {
        // What was sent before the end is still written; a write in progress is not cut in two.
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

async fn write<W: Wire>(
    core: &Core,
    wire: &W,
    id: W::Id,
    signals: &Signals,
    writer: &mut (impl AsyncWrite + Unpin),
) -> LinkEnd<W::Close> {
    let mut out = BytesMut::new();
    let mut spare = VecDeque::new();
    loop {
        let before = std::mem::take(&mut spare);
        let taken = W::outbox(&mut core.lock(), id).map(|outbox| outbox.take(before));
        match taken {
            None => return LinkEnd::Closed,
            Some(None) => {
                if out.capacity() > KEEP {
                    out = BytesMut::new();
                }
                signals.write.notified().await;
            }
            Some(Some(WriteBatch {
                mut frames,
                last,
                coalesce,
            })) => {
                let written = Written::<W>::new(core, id);
                let sent = write_frames(wire, written, &mut frames, coalesce, &mut out, writer);
                if let Err(error) = sent.await {
                    return LinkEnd::of(error);
                }
                // A very large queue would be too much memory for a connection that later has
                // little to write.
                spare = if frames.capacity() <= SPARE {
                    frames
                } else {
                    VecDeque::new()
                };
                if last {
                    return LinkEnd::Closed;
                }
            }
        }
    }
}

/// Bytes that have been written but not reported to the machine.
pub(crate) struct Written<'a, W: Wire> {
    core: &'a Core,
    id: W::Id,
    len: usize,
    lanes: Vec<(W::Lane, usize)>,
}

impl<'a, W: Wire> Written<'a, W> {
    pub(crate) fn new(core: &'a Core, id: W::Id) -> Self {
        Self {
            core,
            id,
            len: 0,
            lanes: Vec::new(),
        }
    }

    pub(crate) fn count(&mut self, (lane, len): (W::Lane, usize)) {
        self.len += len;
        let mut latest = self.lanes.iter_mut().rev().take(LANES);
        match latest.find(|(counted, _)| *counted == lane) {
            Some((_, counted)) => *counted += len,
            None => self.lanes.push((lane, len)),
        }
    }

    pub(crate) fn report(&mut self) {
        self.len = 0;
        let id = self.id;
        let events = self.lanes.drain(..);
        self.core
            .handle(events.map(|(lane, len)| W::written(id, lane, len)));
    }
}

async fn write_frames<W: Wire>(
    wire: &W,
    mut written: Written<'_, W>,
    frames: &mut VecDeque<W::Item>,
    coalesce: bool,
    out: &mut BytesMut,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    out.clear();
    if coalesce {
        let len: usize = frames.iter().map(|frame| W::len(frame).1).sum();
        // The last frame of a write goes over the limit.
        out.reserve(len.min(WRITE_BATCH + LONG_BODY));
    }
    for frame in frames.drain(..) {
        let mut body = wire.encode(&frame, out);
        written.count(W::len(&frame));
        if body.len() >= LONG_BODY {
            if !coalesce {
                // The TLS records are those of one write, so this fills the first one.
                let room = RECORD.saturating_sub(out.len());
                out.extend_from_slice(&body.split_to(room));
            }
            writer.write_all(out).await?;
            writer.write_all(&body).await?;
            if !coalesce {
                writer.flush().await?;
            }
            out.clear();
            written.report();
            continue;
        }
        out.extend_from_slice(&body);
        // One write is one TLS record (or several with only one frame): some other SDKs fail when
        // one read returns two frames (channel-v2 section 3.4).
        if !coalesce || out.len() >= WRITE_BATCH {
            writer.write_all(out).await?;
            if !coalesce {
                // TLS buffers what TCP does not take. It would put the next frame partly into the
                // room left there and partly into a second record.
                writer.flush().await?;
            }
            out.clear();
            // Reported here and not only at the end, so that the machine sees a slow reader's
            // progress.
            if written.len >= WRITE_BATCH {
                written.report();
            }
        }
    }
    if !out.is_empty() {
        writer.write_all(out).await?;
    }
    writer.flush().await?;
    if written.len > 0 {
        written.report();
    }
    Ok(())
}
