//! What 3.x nodes send, on its way to the node machine, and the machine's answers.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    GatewayBridge,
    asked::Asked,
    event::GatewayConnectionId,
    translate::{FAILED, GatewayReply, LATE, LOST, NOBODY, OVER_LIMIT_TEXT, crosses, reply_of},
};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, Seq},
    gateway::{event::ReplyAddress, id::GatewayId, peer::GatewayPeer},
    p2p::{PeerFrame, packet, protocol},
    ws::AmopRequest,
};

/// How long a 3.x node is promised an answer (gateway-v3 section 8).
const PATIENCE: Duration = Duration::from_secs(30);

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
        if self.asked.len() >= limits.asked || self.asked.of(connection) >= limits.connection_asked
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
        // 3.x nodes give messages between nodes no key of their own.
        let seq_in_frame = Seq::random(&mut self.rng);
        let body = Frame::amop_bytes(kind, seq_in_frame, &request.topic, &request.data);
        self.frame_for_machine(PeerFrame {
            protocol: protocol::AMOP,
            packet,
            seq,
            body,
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
        while let Some(asked) = self.asked.take_expired(now) {
            self.answer(now, asked.connection, &asked.reply, LATE);
        }
    }

    /// Ends all unicasts that wait, because no answer can come any more.
    pub(super) fn end_asked(&mut self, now: Instant) {
        while let Some(asked) = self.asked.take_any() {
            self.answer(now, asked.connection, &asked.reply, LOST);
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
        let ways = std::iter::once(connection).chain(ways.iter().copied());
        for way in ways {
            if matches!(self.with_connection(now, way, send), Some(Ok(()))) {
                return;
            }
        }
        self.counters.unsent += 1;
    }
}
