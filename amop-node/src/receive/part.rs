//! Reads the next bytes of a connection.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::Poll,
};

use bytes::BytesMut;
use tokio::{
    io::AsyncRead,
    time::{error::Elapsed, timeout_at},
};
use tokio_util::io::poll_read_buf;

use super::{
    incomplete::{IncompleteFrame, Patience},
    reading::Reading,
    sizes::READ_MIN,
};

/// Bytes that were read from a connection and not cut into frames yet.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) bytes: BytesMut,
    /// Whether it may have more memory than a small buffer.
    grown: bool,
}

impl Buffer {
    fn reserve(&mut self, len: usize) {
        self.grown |= len > READ_MIN;
        self.bytes.reserve(len);
    }

    /// Gives back unused memory before a pause in reading, unless it is for a frame that was
    /// admitted.
    pub(super) fn wait(&mut self, head: Option<&IncompleteFrame>) {
        if !is_let_in(head) {
            self.give_back();
        }
    }

    /// Copies at most a small amount: if more is there, it belongs to a frame that was admitted, or
    /// came from a neighbour.
    fn give_back(&mut self) {
        if self.bytes.is_empty() || (self.grown && self.bytes.len() <= READ_MIN) {
            // If it is empty, this allocates nothing.
            self.bytes = BytesMut::from(&self.bytes[..]);
            self.grown = false;
        }
    }
}

fn is_let_in(head: Option<&IncompleteFrame>) -> bool {
    head.is_some_and(|head| head.room.is_some())
}

/// Waits for bytes, but not longer than the first frame in the buffer may take.
pub(super) async fn read_part(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Buffer,
    reading: &impl Reading,
    head: Option<&IncompleteFrame>,
    (most, most_of_long): (usize, usize),
    patience: Patience,
) -> Result<io::Result<usize>, Elapsed> {
    let mut wanted = most;
    if let Some(head) = head
        && head.to_drop == 0
    {
        let missing = reading.missing(&buffer.bytes);
        if is_let_in(Some(head)) {
            // Reserved once for the whole frame. The memory is touched only as bytes arrive.
            buffer.reserve(missing);
        }
        wanted = wanted.max(missing.min(most_of_long));
    }
    let due = head.and_then(|head| {
        let received = head.dropped + buffer.bytes.len();
        head.since.checked_add(patience.of(received))
    });
    let part = read_some(reader, buffer, wanted, is_let_in(head));
    match due {
        None => Ok(part.await),
        Some(due) => timeout_at(due, part).await,
    }
}

/// Waits for bytes and reads what is there, up to about `room`: TLS returns one record at a time,
/// and it is cheaper to call the machine once for many frames. Returns 0 at the end of the stream.
///
/// While nothing arrives, the memory of the buffer is given back, unless it is `kept` for a frame
/// that was admitted.
async fn read_some(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Buffer,
    room: usize,
    kept: bool,
) -> io::Result<usize> {
    let before = buffer.bytes.len();
    poll_fn(|cx| {
        loop {
            // A busy connection gets room for `READ_MIN` more than is asked for, because otherwise the
            // last bytes would need a larger buffer, into which all of them would be copied.
            let spare = if room > READ_MIN { READ_MIN } else { 0 };
            let missing = room.saturating_sub(buffer.bytes.len() - before);
            buffer.reserve((missing + spare).max(READ_MIN));
            let polled = poll_read_buf(Pin::new(&mut *reader), cx, &mut buffer.bytes);
            let len = buffer.bytes.len() - before;
            match polled {
                Poll::Ready(Ok(read)) if read > 0 && len < room => {}
                // An end or an error is returned again by the next call.
                Poll::Ready(_) | Poll::Pending if len > 0 => return Poll::Ready(Ok(len)),
                polled => {
                    if polled.is_pending() && !kept {
                        buffer.give_back();
                    }
                    return polled;
                }
            }
        }
    })
    .await
}

/// Reads what is there, up to about `room`, without waiting. An end or an error is returned again
/// by the next call, so that the bytes before it are handled first.
pub(super) async fn read_more(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Buffer,
    room: usize,
) -> usize {
    if room == 0 {
        return 0;
    }
    let mut read = pin!(read_some(reader, buffer, room, true));
    poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
        Poll::Pending => Poll::Ready(0),
    })
    .await
}

#[cfg(test)]
mod tests;
