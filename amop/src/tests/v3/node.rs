//! The node's side of a WebSocket.

use std::{
    collections::VecDeque,
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use amop_proto::{
    channel::Frame,
    ws::{
        AmopRequest, EncodedMessage, GroupInfo, WsHandshakeResponse, WsMessage, WsMessageError,
        WsSeq, WsStatus, WsTopicList, WsTransmit, WsType, bridge::Bridge,
    },
};
use amop_ws::{BridgeStream, WsLimits, WsSide};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};

use super::*;

/// A bridge that translates nothing: a frame says that a message has arrived.
#[derive(Debug, Default)]
struct Tap {
    arrived: VecDeque<WsMessage>,
    signals: usize,
    out: VecDeque<WsTransmit>,
    closed: bool,
    alive: Arc<AtomicUsize>,
}

impl Bridge for Tap {
    fn handle_message(&mut self, _: Instant, message: WsMessage) {
        self.arrived.push_back(message);
        self.signals += 1;
    }

    fn handle_message_error(&mut self, error: WsMessageError) {
        panic!("the client sent no message of the protocol: {error}");
    }

    fn note_activity(&mut self, _: Instant) {
        self.alive.fetch_add(1, Ordering::SeqCst);
    }

    fn handle_frame(&mut self, _: Instant, _: Frame) {}

    fn handle_eof(&mut self) {
        self.closed = true;
    }

    fn handle_io_error(&mut self, _: &io::Error) {
        self.closed = true;
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_transmit(&mut self) -> Option<WsTransmit> {
        self.out.pop_front()
    }

    fn poll_frame(&mut self) -> Option<Frame> {
        self.signals = self.signals.checked_sub(1)?;
        Some(Frame::new(FrameType::HEARTBEAT, Seq([b'0'; 32]), ""))
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

/// What a test tells the task of its node.
enum Order {
    Send(WsTransmit),
    /// Reads and writes nothing any more.
    Deafen,
}

/// The node's side of a connection. Its task answers pings. Dropping it closes the connection.
pub(super) struct WsNode {
    arrived: UnboundedReceiver<WsMessage>,
    orders: UnboundedSender<Order>,
    alive: Arc<AtomicUsize>,
    _task: JoinHandle<()>,
}

async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BridgeStream<S, Tap>,
    mut orders: UnboundedReceiver<Order>,
    arrived: UnboundedSender<WsMessage>,
) {
    let mut bytes = [0; 4096];
    loop {
        tokio::select! {
            // A node that was told to be deaf reads nothing more.
            biased;
            order = orders.recv() => match order {
                Some(Order::Send(transmit)) => {
                    stream.bridge_mut().out.push_back(transmit);
                    if stream.flush().await.is_err() {
                        break;
                    }
                }
                Some(Order::Deafen) => {
                    while orders.recv().await.is_some() {}
                    break;
                }
                None => {
                    let _ = stream.shutdown().await;
                    break;
                }
            },
            read = stream.read(&mut bytes) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    while let Some(message) = stream.bridge_mut().arrived.pop_front() {
                        let _ = arrived.send(message);
                    }
                }
            },
        }
    }
}

