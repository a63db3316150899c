//! Writes the topic lists that FISCO nodes ask for, a little at a time.

use std::{
    ops::Bound,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes};

use super::{
    NodeMachine,
    topic_lists::{ListBody, PeerTopicList},
};
use crate::{
    node::PeerId,
    p2p::{PeerFrame, packet, protocol},
};

/// The number of topics written for one event: some 100 microseconds.
const PIECE: usize = 1024;

/// The pause between two pieces, in which other work is done.
const PAUSE: Duration = Duration::from_millis(1);

impl NodeMachine {
    /// Handles a peer's request for the list of the topics announced to it.
    pub(super) fn asked_for_list(&mut self, now: Instant, peer: PeerId, seq: u32) {
        let stub = self.peers.get(&peer).is_some_and(|peer| self.is_stub(peer));
        let whose = stub.then_some(peer);
        let number = self.topic_seq;
        let list = self.lists.of.entry(whose);
        let list = list.or_insert_with(|| PeerTopicList::begin(number));
        if let ListBody::Whole(body) = &list.body {
            if list.number == number {
                let body = body.clone();
                return self.send_list(peer, seq, body);
            }
            *list = PeerTopicList::begin(number);
        }
        // A list that is being written is finished even if it is out of date by then. If a peer
        // asks several times, its last question counts.
        list.asked.retain(|&(asked, ..)| asked != peer);
        list.asked.push((peer, seq, number));
        if self.lists.resume.is_none() {
            self.write_list(now, whose);
        }
    }

    /// Continues the lists that are being written.
    pub(super) fn write_lists(&mut self, now: Instant) {
        self.lists.resume = None;
        let behind = (Bound::Excluded(self.lists.last), Bound::Unbounded);
        let lists = self.lists.of.range(behind).chain(&self.lists.of);
        let begun = lists.into_iter().find(|(_, list)| list.is_begun());
        if let Some((&whose, _)) = begun {
            self.write_list(now, whose);
        }
    }

    /// Writes a piece of a list. After the last piece, the peers that asked get the list.
    fn write_list(&mut self, now: Instant, whose: Option<PeerId>) {
        self.lists.last = whose;
        let Some(list) = self.lists.of.get_mut(&whose) else {
            return;
        };
        if let ListBody::Begun(text, last) = &mut list.body {
            let after = last.take();
            let mut count = 0;
            let mut put = |topic: &Bytes| {
                text.put_u8(b'\t');
                text.put_slice(topic);
                count += 1;
                if count == PIECE {
                    *last = Some(topic.clone());
                }
            };
            match whose.map(|peer| self.peers.get(&peer)) {
                // The topics the peer was told of when it got the sequence number.
                Some(peer) => {
                    let told = peer.map(|peer| peer.told_after(after.as_ref()));
                    told.into_iter().flatten().take(PIECE).for_each(&mut put);
                }
                None => {
                    let topics = self.router.local_topics_after(after.as_ref());
                    topics.take(PIECE).for_each(&mut put);
                }
            }
            if last.is_none() {
                list.body = ListBody::Whole(std::mem::take(text).freeze());
            }
        }
        if let ListBody::Whole(body) = &list.body {
            let (body, number) = (body.clone(), list.number);
            let asked = std::mem::take(&mut list.asked);
            let (now_late, answered): (Vec<_>, Vec<_>) = asked
                .into_iter()
                .partition(|&(.., wanted)| wanted != number);
            for (peer, seq, _) in answered {
                self.send_list(peer, seq, body.clone());
            }
            // Peers that asked after the number changed get the current topics.
            if !now_late.is_empty() {
                let number = self.topic_seq;
                let late = now_late
                    .into_iter()
                    .map(|(peer, seq, _)| (peer, seq, number));
                let mut list = PeerTopicList::begin(number);
                list.asked.extend(late);
                self.lists.of.insert(whose, list);
            }
        }
        if self.lists.of.values().any(PeerTopicList::is_begun) {
            self.lists.resume = Some(now + PAUSE);
        }
    }

    fn send_list(&mut self, peer: PeerId, seq: u32, body: Bytes) {
        let Some(link) = self.peers.get_mut(&peer) else {
            return;
        };
        link.was_told(body.len());
        let frame = PeerFrame {
            protocol: -protocol::TOPIC,
            packet: packet::TOPICS,
            seq,
            body,
        };
        self.router.send_peer(peer, frame);
    }
}
