//! The requests that wait for an answer, by seq and by deadline.

use std::{collections::VecDeque, time::Instant};

use super::RefusedWhy;
use crate::{TopicName, channel::Seq, hash::HashMap};

#[derive(Debug)]
struct Request<T> {
    topic: TopicName,
    deadline: Instant,
    token: T,
}

#[derive(Debug)]
pub(super) struct Requests<T> {
    by_seq: HashMap<Seq, Request<T>>,
    /// The same requests in the order they expire, which also is the order they fail in when the
    /// session closes: a hash map's own order would differ from run to run. Those answered since are
    /// left in until they come first or are too many; the first one is never one of them.
    by_deadline: VecDeque<(Instant, Seq)>,
}

impl<T> Requests<T> {
    pub(super) fn new() -> Self {
        Self {
            by_seq: HashMap::default(),
            by_deadline: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_seq.len()
    }

    pub(super) fn is_free(&self, seq: &Seq) -> Result<(), RefusedWhy> {
        if self.by_seq.contains_key(seq) {
            return Err(RefusedWhy::SeqInUse);
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, seq: Seq, topic: TopicName, deadline: Instant, token: T) {
        let request = Request {
            topic,
            deadline,
            token,
        };
        self.by_seq.insert(seq, request);
        // Mostly at the end: deadlines are as far ahead for one message as for another.
        let at = match self.by_deadline.back() {
            Some((last, _)) if *last > deadline => self
                .by_deadline
                .partition_point(|(other, _)| *other <= deadline),
            _ => self.by_deadline.len(),
        };
        self.by_deadline.insert(at, (deadline, seq));
    }

    pub(super) fn take(&mut self, seq: &Seq) -> Option<(TopicName, T)> {
        let request = self.by_seq.remove(seq)?;
        self.tidy();
        Some((request.topic, request.token))
    }

    fn tidy(&mut self) {
        let Self {
            by_seq,
            by_deadline,
        } = self;
        let waits = |(deadline, seq): &(Instant, Seq)| {
            by_seq
                .get(seq)
                .is_some_and(|request| request.deadline == *deadline)
        };
        while by_deadline.front().is_some_and(|first| !waits(first)) {
            by_deadline.pop_front();
        }
        if by_deadline.len() > 2 * by_seq.len() + 64 {
            by_deadline.retain(waits);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.front().map(|(deadline, _)| *deadline)
    }

    /// The request that expires first, if it has expired.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<T> {
        self.next_deadline().filter(|deadline| *deadline <= now)?;
        self.take_first()
    }

    /// The request that expires first.
    pub(super) fn take_first(&mut self) -> Option<T> {
        let (_, seq) = self.by_deadline.pop_front()?;
        let request = self.by_seq.remove(&seq);
        self.tidy();
        request.map(|request| request.token)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seq(number: u32) -> Seq {
        let mut seq = [0; Seq::LEN];
        seq[..4].copy_from_slice(&number.to_be_bytes());
        Seq(seq)
    }

    #[test]
    fn what_is_answered_out_of_turn_does_not_pile_up_or_stand_first() {
        let now = Instant::now();
        let topic = TopicName::new("topic").unwrap();
        let mut requests = Requests::new();
        requests.insert(seq(0), topic.clone(), now + Duration::from_secs(9), 0);
        requests.insert(seq(1), topic.clone(), now + Duration::from_secs(5), 1);
        assert_eq!(requests.next_deadline(), Some(now + Duration::from_secs(5)));
        for number in 2..10_000 {
            requests.insert(
                seq(number),
                topic.clone(),
                now + Duration::from_secs(9),
                number,
            );
            assert_eq!(requests.take(&seq(number)), Some((topic.clone(), number)));
            assert!(requests.by_deadline.len() <= 2 * requests.len() + 65);
        }
        assert!(requests.take(&seq(1)).is_some());
        assert_eq!(requests.next_deadline(), Some(now + Duration::from_secs(9)));
        assert_eq!(requests.take_expired(now), None);
        assert_eq!(requests.take_first(), Some(0));
        assert_eq!((requests.next_deadline(), requests.len()), (None, 0));
    }
}