impl WsNode {
    /// Agrees to the upgrade.
    pub(super) async fn accept<S>(mut stream: S) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let rest = amop_ws::accept(&mut stream, b"").await.unwrap();
        let limits = WsLimits::default();
        let tap = Tap::default();
        let alive = Arc::clone(&tap.alive);
        let stream = BridgeStream::new(stream, WsSide::Server, tap, &rest, limits);
        let (order_sender, orders) = unbounded_channel();
        let (arrivals, arrived) = unbounded_channel();
        Self {
            arrived,
            orders: order_sender,
            alive,
            _task: tokio::spawn(run(stream, orders, arrivals)),
        }
    }

    /// Returns the next message; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<WsMessage> {
        self.arrived.recv().await
    }

    /// Returns the next message, which must have this type.
    #[track_caller]
    pub(super) fn expect(&mut self, kind: WsType) -> impl Future<Output = WsMessage> {
        let caller = std::panic::Location::caller();
        async move {
            match self.next().await {
                Some(message) if message.kind == kind => message,
                other => panic!("{caller}: expected {kind:?}, got {other:?}"),
            }
        }
    }

    /// Returns the next message of this type, and its topic and data.
    pub(super) async fn expect_amop(&mut self, kind: WsType) -> (WsSeq, AmopRequest) {
        let message = self.expect(kind).await;
        let request = AmopRequest::decode(&message.payload).unwrap();
        (message.seq, request)
    }

    pub(super) fn send(&self, message: &WsMessage) {
        let message = message.encode().unwrap();
        let _ = self.orders.send(Order::Send(WsTransmit::Message(message)));
    }

    /// Sends a ping, and returns whether the client answers it.
    pub(super) async fn is_answered(&self) -> bool {
        let before = self.alive.load(Ordering::SeqCst);
        let _ = self.orders.send(Order::Send(WsTransmit::Ping));
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.alive.load(Ordering::SeqCst) > before
    }

    pub(super) fn deafen(&self) {
        let _ = self.orders.send(Order::Deafen);
    }

    /// Answers the handshake as an overlay node, and takes the first list of topics.
    pub(super) async fn shake_hands(&mut self) {
        let group = GroupInfo::without_chain("chain0", "group0", "node0");
        self.shake_hands_with(WsHandshakeResponse::new(2, vec![group]))
            .await;
    }

    /// Answers the handshake as a FISCO node 3.16.4, and takes the first list of topics.
    pub(super) async fn shake_hands_as_fisco(&mut self) {
        let mut group = GroupInfo::without_chain("chain0", "group0", "node0");
        group.node_list[0].node_id = "0a".repeat(64);
        group.node_list[0].protocol.compatibility_version = 0x0310_0400;
        self.shake_hands_with(WsHandshakeResponse::new(2, vec![group]))
            .await;
    }

    async fn shake_hands_with(&mut self, answer: WsHandshakeResponse) {
        let hello = self.expect(WsType::HANDSHAKE).await;
        self.send(&WsMessage {
            payload: answer.to_payload(),
            ..hello
        });
        // It may have topics already.
        self.expect(WsType::SET_TOPICS).await;
    }

    /// Returns the next list of topics.
    pub(super) async fn topics(&mut self) -> Vec<String> {
        let list = self.expect(WsType::SET_TOPICS).await;
        let list = WsTopicList::parse(&list.payload, 1024 * 1024).unwrap();
        let topics = list.topics.into_iter();
        topics
            .map(|topic| String::from_utf8(topic.to_vec()).unwrap())
            .collect()
    }

    /// Delivers a message of the topic `hello`.
    pub(super) fn push(&self, kind: MessageKind, seq: &WsSeq, data: &str) {
        let request = AmopRequest::new("hello", Bytes::copy_from_slice(data.as_bytes()));
        let message = EncodedMessage::amop(kind, seq, &request).unwrap();
        let _ = self.orders.send(Order::Send(WsTransmit::Message(message)));
    }

    /// Delivers a unicast with the seq `n`.
    pub(super) fn ask(&self, n: u8, data: &str) -> WsSeq {
        let seq = WsSeq::from(Seq([n; 32]));
        self.push(MessageKind::Unicast, &seq, data);
        seq
    }

    /// Returns status and payload of the next message, which must be the answer to `seq`.
    pub(super) async fn answered(&mut self, seq: &WsSeq) -> (i16, Bytes) {
        let answer = self.expect(WsType::RESPONSE).await;
        assert_eq!(answer.seq, *seq);
        (answer.status.0, answer.payload)
    }

    /// Answers a unicast of the client as a subscriber does, or as a node.
    pub(super) fn answer(&self, kind: WsType, seq: &WsSeq, status: i16, payload: &str) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.send(&WsMessage {
            status: WsStatus(status),
            ..WsMessage::new(kind, seq.clone(), payload)
        });
    }

    /// Returns whether nothing arrives for this time.
    pub(super) async fn is_quiet(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next()).await.is_err()
    }
}
