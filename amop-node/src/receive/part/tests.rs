use std::{
    collections::VecDeque,
    task::{Context, Waker},
};

use tokio::io::{AsyncWriteExt, ReadBuf, duplex};

use super::{super::sizes::READ_MAX, *};

/// A connection that returns these pieces and then fails every time it is read.
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
    let mut buffer = Buffer::default();
    assert_eq!(
        read_some(&mut reader, &mut buffer, 1, false).await.unwrap(),
        3
    );
    assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 8);
    assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 0);
    assert_eq!(&buffer.bytes[..], b"onetwothree");
    let failed = read_some(&mut reader, &mut buffer, 1, false)
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn nothing_is_waited_for() {
    let (mut reader, _writer) = duplex(64);
    let mut buffer = Buffer::default();
    assert_eq!(read_more(&mut reader, &mut buffer, 100).await, 0);
    assert_eq!(read_more(&mut reader, &mut buffer, 0).await, 0);
    assert!(buffer.bytes.is_empty());
}

/// Polls once, and expects that nothing is there.
fn waits(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Buffer, kept: bool) {
    let read = pin!(read_some(reader, buffer, READ_MAX, kept));
    let polled = read.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
}

/// Sends much, of which `left` bytes wait for more.
async fn much(left: usize) -> (tokio::io::DuplexStream, tokio::io::DuplexStream, Buffer) {
    let (mut near, mut far) = duplex(1 << 20);
    let mut buffer = Buffer::default();
    near.write_all(&[7; READ_MAX]).await.unwrap();
    let read = read_some(&mut far, &mut buffer, READ_MAX, false).await;
    assert_eq!(read.unwrap(), READ_MAX);
    drop(buffer.bytes.split_to(READ_MAX - left));
    (near, far, buffer)
}

#[tokio::test]
async fn connections_that_wait_keep_no_more_than_what_has_come() {
    for left in [0, 10, READ_MIN] {
        let (mut near, mut far, mut buffer) = much(left).await;
        for _ in 0..3 {
            waits(&mut far, &mut buffer, false);
            assert_eq!(buffer.bytes.capacity(), left);
        }
        near.write_all(b"more").await.unwrap();
        let read = read_some(&mut far, &mut buffer, READ_MIN, false).await;
        assert_eq!(read.unwrap(), 4);
        assert_eq!(buffer.bytes[..left], vec![7; left]);
        assert_eq!(&buffer.bytes[left..], b"more");
    }
    // A small buffer, too, if it is empty.
    let (_near, mut far) = duplex(64);
    let mut buffer = Buffer::default();
    waits(&mut far, &mut buffer, false);
    assert_eq!(buffer.bytes.capacity(), 0);
}

#[tokio::test]
async fn the_memory_of_a_frame_that_was_let_in_is_kept() {
    let (_near, mut far, mut buffer) = much(10).await;
    waits(&mut far, &mut buffer, true);
    assert!(buffer.bytes.capacity() > READ_MIN);
    assert_eq!(buffer.bytes[..], [7; 10]);
}
