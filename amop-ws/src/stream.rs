//! A WebSocket connection that is read and written as a connection of 2.x.

mod writing;

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant as StdInstant},
};

use amop_proto::{
    channel::{FrameDecoder, PROTOCOL_MAX_FRAME},
    ws::{WsMessage, bridge::Bridge},
};
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};
use tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    Unlimited, WsBudget, WsLimits, WsSide, WsViolation,
    socket::{Arrived, Socket},
};

/// Bytes requested from the stream at a time.
const READ: usize = 16 * 1024;
/// If more bytes than this wait to be written to the stream, nothing is added to them. What waits in
/// the bridge is limited by the bridge.
const OUTPUT: usize = 128 * 1024;
/// If more bytes than this wait to be read from this side, nothing is read from the stream.
const FRAMES: usize = 128 * 1024;
/// If more bytes of pongs than this wait to be sent, nothing is read from the stream.
const PONGS: usize = 16 * 1024;
/// If this side's reader stays away for longer than this, the other side is not to blame for silence.
const AWAY: Duration = Duration::from_secs(1);
/// Buffers that grew larger than this are freed when they are empty, others when the timer fires: the
/// buffers of a connection that is used all the time do not grow again and again.
const KEEP: usize = 64 * 1024;

/// A connection that speaks 3.x, seen as one that speaks 2.x: bytes read from it and written to it are
/// those of frames ([`Frame`](amop_proto::channel::Frame)). `bridge` translates.
///
/// It ends with the end of the session: [`AsyncRead`] then returns 0 bytes, or the error of the stream
/// or a [`WsViolation`] as the inner error. Time passes only while it is polled, so read from it all
/// the time. Reader and writer may be different tasks, as after [`tokio::io::split`].
///
/// Memory is limited by [`WsLimits::max_message`] and by `H` for what arrives, by 256 KiB and the
/// longest message for what is written, and by the bridge's own limits.
#[derive(Debug)]
pub struct BridgeStream<S, B, H = Unlimited> {
    stream: S,
    socket: Socket,
    bridge: B,
    budget: H,
    limits: WsLimits,
    decoder: FrameDecoder,
    /// Bytes of frames for this side's reader.
    frames: BytesMut,
    /// Bytes that this side wrote and that are not a whole frame yet.
    written: BytesMut,
    /// A message that may not be handled yet.
    waiting: Option<WsMessage>,
    /// Whether the budget allows nothing now.
    paused: bool,
    /// When the first byte of an incomplete message arrived.
    since: Option<Instant>,
    /// When this side's reader got its last bytes, until it asks for more.
    served: Option<Instant>,
    /// At most so many bytes of what waits to be written to the stream are pongs, without those that
    /// the bridge holds.
    pongs: usize,
    /// The number of bytes that the stream has accepted.
    sent: u64,
    /// Whether the stream has accepted bytes since it was last flushed.
    unflushed: bool,
    timer: Pin<Box<Sleep>>,
    /// The time that `timer` is set to.
    armed: Option<Instant>,
    end: End,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// How far the connection has ended.
#[derive(Debug)]
enum End {
    Open,
    /// Nothing more is read from the stream. The error is for the reader.
    Ended(Option<io::Error>),
    /// The reader knows it.
    Told,
}

impl<S, B: Bridge> BridgeStream<S, B> {
    /// Creates the connection after [`accept`](crate::accept) or [`connect`](crate::connect), which
    /// returned `rest`.
    pub fn new(stream: S, side: WsSide, bridge: B, rest: &[u8], limits: WsLimits) -> Self {
        Self::with_budget(stream, side, bridge, rest, (limits, Unlimited))
    }
}

impl<S, B: Bridge, H: WsBudget> BridgeStream<S, B, H> {
    /// Creates the connection, with a budget for its messages.
    pub fn with_budget(
        stream: S,
        side: WsSide,
        bridge: B,
        rest: &[u8],
        (limits, budget): (WsLimits, H),
    ) -> Self {
        Self {
            stream,
            socket: Socket::new(side, &limits, rest),
            bridge,
            budget,
            limits,
            // The bridge and its session have smaller limits.
            decoder: FrameDecoder::new(PROTOCOL_MAX_FRAME),
            frames: BytesMut::new(),
            written: BytesMut::new(),
            waiting: None,
            paused: false,
            since: None,
            served: None,
            pongs: 0,
            sent: 0,
            unflushed: false,
            timer: Box::pin(sleep_until(Instant::now())),
            armed: None,
            end: End::Open,
            reader: None,
            writer: None,
        }
    }

    /// Returns the translator.
    pub fn bridge(&self) -> &B {
        &self.bridge
    }

