//! The topics that a session wants, as its frame lists them.

use std::{collections::BTreeSet, ops::ControlFlow};

use crate::{TopicError, channel::read_names};

/// The number of invalid topics after which no more of the set is read.
const MAX_IGNORED: usize = 256;

/// Twice the topics that a session may hold are read, and this many more: the topics that it
/// already holds must be found among them, in any order.
const MAX_BEYOND: usize = 4096;

/// A set of topics in byte order. It takes two pieces of memory, however many topics it has, so
/// that dropping a set that is no longer needed costs almost nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSet {
    text: String,
    ends: Vec<u32>,
}

impl TopicSet {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = match at {
            0 => 0,
            _ => self.ends[at - 1] as usize,
        };
        self.text.get(start..end)
    }

    /// Returns the position of a topic, or the position where it would be.
    pub(super) fn find(&self, topic: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let held = self.get(middle).unwrap_or_default();
            match held.as_bytes().cmp(topic) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }
}

impl FromIterator<String> for TopicSet {
    fn from_iter<I: IntoIterator<Item = String>>(topics: I) -> Self {
        let sorted: BTreeSet<String> = topics.into_iter().collect();
        let mut set = Self::default();
        for topic in sorted {
            set.text.push_str(&topic);
            // The set comes from a body of at most 2 MiB.
            set.ends.push(set.text.len() as u32);
        }
        set.text.shrink_to_fit();
        set.ends.shrink_to_fit();
        set
    }
}

/// Topics of a set that are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignored {
    /// The beginning of the first ignored topic.
    pub(super) first: String,
    /// The number of other ignored topics. If the set is far over the limit, this is only a lower
    /// bound.
    pub(super) others: usize,
    /// The first of those that are valid topics.
    pub(super) names: Vec<String>,
}

/// The number of refused topics that a native client is told of,
const MAX_NAMED: usize = 64;

/// or as many as have this many bytes together: sessions keep them as long as the set is in force.
const MAX_NAMES: usize = 4096;

impl Ignored {
    pub(super) fn add(ignored: &mut Option<Self>, topic: &str) {
        let ignored = match ignored {
            Some(ignored) => {
                ignored.others += 1;
                ignored
            }
            None => ignored.insert(Self {
                first: topic.chars().take(64).collect(),
                others: 0,
                names: Vec::new(),
            }),
        };
        let bytes: usize = ignored.names.iter().map(String::len).sum();
        let room = ignored.names.len() < MAX_NAMED && bytes + topic.len() <= MAX_NAMES;
        if room && TopicError::check(topic).is_ok() {
            ignored.names.push(topic.to_owned());
        }
    }
}

/// A 0x32 body that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadTopics {
    pub(super) set: TopicSet,
    pub(super) ignored: Option<Ignored>,
}

impl ReadTopics {
    /// Reads a 0x32 body of a session that may hold `max` topics; it takes somewhat more than twice
    /// as many topics. It does not decide which of them the session gets. `None` means that the
    /// body was not understood and the old set stays.
    pub(super) fn read(body: &[u8], max: usize) -> Option<Self> {
        let mut topics = BTreeSet::new();
        let mut ignored = None;
        let mut left = max.saturating_mul(2).saturating_add(MAX_BEYOND);
        read_names(body, |name| {
            left -= 1;
            if TopicError::check(&name).is_ok() {
                // The topic may already be in the set.
                topics.insert(name.into_owned());
            } else {
                Ignored::add(&mut ignored, &name);
            }
            let counted = ignored.as_ref().map_or(0, |ignored| ignored.others + 1);
            if left == 0 || counted == MAX_IGNORED {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        let set = topics.into_iter().collect();
        Some(Self { set, ignored })
    }
}

#[cfg(test)]
mod tests;
