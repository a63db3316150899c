//! Recorded conversations with SDKs of 3.x: a node's session is told what the SDK said, and what the router decided, and
//! must say the same to the SDK, byte for byte except for the seqs that it chooses.

use std::{sync::Arc, time::Instant};

use amop_proto::ws::{
    AmopRequest, GroupInfo, MAX_MESSAGE, WsMessage, WsSeq, WsStatus, WsTransmit, WsType,
    server::{WsServerConfig, WsServerEvent, WsServerSession},
};
use bytes::Bytes;
use serde_json::Value;

const RECORDED: &str = include_str!("../data/recorded-sdks-v3.json");

/// Returns the recorded connections of an SDK: who said what.
fn connections(sdk: &str) -> Vec<Vec<(String, String, Bytes)>> {
    let all: Value = serde_json::from_str(RECORDED).unwrap();
    let said = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        (
            text("from"),
            text("kind"),
            hex::decode(text("bytes")).unwrap().into(),
        )
    };
    let connections = all[sdk].as_array().unwrap().iter();
    let connections = connections.map(|entries| entries.as_array().unwrap().iter().map(said));
    connections.map(Iterator::collect).collect()
}

/// A node's session during a conversation.
struct Replay {
    session: WsServerSession<WsSeq>,
    now: Instant,
    /// The seq of the SDK's last unicast and its topic.
    asked: Option<(WsSeq, Bytes)>,
    /// The recorded seq of a delivered unicast, and the one chosen here.
    delivered: Vec<(WsSeq, WsSeq)>,
    answered: usize,
    multicasts: usize,
}

impl Replay {
    fn new() -> Self {
        let group = GroupInfo::without_chain("chain0", "group0", "amop");
        let config = WsServerConfig::default().with(|config| config.groups.push(group));
        let now = Instant::now();
        Self {
            session: WsServerSession::new(Arc::new(config), [7; 32], now),
            now,
            asked: None,
            delivered: Vec::new(),
            answered: 0,
            multicasts: 0,
        }
    }

    fn sdk_says(&mut self, bytes: &Bytes) {
        let mut message = WsMessage::decode(bytes.clone(), MAX_MESSAGE).unwrap();
        assert_eq!(message.encode().unwrap().to_bytes(), bytes);
        let own = self.delivered.iter().find(|(was, _)| *was == message.seq);
        if let Some((_, is)) = own {
            message.seq = is.clone();
        }
        self.session.handle_message(self.now, message);
        while let Some(event) = self.session.poll_event() {
            match event {
                WsServerEvent::Unicast { seq, request } => {
                    self.asked = Some((seq, request.topic));
                }
                WsServerEvent::Multicast { .. } => self.multicasts += 1,
                WsServerEvent::Answered { ticket, .. } => {
                    assert!(self.delivered.iter().any(|(was, _)| *was == ticket));
                    self.answered += 1;
                }
                WsServerEvent::Ready { .. } | WsServerEvent::TopicsChanged { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets the session say what the node said, on the decision of its router.
    fn node_said(&mut self, bytes: &Bytes) {
        let message = WsMessage::decode(bytes.clone(), MAX_MESSAGE).unwrap();
        let request = || AmopRequest::decode(&message.payload).unwrap();
        let mut expected = message.clone();
        match message.kind {
            WsType::UNICAST => {
                let seq = message.seq.clone();
                let own = self.session.deliver(self.now, &request(), seq).unwrap();
                self.delivered.push((message.seq.clone(), own.into()));
                expected.seq = own.into();
            }
            WsType::MULTICAST => {
                let sent = self.session.deliver_multicast(&request(), &message.seq);
                sent.unwrap();
            }
            WsType::RESPONSE => {
                let (seq, _) = self.asked.take().unwrap();
                assert!(self.session.answer(&seq, message.clone()));
            }
            WsType::NODE_ANSWER if message.status != WsStatus::SUCCESS => {
                let (seq, topic) = self.asked.take().unwrap();
                assert!(self.session.fail(&seq, message.status, &topic));
            }
            // The session has answered by itself.
            _ => {}
        }
        let expected = expected.encode().unwrap();
        assert_eq!(
            self.session.poll_transmit(),
            Some(WsTransmit::Message(expected)),
            "{message:?}"
        );
    }
}

#[test]
fn each_recorded_conversation_is_the_same_again() {
    for sdk in ["c", "java", "go"] {
        let connections = connections(sdk);
        for (at, said) in connections.iter().enumerate() {
            let mut replay = Replay::new();
            for (from, kind, bytes) in said {
                match (&**from, &**kind) {
                    ("sdk", "message") => replay.sdk_says(bytes),
                    ("node", "message") => replay.node_said(bytes),
                    ("sdk" | "node", "ping" | "pong") => replay.session.note_activity(replay.now),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(replay.session.poll_transmit(), None);
            // The second connection of java-sdk only asks for its group.
            if at == 0 {
                assert!(replay.session.has_topic("to-价格".as_bytes()), "{sdk}");
                assert!(replay.session.has_topic(b"news"), "{sdk}");
                assert_eq!((replay.answered, replay.multicasts), (1, 1), "{sdk}");
            }
        }
    }
}
