//! The task that owns a connection's stream.

use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::MutexGuard,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use amop_proto::{
    channel::{FrameDecoder, result_code},
    client::CloseReason,
};
use bytes::BytesMut;
use tokio::{
    io::AsyncReadExt,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    handle::Connection, settings::SEND_BUFFER, state::ConnectionState, stream::FrameStream,
};
use crate::receive::RefusedUnicast;

/// Bytes requested from the stream at a time: a few TLS records.
const READ_CHUNK: usize = 32 * 1024;

/// Space for the rest of a long frame is reserved at once, up to this size. The memory is used only
/// as bytes arrive.
const READ_AHEAD: usize = 4 * 1024 * 1024;

/// If more bytes than this wait behind a message that is held back, nothing more is read.
const HELD_AHEAD: usize = 128 * 1024;

/// A buffer that grew larger than this for a large message is freed.
const KEEP_BUFFER: usize = 256 * 1024;

/// If more bytes of answers than this wait to be written, nothing more is read: the node sends
/// messages but does not read.
const ANSWER_BUFFER: usize = 4 * 1024 * 1024;

/// How long a clean close may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// With more requests in flight than this, more are probably about to be made.
const BUSY: usize = 16;

/// Rounds of reading and writing before other tasks get their turn.
const ROUNDS: usize = 32;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// This side has closed the session: queued frames are still written.
    Flushing,
    /// The stream is being shut down.
    ShuttingDown,
    Done,
}

impl Phase {
    /// Returns the phase that follows when a session has ended.
    fn after(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Local | CloseReason::Expired { .. } => Self::Flushing,
            CloseReason::Transport { .. } | CloseReason::Silent { .. } => Self::Done,
            _ => Self::ShuttingDown,
        }
    }
}

pub(super) struct Driver<S> {
    stream: S,
    decoder: FrameDecoder,
    connection: Connection,
    phase: Phase,
    /// Nothing is read, because too much waits to be written.
    paused: bool,
    /// A subscription has no room for a message: the bytes after it wait in `read` and in the
    /// stream.
    held: bool,
    read: BytesMut,
    /// How the stream ended while a message was held back.
    ended: Option<io::Result<usize>>,
    write: BytesMut,
    /// The number of bytes of `write` that are written.
    written: usize,
    /// The number of permits of `room` that `write` holds.
    charged: usize,
    /// All tasks that were ready have had a turn since there was something to write.
    gathered: bool,
    /// Bytes were written to the stream since it was last flushed.
    unflushed: bool,
    /// The stream accepted no more bytes at the last write.
    blocked: bool,
    /// When the stream first accepted bytes again.
    unblocked: Option<Instant>,
    /// What [`FrameStream::accepted`] returned last.
    accepted: u64,
    timer: Pin<Box<Sleep>>,
    /// The time that `timer` is set to.
    armed: Option<Instant>,
    close_deadline: Option<Instant>,
}

impl<S: FrameStream + Unpin> Driver<S> {
    pub(super) fn new(stream: S, decoder: FrameDecoder, connection: Connection) -> Self {
        Self {
            stream,
            decoder,
            connection,
            phase: Phase::Open,
            paused: false,
            held: false,
            read: BytesMut::new(),
            ended: None,
            write: BytesMut::new(),
            written: 0,
            charged: 0,
            gathered: false,
            unflushed: false,
            blocked: false,
            unblocked: None,
            accepted: 0,
            timer: Box::pin(sleep_until(Instant::now())),
            armed: None,
            close_deadline: None,
        }
    }

