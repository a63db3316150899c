//! Writing: bytes of 2.x frames that are written to the connection, and flushing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use amop_proto::ws::bridge::Bridge;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tungstenite::protocol::frame::coding::CloseCode;

use super::{BridgeStream, End, KEEP, OUTPUT, free};
use crate::WsBudget;

impl<S, B, H> BridgeStream<S, B, H>
where
    S: AsyncWrite + Unpin,
{
    /// Flushes the stream, if something was written to it.
    pub(super) fn poll_flush_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, B, H> AsyncWrite for BridgeStream<S, B, H>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Bridge + Unpin,
    H: WsBudget + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.end {
            End::Open => {}
            // The reader reports the end, after the frames that came before it.
            End::Ended(_) if !this.frames.is_empty() => return Poll::Ready(Ok(bytes.len())),
            End::Ended(_) | End::Told => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
        if this.socket.output().len() >= OUTPUT {
            this.writer = Some(cx.waker().clone());
            let sent = this.poll_send(cx)?;
            if sent.is_pending() && this.socket.output().len() >= OUTPUT {
                return Poll::Pending;
            }
        }
        let now = Instant::now().into_std();
        this.written.extend_from_slice(bytes);
        loop {
            match this.decoder.decode(&mut this.written) {
                Ok(Some(frame)) => this.bridge.handle_frame(now, frame),
                Ok(None) => break,
                Err(error) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
            }
        }
        free(&mut this.written, KEEP);
        this.take_frames();
        // The messages are about as long as their frames.
        this.socket.output().reserve(bytes.len().min(OUTPUT));
        this.take_transmits();
        // The reader keeps the time.
        let due = this.due();
        if due.is_some_and(|due| this.armed.is_none_or(|armed| due < armed))
            && let Some(reader) = this.reader.take()
        {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.writer = Some(cx.waker().clone());
        if matches!(this.end, End::Ended(_)) && !this.frames.is_empty() {
            // The reader reports the end, after the frames that came before it.
            this.send_some(cx);
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_send(cx))?;
        this.writer = None;
        this.poll_flush_stream(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.writer = Some(cx.waker().clone());
        ready!(this.poll_send(cx))?;
        this.socket.close(CloseCode::Normal);
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
