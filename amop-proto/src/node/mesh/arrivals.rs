//! Handles records that neighbours send: known records are skipped, the rest wait for their turn.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Mesh,
    inbox::{InboxItem, NextItem},
    output::MeshOutput,
    pending::PacketPart,
};
use crate::{
    hash::HashMap,
    node::{PeerId, checker::CheckedRecord},
    p2p::mesh::RoutingKey,
};

/// The topics and records handled for one event; the rest is handled after `PAUSE`, so that
/// messages get their turn.
const TOPICS_AT_ONCE: usize = 96;
const RECORDS_AT_ONCE: usize = 64;
const PAUSE: Duration = Duration::from_millis(1);

/// The topics and records handled for one neighbour before the next one has its turn.
const TOPICS_A_TURN: usize = 32;
const RECORDS_A_TURN: usize = 16;

/// The number of new records that each link may repeat at most.
const ECHOES: u64 = 16 * 1024;

/// What is left to do for one event, or in one turn.
#[derive(Debug)]
struct WorkLeft {
    topics: usize,
    records: usize,
}

impl Mesh {
    /// Queues records behind those that the neighbour has sent before; known records are left out.
    pub(super) fn enqueue(
        &mut self,
        now: Instant,
        (peer, sender): (PeerId, RoutingKey),
        (seq, is_last): (u32, bool),
        mut records: Vec<CheckedRecord>,
    ) {
        let part = self.work.begin_part(peer, is_last);
        let mut last: HashMap<RoutingKey, u64> = HashMap::default();
        for record in &records {
            let last = last.entry(record.key()).or_default();
            *last = record.record().version.max(*last);
        }
        let all = records.len();
        records.retain(|record| !self.is_known_record(record));
        // An empty frame counts as one known record.
        let is_empty = all == 0 && part == PacketPart::Whole;
        let known = (all - records.len()).max(usize::from(is_empty));
        if !self.may_repeat(now, peer, known) && records.is_empty() {
            return;
        }
        let items = records.into_iter().map(|record| InboxItem::Record {
            leads_to: last.get(&record.key()).copied().unwrap_or(0),
            record: Box::new(record),
        });
        // A frame of which a part was not taken is not acknowledged.
        let end =
            matches!(part, PacketPart::Whole | PacketPart::Last).then_some(InboxItem::End { seq });
        let items: VecDeque<InboxItem> = items.chain(end).collect();
        let most = self.limits.records_bytes / 2;
        let (taken, gone) = self.work.inbox.push((sender, peer), items, most);
        for (sender, queue) in gone {
            let own = queue.nodes().any(|node| node == sender);
            self.not_taken(now, (queue.peer, sender), own);
        }
        if !taken {
            self.not_taken(now, (peer, sender), last.contains_key(&sender));
        }
        if self.work.resume.is_none() {
            self.work(now);
        }
    }

    /// Handles records for which there was no room; `own` means that the neighbour's own record is
    /// among them.
    fn not_taken(&mut self, now: Instant, (peer, sender): (PeerId, RoutingKey), own: bool) {
        self.work.torn(peer);
        if own {
            self.work.refused.insert(sender);
        }
        self.outputs.push_back(MeshOutput::OverBudget(peer));
        self.ask_again(now, peer);
    }

    /// Returns whether a record says nothing new.
    fn is_known_record(&mut self, checked: &CheckedRecord) -> bool {
        let (record, key) = (checked.record(), checked.key());
        let held = self.database.get(key);
        let known = held.is_some_and(|held| {
            held.node == *record.subject.node() && record.version <= held.version
        });
        if known {
            self.work.refused.remove(&key);
        }
        known
    }

    /// Returns whether a neighbour may send this many records that are already known.
    pub(super) fn may_repeat(&mut self, now: Instant, peer: PeerId, count: usize) -> bool {
        let news = self.work.news;
        let Some(link) = self.links.get_mut(&peer) else {
            return true;
        };
        link.echoes = link.echoes.max(news.saturating_sub(ECHOES));
        let echoes = (news - link.echoes).min(count as u64);
        link.echoes += echoes;
        for _ in echoes..count as u64 {
            if !link.repeats.take(now, 1) {
                self.outputs.push_back(MeshOutput::Repeats(peer));
                return false;
            }
        }
        true
    }

    /// Handles records that have come, as many as one event may.
    pub(super) fn work(&mut self, now: Instant) {
        self.work.resume = None;
        let mut left = WorkLeft {
            topics: TOPICS_AT_ONCE,
            records: RECORDS_AT_ONCE,
        };
        while let Some(sender) = self.work.inbox.turn() {
            if left.topics == 0 || left.records == 0 {
                self.work.resume = Some(now + PAUSE);
                return;
            }
            let mut turn = WorkLeft {
                topics: TOPICS_A_TURN.min(left.topics),
                records: RECORDS_A_TURN.min(left.records),
            };
            let WorkLeft { topics, records } = turn;
            self.turn(now, sender, &mut turn);
            left.topics -= topics - turn.topics;
            left.records -= records - turn.records;
            self.work.inbox.end_turn(sender);
        }
    }

    /// Handles records of one neighbour.
    fn turn(&mut self, now: Instant, sender: RoutingKey, left: &mut WorkLeft) {
        while left.topics > 0 && left.records > 0 {
            let (item, begun) = match self.work.inbox.take(sender) {
                NextItem::Nothing => return,
                NextItem::Blocked => {
                    left.records -= 1;
                    return;
                }
                NextItem::Item(item, begun) => (item, begun),
            };
            left.records -= 1;
            let Some(peer) = self.work.inbox.queue(sender).map(|queue| queue.peer) else {
                return;
            };
            match item {
                InboxItem::End { seq } => self.end_of_frame(now, peer, sender, seq),
                InboxItem::Record { record, leads_to } => {
                    let at = match begun {
                        Some(at) => Some(at),
                        None => self
                            .record(now, (peer, sender), &record, leads_to, &mut left.topics)
                            .then_some(0),
                    };
                    let next =
                        at.and_then(|at| self.topics_of_record(&record, at, &mut left.topics));
                    if let Some(at) = next {
                        let item = InboxItem::Record { record, leads_to };
                        self.work.inbox.put_back(sender, item, at);
                    }
                }
            }
        }
    }
}