    /// Returns the translator, to take notices from it, for example.
    pub fn bridge_mut(&mut self) -> &mut B {
        &mut self.bridge
    }

    /// Returns the stream below.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the number of bytes that the stream below has accepted. It grows while a long message is
    /// sent, although `poll_flush` is pending.
    pub fn bytes_sent(&self) -> u64 {
        self.sent
    }

    /// Hands what has arrived to the bridge, as far as the budget allows.
    fn take_messages(&mut self, cx: &mut Context<'_>, now: StdInstant) {
        self.paused = false;
        while self.is_open() && self.frames.len() < FRAMES {
            if let Some(message) = self.waiting.take() {
                if self.budget.poll_admit(cx, Some(&message)).is_pending() {
                    self.paused = true;
                    self.waiting = Some(message);
                    break;
                }
                self.bridge.handle_message(now, message);
                self.budget.handled();
                self.take_frames();
            } else if self.budget.poll_admit(cx, None).is_pending() {
                self.paused = true;
                break;
            } else if !self.take_next(now) {
                break;
            }
        }
        // A sign of life may be what an answer has waited for.
        self.take_frames();
        self.watch_held();
    }

    /// Takes the next thing that arrived. Returns whether there was one.
    fn take_next(&mut self, now: StdInstant) -> bool {
        match self.socket.next() {
            Ok(Some(Arrived::Message(bytes))) => {
                self.since = None;
                match WsMessage::decode(bytes, self.limits.max_message) {
                    Ok(message) => self.waiting = Some(message),
                    Err(error) => {
                        self.bridge.handle_message_error(error);
                        self.take_frames();
                    }
                }
            }
            Ok(Some(Arrived::Ping)) => {
                self.bridge.note_activity(now);
                self.budget.handled();
            }
            Ok(Some(Arrived::Pong)) => {
                self.bridge.handle_pong(now);
                self.budget.handled();
            }
            Ok(Some(Arrived::Close)) => {
                self.bridge.handle_eof();
                self.finish(None);
            }
            Ok(None) => return false,
            Err(violation) => self.fail(violation),
        }
        true
    }

    /// Takes note of what is not handled: of its memory and of its time.
    fn watch_held(&mut self) {
        let waiting = self
            .waiting
            .as_ref()
            .map_or(0, |message| message.wire_len());
        let held = self.socket.held() + waiting;
        if held == 0 || self.paused {
            self.since = None;
        } else {
            self.since.get_or_insert_with(Instant::now);
        }
        if self.is_open() && !self.budget.hold(held) {
            self.socket.close(CloseCode::Again);
            self.fail(WsViolation::NoRoom { held });
        }
    }

    /// Forgives the other side the time in which nothing was read from this side.
    fn note_return(&mut self, now: StdInstant) {
        let Some(served) = self.served.take() else {
            return;
        };
        if now.saturating_duration_since(served.into_std()) > AWAY {
            self.bridge.note_activity(now);
            self.since = self.since.map(|_| Instant::from_std(now));
        }
    }

    fn fail(&mut self, violation: WsViolation) {
        let error = violation.into_io();
        self.bridge.handle_io_error(&error);
        self.finish(Some(error));
    }

    fn finish(&mut self, error: Option<io::Error>) {
        if self.is_open() {
            self.end = End::Ended(error);
            self.budget.hold(0);
        }
        self.take_frames();
    }

    fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    /// Takes frames for the reader out of the bridge.
    fn take_frames(&mut self) {
        let empty = self.frames.is_empty();
        while let Some(frame) = self.bridge.poll_frame() {
            if self.frames.is_empty() {
                // The messages that have arrived already become frames of about the same length.
                let unread = self.socket.unread().min(FRAMES);
                self.frames.reserve(frame.wire_len() + unread);
            }
            frame.encode(&mut self.frames);
        }
        let ended = self.is_open() && self.bridge.is_closed();
        if ended {
            self.end = End::Ended(self.bridge.take_failure());
            self.budget.hold(0);
        }
        if (ended || empty && !self.frames.is_empty())
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }

    /// Takes messages to send out of the bridge, as many as there is room for.
    fn take_transmits(&mut self) {
        if !self.bridge.holds_pongs() {
            self.pongs += self.socket.send_pongs();
        }
        while self.socket.output().len() < OUTPUT {
            match self.bridge.poll_transmit() {
                Some(transmit) => self.socket.send(transmit),
                None => break,
            }
        }
    }

    /// Returns when something is due.
    fn due(&self) -> Option<Instant> {
        let bridge = self.bridge.next_timeout().map(Instant::from_std);
        let late = self.since.map(|since| self.too_late(since));
        bridge.into_iter().chain(late).min()
    }

