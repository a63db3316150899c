//! The link-state protocol itself: which records go to whom, and what comes of those that come.

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{Link, Mesh, Output, database::Taken, extension, sync::Wanted};
use crate::{
    hash::HashMap,
    node::{
        PeerId,
        checker::{CheckedRecord, CheckedRecords},
    },
    p2p::{
        PeerFrame,
        mesh::{self, NodeKey, Subject, packet},
    },
};

/// More frames with this node's record than this are not waited for; a later acknowledgement covers
/// the earlier ones.
pub(super) const MAX_AWAITED: usize = 1024;

/// Versions are times. One this far ahead of this node's clock leaves its own node no room to outbid
/// it, and is refused; clocks are not that wrong.
const MAX_AHEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// So many topics and records are worked on for one event, and the rest after this time, so that
/// messages get their turn.
const TOPICS_AT_ONCE: usize = 2048;
const RECORDS_AT_ONCE: usize = 256;
const PAUSE: Duration = Duration::from_millis(1);

/// What is asked for later, because it came too often or there was no room, is asked for after this.
const ASK_LATER: Duration = Duration::from_secs(5);

/// A node that is not believed is not asked for this long.
const DISBELIEF: Duration = Duration::from_secs(60);

/// Not more than this many are remembered.
const MAX_DISBELIEVED: usize = 1024;

/// Records that have come and are not yet applied.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    waiting: VecDeque<Item>,
    /// Bytes of the records of each neighbour in there.
    bytes: HashMap<NodeKey, usize>,
    /// Where the first of them goes on, if it has been begun.
    at: Option<usize>,
    /// What to ask for at the end of the frame at hand.
    wanted: BTreeSet<NodeKey>,
    resume: Option<Instant>,
    /// When to ask neighbours for everything that is not here.
    ask_again: Option<Instant>,
    /// Nodes whose certificates this node does not believe, and until when not to ask for them.
    disbelieved: HashMap<NodeKey, Instant>,
}

#[derive(Debug, Clone)]
enum Item {
    Record {
        peer: PeerId,
        sender: NodeKey,
        record: Box<CheckedRecord>,
        /// The last version of its node in the same frame: what this is a step on the way to.
        leads_to: u64,
    },
    /// Of a frame.
    End {
        peer: PeerId,
        sender: NodeKey,
        seq: u32,
    },
}

impl Work {
    pub(super) fn next(&self) -> Option<Instant> {
        crate::node::sooner(self.resume, self.ask_again)
    }
}

impl Mesh {
    /// Handles a packet of the link-state protocol, other than records.
    pub(in crate::node) fn packet(&mut self, now: Instant, peer: PeerId, frame: &PeerFrame) {
        self.touched.0 = true;
        if !self.links.contains_key(&peer) {
            return;
        }
        let understood = match frame.packet {
            // A sign of life.
            packet::HELLO => Some(()),
            packet::KNOWN => self.known(now, peer, frame.body.clone()),
            packet::TAKEN => {
                self.taken(peer, frame.seq);
                Some(())
            }
            packet::ASK => self.asked(now, peer, frame.body.clone()),
            // Of a later version of the extension.
            _ => Some(()),
        };
        if understood.is_none() {
            self.outputs
                .push_back(Output::Bad(peer, "a malformed link-state packet"));
        }
    }

