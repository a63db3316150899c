//! The SDK's unicasts that wait for the node.

use bytes::Bytes;

use crate::{channel::Seq, hash::HashMap, ws::WsSeq};

/// A unicast of the SDK.
#[derive(Debug)]
pub(super) struct PendingUnicast {
    /// The SDK's seq.
    pub(super) seq: WsSeq,
    /// A copy of the topic: a slice of the message would keep all of it.
    pub(super) topic: Bytes,
}

/// A unicast that was handed to the SDK.
#[derive(Debug)]
pub(super) struct DeliveredUnicast {
    /// The seq that it has in 2.x.
    pub(super) seq: Seq,
    /// A copy of the topic, with which the reply is framed.
    pub(super) topic: Bytes,
}

/// The SDK's unicasts by the seq that they have in 2.x.
#[derive(Debug)]
pub(super) struct PendingUnicasts {
    by_seq: HashMap<Seq, PendingUnicast>,
    max: usize,
}

impl PendingUnicasts {
    pub(super) fn new(max: usize) -> Self {
        Self {
            by_seq: HashMap::default(),
            max,
        }
    }

    /// Remembers a unicast. Returns whether there was room: the session bounds its unicasts, but
    /// forgets one that the node has not answered.
    pub(super) fn insert(&mut self, seq: Seq, unicast: PendingUnicast) -> bool {
        let room = self.by_seq.len() < self.max || self.by_seq.contains_key(&seq);
        if room {
            self.by_seq.insert(seq, unicast);
        }
        room
    }

    pub(super) fn take(&mut self, seq: &Seq) -> Option<PendingUnicast> {
        let unicast = self.by_seq.remove(seq)?;
        if self.by_seq.is_empty() {
            self.by_seq = HashMap::default();
        }
        Some(unicast)
    }

    pub(super) fn clear(&mut self) {
        self.by_seq = HashMap::default();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }
}
