mod budget;
mod pongs;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
    time::{Duration, Instant},
};

use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, PROTOCOL_MAX_FRAME, Seq},
    ws::{WsMessage, WsMessageError, WsSeq, WsTransmit, WsType, bridge::Bridge},
};
use bytes::BytesMut;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};

use super::{BridgeStream, OUTPUT};
use crate::{WsBudget, WsLimits, WsSide, WsViolation};

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A translator that changes nothing: the body of a frame is the payload of a message.
#[derive(Debug, Default)]
struct Plain {
    frames: VecDeque<Frame>,
    transmits: VecDeque<WsTransmit>,
    ping: Option<Instant>,
    /// A frame that is passed on at the next sign of life.
    when_alive: Option<Frame>,
    /// A frame that is passed on at the next pong.
    when_ponged: Option<Frame>,
    /// Whether pongs wait for the next frame.
    holds_pongs: bool,
    ended: Option<String>,
}

impl Bridge for Plain {
    fn handle_message(&mut self, _now: Instant, message: WsMessage) {
        self.frames.push_back(frame(message.payload.to_vec()));
    }

    fn handle_message_error(&mut self, error: WsMessageError) {
        self.ended = Some(error.to_string());
    }

    fn note_activity(&mut self, _at: Instant) {
        self.frames.extend(self.when_alive.take());
    }

    fn handle_pong(&mut self, _now: Instant) {
        self.frames.extend(self.when_ponged.take());
    }

    fn holds_pongs(&self) -> bool {
        self.holds_pongs
    }

    fn handle_frame(&mut self, _now: Instant, frame: Frame) {
        self.holds_pongs = false;
        let message = WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, frame.body);
        let message = message.encode().unwrap();
        self.transmits.push_back(WsTransmit::Message(message));
    }

    fn handle_eof(&mut self) {
        self.ended = Some("end".to_owned());
    }

    fn handle_io_error(&mut self, error: &io::Error) {
        self.ended = Some(error.to_string());
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.ping.take_if(|at| *at <= now).is_some() {
            self.transmits.push_back(WsTransmit::Ping);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.ping
    }

    fn poll_transmit(&mut self) -> Option<WsTransmit> {
        self.transmits.pop_front()
    }

    fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    fn is_closed(&self) -> bool {
        self.ended.is_some()
    }

    fn take_failure(&mut self) -> Option<io::Error> {
        self.ended.clone().map(io::Error::other)
    }
}

fn frame(body: Vec<u8>) -> Frame {
    Frame::new(FrameType::UNICAST, Seq([b'a'; 32]), body)
}

/// A node's connection, and the raw other end of it.
fn node(limits: WsLimits) -> (BridgeStream<DuplexStream, Plain>, DuplexStream) {
    let (ours, theirs) = duplex(64 * 1024);
    let stream = BridgeStream::new(ours, WsSide::Server, Plain::default(), b"", limits);
    (stream, theirs)
}

/// Returns a WebSocket frame as a client sends it, with a mask of zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
    out
}

fn message(payload: &[u8]) -> Vec<u8> {
    let message = WsMessage::new(WsType::RESPONSE, WsSeq::EMPTY, payload.to_vec());
    message.encode().unwrap().to_bytes().to_vec()
}

/// Reads the next frame of 2.x.
async fn next(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let (decoder, mut buffer) = (FrameDecoder::new(PROTOCOL_MAX_FRAME), BytesMut::new());
    loop {
        if let Some(frame) = decoder.decode(&mut buffer).unwrap() {
            assert!(buffer.is_empty(), "the test sends one frame at a time");
            return Ok(Some(frame.body.to_vec()));
        }
        let len = decoder.missing(&buffer).max(1);
        let mut part = vec![0; len];
        match stream.read(&mut part).await? {
            0 => return Ok(None),
            len => buffer.extend_from_slice(&part[..len]),
        }
    }
}

fn violation(error: &io::Error) -> &WsViolation {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn frames_of_any_length_pass_in_both_directions() {
    let (a, b) = duplex(64 * 1024);
    let stream =
        |side, stream| BridgeStream::new(stream, side, Plain::default(), b"", WsLimits::default());
    let ends = [stream(WsSide::Client, a), stream(WsSide::Server, b)];
    let lengths = [0, 1, 200, 70_000, 5_000_000];
    let run = async |end: BridgeStream<_, _>| {
        let (mut reader, mut writer) = tokio::io::split(end);
        let write = async {
            for len in lengths {
                let mut bytes = BytesMut::new();
                frame(vec![len as u8; len]).encode(&mut bytes);
                writer.write_all(&bytes).await.unwrap();
                writer.flush().await.unwrap();
            }
        };
        let read = async {
            for len in lengths {
                assert_eq!(next(&mut reader).await.unwrap(), Some(vec![len as u8; len]));
            }
        };
        tokio::join!(write, read);
    };
    let [client, server] = ends;
    tokio::join!(run(client), run(server));
}

#[tokio::test]
async fn text_and_fragments_are_read_and_pings_are_answered() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let whole = message(b"hello");
    raw.write_all(&masked(0x81, &message(b"text")))
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), b"text");
    raw.write_all(&masked(0x02, &whole[..3])).await.unwrap();
    raw.write_all(&masked(0x89, b"ping")).await.unwrap();
    raw.write_all(&masked(0x80, &whole[3..])).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), b"hello");
    let mut pong = [0; 6];
    raw.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x04ping");
}

