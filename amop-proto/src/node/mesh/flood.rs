//! The link-state protocol itself: which records go to which neighbours, and how incoming records
//! are handled.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{
    Mesh,
    database::RecordOutcome,
    extension::extension,
    limits::{ASK_LATER, MAX_AHEAD},
    link::Link,
    output::MeshOutput,
    unsent::WantedNode,
};
use crate::{
    node::{
        PeerId,
        checker::{CheckedRecord, CheckedRecords, RecordsFault, RefusedRecord},
    },
    p2p::{
        PeerFrame,
        mesh::{self, RoutingKey, Subject, packet},
    },
};

/// A node states itself again every few minutes. A statement older than this, from another node, is
/// an old copy of a node that is gone; clocks are not that wrong.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// This many links that a record names count as one topic; each link that changes counts as one
/// topic as well.
const LINKS_A_TOPIC: usize = 8;

impl Mesh {
    /// Handles a packet of the link-state protocol, other than records.
    pub(in crate::node) fn packet(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) {
        self.touched.0 = true;
        if !self.links.contains_key(&peer) {
            return;
        }
        let understood = match frame.packet {
            // A keepalive packet.
            packet::HELLO => Some(()),
            packet::KNOWN => self.known(now, peer, frame.body.clone()),
            packet::TAKEN => {
                self.taken(peer, frame.seq);
                Some(())
            }
            packet::ASK => self.asked(now, peer, frame.body.clone()),
            // A packet of a later version of the extension.
            _ => Some(()),
        };
        if understood.is_none() {
            self.outputs
                .push_back(MeshOutput::Bad(peer, "a malformed link-state packet"));
        }
    }

