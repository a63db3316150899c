//! The exchange of router tables with the neighbour (gateway-v3 section 5.1).

use std::{collections::BTreeMap, time::Instant};

use bytes::{Buf, Bytes};

use super::{GatewayPeer, asked::Asked, nodes::Sighting};
use crate::gateway::{
    event::GatewayNotice,
    id::{GatewayAddress, GatewayId},
    packet::{GatewayPacket, PacketType},
    router_table::{RouterEntry, RouterTable, UNREACHABLE},
};

impl<T> GatewayPeer<T> {
    pub(super) fn take_router_packet(&mut self, now: Instant, packet: &GatewayPacket) {
        let Some(source) = self.source_of(packet) else {
            return;
        };
        // Only neighbours exchange tables, and their numbers have no ids, so that nobody passes them
        // on.
        let is_number = packet.kind == PacketType::ROUTER_SEQ;
        if source.id() != self.neighbour.id() || (is_number && !packet.route.dst.is_empty()) {
            self.counters.forged += 1;
            return;
        }
        match packet.kind {
            PacketType::ROUTER_SEQ => self.take_router_seq(now, &packet.payload),
            PacketType::ROUTER_TABLE => self.take_router_table(now, &packet.payload),
            _ => {
                // The table is empty: this node passes nothing on for others.
                let table = RouterTable::default().encode();
                self.put_control(now, PacketType::ROUTER_TABLE, Some(&source), table);
            }
        }
    }

    fn take_router_seq(&mut self, now: Instant, mut payload: &[u8]) {
        let Ok(number) = payload.try_get_u32() else {
            self.counters.malformed += 1;
            return;
        };
        let waits = self.router.asked.is_some_and(|asked| asked.waits(now));
        if number <= self.router.fetched || waits {
            return;
        }
        self.router.asked = Some(Asked::new(now, number));
        let neighbour = self.neighbour.clone();
        let kind = PacketType::REQUEST_ROUTER_TABLE;
        self.put_control(now, kind, Some(&neighbour), Bytes::new());
    }

    fn take_router_table(&mut self, now: Instant, payload: &Bytes) {
        if !self.texts.allows(now) {
            self.counters.over_rate += 1;
            return;
        }
        let asked = self.router.asked.as_mut();
        let Some(asked) = asked.and_then(|asked| asked.answer(now).then_some(asked)) else {
            self.counters.unsolicited += 1;
            return;
        };
        self.router.fetched = asked.number();
        self.texts.spend(now, payload.len());
        let limits = &self.config.limits;
        match RouterTable::parse(payload, limits.table_bytes, limits.table_entries) {
            Ok(table) => self.apply_table(now, &table),
            Err(error) => {
                self.counters.tables_refused += 1;
                self.notice(GatewayNotice::TableRefused(error));
            }
        }
    }

    fn apply_table(&mut self, now: Instant, table: &RouterTable) {
        let mut routed: BTreeMap<GatewayId, (GatewayAddress, u32)> = BTreeMap::new();
        for entry in &table.entries {
            if let Some((address, distance)) = self.route_of(entry) {
                routed.insert(address.id(), (address, distance));
            }
        }
        let gone = self.nodes.unroute(now, |id| routed.contains_key(&id));
        self.notice_gone(gone);
        let mut replaceable = self.nodes.replaceable(|id| routed.contains_key(&id));
        for (id, (address, distance)) in routed {
            self.make_room(id, &mut replaceable);
            let limits = &self.config.limits;
            match self.nodes.route(now, &address, distance, limits) {
                Sighting::Known => {}
                Sighting::NoRoom => self.counters.nodes_refused += 1,
                Sighting::News => {
                    self.notice_node(id, Some(distance));
                    // What waits to be written does not keep the table alive.
                    self.put_topic_seq(now, &address.detached());
                }
            }
        }
    }

    /// Removes one of the replaceable nodes if there is no room for this one.
    fn make_room(&mut self, id: GatewayId, replaceable: &mut Vec<GatewayId>) {
        if !self.nodes.lacks_room(id, &self.config.limits) {
            return;
        }
        if let Some(replaced) = replaceable.pop() {
            self.nodes.remove(replaced);
            self.notice_gone(vec![replaced]);
        }
    }

    /// Returns the node that an entry makes reachable through the neighbour, and its distance from
    /// here.
    fn route_of(&mut self, entry: &RouterEntry) -> Option<(GatewayAddress, u32)> {
        let address = entry.address();
        let distance = u32::try_from(entry.distance).ok();
        let (Some(address), Some(distance)) = (address, distance) else {
            self.counters.false_entries += 1;
            return None;
        };
        let own = self.config.own.id();
        if address.id() == own || address.id() == self.neighbour.id() {
            return None;
        }
        // The neighbour would send packets for this node back here.
        let next_hop = GatewayAddress::read(&entry.next_hop);
        if next_hop.is_some_and(|hop| hop.id() == own) {
            return None;
        }
        let distance = distance.saturating_add(1);
        (distance < UNREACHABLE).then_some((address, distance))
    }
}