#[tokio::test]
async fn what_violates_the_protocol_is_told_and_ends_the_connection() {
    let limits = WsLimits::default().with(|limits| limits.max_message = 1000);
    let unmasked = [&[0x82, 0x0a][..], &message(b"")].concat();
    let long = masked(0x82, &vec![0; 1001]);
    let cases = [
        (unmasked, 1002_u16),
        (masked(0xc2, &message(b"")), 1002),
        (masked(0x83, b""), 1002),
        (masked(0x80, b""), 1002),
        // Its header alone is enough.
        (long[..8].to_vec(), 1009),
        // Neither part of it is too long.
        (
            [masked(0x02, &[0; 600]), masked(0x80, &[0; 600])].concat(),
            1009,
        ),
    ];
    for (bytes, code) in cases {
        let (mut stream, mut raw) = node(limits);
        raw.write_all(&bytes).await.unwrap();
        let error = next(&mut stream).await.unwrap_err();
        let told = stream.bridge().ended.clone();
        assert_eq!(told, Some(error.to_string()), "{bytes:x?}");
        match code {
            1009 => assert!(matches!(
                violation(&error),
                WsViolation::TooLong { max: 1000, .. }
            )),
            _ => assert!(matches!(violation(&error), WsViolation::Protocol(_))),
        }
        drop(stream);
        let mut close = Vec::new();
        raw.read_to_end(&mut close).await.unwrap();
        assert_eq!(
            close,
            [&[0x88, 2][..], &code.to_be_bytes()].concat(),
            "{bytes:x?}"
        );
    }
}

#[tokio::test]
async fn a_short_message_ends_the_session_with_its_reason() {
    let (mut stream, mut raw) = node(WsLimits::default());
    raw.write_all(&masked(0x82, b"short")).await.unwrap();
    let error = next(&mut stream).await.unwrap_err();
    assert!(error.to_string().contains("5 bytes"), "{error}");
    assert_eq!(next(&mut stream).await.unwrap(), None);
}

#[tokio::test]
async fn every_way_to_close_is_an_end() {
    let (mut stream, mut raw) = node(WsLimits::default());
    raw.write_all(&masked(0x88, &1000_u16.to_be_bytes()))
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), None);
    let mut close = [0; 4];
    raw.read_exact(&mut close).await.unwrap();
    assert_eq!(close[0], 0x88, "a Close message is answered");

    let (mut stream, raw) = node(WsLimits::default());
    drop(raw);
    assert_eq!(next(&mut stream).await.unwrap(), None);
    assert_eq!(stream.bridge().ended.as_deref(), Some("end"));

    let (mut stream, mut raw) = node(WsLimits::default());
    stream.shutdown().await.unwrap();
    let mut close = Vec::new();
    raw.read_to_end(&mut close).await.unwrap();
    assert_eq!(close, b"\x88\x02\x03\xe8");
}

/// A program that writes is told of the end like any other: after the frames before it, by its reader.
#[tokio::test]
async fn a_writer_does_not_hide_the_last_frames() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let last = [
        masked(0x82, &message(b"last")),
        masked(0x88, &1000_u16.to_be_bytes()),
    ];
    raw.write_all(&last.concat()).await.unwrap();
    drop(raw);
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.unwrap();
    let mut bytes = BytesMut::new();
    frame(vec![1; 10]).encode(&mut bytes);
    stream.write_all(&bytes).await.unwrap();
    stream.flush().await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    let mut expected = BytesMut::new();
    frame(b"last".to_vec()).encode(&mut expected);
    assert_eq!([&first[..], &rest].concat(), expected);
    let error = stream.write_all(&bytes).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// Allows so many bytes.
struct AtMost(usize);

impl WsBudget for AtMost {
    fn hold(&mut self, len: usize) -> bool {
        len <= self.0
    }

    fn poll_admit(&mut self, _cx: &mut Context<'_>, _message: Option<&WsMessage>) -> Poll<()> {
        Poll::Ready(())
    }

    fn handled(&mut self) {}
}

