//! Tests of the client and its driver against a node played by the test, over an in-memory pipe and
//! with the clock stopped: time passes only when all tasks wait.

mod cancelling;
mod connecting;
mod draining;
mod failover;
mod fake_nodes;
mod first_connection;
mod fisco;
mod flow;
#[cfg(feature = "legacy-rsa")]
mod legacy_rsa;
mod options;
mod overflow;
mod pipelining;
mod private;
mod publishing;
mod reconnecting;
mod serving;
mod subscribing;
mod tls;
mod v3;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use amop_proto::{
    channel::{
        Frame, FrameDecoder, FrameType, HandshakeResponse, Seq, SetTopics, frame_topic, split_topic,
    },
    client::MessageKind,
    race::AddressOrder,
};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    client::{Budget, DialWay, Dialed, Dialer},
    codec, *,
};

/// The size of a pipe in each direction, unless a test sets another.
const PIPE: usize = 64 * 1024;

/// The node's side of a connection.
struct Node {
    stream: DuplexStream,
    buffer: BytesMut,
}

impl Node {
    /// Returns the next frame; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = FrameDecoder::default().decode(&mut self.buffer).unwrap() {
                return Some(frame);
            }
            if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                assert!(self.buffer.is_empty(), "the stream ends inside a frame");
                return None;
            }
        }
    }

    /// Returns the next frame, which must have this type.
    #[track_caller]
    fn expect(&mut self, kind: FrameType) -> impl Future<Output = Frame> {
        let caller = std::panic::Location::caller();
        async move {
            loop {
                match self.next().await {
                    Some(frame) if frame.kind == kind => return frame,
                    // A client that waits for an answer sends heartbeats.
                    Some(frame) if [FrameType::HEARTBEAT, FrameType::RPC].contains(&frame.kind) => {
                        self.send(frame).await;
                    }
                    other => panic!("{caller}: expected {kind:?}, got {other:?}"),
                }
            }
        }
    }

    /// Answers heartbeats, and does nothing else, for this time.
    async fn lives(&mut self, time: Duration) {
        let live = async {
            while let Some(frame) = self.next().await {
                assert!(matches!(frame.kind, FrameType::HEARTBEAT | FrameType::RPC));
                self.send(frame).await;
            }
        };
        let _ = tokio::time::timeout(time, live).await;
    }

    /// Returns whether nothing comes until all other tasks wait, too, and for a time much shorter
    /// than a heartbeat.
    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(10), self.next())
            .await
            .is_err()
    }

    async fn send(&mut self, frame: Frame) {
        self.stream.write_all(&frame.to_bytes()).await.unwrap();
    }

    async fn answer(&mut self, request: &Frame, result: i32, body: Bytes) {
        self.send(request.respond(result, body)).await;
    }

    async fn answer_heartbeat(&mut self) {
        let heartbeat = self.expect(FrameType::HEARTBEAT).await;
        self.send(Frame {
            body: Bytes::from_static(b"{\"heartBeat\":1}\n"),
            ..heartbeat
        })
        .await;
    }

    async fn shake_hands(&mut self, protocol: u32) {
        self.shake_hands_as(protocol, false).await;
    }

    async fn shake_hands_as(&mut self, protocol: u32, quiet_multicasts: bool) {
        self.shake_hands_within(protocol, quiet_multicasts, None)
            .await;
    }

    async fn shake_hands_within(
        &mut self,
        protocol: u32,
        quiet_multicasts: bool,
        max_frame: Option<usize>,
    ) {
        let hello = self.expect(FrameType::HANDSHAKE).await;
        let response = HandshakeResponse {
            node_version: "2.11.1".into(),
            protocol,
            quiet_multicasts,
            // An overlay node.
            answer_within: Some(5000),
            max_frame,
        };
        self.send(Frame {
            body: response.to_body(),
            ..hello
        })
        .await;
    }

    /// Receives the next topic set without confirming it.
    async fn set(&mut self) -> Vec<String> {
        let frame = self.expect(FrameType::SET_TOPICS).await;
        match SetTopics::parse(&frame.body) {
            SetTopics::Replace(topics) => topics,
            SetTopics::Keep => panic!("a set no node understands: {frame:?}"),
        }
    }

    /// Receives the next topic set and confirms it.
    async fn confirm(&mut self) -> Vec<String> {
        let topics = self.set().await;
        self.answer_heartbeat().await;
        topics
    }

    async fn push(&mut self, kind: MessageKind, n: u8, payload: &[u8]) -> Seq {
        let seq = Seq([n; 32]);
        let frame = Frame::amop(kind.frame_type(), seq, b"hello", payload);
        self.send(frame).await;
        seq
    }

    /// Returns the result and payload of the next frame, which must be the answer to `seq`.
    #[track_caller]
    fn answered(&mut self, seq: Seq) -> impl Future<Output = (i32, Bytes)> {
        let answer = self.expect(FrameType::RESPONSE);
        async move {
            let answer = answer.await;
            assert_eq!(answer.seq, seq);
            let body = split_topic(&answer.body).unwrap();
            assert_eq!(body.topic, "hello");
            (answer.result, body.payload)
        }
    }
}

