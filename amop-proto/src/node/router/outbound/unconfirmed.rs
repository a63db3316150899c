//! Multicasts that a neighbour was sent and has not confirmed: if the connection ends they are sent
//! again.

use std::collections::VecDeque;

use crate::{
    node::Lane,
    p2p::{Blocks, PeerMessage, mesh::Numbered},
};

/// The memory that a message takes in addition to its bytes.
const BESIDE: usize = 128;

/// The bytes of written messages that are kept at most: more than a connection has in flight.
const UNDER_WAY: usize = 16 << 20;

/// The number of multicasts that one packet confirms at most.
pub(in crate::node::router) const AT_ONCE: u32 = 4096;

/// A multicast as it was sent.
pub(in crate::node::router) type SentMulticast = (Lane, PeerMessage);

/// The stored part of a sent multicast.
#[derive(Debug, Clone)]
struct StoredMulticast {
    /// The bytes it counts for, confirmed or not: it shares memory with those before it.
    counts: usize,
    /// `None` once it is confirmed.
    sent: Option<SentMulticast>,
}

/// The unconfirmed multicasts of one connection.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct UnconfirmedMulticasts {
    /// The number of the last one that was sent.
    last: u32,
    /// By their numbers. The first one is not confirmed.
    sent: VecDeque<StoredMulticast>,
    bytes: usize,
    /// Memory for further messages.
    pub(in crate::node::router) blocks: Blocks,
}

impl UnconfirmedMulticasts {
    /// Numbers a multicast that is about to be sent, and keeps it. `queued` is the number of bytes
    /// that wait to be written to the connection. Returns how many others were given up for it.
    pub(in crate::node::router) fn push(
        &mut self,
        lane: Lane,
        message: &mut PeerMessage,
        queued: usize,
    ) -> u64 {
        self.last = Numbered::after(self.last);
        let number = self.last;
        let hops_left = message.frame.seq;
        message.frame.seq = Numbered { number, hops_left }.seq();
        let counts = message.wire_len() + BESIDE;
        self.bytes += counts;
        self.sent.push_back(StoredMulticast {
            counts,
            sent: Some((lane, message.clone())),
        });
        let mut given_up = 0;
        while self.bytes > queued.saturating_add(queued / 8 + UNDER_WAY) && self.sent.len() > 1 {
            given_up += u64::from(self.take(0));
            self.drop_taken();
        }
        given_up
    }

    /// Returns the bytes that are kept.
    pub(in crate::node::router) fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, at: usize) -> bool {
        let place = self.sent.get_mut(at);
        place.and_then(|place| place.sent.take()).is_some()
    }

    fn drop_taken(&mut self) {
        while let Some(place) = self.sent.front()
            && place.sent.is_none()
        {
            self.bytes -= place.counts;
            self.sent.pop_front();
        }
    }

    /// Records that the neighbour has `count` multicasts, starting at this number.
    pub(in crate::node::router) fn confirmed(&mut self, number: u32, count: u32) {
        // Counted backwards from the last one; nothing is stored before the first one.
        let back = Numbered::behind(number, self.last) as usize;
        let Some(start) = self.sent.len().checked_sub(back + 1) else {
            return;
        };
        for at in start..start.saturating_add(count as usize).min(self.sent.len()) {
            self.take(at);
        }
        self.drop_taken();
    }

    /// Returns all unconfirmed messages, the oldest first.
    pub(in crate::node::router) fn into_sent(self) -> impl Iterator<Item = SentMulticast> {
        self.sent.into_iter().filter_map(|place| place.sent)
    }
}

/// Limits of multicasts, of bytes and of gaps between numbers after which a confirmation is sent at
/// once.
const MANY: u32 = 128;
const MUCH: usize = 1 << 20;
const GAPS: usize = 32;

/// Multicasts that came from a neighbour and must be confirmed.
#[derive(Debug, Clone, Default)]
pub(in crate::node::router) struct ToConfirm {
    /// Runs of numbers: the first number of each, and its length.
    runs: Vec<(u32, u32)>,
    count: u32,
    bytes: usize,
}

impl ToConfirm {
    pub(in crate::node::router) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a multicast that came. Returns whether it is time to confirm.
    pub(in crate::node::router) fn push(&mut self, number: u32, len: usize) -> bool {
        self.count += 1;
        self.bytes += len;
        match self.runs.last_mut() {
            Some((first, count)) if Numbered::behind(*first, number) == *count => *count += 1,
            _ => self.runs.push((number, 1)),
        }
        self.count >= MANY || self.bytes >= MUCH || self.runs.len() >= GAPS
    }

    /// Returns the runs to confirm, and forgets them.
    pub(in crate::node::router) fn take(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(self).runs
    }
}

#[cfg(test)]
mod tests;
