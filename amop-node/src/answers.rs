//! The budget of a node for HTTP answers that wait to be read.
//!
//! HTTP clients are not authenticated, and an answer may be megabytes long. All answers of one
//! address together get at most half of what is free, so that there is always room for a shorter
//! answer, no matter how many addresses hold answers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::ports::Source;

/// Answers up to this length need no room: there are never more of them than connections.
const SHORT: usize = 4 * 1024;

/// The bytes of answers that all connections hold.
#[derive(Debug)]
pub(crate) struct Answers {
    limit: usize,
    held: Mutex<HeldBytes>,
}

#[derive(Debug, Default)]
struct HeldBytes {
    total: usize,
    /// Bytes held by each address; addresses that hold nothing have no entry.
    by_source: HashMap<Source, usize>,
}

/// Room for an answer; given back when dropped.
#[derive(Debug)]
pub(crate) struct AnswerRoom {
    answers: Arc<Answers>,
    source: Source,
    len: usize,
}

impl Answers {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let held = Mutex::default();
        Arc::new(Self { limit, held })
    }

    /// Returns room for an answer of this length, or `None` if there is no room.
    pub(crate) fn admit(self: &Arc<Self>, source: Source, len: usize) -> Option<AnswerRoom> {
        let len = if len <= SHORT { 0 } else { len };
        let mut held = self.held();
        let own = held.by_source.get(&source).copied().unwrap_or(0);
        let free = self.limit.saturating_sub(held.total);
        if len > 0 {
            if own.saturating_add(len) > free / 2 {
                return None;
            }
            held.total += len;
            held.by_source.insert(source, own + len);
        }
        Some(AnswerRoom {
            answers: self.clone(),
            source,
            len,
        })
    }

    fn held(&self) -> MutexGuard<'_, HeldBytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AnswerRoom {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        let mut held = self.answers.held();
        held.total -= self.len;
        if let Some(own) = held.by_source.get_mut(&self.source) {
            *own -= self.len;
            if *own == 0 {
                held.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::ports::source;

    const MIB: usize = 1 << 20;

    fn address(n: u8) -> Source {
        source(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn an_address_gets_half_of_what_is_free_and_room_is_given_back() {
        let answers = Answers::new(64 * MIB);
        let first = answers.admit(address(1), 20 * MIB).unwrap();
        assert!(answers.admit(address(1), 10 * MIB).is_none());
        let second = answers.admit(address(2), 20 * MIB).unwrap();
        assert!(answers.admit(address(3), 20 * MIB).is_none());
        let third = answers.admit(address(3), 10 * MIB).unwrap();
        drop(first);
        assert!(answers.admit(address(1), 16 * MIB).is_some());
        drop((second, third));
        let held = answers.held();
        assert_eq!((held.total, held.by_source.len()), (0, 0));
    }

    #[test]
    fn however_many_hold_long_answers_short_ones_find_room() {
        let answers = Answers::new(64 * MIB);
        let mut rooms = Vec::new();
        for n in 0..200 {
            let mut len = 16 * MIB;
            while len > SHORT {
                rooms.extend(answers.admit(address(n), len));
                len /= 2;
            }
        }
        assert!(answers.held().total < 64 * MIB);
        assert!(answers.admit(address(1), SHORT).is_some());
        assert!(answers.admit(address(201), SHORT).is_some());
    }

    #[test]
    fn what_is_longer_than_half_the_budget_has_no_room() {
        let answers = Answers::new(MIB);
        assert!(answers.admit(address(1), MIB / 2 + 1).is_none());
        assert!(answers.admit(address(1), MIB / 2).is_some());
        assert!(answers.admit(address(1), usize::MAX).is_none());
    }
}