    fn taken(&mut self, peer: PeerId, seq: u32) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        // Packets that were never sent cannot have been taken.
        if seq.wrapping_sub(link.next_seq) as i32 >= 0 {
            return;
        }
        let mut number = None;
        while let Some(&(sent, held)) = link.awaited.front()
            && sent.wrapping_sub(seq) as i32 <= 0
        {
            number = Some(held);
            link.awaited.pop_front();
        }
        if let Some(number) = number {
            self.acknowledged(peer, number);
        }
    }

    pub(super) fn acknowledged(&mut self, peer: PeerId, number: u64) {
        if let Some(link) = self.links.get_mut(&peer)
            && link.acknowledged < number
        {
            link.acknowledged = number;
            self.outputs.push_back(MeshOutput::Acknowledged);
        }
    }

    /// Handles records of a neighbour, which have been checked.
    pub(in crate::node) fn records(&mut self, now: Instant, peer: PeerId, checked: CheckedRecords) {
        self.touched.0 = true;
        let Some(sender) = self.links.get(&peer).map(|link| link.key) else {
            return;
        };
        for refused in checked.refused {
            let RefusedRecord {
                subject,
                version,
                why,
            } = refused;
            let (key, node) = (subject.key(), *subject.node());
            self.outputs
                .push_back(MeshOutput::Disbelieved { peer, node, why });
            // The record that is held is newer: the node has other certificates now, or these old
            // ones were kept by another node.
            let held = self.database.get(key);
            if held.is_some_and(|held| version < held.version) {
                continue;
            }
            if key == sender {
                let fault = RecordsFault::Unbelieved(node);
                return self.outputs.push_back(MeshOutput::Fault(peer, fault));
            }
            self.work.disbelieve(now, key, version);
            // Its statements from before it was refused no longer count.
            self.forget(now, key);
        }
        if let Some(fault) = checked.fault {
            return self.outputs.push_back(MeshOutput::Fault(peer, fault));
        }
        for node in checked.too_long {
            if RoutingKey::from(&node) == sender {
                return self.outputs.push_back(MeshOutput::TooManyTopics(peer));
            }
            let what = "a record over this node's limits";
            self.outputs.push_back(MeshOutput::Refused(peer, what));
        }
        self.enqueue(
            now,
            (peer, sender),
            (checked.seq, checked.last),
            checked.records,
        );
    }

    /// Applies a limited number of topics of a record; returns where to continue, if these are not
    /// all.
    pub(super) fn topics_of_record(
        &mut self,
        record: &CheckedRecord,
        at: usize,
        left: &mut usize,
    ) -> Option<usize> {
        let (changes, next) = self.database.apply_topics(record, at, *left);
        let touched = next.unwrap_or(record.record().topics.len()) - at;
        *left = left.saturating_sub(touched.max(changes.len()));
        let key = record.key();
        let state = self.database.get(key);
        if let Some(state) = state.filter(|state| state.is_reachable()) {
            let whose = (key, state.border);
            for (topic, count) in changes {
                self.show(whose, topic, count);
            }
        }
        if next.is_some() {
            // Stop for this event, even if something is left.
            *left = 0;
        }
        next
    }

    /// Takes a record, without its topics; returns whether it is new. Its links use up some of the
    /// topics that are `left` for this event.
    pub(super) fn record(
        &mut self,
        now: Instant,
        (peer, sender): (PeerId, RoutingKey),
        checked: &CheckedRecord,
        leads_to: u64,
        left: &mut usize,
    ) -> bool {
        if !self.may_take((peer, sender), checked, leads_to) {
            return false;
        }
        let (record, key) = (checked.record(), checked.key());
        let taken = self.database.take(now, sender, checked, leads_to);
        let evicted = self.database.take_evicted();
        if !evicted.is_empty() {
            self.outputs.push_back(MeshOutput::Evicted(evicted.len()));
            self.forgotten(now, evicted);
        }
        let displaced = self.database.take_displaced();
        if !displaced.is_empty() {
            self.forgotten(now, displaced);
        }
        let named = record.neighbours.as_ref().map_or(0, Vec::len);
        *left = left.saturating_sub(named / LINKS_A_TOPIC);
        if let RecordOutcome::New { .. } | RecordOutcome::Old = taken {
            self.work.refused.remove(&key);
        } else if key == sender {
            self.work.refused.insert(key);
        }
        match taken {
            RecordOutcome::New { linked, unlinked } => {
                *left = left.saturating_sub(linked.len() + unlinked.len());
                self.work.news += 1;
                let stub = matches!(record.subject, Subject::Stub { .. });
                self.flood((stub, key), checked.signed().bytes(), Some(peer));
                self.links_changed(now, key, &linked, &unlinked);
                true
            }
            taken => {
                self.not_new(now, (peer, sender), checked, taken);
                false
            }
        }
    }

    /// Returns whether a record may be taken: its time is plausible, and it is not of this node or
    /// one of its stubs, whose own records must win.
    fn may_take(
        &mut self,
        (peer, sender): (PeerId, RoutingKey),
        checked: &CheckedRecord,
        leads_to: u64,
    ) -> bool {
        let (record, key) = (checked.record(), checked.key());
        let ahead = MAX_AHEAD.as_micros() as u64;
        if record.version > self.clock().saturating_add(ahead) {
            // This node does not continue from such a version of its own either: other nodes would
            // refuse it.
            let what = "a record with a time far ahead of this node's clock";
            self.outputs.push_back(MeshOutput::Refused(peer, what));
            return false;
        }
        if key == self.own.key() {
            // The overlay holds a record of this node from before it restarted, when its clock was
            // ahead. Its current state must win.
            if record.subject == Subject::Node(self.own_id) {
                self.own.outbid(record.version);
            }
            return false;
        }
        if let Some(stub) = self.stubs.get_mut(&key) {
            if stub.speaker.is_of(&record.subject) {
                stub.speaker.outbid(record.version);
            }
            return false;
        }
        let signer = RoutingKey::from(record.subject.signer());
        let kept = KEPT.as_micros() as u64;
        if signer != sender
            && leads_to.saturating_add(kept) < self.clock()
            && self.database.get(key).is_none()
        {
            let what = "a record of a node that has stated nothing for a day";
            self.outputs.push_back(MeshOutput::Refused(peer, what));
            return false;
        }
        true
    }

    /// Handles a record that brings nothing new, or was not taken.
    fn not_new(
        &mut self,
        now: Instant,
        (peer, sender): (PeerId, RoutingKey),
        checked: &CheckedRecord,
        taken: RecordOutcome,
    ) {
        let (record, key) = (checked.record(), checked.key());
        match taken {
            // It was handled before.
            RecordOutcome::New { .. } => {}
            RecordOutcome::Old => {
                self.may_repeat(now, peer, 1);
            }
            RecordOutcome::OthersName => {
                let what = "a record in the name of another node";
                self.outputs.push_back(MeshOutput::Refused(peer, what));
                let named = RoutingKey::from(record.subject.node());
                if self
                    .database
                    .get(named)
                    .is_some_and(|held| !held.is_reachable())
                {
                    // The node may be a FISCO node from now on.
                    self.ask_again(now, peer);
                }
            }
            RecordOutcome::Gap => {
                self.work.want(now, sender, (key, record.version));
                if let Subject::Stub { border, .. } = &record.subject {
                    let border = RoutingKey::from(border);
                    if border != self.own.key() && self.database.get(border).is_none() {
                        self.work.want(now, sender, (border, record.version));
                    }
                }
            }
            RecordOutcome::TooManyTopics if key == sender => {
                self.outputs.push_back(MeshOutput::TooManyTopics(peer));
            }
            RecordOutcome::TooManyTopics => {
                let what = "a record over this node's limits";
                self.outputs.push_back(MeshOutput::Refused(peer, what));
            }
            RecordOutcome::NoRoom => {
                self.outputs.push_back(MeshOutput::OverBudget(peer));
                self.ask_again(now, peer);
            }
            RecordOutcome::TooOften => {
                self.outputs.push_back(MeshOutput::TooOften(peer));
                self.ask_again(now, peer);
            }
        }
    }

    pub(super) fn end_of_frame(
        &mut self,
        now: Instant,
        peer: PeerId,
        sender: RoutingKey,
        seq: u32,
    ) {
        let queue = self.work.inbox.queue(sender);
        let wanted = queue.map(|queue| std::mem::take(&mut queue.wanted));
        let wanted = wanted.unwrap_or_default();
        self.count_if_ready(now, peer);
        // The acknowledgement covers the sender's own record and everything before it: it is sent
        // only when all of that is in force here.
        if !self.work.refused.contains(&sender) {
            self.send(peer, packet::TAKEN, seq, Bytes::new());
        }
        if !wanted.is_empty() {
            self.send(peer, packet::ASK, 0, mesh::encode_keys(wanted));
        }
    }

    /// Plans to tell a neighbour again what is known here, so that it sends what is not.
    pub(super) fn ask_again(&mut self, now: Instant, peer: PeerId) {
        self.work.ask_whom.insert(peer);
        if self.work.ask_again.is_some() {
            return;
        }
        let times = match self.work.asked {
            Some((at, times)) if now < at + ASK_LATER * (2 << times) => (times + 1).min(3),
            _ => 0,
        };
        let at = now + ASK_LATER * (1 << times);
        self.work.ask_again = Some(at);
        self.work.asked = Some((at, times));
    }

    /// Does the work that is due.
    pub(super) fn work_due(&mut self, now: Instant) {
        if self.work.resume.is_some_and(|at| at <= now) {
            self.work(now);
        }
        if self.work.ask_again.is_some_and(|at| at <= now) {
            self.work.ask_again = None;
            self.work.told = Some(now);
            self.work.disbelieved.retain(|_, held| held.until > now);
            for peer in std::mem::take(&mut self.work.ask_whom) {
                if self.links.contains_key(&peer) {
                    self.tell_known(peer);
                }
            }
        }
    }

    pub(super) fn tell_known(&mut self, peer: PeerId) {
        let known = self
            .database
            .iter()
            .map(|(key, state)| (key, state.version))
            .chain([(self.own.key(), self.own.version())]);
        let body = mesh::encode_known(known);
        self.send(peer, packet::KNOWN, 0, body);
    }

    /// Sends a record of another node to all neighbours but one. Neighbours that have not said yet
    /// what they know, or will still be sent the whole state of that node, get the record with it.
    pub(super) fn flood(
        &mut self,
        (stub, key): WantedNode,
        record: &Bytes,
        except: Option<PeerId>,
    ) {
        let awaits = |link: &Link| link.unsent.awaits((stub, key));
        self.flood_to(record, None, |peer, link| {
            Some(peer) != except && !awaits(link)
        });
    }

    /// Sends a record of this node to all neighbours.
    pub(super) fn flood_own(&mut self, record: &Bytes, number: u64) {
        self.flood_to(record, Some(number), |_, link| !link.unsent.awaits_own());
    }

    fn flood_to(
        &mut self,
        record: &Bytes,
        number: Option<u64>,
        to: impl Fn(PeerId, &Link) -> bool,
    ) {
        let links = self.links.iter();
        let peers: Vec<PeerId> = links
            .filter(|&(&peer, link)| link.known.is_some() && to(peer, link))
            .map(|(&peer, _)| peer)
            .collect();
        for peer in peers {
            self.send_records(peer, record.clone(), number);
        }
    }

    pub(super) fn send(&mut self, peer: PeerId, packet: u16, seq: u32, body: Bytes) {
        self.sends
            .push_back(MeshOutput::Send(peer, extension(packet, seq, body)));
    }
}
