//! The exchange of topics with the node machine, as FISCO nodes of 2.x do it (p2p-v2 section 6).

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::p2p::{PeerFrame, TopicList, TopicListError, packet, parse_topic_seq, protocol};

/// The time between two announcements of the number of the list (p2p-v2 section 3.4).
const ANNOUNCE: Duration = Duration::from_secs(5);

/// The shortest time between the announcements of two changes: the machine fetches the whole list
/// each time.
const CHANGES: Duration = Duration::from_millis(100);

/// How long the answer to a request for the machine's list is waited for.
const LIST: Duration = Duration::from_secs(5);

/// The topics of 3.x nodes as the machine is told of them, and the machine's topics as far as they
/// are known.
#[derive(Debug)]
pub(super) struct TopicExchange {
    /// The number of the list that the machine is told of.
    number: u32,
    /// Whether the topics are other ones than those that the machine was told of last.
    changed: bool,
    /// The list with this number.
    list: Option<Bytes>,
    announce_at: Instant,
    /// A change is not announced before this time.
    change_at: Instant,
    /// The number of the machine's list that was fetched last.
    known: Option<u32>,
    /// The number that the machine announced last.
    wanted: Option<u32>,
    /// The request for the machine's list, and how long its answer is waited for.
    asked: Option<(u32, Instant)>,
}

impl TopicExchange {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            // The machine takes 0 for a list that it has.
            number: 1,
            changed: false,
            list: None,
            announce_at: now,
            change_at: now,
            known: None,
            wanted: None,
            asked: None,
        }
    }

    /// Records that the topics of 3.x nodes changed.
    pub(super) fn note_changed(&mut self) {
        self.changed = true;
    }

    /// Returns when [`announcement`](Self::announcement) is due.
    pub(super) fn next_timeout(&self) -> Instant {
        match self.changed {
            true => self.change_at.min(self.announce_at),
            false => self.announce_at,
        }
    }

    /// Returns the announcement of the list's number, if it is due. It is also the sign of life that
    /// the machine expects of a peer.
    pub(super) fn announcement(&mut self, now: Instant) -> Option<PeerFrame> {
        if self.next_timeout() > now {
            return None;
        }
        if std::mem::take(&mut self.changed) {
            self.number = self.number.wrapping_add(1).max(1);
            self.list = None;
            self.change_at = now + CHANGES;
        }
        self.announce_at = now + ANNOUNCE;
        Some(PeerFrame {
            protocol: protocol::TOPIC,
            packet: packet::TOPIC_SEQ,
            seq: 0,
            body: self.number.to_string().into(),
        })
    }

    /// Returns the answer to the machine's request for the list, which has these topics now.
    pub(super) fn answer<'a>(
        &mut self,
        seq: u32,
        topics: impl Iterator<Item = &'a Bytes>,
    ) -> PeerFrame {
        let number = self.number;
        let list = self.list.get_or_insert_with(|| {
            let topics = topics.cloned().collect();
            let seq = number;
            TopicList { seq, topics }.encode()
        });
        PeerFrame {
            protocol: -protocol::TOPIC,
            packet: packet::TOPICS,
            seq,
            body: list.clone(),
        }
    }

    /// Handles the number of the machine's list. Returns the request for the list, if it is not
    /// known; `seq` is its number.
    pub(super) fn heard(&mut self, now: Instant, text: &[u8], seq: u32) -> Option<PeerFrame> {
        self.wanted = Some(parse_topic_seq(text).ok()?);
        self.request(now, seq)
    }

    /// Returns the request for the machine's list, if it is not known and not on its way.
    pub(super) fn request(&mut self, now: Instant, seq: u32) -> Option<PeerFrame> {
        let waits = self.asked.is_some_and(|(_, until)| now < until);
        if waits || self.wanted == self.known {
            return None;
        }
        self.asked = Some((seq, now + LIST));
        Some(PeerFrame {
            protocol: protocol::TOPIC,
            packet: packet::REQUEST_TOPICS,
            seq,
            body: Bytes::new(),
        })
    }

    /// Handles the machine's list. Returns its topics; `None` if it was not requested.
    ///
    /// # Errors
    ///
    /// [`TopicListError`] if it cannot be read.
    pub(super) fn fetched(
        &mut self,
        frame: &PeerFrame,
        max: usize,
    ) -> Result<Option<Vec<Bytes>>, TopicListError> {
        if self.asked.is_none_or(|(seq, _)| seq != frame.seq) {
            return Ok(None);
        }
        self.asked = None;
        let list = TopicList::parse(&frame.body, max)?;
        self.known = Some(list.seq);
        Ok(Some(list.topics))
    }
}
