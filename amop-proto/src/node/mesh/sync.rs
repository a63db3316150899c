//! Records that a neighbour does not know and is sent, a piece at a time as earlier pieces leave:
//! all records of a large network would fill the queue to it.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{Mesh, limits::MAX_AWAITED, output::MeshOutput};
use crate::{
    hash::HashMap,
    node::PeerId,
    p2p::mesh::{self, RoutingKey, packet},
};

/// This many bytes of records cost a neighbour that asks for them one token.
const ASK_BYTES: usize = 16 * 1024;
/// This many bytes of the question cost one token, too.
const ASK_BYTES_READ: usize = 512;

/// Records are joined up to about this many bytes per frame.
const BATCH: usize = 256 * 1024;

/// The bytes of records that are in flight at once, and one frame more.
const AHEAD: usize = 512 * 1024;

impl Mesh {
    /// Handles what the neighbour knows: sends it what is newer here.
    pub(super) fn known(&mut self, now: Instant, peer: PeerId, body: Bytes) -> Option<()> {
        let max = 2 * self.limits.nodes + 16;
        let link = self.links.get_mut(&peer)?;
        if !link.tells.take(now, 1) {
            self.outputs.push_back(MeshOutput::AsksTooMuch(peer));
            return Some(());
        }
        let known: HashMap<RoutingKey, u64> = mesh::decode_known(body, max)?.into_iter().collect();
        let newer =
            |key: RoutingKey, version: u64| known.get(&key).is_none_or(|&theirs| theirs < version);
        let tell_own = newer(self.own.key(), self.own.version());
        if !tell_own {
            self.acknowledged(peer, self.own.number());
        }
        let states = self.database.iter();
        let wanted = states
            .filter(|(key, state)| newer(*key, state.version))
            .map(|(key, state)| (state.border.is_some(), key));
        let link = self.links.get_mut(&peer)?;
        link.unsent.add(wanted, tell_own);
        link.known = Some(known.get(&link.key).copied().unwrap_or(0));
        self.send_some(peer);
        self.count_if_ready(now, peer);
        Some(())
    }

    /// Handles a neighbour's question for the whole states of nodes.
    pub(super) fn asked(&mut self, now: Instant, peer: PeerId, body: Bytes) -> Option<()> {
        let max = 2 * self.limits.nodes + 16;
        // Looking nodes up costs time, even if they are unknown.
        let tokens = 1 + body.len() / ASK_BYTES_READ;
        let link = self.links.get_mut(&peer)?;
        if !link.asks.take(now, tokens.min(4096) as u32) {
            self.outputs.push_back(MeshOutput::AsksTooMuch(peer));
            return Some(());
        }
        let keys = mesh::decode_keys(body, max)?;
        let own = self.own.key();
        let asks_own = keys.contains(&own);
        let mut bytes = match asks_own {
            true => self.own.records().iter().map(Bytes::len).sum(),
            false => 0,
        };
        let mut wanted = Vec::new();
        for &key in &keys {
            if let Some(state) = self.database.get(key) {
                bytes += state.records.iter().map(Bytes::len).sum::<usize>();
                wanted.push((state.border.is_some(), key));
            }
        }
        let tokens = bytes / ASK_BYTES;
        let link = self.links.get_mut(&peer)?;
        if !link.asks.take(now, tokens.min(4000) as u32) {
            self.outputs.push_back(MeshOutput::AsksTooMuch(peer));
            return Some(());
        }
        link.unsent.add(wanted, asks_own);
        self.send_some(peer);
        Some(())
    }

    /// Sends a neighbour the next pieces, as many as may be in flight.
    fn send_some(&mut self, peer: PeerId) {
        loop {
            let Some(link) = self.links.get_mut(&peer) else {
                return;
            };
            if link.unsent.is_over() || link.unsent.under_way >= AHEAD {
                return;
            }
            let mut body = BytesMut::new();
            while body.len() < BATCH
                && let Some(key) = link.unsent.next()
            {
                // The node may have been forgotten meanwhile.
                for record in self
                    .database
                    .get(key)
                    .iter()
                    .flat_map(|state| state.records.iter())
                {
                    body.extend_from_slice(record);
                }
            }
            let mut number = None;
            if link.unsent.keys.is_empty() && std::mem::take(&mut link.unsent.own) {
                number = Some(self.own.number());
                for record in self.own.records() {
                    body.extend_from_slice(record);
                }
            }
            if !body.is_empty() {
                link.unsent.under_way += body.len();
                self.send_records(peer, body.freeze(), number);
            }
        }
    }

    /// Records that bytes of control packets have left for a neighbour. Returns whether something
    /// must be sent.
    pub(in crate::node) fn written(&mut self, peer: PeerId, len: usize) -> bool {
        let Some(link) = self.links.get_mut(&peer) else {
            return false;
        };
        link.unsent.under_way = link.unsent.under_way.saturating_sub(len);
        if link.unsent.is_over() || link.unsent.under_way > AHEAD / 2 {
            return false;
        }
        self.send_some(peer);
        true
    }

    /// Sends records. `number` is that of this node's last statement, if its statements are among
    /// them.
    pub(super) fn send_records(&mut self, peer: PeerId, records: Bytes, number: Option<u64>) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        let seq = link.next_seq;
        link.next_seq = link.next_seq.wrapping_add(1);
        if let Some(number) = number {
            if link.awaited.len() == MAX_AWAITED {
                link.awaited.pop_front();
            }
            link.awaited.push_back((seq, number));
        }
        self.send(peer, packet::RECORDS, seq, records);
    }
}
