//! Connections that speak 3.x: at each end a translator stands between the machine and the line, and
//! WebSocket messages pass between them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use amop_proto::{
    channel::{Frame, FrameDecoder, FrameType, NO_ACK, result_code},
    node::NodeEvent,
    ws::{
        AmopRequest, MAX_MESSAGE, WsMessage, WsSeq, WsStatus, WsTransmit, WsType,
        bridge::{Bridge, NodeBridge, SdkBridge, SdkBridgeConfig},
        server::WsServerConfig,
    },
};
use bytes::{Buf, BufMut, BytesMut};
use rand::RngExt;

use super::{Event, World};
use crate::{
    Sabotage,
    ledger::number_in,
    net::{At, ConnId, Owner},
};

/// A translator takes frames while fewer bytes than this wait for the line.
pub(super) const TAKES: usize = 1024;

/// What stands before each WebSocket message in the pipes: its kind, and its length.
const HEAD: usize = 5;

const MESSAGE: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;

/// One end of a connection of 3.x.
#[derive(Debug)]
pub(crate) struct End {
    translator: Translator,
    /// What the machine wrote and the translator has not taken.
    written: BytesMut,
    /// Frames that a sabotage makes up for the machine.
    made_up: Vec<Frame>,
    /// The number of pongs that are not sent yet.
    pongs: usize,
    armed: Option<At>,
    /// The numbers of the unicasts that were handed to the SDK.
    handed: HashMap<WsSeq, u64>,
}

#[derive(Debug)]
enum Translator {
    Client(Box<NodeBridge>),
    Node(Box<SdkBridge>),
}

impl Translator {
    fn bridge(&mut self) -> &mut dyn Bridge {
        match self {
            Self::Client(bridge) => &mut **bridge,
            Self::Node(bridge) => &mut **bridge,
        }
    }
}

/// A unicast that a node gave to an SDK.
#[derive(Debug)]
pub(crate) struct Handing {
    pub(crate) conn: ConnId,
    pub(crate) at: At,
    /// Whether the connection speaks 3.x.
    pub(crate) v3: bool,
    /// Whether the SDK of 3.x said that it does not take it.
    pub(crate) refused: bool,
}

/// The ends of all connections of 3.x, and what passed through them.
#[derive(Debug, Default)]
pub(crate) struct Bridges {
    ends: BTreeMap<(ConnId, usize), End>,
    /// The multicasts of SDKs of 3.x that their nodes have read.
    pub(crate) read: BTreeMap<(ConnId, u64), At>,
    /// To which SDKs of either generation each unicast was given, in this order.
    pub(crate) handed: BTreeMap<u64, Vec<Handing>>,
}

impl Bridges {
    /// Returns the number of bytes that a machine wrote and its translator has not taken.
    pub(crate) fn waiting(&self, end: (ConnId, usize)) -> usize {
        self.ends.get(&end).map_or(0, |end| end.written.len())
    }
}

impl World {
    /// Adds the translator of an end, once the WebSocket is open.
    pub(super) fn add_end(&mut self, id: ConnId, side: usize) {
        let (seed, now) = (self.rng.random(), self.instant());
        let translator = match self.conns[id.0].owners[side] {
            Owner::Client { .. } => Translator::Client(Box::new(NodeBridge::new(seed, now))),
            _ => {
                let timeouts = &self.config.timeouts;
                let config = SdkBridgeConfig::for_node(WsServerConfig::default(), timeouts);
                Translator::Node(Box::new(SdkBridge::new(config, seed, now)))
            }
        };
        let end = End {
            translator,
            written: BytesMut::new(),
            made_up: Vec::new(),
            pongs: 0,
            armed: None,
            handed: HashMap::new(),
        };
        self.bridges.ends.insert((id, side), end);
        self.plan(self.now, Event::Bridge(id, side));
    }

    /// Returns where a machine writes its frames.
    pub(crate) fn output(&mut self, id: ConnId, side: usize) -> &mut BytesMut {
        match self.bridges.ends.get_mut(&(id, side)) {
            Some(end) => &mut end.written,
            None => &mut self.conns[id.0].pipes[side].out,
        }
    }

    /// Lets what a machine wrote leave.
    pub(crate) fn flush(&mut self, id: ConnId, side: usize) {
        if self.conns[id.0].v3 {
            self.plan(self.now, Event::Bridge(id, side));
        } else {
            self.pump(id, side);
        }
    }

    /// Records that a node wrote a unicast for an SDK. One of 3.x has it when its translator took it.
    pub(super) fn note_asked(&mut self, conn: ConnId, number: u64) {
        if self.conns[conn.0].v3 {
            return;
        }
        let handing = Handing {
            conn,
            at: self.now,
            v3: false,
            refused: false,
        };
        let all = self.bridges.handed.entry(number).or_default();
        all.push(handing);
    }