    fn taken(&mut self, peer: PeerId, seq: u32) {
        let Some(link) = self.links.get_mut(&peer) else {
            return;
        };
        // What was never sent cannot have been taken.
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
            self.outputs.push_back(Output::Acknowledged);
        }
    }

    /// A neighbour sent records, which have been checked.
    pub(in crate::node) fn records(&mut self, now: Instant, peer: PeerId, checked: CheckedRecords) {
        self.touched.0 = true;
        let Some(sender) = self.links.get(&peer).map(|link| link.key) else {
            return;
        };
        for (subject, why) in checked.refused {
            let (key, node) = (subject.key(), *subject.node());
            if self.work.disbelieved.len() >= MAX_DISBELIEVED {
                self.work.disbelieved.clear();
            }
            self.work.disbelieved.insert(key, now + DISBELIEF);
            self.outputs
                .push_back(Output::Disbelieved { peer, node, why });
            // What it said before it was refused counts no longer.
            self.forget(now, key);
        }
        if let Some(fault) = checked.fault {
            return self.outputs.push_back(Output::Fault(peer, fault));
        }
        for node in checked.too_long {
            if NodeKey::from(&node) == sender {
                return self.outputs.push_back(Output::TooManyTopics(peer));
            }
            let what = "a record over this node's limits";
            self.outputs.push_back(Output::Refused(peer, what));
        }
        let len = |record: &CheckedRecord| record.signed().bytes().len();
        let bytes: usize = checked.records.iter().map(len).sum();
        let waiting = self.work.bytes.entry(sender).or_default();
        if *waiting > 0 && *waiting + bytes > self.limits.records_bytes / 4 {
            self.outputs.push_back(Output::OverBudget(peer));
            self.ask_again(now);
            return;
        }
        *waiting += bytes;
        let mut last: HashMap<NodeKey, u64> = HashMap::default();
        for record in &checked.records {
            let last = last.entry(record.key()).or_default();
            *last = record.record().version.max(*last);
        }
        let records = checked.records.into_iter();
        self.work.waiting.extend(records.map(|record| Item::Record {
            peer,
            sender,
            leads_to: last.get(&record.key()).copied().unwrap_or(0),
            record: Box::new(record),
        }));
        let seq = checked.seq;
        self.work.waiting.push_back(Item::End { peer, sender, seq });
        if self.work.resume.is_none() {
            self.work(now);
        }
    }

    /// Works on records that have come, so much of it at once.
    pub(super) fn work(&mut self, now: Instant) {
        self.work.resume = None;
        let (mut topics, mut records) = (TOPICS_AT_ONCE, RECORDS_AT_ONCE);
        while let Some(item) = self.work.waiting.pop_front() {
            if topics == 0 || records == 0 {
                self.work.waiting.push_front(item);
                self.work.resume = Some(now + PAUSE);
                return;
            }
            match item {
                Item::End { peer, sender, seq } => self.end_of_frame(now, peer, sender, seq),
                Item::Record {
                    peer,
                    sender,
                    record,
                    leads_to,
                } => {
                    records -= 1;
                    let begun = self.work.at.take();
                    let at = match begun {
                        Some(at) => Some(at),
                        None => self
                            .record(now, (peer, sender), &record, leads_to)
                            .then_some(0),
                    };
                    let next = at.and_then(|at| self.topics_of_record(&record, at, &mut topics));
                    if next.is_some() {
                        self.work.at = next;
                        let item = Item::Record {
                            peer,
                            sender,
                            record,
                            leads_to,
                        };
                        self.work.waiting.push_front(item);
                        continue;
                    }
                    if let Some(bytes) = self.work.bytes.get_mut(&sender) {
                        *bytes = bytes.saturating_sub(record.signed().bytes().len());
                        if *bytes == 0 {
                            self.work.bytes.remove(&sender);
                        }
                    }
                }
            }
        }
    }

    /// Applies so many topics of a record; returns where to go on, if that is not all.
    fn topics_of_record(
        &mut self,
        record: &CheckedRecord,
        at: usize,
        left: &mut usize,
    ) -> Option<usize> {
        let (changes, next) = self.database.apply_topics(record, at, *left);
        let touched = next.unwrap_or(record.record().topics.len()) - at;
        *left = left.saturating_sub(touched.max(changes.len()));
        let key = record.key();
        let reachable = |state: &super::database::State| state.is_reachable();
        if self.database.get(key).is_some_and(reachable) {
            for (topic, count) in changes {
                self.show(key, topic, count);
            }
        }
        if next.is_some() {
            // Whatever little was left.
            *left = 0;
        }
        next
    }

    /// Takes a record in, all but its topics; whether it is new.
    fn record(
        &mut self,
        now: Instant,
        (peer, sender): (PeerId, NodeKey),
        checked: &CheckedRecord,
        leads_to: u64,
    ) -> bool {
        let (record, key) = (checked.record(), checked.key());
        if key == self.own.key() {
            // The network holds a record of this very node: from before it started again, with a clock
            // that was ahead. Its state now has to win.
            self.own.outbid(record.version);
            return false;
        }
        if let Some(border) = self.borders.get_mut(&key) {
            border.speaker.outbid(record.version);
            return false;
        }
        let ahead = MAX_AHEAD.as_micros() as u64;
        if record.version > self.clock().saturating_add(ahead) {
            let what = "a record with a time far ahead of this node's clock";
            self.outputs.push_back(Output::Refused(peer, what));
            return false;
        }
        let taken = self.database.take(now, sender, checked, leads_to);
        let evicted = self.database.take_evicted();
        if !evicted.is_empty() {
            self.outputs.push_back(Output::Evicted(evicted.len()));
            self.forgotten(now, evicted);
        }
        match taken {
            Taken::New { linked, unlinked } => {
                let stub = matches!(record.subject, Subject::Stub { .. });
                self.flood((stub, key), checked.signed().bytes(), Some(peer));
                self.links_changed(now, key, &linked, &unlinked);
                return true;
            }
            Taken::Old => {}
            Taken::Gap => {
                self.work.wanted.insert(key);
                if let Subject::Stub { border, .. } = &record.subject {
                    let border = NodeKey::from(border);
                    if border != self.own.key() && self.database.get(border).is_none() {
                        self.work.wanted.insert(border);
                    }
                }
            }
            Taken::TooManyTopics if key == sender => {
                self.outputs.push_back(Output::TooManyTopics(peer));
            }
            Taken::TooManyTopics => {
                let what = "a record over this node's limits";
                self.outputs.push_back(Output::Refused(peer, what));
            }
            Taken::NoRoom => {
                self.outputs.push_back(Output::OverBudget(peer));
                self.ask_again(now);
            }
            Taken::TooOften => {
                self.outputs.push_back(Output::TooOften(peer));
                self.ask_again(now);
            }
        }
        false
    }

    fn end_of_frame(&mut self, now: Instant, peer: PeerId, sender: NodeKey, seq: u32) {
        let mut wanted = std::mem::take(&mut self.work.wanted);
        self.count_if_ready(now, peer);
        // The acknowledgement speaks of the sender's own record, so it waits until that is whole here.
        if !wanted.contains(&sender) {
            self.send(peer, packet::TAKEN, seq, Bytes::new());
        }
        wanted.retain(|key| !self.work.disbelieved.contains_key(key));
        if !wanted.is_empty() {
            self.send(peer, packet::ASK, 0, mesh::encode_keys(wanted));
        }
    }

    /// Neighbours are told once more what is known here, so that they send what is not.
    fn ask_again(&mut self, now: Instant) {
        self.work.ask_again.get_or_insert(now + ASK_LATER);
    }

    /// Does what is due of all this.
    pub(super) fn work_due(&mut self, now: Instant) {
        if self.work.resume.is_some_and(|at| at <= now) {
            self.work(now);
        }
        if self.work.ask_again.is_some_and(|at| at <= now) {
            self.work.ask_again = None;
            self.work.disbelieved.retain(|_, until| *until > now);
            let peers: Vec<PeerId> = self.links.keys().copied().collect();
            for peer in peers {
                self.tell_known(peer);
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

    /// Sends a record of another node to all neighbours but one. Those that have yet to say what they
    /// know, or to be sent the whole state of that node, get everything then.
    pub(super) fn flood(&mut self, (stub, key): Wanted, record: &Bytes, except: Option<PeerId>) {
        let awaits = |link: &Link| link.sync.awaits((stub, key));
        self.flood_to(record, None, |peer, link| {
            Some(peer) != except && !awaits(link)
        });
    }

    /// Sends a record of this node to all neighbours.
    pub(super) fn flood_own(&mut self, record: &Bytes, number: u64) {
        self.flood_to(record, Some(number), |_, link| !link.sync.awaits_own());
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
            .push_back(Output::Send(peer, extension(packet, seq, body)));
    }
}
