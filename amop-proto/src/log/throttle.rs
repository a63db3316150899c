//! A limit on the number of log lines of a kind.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    mem,
    time::{Duration, Instant},
};

use super::OneLine;

/// The limits of a [`LogThrottle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLimits {
    /// How long lines are counted together. Default: 10 s.
    pub window: Duration,
    /// Lines of one kind from one source within a window. Default: 10.
    pub per_source: u32,
    /// Lines of one kind within a window, from all sources together. Default: 50.
    pub per_kind: u32,
    /// Bytes of lines of one kind within a window. A line that would exceed it is shown only if it
    /// is the first. Default: 8 KiB.
    pub bytes_per_kind: usize,
    /// Sources remembered at once; a source counts once for each kind. Default: 1024.
    pub sources: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(10),
            per_source: 10,
            per_kind: 50,
            bytes_per_kind: 8 * 1024,
            sources: 1024,
        }
    }
}

/// Lets the first lines of a kind through, and counts those that follow until the window ends.
///
/// `K` is the kind of a line; a program has a few kinds. `S` is the source that caused the line,
/// such as an address or a connection; there may be any number of sources. A source that causes
/// many lines uses up its own share; many sources use up the share of the kind. No line is lost
/// without being counted: each window in which lines were held back ends with a [`Summary`].
///
/// Memory is bounded by the number of kinds and by [`LogLimits::sources`].
#[derive(Debug)]
pub struct LogThrottle<K, S> {
    limits: LogLimits,
    kinds: HashMap<K, KindLines>,
    sources: RecentMap<(K, S), LineWindow>,
}

#[derive(Debug)]
struct KindLines {
    window: LineWindow,
    /// Bytes shown within the window.
    bytes: usize,
    hidden: u64,
    last: String,
}

/// The number of lines shown since an instant.
#[derive(Debug)]
struct LineWindow {
    since: Instant,
    shown: u32,
}

/// The lines of a kind that were held back in a window that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The number of lines held back.
    pub hidden: u64,
    /// The time from the first line of the window until now.
    pub within: Duration,
    /// The last line held back, on one line.
    pub last: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hidden, seconds) = (self.hidden, self.within.as_secs());
        let lines = if hidden == 1 { "line" } else { "lines" };
        let last = &self.last;
        write!(
            f,
            "{hidden} more {lines} like this within {seconds} s, the last: {last}"
        )
    }
}

impl<K: Clone + Eq + Hash, S: Eq + Hash> LogThrottle<K, S> {
    /// Creates a throttle that has seen nothing.
    pub fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            kinds: HashMap::new(),
            sources: RecentMap::new(limits.sources),
        }
    }

    /// Returns the line to log for an event, escaped by [`OneLine`]; `None` if it is only counted.
    /// Call [`summary`](Self::summary) first.
    pub fn line(
        &mut self,
        now: Instant,
        kind: K,
        source: S,
        text: impl fmt::Display,
    ) -> Option<String> {
        self.escaped(now, kind, source, OneLine::new(text).to_string())
    }

    /// Does the same as [`line`](Self::line) for a text that [`OneLine`] has escaped already.
    /// Callers that share a throttle behind a lock use it to write the text before they take the
    /// lock.
    pub fn escaped(&mut self, now: Instant, kind: K, source: S, text: String) -> Option<String> {
        let limits = self.limits;
        let fresh = || LineWindow {
            since: now,
            shown: 0,
        };
        let of_source = self.sources.get((kind.clone(), source), fresh);
        of_source.renew(now, limits.window);
        let of_kind = self.kinds.entry(kind).or_insert_with(|| KindLines {
            window: fresh(),
            bytes: 0,
            hidden: 0,
            last: String::new(),
        });
        // A window that held lines back stays open until its summary is taken.
        if of_kind.hidden == 0 && of_kind.window.renew(now, limits.window) {
            of_kind.bytes = 0;
        }
        if of_kind.has_room(text.len(), limits.bytes_per_kind)
            && of_source.take(limits.per_source)
            && of_kind.window.take(limits.per_kind)
        {
            of_kind.bytes += text.len();
            return Some(text);
        }
        of_kind.hidden += 1;
        of_kind.last = text;
        None
    }

    /// Returns the summary of the lines of a kind that were held back, once their window has ended.
    pub fn summary(&mut self, now: Instant, kind: &K) -> Option<Summary> {
        self.kinds.get_mut(kind)?.summary(now, self.limits.window)
    }

    /// Returns the summaries of all kinds whose windows have ended. Call it about once per window.
    pub fn summaries(&mut self, now: Instant) -> Vec<(K, Summary)> {
        self.over(now, self.limits.window)
    }

    /// Returns the summaries of all kinds, even if their windows have not ended.
    pub fn finish(&mut self, now: Instant) -> Vec<(K, Summary)> {
        self.over(now, Duration::ZERO)
    }

    /// Returns when [`summaries`](Self::summaries) next has something to return; `None` if no lines
    /// are held back.
    pub fn next_summary(&self) -> Option<Instant> {
        let hiding = self.kinds.values().filter(|kind| kind.hidden > 0);
        hiding
            .map(|kind| kind.window.since + self.limits.window)
            .min()
    }

    fn over(&mut self, now: Instant, window: Duration) -> Vec<(K, Summary)> {
        let kinds = self.kinds.iter_mut();
        kinds
            .filter_map(|(kind, seen)| Some((kind.clone(), seen.summary(now, window)?)))
            .collect()
    }

    /// Returns the number of remembered sources.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.sources.young.len() + self.sources.old.len()
    }
}

impl KindLines {
    fn has_room(&self, len: usize, limit: usize) -> bool {
        self.bytes == 0 || self.bytes + len <= limit
    }

    fn summary(&mut self, now: Instant, window: Duration) -> Option<Summary> {
        let within = now.saturating_duration_since(self.window.since);
        if self.hidden == 0 || within < window {
            return None;
        }
        self.window = LineWindow {
            since: now,
            shown: 0,
        };
        self.bytes = 0;
        Some(Summary {
            hidden: mem::take(&mut self.hidden),
            within,
            last: mem::take(&mut self.last),
        })
    }
}

impl LineWindow {
    /// Starts the window again if it has ended; returns whether it had.
    fn renew(&mut self, now: Instant, length: Duration) -> bool {
        let over = now.saturating_duration_since(self.since) >= length;
        if over {
            *self = Self {
                since: now,
                shown: 0,
            };
        }
        over
    }

    /// Counts a line if there is room for one.
    fn take(&mut self, max: u32) -> bool {
        let room = self.shown < max;
        self.shown += u32::from(room);
        room
    }
}

/// A map that forgets entries that were not used recently. It keeps at least half as many entries
/// as its maximum, and at most the maximum.
#[derive(Debug)]
struct RecentMap<Q, V> {
    max: usize,
    young: HashMap<Q, V>,
    old: HashMap<Q, V>,
}

impl<Q: Eq + Hash, V> RecentMap<Q, V> {
    fn new(max: usize) -> Self {
        let (young, old) = Default::default();
        Self { max, young, old }
    }

    fn get(&mut self, key: Q, fresh: impl FnOnce() -> V) -> &mut V {
        let known = self.old.remove(&key);
        if !self.young.contains_key(&key) && self.young.len() >= (self.max / 2).max(1) {
            self.old = mem::take(&mut self.young);
        }
        let entry = self.young.entry(key);
        entry.or_insert_with(|| known.unwrap_or_else(fresh))
    }
}

#[cfg(test)]
mod tests;