    /// Reads what has arrived at an end of 3.x.
    pub(super) fn decode_messages(&mut self, id: ConnId, side: usize) {
        let now = self.instant();
        let anything = self.does(Sabotage::AnyPong);
        if let Some(end) = self.bridges.ends.get_mut(&(id, side)) {
            match &mut end.translator {
                Translator::Client(bridge) if anything => bridge.handle_pong(now),
                translator => translator.bridge().note_activity(now),
            }
        }
        self.run_bridge(id, side);
    }

    /// Lets a translator do everything that it can do now.
    pub(super) fn run_bridge(&mut self, id: ConnId, side: usize) {
        let conn = &self.conns[id.0];
        if conn.gone[side] {
            self.bridges.ends.remove(&(id, side));
            return;
        }
        let paused = conn.paused[side];
        if !paused {
            self.read_messages(id, side);
        }
        let (at, now) = (self.now, self.instant());
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return;
        };
        end.armed.take_if(|armed| *armed <= at);
        let bridge = end.translator.bridge();
        if bridge.next_timeout().is_some_and(|due| due <= now) {
            bridge.handle_timeout(now);
        }
        let taken = self.take_written(id, side);
        let frames = if paused {
            Vec::new()
        } else {
            self.take_frames(id, side)
        };
        self.pump(id, side);
        self.arm_bridge(id, side);
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return;
        };
        let closed = end.translator.bridge().is_closed();
        self.pass_frames((id, side), taken, frames);
        if closed && !self.conns[id.0].gone[side] {
            self.bridge_closed(id, side);
        }
    }

    /// Gives the machine what the translator has for it.
    fn pass_frames(&mut self, (conn, side): (ConnId, usize), taken: usize, frames: Vec<Frame>) {
        match self.conns[conn.0].owners[side] {
            Owner::Session { host, life, id } => {
                if taken > 0 && !self.does(Sabotage::HideQueue) {
                    self.tell_host(host, life, NodeEvent::SessionWritten(id, taken));
                }
                for frame in frames {
                    self.tell_host(host, life, NodeEvent::session_frame(id, frame));
                }
            }
            Owner::Client { client, endpoint } => {
                if taken > 0 {
                    self.client_wrote(client, endpoint, conn);
                }
                if !frames.is_empty() {
                    self.client_read(client, endpoint, conn, frames);
                }
            }
            Owner::Peer { .. } | Owner::Gateway { .. } | Owner::Rogue { .. } => {}
        }
    }

    /// Handles that a translator has ended its session.
    fn bridge_closed(&mut self, conn: ConnId, side: usize) {
        match self.conns[conn.0].owners[side] {
            Owner::Session { host, life, id } => {
                self.hosts[host].sessions.remove(&id);
                self.tell_host(host, life, NodeEvent::SessionClosed(id));
                self.close_end(conn, side);
            }
            Owner::Client { client, endpoint } => self.client_lost(client, endpoint, conn),
            Owner::Peer { .. } | Owner::Gateway { .. } | Owner::Rogue { .. } => {}
        }
    }

    /// Handles that the connection of a translator has ended: the machine gets its last frames.
    pub(super) fn bridge_ended(&mut self, id: ConnId, side: usize) {
        if let Some(end) = self.bridges.ends.get_mut(&(id, side)) {
            end.translator.bridge().handle_eof();
            let frames = self.take_frames(id, side);
            self.bridges.ends.remove(&(id, side));
            self.pass_frames((id, side), 0, frames);
        }
    }

    fn arm_bridge(&mut self, id: ConnId, side: usize) {
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return;
        };
        let Some(next) = end.translator.bridge().next_timeout() else {
            return;
        };
        let soon = self.now + Duration::from_micros(1);
        let at = next.saturating_duration_since(self.base).max(soon);
        if end.armed.is_none_or(|armed| at < armed) {
            end.armed = Some(at);
            self.plan(at, Event::Bridge(id, side));
        }
    }

    /// Passes the messages that have arrived to the translator.
    fn read_messages(&mut self, id: ConnId, side: usize) {
        let now = self.instant();
        let anything = self.does(Sabotage::AnyPong);
        let other = &mut self.conns[id.0].pipes[1 - side];
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return;
        };
        while let Some((kind, bytes)) = next_message(&mut other.read) {
            match kind {
                PING => {
                    end.pongs += 1;
                    end.translator.bridge().note_activity(now);
                }
                PONG => end.translator.bridge().handle_pong(now),
                _ => {
                    let message = WsMessage::decode(bytes.freeze(), MAX_MESSAGE);
                    let message =
                        message.expect("a session wrote what its own codec does not read");
                    if side == 1 {
                        end.note_read(self.now, id, &message, &mut self.bridges.read);
                        end.note_refusal(id, &message, &mut self.bridges.handed);
                    } else if anything {
                        end.translator.bridge().handle_pong(now);
                    }
                    end.translator.bridge().handle_message(now, message);
                }
            }
        }
    }

    /// Lets the translator take what the machine wrote while the line takes more. Returns how many
    /// bytes it took.
    fn take_written(&mut self, id: ConnId, side: usize) -> usize {
        let (at, now) = (self.now, self.instant());
        let confirms = side == 0 && self.does(Sabotage::ConfirmAtOnce);
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return 0;
        };
        let out = &mut self.conns[id.0].pipes[side].out;
        let mut taken = 0;
        while out.len() < TAKES {
            if let Some(transmit) = end.translator.bridge().poll_transmit() {
                let WsTransmit::Message(message) = transmit else {
                    put_message(out, PING, &[]);
                    continue;
                };
                let bytes = message.to_bytes();
                put_message(out, MESSAGE, &bytes);
                let sent = WsMessage::decode(bytes, MAX_MESSAGE).ok();
                if let Some(message) = sent.filter(|sent| side == 1 && sent.kind == WsType::UNICAST)
                    && let Some(number) = number_of(&message)
                {
                    end.handed.insert(message.seq, number);
                    let handing = Handing {
                        conn: id,
                        at,
                        v3: true,
                        refused: false,
                    };
                    let all = self.bridges.handed.entry(number).or_default();
                    all.push(handing);
                }
                continue;
            }
            let frame = FrameDecoder::default().decode(&mut end.written);
            let frame = frame.expect("a machine wrote what its own codec does not read");
            let Some(frame) = frame else {
                break;
            };
            taken += frame.wire_len();
            if confirms && frame.kind == FrameType::MULTICAST && frame.result != NO_ACK {
                let answer = Frame::new(FrameType::RESPONSE, frame.seq, "");
                end.made_up.push(answer);
            }
            end.translator.bridge().handle_frame(now, frame);
        }
        if !end.translator.bridge().holds_pongs() {
            (0..std::mem::take(&mut end.pongs)).for_each(|_| put_message(out, PONG, &[]));
        }
        taken
    }

    fn take_frames(&mut self, id: ConnId, side: usize) -> Vec<Frame> {
        let refuses = side == 1 && self.does(Sabotage::SilenceRefuses);
        let Some(end) = self.bridges.ends.get_mut(&(id, side)) else {
            return Vec::new();
        };
        let mut frames = std::mem::take(&mut end.made_up);
        let bridge = end.translator.bridge();
        frames.extend(std::iter::from_fn(|| bridge.poll_frame()));
        for frame in &mut frames {
            let silence = (FrameType::RESPONSE, result_code::TIMEOUT);
            if refuses && (frame.kind, frame.result) == silence {
                frame.result = result_code::NO_SESSION;
            }
        }
        frames
    }
}

