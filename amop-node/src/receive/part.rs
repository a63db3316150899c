//! The next bytes of a connection.

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

use super::{Head, Patience, READ_MIN, Reading};

/// Waits for bytes, as long as the frame at the head of the buffer has time.
pub(super) async fn read_part(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    reading: &impl Reading,
    head: Option<&Head>,
    (most, most_of_long): (usize, usize),
    patience: Patience,
) -> Result<io::Result<usize>, Elapsed> {
    let mut wanted = most;
    if let Some(head) = head
        && head.to_drop == 0
    {
        let missing = reading.missing(buffer);
        if head.room.is_some() {
            // Once for all of it. The memory is touched only as bytes come.
            buffer.reserve(missing);
        }
        wanted = wanted.max(missing.min(most_of_long));
    }
    let due = head.and_then(|head| {
        let received = head.dropped + buffer.len();
        head.since.checked_add(patience.of(received))
    });
    let part = read_some(reader, buffer, wanted);
    match due {
        None => Ok(part.await),
        Some(due) => timeout_at(due, part).await,
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

/// Reads what is there, up to about `room`, without waiting. An end or a failure comes again at the next call:
/// what came before it is dealt with first.
pub(super) async fn read_more(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    room: usize,
) -> usize {
    if room == 0 {
        return 0;
    }
    let mut read = pin!(read_some(reader, buffer, room));
    poll_fn(|cx| match read.as_mut().poll(cx) {
        Poll::Ready(read) => Poll::Ready(read.unwrap_or(0)),
        Poll::Pending => Poll::Ready(0),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Context};

    use tokio::io::ReadBuf;

    use super::*;

    /// A connection that gives these pieces and then fails, each time it is asked.
    struct Failing(VecDeque<&'static [u8]>);

    impl AsyncRead for Failing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(piece) = self.0.pop_front() else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            };
            buffer.put_slice(piece);
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_came_before_a_failure_is_not_lost() {
        let mut reader = Failing([&b"one"[..], b"two", b"three"].into());
        let mut buffer = BytesMut::new();
        assert_eq!(read_some(&mut reader, &mut buffer, 1).await.unwrap(), 3);
        assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 8);
        assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 0);
        assert_eq!(&buffer[..], b"onetwothree");
        let failed = read_some(&mut reader, &mut buffer, 1).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn nothing_is_waited_for() {
        let (mut reader, _writer) = tokio::io::duplex(64);
        let mut buffer = BytesMut::new();
        assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 0);
        assert_eq!(read_more(&mut reader, &mut buffer, 0).await, 0);
        assert!(buffer.is_empty());
    }
}
