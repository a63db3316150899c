//! A client's session of 2.x, the bridge, and a node's session of 3.x together. Time is passed in.

mod liveness;
mod messages;
mod pushes;
mod topics;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::*;
use crate::{
    TopicName,
    channel::FrameDecoder,
    client::{ClientConfig, ClientSession, MessageKind, RequestOutcome, SessionEvent},
    ws::{
        AmopRequest, GroupInfo, WsSeq, WsType,
        server::{WsServerConfig, WsServerEvent, WsServerSession},
    },
};

/// The three machines, a clock, and what they reported.
struct Network {
    client: ClientSession<u32>,
    bridge: NodeBridge,
    node: WsServerSession<u32>,
    now: Instant,
    /// The node neither reads nor sends.
    deaf: bool,
    /// The messages that the node has read.
    read: Vec<WsMessage>,
    /// The number of pings that the node was sent.
    pings: usize,
    events: Vec<SessionEvent<u32>>,
    node_events: Vec<WsServerEvent<u32>>,
}

impl Network {
    fn new() -> Self {
        let now = Instant::now();
        let mut group = GroupInfo::without_chain("chain0", "group0", "node0");
        // As a FISCO node of 3.16.4.
        group.node_list[0].node_id = "0a".repeat(64);
        group.node_list[0].protocol.compatibility_version = 0x0310_0400;
        let config = WsServerConfig::default().with(|config| config.groups.push(group));
        let client = ClientConfig::default().with(|config| {
            config.handshake_timeout = Duration::from_secs(30);
        });
        Self {
            client: ClientSession::new(client, [1; 32], now),
            bridge: NodeBridge::new([2; 32], now),
            node: WsServerSession::new(Arc::new(config), [3; 32], now),
            now,
            deaf: false,
            read: Vec::new(),
            pings: 0,
            events: Vec::new(),
            node_events: Vec::new(),
        }
    }

    /// Returns a network whose handshakes are over.
    fn ready() -> Self {
        let mut network = Self::new();
        network.run();
        assert!(network.client.is_ready());
        network.forget();
        network
    }

    /// Returns a network whose client has the topic `hello`.
    fn subscribed() -> Self {
        let mut network = Self::ready();
        network.client.subscribe(&hello());
        network.run();
        network.forget();
        network
    }

    fn forget(&mut self) {
        self.events.clear();
        self.node_events.clear();
        self.read.clear();
    }

    /// Passes everything on until nothing is left to pass on.
    fn run(&mut self) {
        while self.client_to_bridge() | self.bridge_to_node() | self.node_to_bridge() {
            while let Some(frame) = self.bridge.poll_frame() {
                self.client.handle_frame(self.now, frame);
            }
        }
        self.events
            .extend(std::iter::from_fn(|| self.client.poll_event()));
        let events = std::iter::from_fn(|| self.node.poll_event());
        self.node_events.extend(events);
    }

    fn client_to_bridge(&mut self) -> bool {
        let mut wire = BytesMut::new();
        self.client.poll_transmit(self.now, &mut wire);
        let mut any = false;
        while let Some(frame) = FrameDecoder::default().decode(&mut wire).unwrap() {
            any = true;
            self.bridge.handle_frame(self.now, frame);
        }
        any
    }

    fn bridge_to_node(&mut self) -> bool {
        let mut any = false;
        while !self.deaf
            && let Some(transmit) = self.bridge.poll_transmit()
        {
            any = true;
            match transmit {
                WsTransmit::Message(message) => {
                    let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap();
                    self.read.push(message.clone());
                    self.node.handle_message(self.now, message);
                }
                WsTransmit::Ping => {
                    self.pings += 1;
                    self.node.note_activity(self.now);
                    self.bridge.handle_pong(self.now);
                }
            }
        }
        any
    }

    fn node_to_bridge(&mut self) -> bool {
        let mut any = false;
        while !self.deaf
            && let Some(transmit) = self.node.poll_transmit()
        {
            any = true;
            match transmit {
                WsTransmit::Message(message) => {
                    let message = WsMessage::decode(message.to_bytes(), MAX_MESSAGE).unwrap();
                    self.bridge.handle_message(self.now, message);
                }
                WsTransmit::Ping => {
                    self.node.note_activity(self.now);
                    self.bridge.note_activity(self.now);
                }
            }
        }
        any
    }

    /// Lets time pass in steps of 100 ms.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(100);
            self.client.handle_timeout(self.now);
            self.bridge.handle_timeout(self.now);
            self.node.handle_timeout(self.now);
            self.run();
        }
    }

    fn request(&mut self, kind: MessageKind, payload: &[u8], token: u32) -> Seq {
        let deadline = self.now + Duration::from_secs(600);
        let request = self
            .client
            .request(kind, &hello(), payload, deadline, token)
            .unwrap();
        self.run();
        request
    }

    /// Publishes a unicast and returns the seq that the node has for it.
    fn unicast(&mut self, payload: &[u8], token: u32) -> WsSeq {
        self.request(MessageKind::Unicast, payload, token);
        match &self.node_events[..] {
            [WsServerEvent::Unicast { seq, request }] => {
                assert_eq!(request.topic, "hello");
                assert_eq!(request.data, payload);
                seq.clone()
            }
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn outcome(&mut self) -> RequestOutcome {
        match &self.events[..] {
            [SessionEvent::Finished { outcome, .. }] => outcome.clone(),
            other => panic!("{other:?}"),
        }
    }
}

fn hello() -> TopicName {
    TopicName::new("hello").unwrap()
}

fn ended(kind: WsType, status: i16, payload: &'static str) -> WsMessage {
    WsMessage {
        status: WsStatus(status),
        ..WsMessage::new(kind, WsSeq::EMPTY, payload)
    }
}
