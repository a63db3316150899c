//! What 3.x nodes send, on its way to the node machine, and the machine's answers.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    GatewayBridge,
    event::GatewayConnectionId,
    translate::{FAILED, GatewayReply, LATE, LOST, NOBODY, OVER_LIMIT_TEXT, crosses, reply_of},
};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, Seq, frame_topic},
    gateway::{event::ReplyAddress, id::GatewayId, peer::GatewayPeer},
    hash::HashMap,
    p2p::{PeerFrame, packet, protocol},
    ws::AmopRequest,
};

/// How long a 3.x node is promised an answer (gateway-v3 section 8).
const PATIENCE: Duration = Duration::from_secs(30);

/// A unicast of a 3.x node that the machine has.
#[derive(Debug)]
struct Asked {
    connection: GatewayConnectionId,
    reply: ReplyAddress,
    deadline: Instant,
}

/// The unicasts of 3.x nodes that wait for the machine's answer, by the numbers of their frames.
#[derive(Debug, Default)]
pub(super) struct AskedMachine {
    by_seq: HashMap<u32, Asked>,
    by_deadline: BTreeSet<(Instant, u32)>,
    of_connection: HashMap<GatewayConnectionId, usize>,
}

impl AskedMachine {
    fn insert(&mut self, seq: u32, asked: Asked) {
        self.by_deadline.insert((asked.deadline, seq));
        *self.of_connection.entry(asked.connection).or_default() += 1;
        self.by_seq.insert(seq, asked);
    }

    fn take(&mut self, seq: u32) -> Option<Asked> {
        let asked = self.by_seq.remove(&seq)?;
        self.by_deadline.remove(&(asked.deadline, seq));
        if let Some(count) = self.of_connection.get_mut(&asked.connection) {
            *count -= 1;
            if *count == 0 {
                self.of_connection.remove(&asked.connection);
            }
        }
        Some(asked)
    }

    fn of(&self, connection: GatewayConnectionId) -> usize {
        self.of_connection.get(&connection).copied().unwrap_or(0)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}

impl GatewayBridge {
    pub(super) fn take_topics(&mut self, now: Instant, id: GatewayId, topics: &[Bytes]) {
        if !self.reached.has(id) {
            self.counters.nodes_refused += 1;
            return;
        }
        let outcome = self
            .reached
            .set_topics(id, topics, self.config.limits.topics);
        self.counters.topics_left_out += outcome.left_out;
        self.topics_changed(now, outcome.changed);
    }

    pub(super) fn take_unicast(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        reply: ReplyAddress,
        body: &Bytes,
    ) {
        // FISCO nodes do not answer a body that they cannot read (gateway-v3 section 7.3).
        let Ok(request) = AmopRequest::decode(body) else {
            self.counters.malformed += 1;
            return;
        };
        if !crosses(&request.topic) || self.machine.is_none() {
            return self.answer(now, connection, &reply, NOBODY);
        }
        let limits = &self.config.limits;
        if self.asked.by_seq.len() >= limits.asked
            || self.asked.of(connection) >= limits.connection_asked
        {
            self.counters.over_limit += 1;
            let error = GatewayReply::Error(FAILED, OVER_LIMIT_TEXT);
            return self.answer(now, connection, &reply, error);
        }
        self.counters.unicasts_received += 1;
        let seq = self.frame_seq();
        let asked = Asked {
            connection,
            reply,
            deadline: now + PATIENCE,
        };
        self.asked.insert(seq, asked);
        self.pass_on(packet::UNICAST, seq, FrameType::UNICAST, &request);
    }

    pub(super) fn take_multicast(&mut self, body: &Bytes) {
        match AmopRequest::decode(body) {
            Ok(request) if crosses(&request.topic) => {
                self.counters.multicasts_received += 1;
                let seq = self.frame_seq();
                self.pass_on(packet::MULTICAST, seq, FrameType::MULTICAST, &request);
            }
            _ => self.counters.malformed += 1,
        }
    }

    fn pass_on(&mut self, packet: u16, seq: u32, kind: FrameType, request: &AmopRequest) {
        let body = frame_topic(&request.topic, &request.data);
        // 3.x nodes give messages between nodes no key of their own.
        let frame = Frame::new(kind, Seq::random(&mut self.rng), body);
        self.frame_for_machine(PeerFrame {
            protocol: protocol::AMOP,
            packet,
            seq,
            body: frame.to_bytes(),
        });
    }

    /// Handles the machine's answer to a unicast of a 3.x node.
    pub(super) fn take_machine_answer(&mut self, now: Instant, frame: PeerFrame) {
        let Some(asked) = self.asked.take(frame.seq) else {
            return;
        };
        let reply = match Frame::from_bytes(frame.body, PROTOCOL_MAX_FRAME) {
            Ok(answer) => reply_of(&answer),
            Err(_) => LOST,
        };
        self.answer(now, asked.connection, &asked.reply, reply);
    }

    /// Ends the unicasts whose answer did not come in time.
    pub(super) fn expire_asked(&mut self, now: Instant) {
        while let Some(&(deadline, seq)) = self.asked.by_deadline.first()
            && deadline <= now
        {
            if let Some(asked) = self.asked.take(seq) {
                self.answer(now, asked.connection, &asked.reply, LATE);
            }
        }
    }

    /// Ends all unicasts that wait, because no answer can come any more.
    pub(super) fn end_asked(&mut self, now: Instant) {
        while let Some(&(_, seq)) = self.asked.by_deadline.first() {
            if let Some(asked) = self.asked.take(seq) {
                self.answer(now, asked.connection, &asked.reply, LOST);
            }
        }
    }

    /// Sends an answer over the connection of the request, or over another one to the same node.
    fn answer(
        &mut self,
        now: Instant,
        connection: GatewayConnectionId,
        to: &ReplyAddress,
        reply: GatewayReply,
    ) {
        let send = |peer: &mut GatewayPeer<u32>| match &reply {
            GatewayReply::Message(message) => peer.reply(now, to, message.clone()),
            GatewayReply::Error(status, text) => {
                let text = Bytes::from_static(text.as_bytes());
                peer.refuse(now, to, *status, text)
            }
        };
        let ways = self.reached.ways(to.to.id());
        let ways = std::iter::once(connection).chain(ways);
        for way in ways {
            if matches!(self.with_connection(now, way, send), Some(Ok(()))) {
                return;
            }
        }
        self.counters.unsent += 1;
    }
}