fn pipe(capacity: usize) -> (DuplexStream, Node) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    let node = Node {
        stream: theirs,
        buffer: BytesMut::new(),
    };
    (ours, node)
}

/// A dialer with a ready stream, for one connection.
struct Ready(Mutex<Option<DuplexStream>>);

impl Dialer for Ready {
    type Stream = DuplexStream;

    async fn dial(
        &self,
        _: usize,
        _: DialWay,
        _: &AddressOrder,
        _: &Budget,
    ) -> Result<Dialed<DuplexStream>, ConnectError> {
        let stream = self.0.lock().unwrap().take().unwrap();
        Ok(dialed(stream))
    }
}

/// Returns a stream without certificates.
fn dialed(stream: DuplexStream) -> Dialed<DuplexStream> {
    Dialed {
        stream,
        address: None,
        public_key: None,
        expiry: None,
    }
}

/// Returns a client of one connection, which ends with the connection.
async fn over(stream: DuplexStream, builder: ClientBuilder) -> Result<Client, ConnectError> {
    let options = builder.reconnect(ReconnectPolicy::never()).options();
    let dialer = Ready(Mutex::new(Some(stream)));
    let client = Client::start(dialer, vec!["node:1".into()], options, [3; 32]);
    client.connected().await?;
    Ok(client)
}

async fn connect_with(builder: ClientBuilder, capacity: usize) -> (Client, Node) {
    let (stream, mut node) = pipe(capacity);
    let (client, ()) = tokio::join!(over(stream, builder), node.shake_hands(3));
    (client.unwrap(), node)
}

async fn connect() -> (Client, Node) {
    connect_with(Client::builder(), PIPE).await
}

fn hello() -> TopicName {
    "hello".parse().unwrap()
}

fn framed(payload: impl AsRef<[u8]>) -> Bytes {
    frame_topic(b"hello", payload.as_ref())
}

/// A topic of text, without the macros, which have tests of their own.
#[derive(Debug, Clone, PartialEq)]
struct Hello(String);

impl Topic for Hello {
    const TOPIC: &'static str = "hello";
    type Codec = codec::Text;
}

impl codec::TextValue for Hello {
    fn as_text(&self) -> &str {
        &self.0
    }

    fn from_text(text: String) -> Self {
        Self(text)
    }
}

/// The same messages as requests, with a number as the reply.
#[derive(Debug, Clone, PartialEq)]
struct Question(String);

impl Topic for Question {
    const TOPIC: &'static str = "hello";
    const REQUEST: bool = true;
    type Codec = codec::Text;
}

impl Request for Question {
    type Reply = u64;
    type ReplyCodec = codec::Json;
}

impl codec::TextValue for Question {
    fn as_text(&self) -> &str {
        &self.0
    }

    fn from_text(text: String) -> Self {
        Self(text)
    }
}

fn text(text: &str) -> Hello {
    Hello(text.into())
}

async fn subscribe(client: &Client, node: &mut Node) -> Subscription<Hello> {
    let (subscription, topics) = tokio::join!(client.subscribe::<Hello>(), node.confirm());
    assert_eq!(topics, ["hello"]);
    subscription.unwrap()
}
