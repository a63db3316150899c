//! The bridges between 3.x and 2.x, with a peer that may do anything on either side.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use amop_fuzz::{Script, assert_error_in_one_line, assert_one_line};
use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, PROTOCOL_MAX_FRAME, Seq, result_code},
    node::Timeouts,
    ws::{
        GroupInfo, WsHandshakeRequest, WsHandshakeResponse, WsMessage, WsSeq, WsTransmit, WsType,
        bridge::{Bridge, NodeBridge, SdkBridge, SdkBridgeConfig},
        server::WsServerConfig,
    },
};
use bytes::{Bytes, BytesMut};

use super::{TOPICS, any_message, any_publish, any_seq, read};

/// A node's bridge: a unicast that the node pushes gets one response.
pub(crate) fn sdk(script: Script<'_>) {
    let group = GroupInfo::without_chain("chain0", "group0", "node0");
    let session = WsServerConfig::default().with(|session| {
        session.groups.push(group);
        session.max_in_flight = 16;
        session.max_deliveries = 16;
        session.max_queued = 4096;
    });
    let config = SdkBridgeConfig::for_node(session, &Timeouts::default());
    let bridge = SdkBridge::new(config, [1; 32], Instant::now());
    let hello = WsHandshakeRequest::client().to_payload();
    Run::new(bridge, hello).run(script, |bridge| {
        while let Some(notice) = bridge.poll_notice() {
            assert_error_in_one_line(&notice);
        }
    });
}

/// A client's bridge: a unicast that the client publishes gets at most one response.
pub(crate) fn node(script: Script<'_>) {
    let bridge = NodeBridge::new([1; 32], Instant::now());
    let hello = WsHandshakeResponse::new(2, Vec::new()).to_payload();
    Run::new(bridge, hello).run(script, |_| {});
}

struct Run<B> {
    bridge: B,
    /// The payload of a handshake.
    hello: Bytes,
    now: Instant,
    /// Seqs of what was sent over the WebSocket.
    sent: Vec<WsSeq>,
    /// Unicasts of the side of 2.x that have no response.
    open: BTreeSet<Seq>,
    /// Seqs that the side of 2.x has chosen without a rule, so that they may have any responses.
    chosen: BTreeSet<Seq>,
    count: u32,
    closed: bool,
}

impl<B: Bridge> Run<B> {
    fn new(bridge: B, hello: Bytes) -> Self {
        Self {
            bridge,
            hello,
            now: Instant::now(),
            sent: Vec::new(),
            open: BTreeSet::new(),
            chosen: BTreeSet::new(),
            count: 0,
            closed: false,
        }
    }

    fn run(mut self, mut script: Script<'_>, mut look: impl FnMut(&mut B)) {
        while let Some(step) = script.step() {
            self.step(step, &mut script);
            self.drain();
            look(&mut self.bridge);
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 15 {
            0 => {
                let seq = any_seq(script, &self.sent);
                self.receive(WsMessage::new(WsType::HANDSHAKE, seq, self.hello.clone()));
            }
            1..=3 => {
                let message = any_message(script, &self.sent);
                self.receive(message);
            }
            4..=6 => {
                let message = any_publish(script, &self.sent);
                self.receive(message);
            }
            7 => {
                let seq = any_seq(script, &[]);
                let list = Bytes::copy_from_slice(script.bytes());
                self.receive(WsMessage::new(WsType::SET_TOPICS, seq, list));
            }
            8..=10 => self.amop(script),
            11 | 12 => self.any_frame(script),
            13 => {
                self.now += Duration::from_millis(script.short().into());
                self.bridge.handle_timeout(self.now);
            }
            14 => self.bridge.note_activity(self.now),
            _ => match script.byte() {
                0 => self.bridge.handle_eof(),
                1 => self.bridge.handle_io_error(&io::Error::other("a\nb")),
                _ => {}
            },
        }
    }

    fn receive(&mut self, message: WsMessage) {
        self.bridge.handle_message(self.now, message);
    }

    /// A message of the side of 2.x, with a new seq.
    fn amop(&mut self, script: &mut Script<'_>) {
        let kinds = [FrameType::UNICAST, FrameType::MULTICAST];
        let kind = kinds[usize::from(script.byte() & 1)];
        let topic = TOPICS[usize::from(script.byte()) % TOPICS.len()];
        self.count += 1;
        let mut seq = Seq([b'0'; 32]);
        seq.0[..4].copy_from_slice(&self.count.to_be_bytes());
        if kind == FrameType::UNICAST && !self.bridge.is_closed() {
            self.open.insert(seq);
        }
        let frame = Frame::amop(kind, seq, topic.as_bytes(), script.bytes());
        self.bridge.handle_frame(self.now, frame);
    }

    fn any_frame(&mut self, script: &mut Script<'_>) {
        const KINDS: [u16; 10] = [0x12, 0x13, 0x14, 0x30, 0x31, 0x32, 0x35, 0x37, 0x38, 0x1001];
        let kind = FrameType(KINDS[usize::from(script.byte()) % KINDS.len()]);
        let seq = any_seq(script, &self.sent).as_seq();
        let seq = seq.unwrap_or(Seq([b'x'; 32]));
        self.chosen.insert(seq);
        let frame = Frame {
            result: script.byte() as i8 as i32,
            ..Frame::new(kind, seq, script.bytes().to_vec())
        };
        self.bridge.handle_frame(self.now, frame);
    }

    /// Takes everything that comes out.
    fn drain(&mut self) {
        while let Some(transmit) = self.bridge.poll_transmit() {
            if let WsTransmit::Message(message) = transmit {
                self.sent.push(read(&message).seq);
            }
        }
        while let Some(frame) = self.bridge.poll_frame() {
            let mut wire = BytesMut::new();
            frame.encode(&mut wire);
            let decoder = FrameDecoder::new(PROTOCOL_MAX_FRAME);
            assert_eq!(decoder.decode(&mut wire).as_ref(), Ok(&Some(frame.clone())));
            self.check_response(&frame);
        }
        self.check_end();
    }

    /// A unicast has one response at most.
    fn check_response(&mut self, frame: &Frame) {
        let of_no_message = frame.seq.0[0] != 0 || self.chosen.contains(&frame.seq);
        if frame.kind != FrameType::RESPONSE || of_no_message || self.open.remove(&frame.seq) {
            return;
        }
        // A client is told of an answer that nobody waits for, and counts it; it has no topic.
        let late = frame.result == result_code::SUCCESS && frame.body.is_empty();
        assert!(late, "two responses");
    }

    fn check_end(&mut self) {
        if self.closed {
            return;
        }
        self.closed = self.bridge.is_closed();
        if self.closed
            && let Some(failure) = self.bridge.take_failure()
        {
            let shown = failure.to_string().replace("a\nb", "");
            assert_one_line(&shown);
        }
    }
}