    /// Reads once. Returns whether there was progress.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.phase != Phase::Open || self.paused {
            return false;
        }
        if self.held && !self.retry_held() {
            return self.read_ahead(cx);
        }
        if self.held {
            return true;
        }
        let result = match self.ended.take() {
            Some(result) => result,
            None => match self.poll_read(cx) {
                Poll::Ready(result) => result,
                Poll::Pending => return false,
            },
        };
        let now = Instant::now().into_std();
        let connection = self.connection.clone();
        let mut state = connection.lock();
        match result {
            Ok(0) => state.session.handle_eof(),
            Ok(n) => {
                self.connection.0.counters.bytes_received.add(n as u64);
                state.session.note_activity(now);
                self.decode(&mut state, now);
            }
            Err(error) => lost(&mut state.session, &error),
        }
        state.drain_events(&connection, now);
        refuse_elsewhere(state);
        true
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let missing = self.decoder.missing(&self.read);
        self.read.reserve(missing.clamp(READ_CHUNK, READ_AHEAD));
        pin!(self.stream.read_buf(&mut self.read)).poll(cx)
    }

    /// Reads from a node of 3.x, although a message is held back: such a node ends the connection if its
    /// pings are not answered. What is read waits. Returns whether there was progress.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.connection.is_v3() || self.ended.is_some() || self.read.len() >= HELD_AHEAD {
            return false;
        }
        let Poll::Ready(result) = self.poll_read(cx) else {
            return false;
        };
        match result {
            Ok(len @ 1..) => self.connection.0.counters.bytes_received.add(len as u64),
            // The messages before it come first.
            end => self.ended = Some(end),
        }
        true
    }

    /// Decodes frames from the read bytes, until a subscription has no room.
    fn decode(&mut self, state: &mut ConnectionState, now: std::time::Instant) {
        loop {
            match self.decoder.decode(&mut self.read) {
                Ok(Some(frame)) => state.session.handle_frame(now, frame),
                Ok(None) => break,
                Err(error) => state.session.handle_frame_error(error),
            }
            // After every frame, so that events do not pile up.
            state.drain_events(&self.connection, now);
            self.held = state.held.is_some();
            if self.held || state.session.is_closed() {
                break;
            }
        }
    }

    /// Tries again to deliver the message that was held back. Returns whether there was room.
    fn retry_held(&mut self) -> bool {
        let now = Instant::now().into_std();
        let connection = self.connection.clone();
        let mut state = connection.lock();
        // Nothing is read, so silence does not mean that the node is dead.
        state.session.note_activity(now);
        if let Some(incoming) = state.held.take() {
            state.deliver(&connection, incoming, true, now);
        }
        self.held = state.held.is_some();
        let room = !self.held;
        if room {
            self.decode(&mut state, now);
        }
        refuse_elsewhere(state);
        room
    }

    /// Gets the bytes to write from the session, and checks whether the session has ended.
    fn look(&mut self, gathered: bool, cx: &mut Context<'_>) {
        let now = Instant::now();
        let mut state = self.connection.lock();
        if let Some(at) = self.unblocked.take() {
            // Heartbeats wait behind a long message on a slow line, so accepted bytes count as
            // activity.
            state.session.note_activity(at.into_std());
        }
        // Without this, the first of many messages would wake this task and be written alone. So
        // the other tasks get a turn first, to queue their messages.
        let gather = !gathered
            && state.closed.is_none()
            && state.session.queued_bytes() > 0
            && state.session.in_flight() > BUSY;
        if gather && !std::mem::replace(&mut self.gathered, true) {
            cx.waker().wake_by_ref();
        }
        if self.write.is_empty()
            && !gather
            && state.session.poll_transmit(now.into_std(), &mut self.write)
        {
            self.charged += std::mem::take(&mut state.charged);
        }
        // Published messages alone stay below this size, because they hold permits; a single long
        // message may exceed `SEND_BUFFER`.
        let published = SEND_BUFFER.max(self.connection.max_frame());
        let waiting = self.write.len() - self.written + state.session.queued_bytes();
        self.paused = waiting > published + ANSWER_BUFFER;
        state.batch = None;
        if !state
            .driver
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            state.driver = Some(cx.waker().clone());
        }
        if self.phase == Phase::Open
            && let Some(reason) = &state.closed
        {
            self.phase = Phase::after(reason);
            self.close_deadline = Some(now + CLOSE_TIMEOUT);
        }
        let next = state.session.next_timeout();
        let next = next.into_iter().chain(state.log.next_summary()).min();
        drop(state);
        if let Some(next) = next.map(Instant::from_std).or(self.close_deadline) {
            self.arm(next);
        }
    }

    /// Sets the timer. It is only moved to an earlier time: a timer that fires too early costs less
    /// than setting it for each message.
    fn arm(&mut self, next: Instant) {
        if self.armed.is_none_or(|armed| next < armed) {
            self.timer.as_mut().reset(next);
            self.armed = Some(next);
        }
    }

    /// Handles the timer. Returns whether it fired.
    fn tick(&mut self, cx: &mut Context<'_>) -> bool {
        if self.armed.is_none() || self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.armed = None;
        let now = Instant::now();
        if self.close_deadline.is_some_and(|deadline| deadline <= now) {
            tracing::debug!(
                endpoint = self.connection.endpoint(),
                "the node did not close its side in time"
            );
            self.phase = Phase::Done;
            return true;
        }
        let mut state = self.connection.lock();
        if self.held {
            state.session.note_activity(now.into_std());
        }
        state.session.handle_timeout(now.into_std());
        state.drain_events(&self.connection, now.into_std());
        let endpoint = self.connection.endpoint();
        state.log.tell_held_back(endpoint, now.into_std());
        true
    }

    /// Writes until the stream accepts no more. Returns whether there was progress.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        match self.try_write(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(progress)) => progress,
            Poll::Ready(Err(error)) => {
                let mut state = self.connection.lock();
                lost(&mut state.session, &error);
                state.drain_events(&self.connection, Instant::now().into_std());
                drop(state);
                self.phase = Phase::Done;
                true
            }
        }
    }

    fn try_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut progress = false;
        while self.written < self.write.len() {
            let rest = &self.write[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(n) => {
                    self.written += n;
                    self.connection.0.counters.bytes_sent.add(n as u64);
                    self.unflushed = true;
                    if std::mem::take(&mut self.blocked) {
                        self.unblocked = Some(Instant::now());
                    }
                }
                Poll::Pending => {
                    self.blocked = true;
                    break;
                }
            }
        }
        if !self.write.is_empty() && self.written == self.write.len() {
            progress = true;
            self.written = 0;
            self.write.clear();
            if self.write.capacity() > KEEP_BUFFER {
                self.write = BytesMut::new();
            }
            self.connection
                .0
                .room
                .add_permits(std::mem::take(&mut self.charged));
        }
        if self.unflushed {
            let flushed = Pin::new(&mut self.stream).poll_flush(cx)?.is_ready();
            self.unflushed = !flushed;
            let accepted = self.stream.accepted();
            let some = std::mem::replace(&mut self.accepted, accepted) != accepted;
            if !flushed {
                if some {
                    self.unblocked = Some(Instant::now());
                }
                self.blocked = true;
            } else if std::mem::take(&mut self.blocked) {
                self.unblocked = Some(Instant::now());
            }
        }
        Poll::Ready(Ok(progress))
    }

    /// Continues a close. Returns whether there was progress.
    fn close(&mut self, cx: &mut Context<'_>) -> bool {
        match self.phase {
            Phase::Flushing if self.write.is_empty() && !self.unflushed => {
                self.phase = Phase::ShuttingDown;
                true
            }
            Phase::ShuttingDown if Pin::new(&mut self.stream).poll_shutdown(cx).is_ready() => {
                self.phase = Phase::Done;
                true
            }
            _ => false,
        }
    }
}

