//! The connections between gateways: how they begin and end, and their packets.

use amop_proto::{
    gateway::{
        GatewayMessage, GatewayMessageKind, GatewayPacket, PacketType,
        bridge::{GatewayBridgeEvent, GatewayConnectionId},
    },
    ws::AmopRequest,
};
use bytes::BytesMut;

use super::Crossing;
use crate::{
    Sabotage,
    ledger::number_in,
    net::{ConnId, Owner},
    violation::Invariant,
    world::{World, bridges::TAKES},
};

/// What an honest gateway never makes another one count.
const FAULTS: [&str; 13] = [
    "over_limit",
    "malformed",
    "forged",
    "topics_left_out",
    "nodes_refused",
    "packets_ignored",
    "packets_malformed",
    "packets_misrouted",
    "packets_forged",
    "packets_false_entries",
    "packets_nodes_refused",
    "packets_lists_refused",
    "packets_tables_refused",
];

impl World {
    /// Handles that TLS is complete at a gateway's end.
    pub(in crate::world) fn gateway_opened(
        &mut self,
        (host, life): (usize, u32),
        end: (ConnId, usize),
    ) {
        let now = self.instant();
        let (Owner::Gateway { host: other, .. }, true) = (
            self.conns[end.0.0].owners[1 - end.1],
            self.hosts[host].life == life,
        ) else {
            return;
        };
        let neighbour = self.gateway_address(other);
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        match gateway.bridge.connect(now, neighbour) {
            Ok(number) => {
                gateway.ends.insert(number, end);
                gateway.numbers.insert(end, number);
                self.gateways.taken.insert(end);
                self.after_bridge(host);
            }
            Err(refusal) => {
                let what = format_args!("gateway {host} refuses {other}: {refusal}");
                self.log.step(self.now, what, &[]);
                self.close_end(end.0, end.1);
            }
        }
    }

    /// Handles that a gateway learns that a connection ended.
    pub(in crate::world) fn gateway_lost(&mut self, host: usize, end: (ConnId, usize)) {
        let now = self.instant();
        if let Some(gateway) = &mut self.hosts[host].gateway
            && let Some(&number) = gateway.numbers.get(&end)
        {
            gateway.bridge.handle_eof(now, number);
            self.after_bridge(host);
        }
    }

    /// Handles that the line took bytes of a gateway.
    pub(in crate::world) fn gateway_wrote(&mut self, host: usize, end: (ConnId, usize)) {
        let now = self.instant();
        if let Some(gateway) = &mut self.hosts[host].gateway
            && let Some(&number) = gateway.numbers.get(&end)
        {
            gateway.bridge.note_written(now, number);
        }
    }

    /// Takes the next packets of a gateway, if nothing waits for the line.
    pub(in crate::world) fn fill_packets(&mut self, id: ConnId, side: usize) {
        let Owner::Gateway { host, life } = self.conns[id.0].owners[side] else {
            return;
        };
        if self.hosts[host].life != life {
            return;
        }
        let Some(number) = self.gateway_number(host, (id, side)) else {
            return;
        };
        let now = self.instant();
        while self.conns[id.0].pipes[side].out.len() < TAKES {
            let Some(gateway) = &mut self.hosts[host].gateway else {
                return;
            };
            let Some(mut packet) = gateway.bridge.poll_packet(now, number) else {
                return;
            };
            let codec = gateway.codec;
            if self.note_crossing((id, side), host, &packet.clone().joined()) {
                continue;
            }
            let amop = packet.packet.kind == PacketType::AMOP;
            if amop && self.does_once(Sabotage::GarblePacket) {
                let mut whole = packet.joined();
                whole.payload.truncate(5);
                packet = whole.into();
            }
            let out = &mut self.conns[id.0].pipes[side].out;
            let written = codec.encode(&packet, out);
            written.expect("a bridge wrote what its own codec does not write");
        }
    }

    fn gateway_number(&self, host: usize, end: (ConnId, usize)) -> Option<GatewayConnectionId> {
        let gateway = self.hosts[host].gateway.as_ref()?;
        gateway.numbers.get(&end).copied()
    }

    /// Notes a message that a gateway sends. Returns whether it is lost on purpose.
    fn note_crossing(
        &mut self,
        (conn, side): (ConnId, usize),
        from: usize,
        packet: &GatewayPacket,
    ) -> bool {
        if packet.kind != PacketType::AMOP || packet.is_response() {
            return false;
        }
        let Some((kind, number)) = message_in(packet) else {
            return false;
        };
        let Owner::Gateway { host: to, .. } = self.conns[conn.0].owners[1 - side] else {
            return false;
        };
        let crossing = Crossing {
            at: self.now,
            conn,
            from,
            life: self.hosts[from].life,
            to,
            unicast: kind == GatewayMessageKind::UNICAST,
        };
        let what = format_args!("message {number} crosses from {from} to {to}");
        self.log.step(self.now, what, &[]);
        let all = self.gateways.crossings.entry(number).or_default();
        all.push(crossing);
        self.does(Sabotage::LoseCrossings)
    }