impl End {
    /// Notes that the node has read a multicast.
    fn note_read(
        &self,
        now: At,
        conn: ConnId,
        message: &WsMessage,
        read: &mut BTreeMap<(ConnId, u64), At>,
    ) {
        if message.kind == WsType::MULTICAST
            && let Some(number) = number_of(message)
        {
            read.entry((conn, number)).or_insert(now);
        }
    }

    /// Notes that the SDK does not take a unicast.
    fn note_refusal(
        &self,
        conn: ConnId,
        message: &WsMessage,
        handed: &mut BTreeMap<u64, Vec<Handing>>,
    ) {
        let refusal = WsStatus(result_code::NO_SESSION as i16);
        if message.kind == WsType::RESPONSE
            && message.status == refusal
            && let Some(number) = self.handed.get(&message.seq)
        {
            let all = handed.get_mut(number).into_iter().flatten();
            all.filter(|handing| handing.conn == conn)
                .for_each(|handing| handing.refused = true);
        }
    }
}

/// Returns the number of the message that a 3.x message carries.
fn number_of(message: &WsMessage) -> Option<u64> {
    let request = AmopRequest::decode(&message.payload).ok()?;
    number_in(&request.data)
}

fn put_message(out: &mut BytesMut, kind: u8, bytes: &[u8]) {
    out.put_u8(kind);
    out.put_u32(bytes.len() as u32);
    out.put_slice(bytes);
}

fn next_message(read: &mut BytesMut) -> Option<(u8, BytesMut)> {
    let kind = *read.first()?;
    let len = u32::from_be_bytes(*read.get(1..HEAD)?.first_chunk()?) as usize;
    if read.len() < HEAD + len {
        return None;
    }
    read.advance(HEAD);
    Some((kind, read.split_to(len)))
}
