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
mod tests;
