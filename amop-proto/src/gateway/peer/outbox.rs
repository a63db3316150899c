//! The packets that wait to be written.

use std::{collections::VecDeque, time::Instant};

use crate::gateway::{
    config::{GatewayLimits, IDLE},
    event::GatewaySendError,
    packet::OutgoingPacket,
};

/// What a packet that waits takes in addition to its bytes. Without it a flood of short packets
/// would take several times the memory that the limit allows.
const PACKET_OVERHEAD: usize = 256;

#[derive(Debug)]
pub(super) struct Outbox {
    packets: VecDeque<OutgoingPacket>,
    /// The sum of the costs of the packets.
    bytes: usize,
    /// The part of it that is not answers.
    own: usize,
    /// Since when packets wait and nothing was written.
    blocked: Option<Instant>,
}

/// Returns what a packet that waits takes.
fn cost(packet: &OutgoingPacket) -> usize {
    packet.wire_len() + PACKET_OVERHEAD
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            packets: VecDeque::new(),
            bytes: 0,
            own: 0,
            blocked: None,
        }
    }

    /// Returns the number of bytes that wait, with the overhead of each packet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the same number without the answers to what the other side asked.
    pub(super) fn own_bytes(&self) -> usize {
        self.own
    }

    /// Adds a packet, if it is not over the limits.
    pub(super) fn push(
        &mut self,
        now: Instant,
        limits: &GatewayLimits,
        packet: OutgoingPacket,
    ) -> Result<(), GatewaySendError> {
        let (len, max) = (packet.wire_len(), limits.max_packet);
        if len > max {
            return Err(GatewaySendError::TooLong { len, max });
        }
        let max = limits.queued_bytes;
        let cost = cost(&packet);
        if !self.packets.is_empty() && self.bytes.saturating_add(cost) > max {
            return Err(GatewaySendError::QueueFull { max });
        }
        self.bytes += cost;
        if !packet.packet.is_response() {
            self.own += cost;
        }
        self.blocked.get_or_insert(now);
        self.packets.push_back(packet);
        Ok(())
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<OutgoingPacket> {
        let packet = self.packets.pop_front()?;
        self.bytes -= cost(&packet);
        if !packet.packet.is_response() {
            self.own -= cost(&packet);
        }
        self.blocked = (!self.packets.is_empty()).then_some(now);
        Some(packet)
    }

    /// Takes out the packets that match, and returns their numbers.
    pub(super) fn withdraw(&mut self, matches: impl Fn(&OutgoingPacket) -> bool) -> Vec<u32> {
        let packets = std::mem::take(&mut self.packets);
        let (taken, rest) = packets.into_iter().partition(|packet| matches(packet));
        self.packets = rest;
        let taken: VecDeque<OutgoingPacket> = taken;
        for packet in &taken {
            self.bytes -= cost(packet);
            if !packet.packet.is_response() {
                self.own -= cost(packet);
            }
        }
        taken.iter().map(|packet| packet.packet.seq).collect()
    }

    /// Records that a part of a packet that was taken has been written.
    pub(super) fn note_written(&mut self, now: Instant) {
        if let Some(blocked) = &mut self.blocked {
            *blocked = now.max(*blocked);
        }
    }

    /// Returns when the other side counts as one that does not read.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        Some(self.blocked? + IDLE)
    }
}