    /// Reads the packets that have arrived at a gateway's end.
    pub(in crate::world) fn read_packets(&mut self, host: usize, (id, side): (ConnId, usize)) {
        let mut buffer = std::mem::take(&mut self.conns[id.0].pipes[1 - side].read);
        if buffer.is_empty() {
            return;
        }
        if let Some(number) = self.gateway_number(host, (id, side)) {
            self.give_packets(host, number, &mut buffer);
        }
        self.conns[id.0].pipes[1 - side].read = buffer;
        self.after_bridge(host);
    }

    fn give_packets(&mut self, host: usize, number: GatewayConnectionId, buffer: &mut BytesMut) {
        let now = self.instant();
        let deaf = self.does(Sabotage::DeafGateways);
        let twice = self.does(Sabotage::CrossTwice);
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        gateway.bridge.note_activity(now, number);
        loop {
            let packet = gateway.codec.decode(buffer);
            let packet = packet.expect("a bridge wrote what its own codec does not read");
            let Some(packet) = packet else {
                return;
            };
            if deaf && is_topics(&packet) {
                continue;
            }
            if twice && is_multicast(&packet) {
                gateway.bridge.handle_packet(now, number, packet.clone());
            }
            gateway.bridge.handle_packet(now, number, packet);
        }
    }

    /// Handles what a bridge tells after a call.
    pub(super) fn after_bridge(&mut self, host: usize) {
        loop {
            let Some(gateway) = &mut self.hosts[host].gateway else {
                return;
            };
            let Some(event) = gateway.bridge.poll_event() else {
                break;
            };
            self.bridge_event(host, event);
        }
        self.give_to_machine(host);
        self.check_gateway(host);
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        let connected = gateway.bridge.is_connected();
        if connected != std::mem::replace(&mut gateway.connected, connected) {
            self.plan_carry(host, self.now);
        }
        self.arm_gateway(host);
    }

    fn bridge_event(&mut self, host: usize, event: GatewayBridgeEvent) {
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        match event {
            GatewayBridgeEvent::Writable(number) => {
                if let Some(&(conn, side)) = gateway.ends.get(&number) {
                    self.pump(conn, side);
                }
            }
            GatewayBridgeEvent::Closed {
                connection, reason, ..
            } => {
                if let Some(end) = gateway.ends.remove(&connection) {
                    gateway.numbers.remove(&end);
                    let what = format_args!("gateway {host} ends a connection: {reason}");
                    self.log.step(self.now, what, &[]);
                    self.close_end(end.0, end.1);
                }
            }
            GatewayBridgeEvent::Notice { notice, .. } => {
                let text = format!("gateway {host}: {notice}");
                self.violated(Invariant::WellFormed, text);
            }
            other => self
                .log
                .step(self.now, format_args!("gateway {host}: {other:?}"), &[]),
        }
    }

    /// Checks what a gateway counts and holds.
    fn check_gateway(&mut self, host: usize) {
        let members = self.gateways.members().count();
        let slows = self.config.profile.slows();
        let now = self.now;
        let Some(gateway) = &mut self.hosts[host].gateway else {
            return;
        };
        let counters = gateway.bridge.counters();
        let full = counters.unsent > gateway.unsent && slows;
        gateway.unsent = counters.unsent;
        if full || gateway.bridge.is_congested() {
            self.overloads.push(now);
        }
        let nodes = gateway.bridge.node_count();
        let fault = counters
            .entries()
            .find(|&(name, count)| count > 0 && FAULTS.contains(&name));
        let blamed = fault.is_some() && !std::mem::replace(&mut gateway.blamed, fault.is_some());
        if let Some((name, count)) = fault.filter(|_| blamed) {
            let text = format!("the gateway of node {host} counts {count} of {name}");
            self.violated(Invariant::WellFormed, text);
        }
        if nodes >= members {
            let text = format!("the gateway of node {host} holds {nodes} nodes of {members}");
            self.violated(Invariant::BoundedMemory, text);
        }
    }
}

/// Returns whether a packet tells of topics.
fn is_topics(packet: &GatewayPacket) -> bool {
    let message = GatewayMessage::parse(&packet.payload);
    packet.kind == PacketType::AMOP
        && message.is_ok_and(|message| message.kind == GatewayMessageKind::TOPICS)
}

/// Returns whether a packet has a multicast.
fn is_multicast(packet: &GatewayPacket) -> bool {
    let message = message_in(packet);
    packet.kind == PacketType::AMOP
        && !packet.is_response()
        && message.is_some_and(|(kind, _)| kind == GatewayMessageKind::MULTICAST)
}

/// Returns the kind and the number of the message in a packet.
fn message_in(packet: &GatewayPacket) -> Option<(GatewayMessageKind, u64)> {
    let message = GatewayMessage::parse(&packet.payload).ok()?;
    let kinds = [GatewayMessageKind::UNICAST, GatewayMessageKind::MULTICAST];
    if !kinds.contains(&message.kind) {
        return None;
    }
    let request = AmopRequest::decode(&message.data).ok()?;
    Some((message.kind, number_in(&request.data)?))
}
