//! The TCP connection under TLS. It reads far ahead while much data arrives.
//!
//! rustls asks for 4 KiB at a time, which is a system call for every dozen messages. Waiting
//! connections hold no buffer, so that ten thousand of them stay small: each thread keeps some
//! buffers for busy ones.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    mem::take,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Bytes read from the operating system at a time while much data arrives.
const READ_AHEAD: usize = 64 * 1024;

/// The operating system accepts only about this many bytes that cannot be sent yet.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 256 * 1024;

/// A read that returns less than this shows that little data arrives.
const LITTLE: usize = 4 * 1024;

/// The bytes that may arrive before the TLS handshake completes: several times the size of the
/// longest certificate chain. TLS itself would accept far more, in records as small as one byte.
const HANDSHAKE: usize = 32 * 1024;

/// The number of buffers that each thread keeps.
const KEPT: usize = 4;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns a buffer of [`READ_AHEAD`] bytes.
fn buffer() -> Vec<u8> {
    let kept = BUFFERS.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| vec![0; READ_AHEAD])
}

/// Gives back a buffer that is not needed for now.
fn give_back(buffer: Vec<u8>) {
    if buffer.is_empty() {
        return;
    }
    BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    });
}

/// A TCP connection without Nagle's delay.
#[derive(Debug)]
pub(crate) struct Tcp<S = TcpStream> {
    /// The stream; `None` only if moving it failed.
    stream: Option<S>,
    /// Bytes read ahead; empty while little or nothing arrives.
    buffer: Vec<u8>,
    /// The number of bytes read into it, and how many of them were handed out.
    filled: usize,
    taken: usize,
    /// Whether the last read filled the whole buffer.
    much: bool,
    /// The bytes that may still arrive while the other side is not authenticated.
    allowance: Option<usize>,
}

impl Tcp {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        // Small frames must not wait for acknowledgements of earlier ones.
        stream.set_nodelay(true)?;
        // Data that waits should wait in this program, where a later frame can still pass it.
        // Without the option, more of it waits in the operating system.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        Ok(Self {
            allowance: Some(HANDSHAKE),
            ..Self::over(stream)
        })
    }

    /// Moves the connection to the calling runtime, once the other side is authenticated. Before
    /// that it belongs to the runtime of the ports.
    pub(crate) fn move_here(&mut self) -> io::Result<()> {
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        self.stream = Some(TcpStream::from_std(stream.into_std()?)?);
        self.allowance = None;
        Ok(())
    }
}

impl<S> Tcp<S> {
    fn over(stream: S) -> Self {
        Self {
            stream: Some(stream),
            buffer: Vec::new(),
            filled: 0,
            taken: 0,
            much: false,
            allowance: None,
        }
    }

    /// Subtracts the bytes read from those that may still arrive.
    fn allow(&mut self, read: usize) -> io::Result<()> {
        if let Some(allowance) = &mut self.allowance {
            let too_much = || {
                let text = "received more bytes during the TLS handshake than any handshake needs";
                io::Error::new(io::ErrorKind::InvalidData, text)
            };
            *allowance = allowance.checked_sub(read).ok_or_else(too_much)?;
        }
        Ok(())
    }
}

/// Returns the stream, if it is still there.
fn pinned<S: Unpin>(stream: &mut Option<S>) -> io::Result<Pin<&mut S>> {
    let stream = stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
    Ok(Pin::new(stream))
}

impl<S: AsyncRead + Unpin> AsyncRead for Tcp<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.filled {
            if !this.much {
                give_back(take(&mut this.buffer));
                let before = out.filled().len();
                ready!(pinned(&mut this.stream)?.poll_read(cx, out))?;
                let read = out.filled().len() - before;
                this.much = read >= LITTLE && this.allowance.is_none();
                this.allow(read)?;
                return Poll::Ready(Ok(()));
            }
            if this.buffer.is_empty() {
                this.buffer = buffer();
            }
            let mut ahead = ReadBuf::new(&mut this.buffer);
            let polled = pinned(&mut this.stream)?.poll_read(cx, &mut ahead);
            (this.filled, this.taken) = (ahead.filled().len(), 0);
            if polled.is_pending() {
                give_back(take(&mut this.buffer));
            }
            ready!(polled)?;
            this.much = this.filled >= LITTLE;
        }
        let len = out.remaining().min(this.filled - this.taken);
        out.put_slice(&this.buffer[this.taken..this.taken + len]);
        this.taken += len;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tcp<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        pinned(&mut self.stream)?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        pinned(&mut self.stream)?.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pinned(&mut self.stream)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pinned(&mut self.stream)?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
