//! The unicasts of the node machine that 3.x nodes have.

use std::time::Instant;

use bytes::Bytes;

use crate::{channel::Frame, gateway::id::GatewayId, hash::HashMap};

/// A unicast of the machine that a 3.x node has.
#[derive(Debug)]
pub(super) struct SentUnicast {
    /// The machine's frame.
    pub(super) frame: Frame,
    pub(super) topic: Bytes,
    /// What 3.x nodes are sent.
    pub(super) body: Bytes,
    /// The nodes that were asked.
    pub(super) tried: Vec<GatewayId>,
    pub(super) deadline: Instant,
}

impl SentUnicast {
    pub(super) fn cost(&self) -> usize {
        self.frame.wire_len() + self.body.len()
    }
}

/// The unicasts of the machine that wait for an answer, by the numbers of its frames.
#[derive(Debug, Default)]
pub(super) struct SentUnicasts {
    by_seq: HashMap<u32, SentUnicast>,
    bytes: usize,
}

impl SentUnicasts {
    pub(super) fn insert(&mut self, seq: u32, unicast: SentUnicast) {
        self.bytes += unicast.cost();
        if let Some(replaced) = self.by_seq.insert(seq, unicast) {
            self.bytes -= replaced.cost();
        }
    }

    pub(super) fn take(&mut self, seq: u32) -> Option<SentUnicast> {
        let unicast = self.by_seq.remove(&seq)?;
        self.bytes -= unicast.cost();
        Some(unicast)
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    /// Returns the bytes of all of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