    /// Returns when the incomplete message that began then should be there.
    fn too_late(&self, since: Instant) -> Instant {
        let patience = self.limits.patience(self.socket.held());
        let far = Duration::from_secs(86_400);
        since + patience.min(far)
    }

    /// Handles what is due. Returns whether something was.
    fn pass_time(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(due) = self.due().filter(|_| self.is_open()) else {
            return false;
        };
        // It is only moved to an earlier time: a timer that fires too early costs less than setting
        // it for each message.
        if self.armed.is_none_or(|armed| due < armed) {
            self.timer.as_mut().reset(due);
            self.armed = Some(due);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.armed = None;
        let now = Instant::now();
        if let Some(since) = self.since
            && self.too_late(since) <= now
        {
            let after = now - since;
            self.socket.close(CloseCode::Policy);
            self.fail(WsViolation::TooSlow { after });
        }
        if self.paused {
            self.bridge.note_activity(now.into_std());
        }
        self.bridge.handle_timeout(now.into_std());
        self.free_buffers();
        self.take_frames();
        true
    }

    fn free_buffers(&mut self) {
        for buffer in [&mut self.frames, &mut self.written] {
            free(buffer, 0);
        }
        free(self.socket.output(), 0);
    }
}

impl<S, B, H> BridgeStream<S, B, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Bridge,
    H: WsBudget,
{
    /// Writes to the stream what waits, and takes more out of the bridge as there is room. `Ready`
    /// means that nothing waits any more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.take_transmits();
            let output = self.socket.output();
            if output.is_empty() {
                free(output, KEEP);
                return Poll::Ready(Ok(()));
            }
            let len = match ready!(Pin::new(&mut self.stream).poll_write(cx, output))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => len,
            };
            self.unflushed = true;
            output.advance(len);
            self.pongs = self.pongs.saturating_sub(len);
            self.sent += len as u64;
        }
    }

    /// Sends and flushes what waits, as far as that is possible now. An error ends the connection.
    fn send_some(&mut self, cx: &mut Context<'_>) {
        let sent = match self.poll_send(cx) {
            Poll::Ready(Ok(())) => self.poll_flush_stream(cx),
            other => other,
        };
        if let Poll::Ready(Err(error)) = sent {
            self.bridge.handle_io_error(&error);
            self.finish(Some(error));
        }
    }

    /// Reads from the stream once. Returns whether something arrived.
    fn read_some(&mut self, cx: &mut Context<'_>) -> bool {
        // A side that reads nothing may not go on to ask for pongs. Anything else must be read: both
        // sides may be writing a long message.
        let pongs = self.pongs + self.socket.pongs();
        if !self.is_open() || self.paused || pongs >= PONGS {
            return false;
        }
        let input = self.socket.input();
        input.reserve(READ);
        let Poll::Ready(read) = pin!(self.stream.read_buf(input)).poll(cx) else {
            free(input, 0);
            return false;
        };
        let now = Instant::now().into_std();
        match read {
            Ok(0) => {
                self.bridge.handle_eof();
                self.finish(None);
            }
            Ok(_) => self.bridge.note_activity(now),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.bridge.handle_eof();
                self.finish(Some(error));
            }
            Err(error) => {
                self.bridge.handle_io_error(&error);
                self.finish(Some(error));
            }
        }
        true
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl<S, B, H> AsyncRead for BridgeStream<S, B, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Bridge + Unpin,
    H: WsBudget + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The reader is here: waking it would only make its task run once more.
        this.reader = None;
        let now = Instant::now();
        this.note_return(now.into_std());
        loop {
            if !this.frames.is_empty() {
                let len = buf.remaining().min(this.frames.len());
                buf.put_slice(&this.frames[..len]);
                this.frames.advance(len);
                free(&mut this.frames, KEEP);
                this.served = Some(now);
                return Poll::Ready(Ok(()));
            }
            // What is left from the last read comes first.
            this.take_messages(cx, now.into_std());
            let waiting = this.socket.output().len();
            this.send_some(cx);
            // Waking it each time would make both halves of one task wake each other for ever.
            if this.socket.output().len() < waiting || !this.is_open() {
                this.wake_writer();
            }
            if !this.frames.is_empty() {
                continue;
            }
            if !this.is_open() {
                let told = match std::mem::replace(&mut this.end, End::Told) {
                    End::Ended(Some(error)) => Err(error),
                    _ => Ok(()),
                };
                return Poll::Ready(told);
            }
            if this.pass_time(cx) || this.read_some(cx) {
                continue;
            }
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }
}

/// Frees a buffer that is empty and larger than `keep`.
fn free(buffer: &mut BytesMut, keep: usize) {
    if buffer.is_empty() && buffer.capacity() > keep {
        *buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod tests;
