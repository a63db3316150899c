//! Answers to the client, and which of them wait for a sign of life of the node, or for its pong.

use std::{collections::VecDeque, mem::take};

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    channel::{Frame, FrameType, HandshakeResponse, ProtocolVersion, Seq, result_code},
    ws::{
        WsHandshakeResponse,
        client::{WsOutcome, WsRefusal},
    },
};

/// How long a FISCO node waits for a subscriber, in milliseconds (ws-v3 section 10.3).
const ANSWER_WITHIN: u64 = 30_000;

/// The maximum number of heartbeats and probes whose answers wait; a client remembers fewer.
const MAX_PROBES: usize = 16;

/// Answers that wait for a sign of life of the node, and the ping that asks for it.
#[derive(Debug, Default)]
pub(super) struct WaitingAnswers {
    /// Answers to heartbeats and probes: any sign of life sends them.
    probes: VecDeque<Frame>,
    /// Answers that say that the node has read what was sent before: the next ping goes before them.
    unread: Vec<Frame>,
    /// The same after their ping was sent.
    pinged: Vec<Frame>,
    /// A list of topics was sent since the last ping, or is to be sent.
    topics: bool,
    ping: bool,
    /// A ping is on its way, whose pong confirms nothing that was sent after it. There is one at a
    /// time: pongs have no names, and a node may answer two pings with one pong.
    on_the_way: bool,
}

impl WaitingAnswers {
    /// Records that a new list of topics is sent.
    pub(super) fn topics_changed(&mut self) {
        self.topics = true;
    }

    /// The answer to a heartbeat, which also confirms the list of topics before it.
    pub(super) fn of_heartbeat(&mut self, answer: Frame) {
        match self.topics {
            true => self.of_message(answer),
            false => self.of_probe(answer),
        }
    }

    pub(super) fn of_probe(&mut self, answer: Frame) {
        if self.probes.len() == MAX_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(answer);
        self.ping = true;
    }

    /// The answer that confirms that the node has read a message.
    pub(super) fn of_message(&mut self, answer: Frame) {
        self.unread.push(answer);
        self.ping = true;
    }

    /// Returns whether a ping is to be sent now, after all messages.
    pub(super) fn take_ping(&mut self) -> bool {
        let now = self.ping && !self.on_the_way;
        if now {
            self.ping = false;
            self.on_the_way = true;
            self.topics = false;
            self.pinged = take(&mut self.unread);
        }
        now
    }

    /// Returns whether the ping of an idle session is to be sent now. It goes before the messages
    /// that wait, so its pong confirms none of them.
    pub(super) fn idle_ping(&mut self) -> bool {
        !std::mem::replace(&mut self.on_the_way, true)
    }

    /// Returns the answers that any sign of life of the node allows.
    pub(super) fn alive(&mut self) -> impl Iterator<Item = Frame> {
        take(&mut self.probes).into_iter()
    }

    /// Returns the answers that a pong of the node allows.
    pub(super) fn pong(&mut self) -> impl Iterator<Item = Frame> {
        self.on_the_way = false;
        take(&mut self.probes)
            .into_iter()
            .chain(take(&mut self.pinged))
    }
}

/// Returns the body that tells a client about a node of 3.x.
pub(super) fn handshake_answer(node: &WsHandshakeResponse, max_frame: usize) -> Bytes {
    let answer = HandshakeResponse {
        node_version: node_version(node),
        protocol: ProtocolVersion::V3.number(),
        quiet_multicasts: true,
        answer_within: Some(ANSWER_WITHIN),
        max_frame: Some(max_frame),
    };
    answer.to_body()
}

/// Returns the compatibility version of the first node of a chain, which has a byte for each number;
/// an empty text if no node tells one.
fn node_version(node: &WsHandshakeResponse) -> String {
    let groups = node.group_info_list.iter();
    let nodes = groups.flat_map(|group| &group.node_list);
    // An overlay node serves a group without a chain, whose nodes have no ids.
    let nodes = nodes.filter(|node| !node.node_id.is_empty());
    let mut versions = nodes.map(|node| node.protocol.compatibility_version);
    match versions.find(|&version| version > 0) {
        Some(version) => {
            let [major, minor, patch, _] = version.to_be_bytes();
            format!("{major}.{minor}.{patch}")
        }
        None => String::new(),
    }
}

/// Returns the answer to the question by which a client probes a node.
pub(super) fn probe_answer(question: Frame) -> Frame {
    let body = Bytes::from_static(b"{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{}}\n");
    Frame { body, ..question }
}

/// Returns the response for a unicast that has ended; `None` if the end of the session says it.
pub(super) fn outcome_answer(seq: Seq, framed: &[u8], outcome: WsOutcome) -> Option<Frame> {
    let (result, payload) = match outcome {
        WsOutcome::Answered(payload) => (result_code::SUCCESS, payload),
        WsOutcome::Failed { status, text } => (status.as_result(), text),
        WsOutcome::Rejected { status, payload } => (status.0.into(), payload),
        WsOutcome::TimedOut => (result_code::TIMEOUT, Bytes::new()),
        WsOutcome::Disconnected => return None,
    };
    let mut body = BytesMut::with_capacity(framed.len() + payload.len());
    body.put_slice(framed);
    body.put_slice(&payload);
    Some(Frame {
        kind: FrameType::RESPONSE,
        seq,
        result,
        body: body.freeze(),
    })
}

/// Returns the result of a message that was not sent; `None` if there is no answer.
pub(super) fn refusal_result(why: WsRefusal) -> Option<i32> {
    match why {
        // The answer to the first message with this seq is one to this message, too.
        WsRefusal::SeqInUse => None,
        // The end of the session says it.
        WsRefusal::Closed => None,
        _ => Some(result_code::OVER_LIMIT),
    }
}
