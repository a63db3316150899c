//! The packets that arrive.

use std::time::Instant;

use bytes::Bytes;

use super::GatewayPeer;
use crate::gateway::{
    event::{GatewayAnswer, GatewayEvent, GatewayOutcome},
    id::GatewayAddress,
    message::GatewayMessage,
    packet::{GatewayPacket, PacketType},
};

impl<T> GatewayPeer<T> {
    /// Handles a packet of the neighbour.
    pub fn handle_packet(&mut self, now: Instant, packet: GatewayPacket) {
        if self.is_closed {
            return;
        }
        self.note_activity(now);
        match packet.kind {
            // FISCO nodes send the latter every second for each node they know.
            PacketType::HEARTBEAT | PacketType::SYNC_NODE_SEQ => return,
            // Packets of other versions can come from any node: FISCO nodes pass on packets of all
            // types.
            PacketType::HANDSHAKE if packet.version == 0 => {
                return self.take_handshake(now, &packet.payload);
            }
            PacketType::HANDSHAKE => {
                self.counters.forged += 1;
                return;
            }
            _ => {}
        }
        // This node announces no routes, so no node has a reason to send packets for others here
        // (gateway-v3 section 5.2).
        if !self.is_for_this_node(&packet.route.dst) {
            self.counters.misrouted += 1;
            return;
        }
        match packet.kind {
            PacketType::AMOP | PacketType::REPLY => self.take_amop_packet(now, packet),
            PacketType::ROUTER_SEQ
            | PacketType::ROUTER_TABLE
            | PacketType::REQUEST_ROUTER_TABLE => self.take_router_packet(now, &packet),
            _ => self.counters.ignored += 1,
        }
    }

    fn is_for_this_node(&self, dst: &Bytes) -> bool {
        let own = &self.config.own;
        dst.is_empty() || dst[..] == own.id().0 || own.raw() == Some(dst)
    }

    /// Returns the source of a packet: the neighbour, if the packet does not name it (gateway-v3
    /// section 7.1). Counts a packet that cannot have come from its source.
    ///
    /// The address never shares memory with the packet: it is kept in answers that wait, and would
    /// keep a buffer of up to the longest packet alive.
    pub(super) fn source_of(&mut self, packet: &GatewayPacket) -> Option<GatewayAddress> {
        if packet.route.src.is_empty() {
            return Some(self.neighbour.clone());
        }
        let source = GatewayAddress::read(&packet.route.src);
        let Some(source) = source else {
            self.counters.malformed += 1;
            return None;
        };
        if source.id() == self.config.own.id() {
            self.counters.forged += 1;
            return None;
        }
        // A node that writes short ids may be known by its raw id.
        match self.nodes.address(source.id()) {
            Some(known) if known.raw().is_some() || source.raw().is_none() => Some(known.clone()),
            _ => Some(source.detached()),
        }
    }

    fn take_amop_packet(&mut self, now: Instant, packet: GatewayPacket) {
        let Some(source) = self.source_of(&packet) else {
            return;
        };
        if packet.is_response() {
            return self.take_response(&source, packet);
        }
        if packet.kind == PacketType::REPLY {
            self.counters.ignored += 1;
            return;
        }
        match GatewayMessage::parse(&packet.payload) {
            Ok(message) => self.take_message(now, source, packet.seq, message),
            // FISCO nodes ignore it, too (gateway-v3 section 6).
            Err(_) => self.counters.malformed += 1,
        }
    }

    fn take_response(&mut self, source: &GatewayAddress, packet: GatewayPacket) {
        let outcome = match packet.kind {
            PacketType::REPLY => GatewayOutcome::Answered(packet.payload),
            _ => match GatewayMessage::parse(&packet.payload) {
                Ok(GatewayMessage { status, data, .. }) => {
                    GatewayOutcome::Refused { status, text: data }
                }
                Err(_) => {
                    self.counters.malformed += 1;
                    return;
                }
            },
        };
        let answer = GatewayAnswer {
            seq: packet.seq,
            source: self.nodes.source(source.id()),
            outcome,
        };
        if let Err(stray) = self.take_answer(answer) {
            self.events.push_back(GatewayEvent::StrayAnswer(stray));
        }
    }

    /// Takes a response to a unicast of this connection, wherever it arrived.
    ///
    /// # Errors
    ///
    /// Returns the response if no unicast of this connection waits for it.
    pub fn take_answer(&mut self, answer: GatewayAnswer) -> Result<(), GatewayAnswer> {
        match self.requests.asked(answer.seq) {
            None => Err(answer),
            // The node that was asked knows the number, and may have told others.
            Some(asked) if asked != answer.source.id => {
                self.counters.forged += 1;
                Ok(())
            }
            Some(_) => {
                if let Some(token) = self.requests.take(answer.seq) {
                    let outcome = answer.outcome;
                    self.events
                        .push_back(GatewayEvent::Finished { token, outcome });
                }
                Ok(())
            }
        }
    }
}
