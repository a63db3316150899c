//! What the node machine sends, on its way to 3.x nodes, and their answers.

use std::time::Instant;

use bytes::Bytes;
use rand::RngExt;

use super::{
    GatewayBridge,
    event::GatewayConnectionId,
    sent::SentUnicast,
    translate::{Refusal, answer_of, crosses, refusal_of, request_body},
};
use crate::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, result_code, split_topic},
    gateway::{
        event::{GatewayOutcome, GatewaySendError},
        id::GatewayId,
    },
    p2p::{PeerFrame, packet, protocol},
};

impl GatewayBridge {
    /// Handles a frame of the node machine for the peer that stands for the chain.
    pub fn handle_frame(&mut self, now: Instant, frame: PeerFrame) {
        if self.machine.is_none() {
            return;
        }
        match (frame.protocol, frame.packet) {
            (protocol::AMOP, packet::UNICAST | packet::MULTICAST) => self.send(now, frame),
            (p, _) if p == -protocol::AMOP => self.take_machine_answer(now, frame),
            (protocol::TOPIC, packet::TOPIC_SEQ) => {
                let seq = self.frame_seq();
                let machine = self.machine.as_mut();
                let request = machine.and_then(|machine| machine.heard(now, &frame.body, seq));
                self.frames.extend(request);
            }
            (protocol::TOPIC, packet::REQUEST_TOPICS) => {
                let topics = self.reached.topics();
                let machine = self.machine.as_mut();
                let list = machine.map(|machine| machine.answer(frame.seq, topics));
                self.frames.extend(list);
            }
            (p, packet::TOPICS) if p == -protocol::TOPIC => self.take_machine_list(now, &frame),
            // The machine greets every peer as an overlay node, too.
            _ => {}
        }
    }

    fn take_machine_list(&mut self, now: Instant, frame: &PeerFrame) {
        let seq = self.frame_seq();
        let Some(machine) = &mut self.machine else {
            return;
        };
        let fetched = machine.fetched(frame, usize::MAX);
        // The list may have changed since it was asked for.
        let request = machine.request(now, seq);
        self.frames.extend(request);
        if let Ok(Some(topics)) = fetched {
            self.set_own_topics(now, topics);
        }
    }

    /// Announces the machine's topics to 3.x nodes.
    pub(super) fn set_own_topics(&mut self, now: Instant, topics: Vec<Bytes>) {
        // Copied, so that the machine's list is not kept.
        let topics = topics.into_iter().filter(|topic| crosses(topic));
        let topics = topics.map(|topic| Bytes::copy_from_slice(&topic));
        if !matches!(self.topics.replace(topics), Ok(true)) {
            return;
        }
        let connections: Vec<GatewayConnectionId> = self.connections.keys().copied().collect();
        let topics = self.topics.clone();
        for connection in connections {
            self.with_connection(now, connection, |peer| peer.announce(now, &topics));
        }
    }

    fn send(&mut self, now: Instant, message: PeerFrame) {
        // The machine sends only messages that can be read.
        let Ok(frame) = Frame::from_bytes(message.body, PROTOCOL_MAX_FRAME) else {
            self.counters.malformed += 1;
            return;
        };
        let Ok(parts) = split_topic(&frame.body) else {
            self.counters.malformed += 1;
            return;
        };
        let body = request_body(&parts.topic, &parts.payload);
        if message.packet == packet::MULTICAST || frame.kind == FrameType::MULTICAST {
            return self.send_multicast(now, &parts.topic, &body);
        }
        let unicast = SentUnicast {
            topic: parts.topic,
            body,
            tried: Vec::new(),
            deadline: now + self.config.answer,
            frame,
        };
        let limits = &self.config.limits;
        let bytes = self.sent.bytes().saturating_add(unicast.cost());
        let is_alone = self.sent.len() == 0;
        if self.sent.len() >= limits.in_flight || (bytes > limits.in_flight_bytes && !is_alone) {
            self.counters.unsent += 1;
            return self.answer_undelivered(message.seq, &unicast);
        }
        self.attempt(now, message.seq, unicast);
    }