#[tokio::test]
async fn an_incomplete_message_needs_permission_for_its_memory() {
    let (ours, mut raw) = duplex(64 * 1024);
    let limits = WsLimits::default();
    let mut stream = BridgeStream::with_budget(
        ours,
        WsSide::Server,
        Plain::default(),
        b"",
        (limits, AtMost(1000)),
    );
    raw.write_all(&masked(0x82, &message(&[7; 900])))
        .await
        .unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), Some(vec![7; 900]));
    // Fragments count, although each of them is complete.
    raw.write_all(&masked(0x02, &message(&[7; 600])))
        .await
        .unwrap();
    raw.write_all(&masked(0x00, &[7; 600])).await.unwrap();
    let error = next(&mut stream).await.unwrap_err();
    assert!(
        matches!(violation(&error), WsViolation::NoRoom { held } if *held > 1200),
        "{error}"
    );
    drop(stream);
    let mut close = Vec::new();
    raw.read_to_end(&mut close).await.unwrap();
    assert_eq!(close, [&[0x88, 2][..], &1013_u16.to_be_bytes()].concat());
}

#[tokio::test(start_paused = true)]
async fn fragments_without_bytes_are_a_message_that_arrives_too_slowly() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let fragments = async {
        raw.write_all(&masked(0x02, b"")).await.unwrap();
        while raw.write_all(&masked(0x00, b"")).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let read = async {
        let error = next(&mut stream).await.unwrap_err();
        drop(stream);
        error
    };
    let (error, ()) = tokio::join!(read, fragments);
    let violation = violation(&error);
    assert!(matches!(violation, WsViolation::TooSlow { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrives_too_slowly_ends_the_connection() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let whole = masked(0x82, &message(b"slow"));
    let trickle = async {
        for byte in &whole[..whole.len() - 1] {
            raw.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let (error, ()) = tokio::join!(async { next(&mut stream).await.unwrap_err() }, trickle);
    let WsViolation::TooSlow { after } = violation(&error) else {
        panic!("{error}");
    };
    assert_eq!(after.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_bridge_gets_its_time() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let begun = tokio::time::Instant::now();
    stream.bridge_mut().ping = Some(begun.into_std() + Duration::from_secs(5));
    let mut ping = [0; 2];
    tokio::select! {
        end = next(&mut stream) => panic!("{end:?}"),
        read = raw.read_exact(&mut ping) => read.unwrap(),
    };
    assert_eq!(&ping, b"\x89\x00");
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_stops_the_writer() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let mut bytes = BytesMut::new();
    frame(vec![9; 1000]).encode(&mut bytes);
    let mut sent = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_secs(1), stream.write_all(&bytes)).await
    {
        written.unwrap();
        sent += bytes.len();
        assert!(sent < 3 * OUTPUT + 64 * 1024, "nothing stops the writer");
    }
    let mut part = vec![0; 64 * 1024];
    let drain = async { while raw.read(&mut part).await.unwrap() > 0 {} };
    tokio::select! {
        flushed = stream.flush() => flushed.unwrap(),
        () = drain => panic!("the stream was closed"),
    }
}

/// Both halves belong to one task, which must sleep while nothing can be written.
#[tokio::test(start_paused = true)]
async fn a_blocked_writer_and_a_reader_do_not_wake_each_other() {
    let (mut stream, _raw) = node(WsLimits::default());
    let mut bytes = BytesMut::new();
    frame(vec![9; 4 * OUTPUT]).encode(&mut bytes);
    let wakes = Arc::new(Wakes::default());
    let waker = wakes.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut stream = Pin::new(&mut stream);
    let written = stream.as_mut().poll_write(&mut cx, &bytes);
    assert!(matches!(written, Poll::Ready(Ok(len)) if len == bytes.len()));
    for _ in 0..3 {
        assert!(stream.as_mut().poll_flush(&mut cx).is_pending());
        assert!(stream.as_mut().poll_write(&mut cx, &bytes).is_pending());
        let mut room = [0; 64];
        let read = stream
            .as_mut()
            .poll_read(&mut cx, &mut ReadBuf::new(&mut room));
        assert!(read.is_pending());
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

/// A task that is woken while it runs has another turn, which wakes another thread to look for it.
#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_is_not_woken() {
    let (mut stream, mut raw) = node(WsLimits::default());
    let wakes = Arc::new(Wakes::default());
    let waker = wakes.clone().into();
    let mut cx = Context::from_waker(&waker);
    let mut room = [0; 256];
    for round in 1..4 {
        let mut room = ReadBuf::new(&mut room);
        let read = Pin::new(&mut stream).poll_read(&mut cx, &mut room);
        assert!(read.is_pending());
        raw.write_all(&masked(0x82, &message(b"hello")))
            .await
            .unwrap();
        let read = Pin::new(&mut stream).poll_read(&mut cx, &mut room);
        assert!(matches!(read, Poll::Ready(Ok(()))) && !room.filled().is_empty());
        // The stream below has told of the bytes.
        assert_eq!(wakes.0.load(Ordering::Relaxed), round);
    }
}

#[tokio::test]
async fn bytes_behind_the_upgrade_are_read() {
    let (ours, _raw) = duplex(64);
    let rest = masked(0x82, &message(b"early"));
    let limits = WsLimits::default();
    let mut stream = BridgeStream::new(ours, WsSide::Server, Plain::default(), &rest, limits);
    assert_eq!(next(&mut stream).await.unwrap().unwrap(), b"early");
}