impl<S: FrameStream + Unpin> Future for Driver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let gathered = std::mem::take(&mut this.gathered);
        for _ in 0..ROUNDS {
            this.look(gathered, cx);
            let mut progress = this.read(cx);
            progress |= this.tick(cx);
            if matches!(this.phase, Phase::Open | Phase::Flushing) {
                progress |= this.write(cx);
            }
            progress |= this.close(cx);
            if this.phase == Phase::Done {
                return Poll::Ready(());
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> Driver<S> {
    /// Ends the connection if it is not closed yet.
    fn end(&self, why: &'static str) {
        let mut state = self.connection.lock();
        state.session.handle_io_error(&io::Error::other(why));
        state.drain_events(&self.connection, Instant::now().into_std());
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        if thread::panicking() {
            // The log may be the cause of the panic, and a second panic here would end the process.
            let end = || self.end("the connection's driver panicked; please report it");
            let _ = catch_unwind(AssertUnwindSafe(end));
        } else {
            self.end("the runtime of the connection's driver has shut down");
        }
    }
}

/// Unlocks the state and sends the refusals for other connections.
fn refuse_elsewhere(mut state: MutexGuard<'_, ConnectionState>) {
    let elsewhere = std::mem::take(&mut state.elsewhere);
    drop(state);
    for RefusedUnicast { seq, topic, ways } in elsewhere {
        for way in ways {
            way.respond(seq, &topic, result_code::NO_SESSION, b"");
        }
    }
}

/// Tells the session that the stream failed.
fn lost<T>(session: &mut amop_proto::client::ClientSession<T>, error: &io::Error) {
    // TLS reports a connection that ends without close_notify as an error. FISCO nodes end many
    // connections this way.
    let cause = error.get_ref();
    if let Some(reason) = cause.and_then(|cause| cause.downcast_ref::<CloseReason>()) {
        // The session of 3.x that is behind the stream knows it better.
        session.end(reason.clone());
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        session.handle_eof();
    } else {
        session.handle_io_error(error);
    }
}