    fn send_multicast(&mut self, now: Instant, topic: &[u8], body: &Bytes) {
        let nodes: Vec<GatewayId> = self.reached.with_topic(topic).collect();
        for node in nodes {
            let sent = self.over_ways(node, |bridge, way| {
                let body = body.clone();
                bridge.with_connection(now, way, |peer| peer.multicast(now, node, body))
            });
            match sent {
                true => self.counters.multicasts_sent += 1,
                false => self.counters.unsent += 1,
            }
        }
    }

    /// Tries the connections over which a node is reached, until one takes the message. Returns
    /// whether one did.
    fn over_ways(
        &mut self,
        node: GatewayId,
        mut send: impl FnMut(&mut Self, GatewayConnectionId) -> Option<Result<(), GatewaySendError>>,
    ) -> bool {
        let ways = self.reached.ways(node);
        ways.iter()
            .any(|&way| matches!(send(self, way), Some(Ok(()))))
    }

    /// Sends a unicast to the next node, or ends it if no node is left.
    fn attempt(&mut self, now: Instant, seq: u32, mut unicast: SentUnicast) {
        while let Some(node) = self.draw(&unicast) {
            unicast.tried.push(node);
            let deadline = unicast.deadline;
            let sent = self.over_ways(node, |bridge, way| {
                let body = unicast.body.clone();
                bridge.with_connection(now, way, |peer| {
                    let sent = peer.unicast(now, node, body, deadline, seq);
                    sent.map(drop).map_err(|refused| refused.why)
                })
            });
            if sent {
                self.counters.unicasts_sent += 1;
                return self.sent.insert(seq, unicast);
            }
        }
        if unicast.tried.is_empty() {
            self.counters.unsent += 1;
        }
        self.answer_undelivered(seq, &unicast);
    }

    /// Draws one of the nodes with the topic that were not asked.
    fn draw(&mut self, unicast: &SentUnicast) -> Option<GatewayId> {
        let nodes = self.reached.with_topic(&unicast.topic);
        let nodes: Vec<GatewayId> = nodes.filter(|node| !unicast.tried.contains(node)).collect();
        match nodes.len() {
            0 => None,
            count => nodes.get(self.rng.random_range(0..count)).copied(),
        }
    }

    /// Handles the end of an attempt.
    pub(super) fn finished(&mut self, now: Instant, seq: u32, outcome: GatewayOutcome) {
        let Some(unicast) = self.sent.take(seq) else {
            return;
        };
        let refusal = match outcome {
            GatewayOutcome::Answered(message) => {
                let (result, body) = answer_of(message, &unicast.topic);
                self.counters.answers_received += 1;
                return self.answer_machine(seq, &unicast.frame.respond(result, body));
            }
            GatewayOutcome::Refused { status, .. } => refusal_of(status),
            GatewayOutcome::Unsent => Refusal::Undelivered,
            GatewayOutcome::TimedOut | GatewayOutcome::Disconnected => {
                Refusal::Final(result_code::TIMEOUT)
            }
        };
        match refusal {
            Refusal::Undelivered => self.attempt(now, seq, unicast),
            Refusal::Final(result) => {
                let answer = unicast.frame.respond(result, Bytes::new());
                self.answer_machine(seq, &answer);
            }
        }
    }

    /// Tells the machine that nobody has a unicast. Its next subscriber gets it.
    fn answer_undelivered(&mut self, seq: u32, unicast: &SentUnicast) {
        let body = unicast.frame.body.clone();
        let answer = unicast.frame.respond(result_code::NO_SESSION, body);
        self.answer_machine(seq, &answer);
    }

    fn answer_machine(&mut self, seq: u32, answer: &Frame) {
        self.frame_for_machine(PeerFrame {
            protocol: -protocol::AMOP,
            packet: packet::UNICAST,
            seq,
            body: answer.to_bytes(),
        });
    }
}
