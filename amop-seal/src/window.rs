//! Remembers the accepted messages, so that none is accepted twice.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    KeyId, MessageId,
    state::{PublisherState, StateError, WindowState},
};

/// The number of messages that a window remembers, of all publishers together; each publisher has
/// an equal share.
pub const MAX_REMEMBERED: usize = 262_144;

/// The limits for the times of messages in a [`ReplayWindow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplaySettings {
    /// The maximum age of a message when it is read. Default 5 min.
    pub max_age: Duration,
    /// The maximum time by which a publisher's clock may be ahead of this side's. Default 5 s.
    pub ahead: Duration,
    /// How far a saved mark is ahead: after a crash a reader refuses messages that are stamped up
    /// to this long after the last one it accepted. Default 2 s.
    pub lease: Duration,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(300),
            ahead: Duration::from_secs(5),
            lease: Duration::from_secs(2),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why a message is refused for its time or as a copy. Its signature may be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayRefusal {
    /// A copy was accepted before.
    #[error("it was taken before: it is a copy")]
    Replayed,
    /// It is older than the remembered messages, so it may have been accepted before.
    #[error(
        "it is from before this reader started, or older than what it remembers, so it may be a copy; \
         publish it as a new message"
    )]
    Forgotten,
    /// It is too old.
    #[error(
        "it is {age_ms} ms old, the limit is {max_ms} ms; publish it as a new message, and compare both clocks"
    )]
    TooOld {
        /// Its age in milliseconds.
        age_ms: u64,
        /// The limit in milliseconds.
        max_ms: u64,
    },
    /// It is stamped in the future.
    #[error(
        "its time is {by_ms} ms ahead of this clock, the limit is {max_ms} ms; set both clocks by NTP"
    )]
    ClockAhead {
        /// The time by which it is ahead, in milliseconds.
        by_ms: u64,
        /// The limit in milliseconds.
        max_ms: u64,
    },
    /// The mark for it could not be saved, so it must not be accepted.
    #[error("the replay guard's state could not be saved; check its store")]
    NotSaved,
}

/// The memory of one reader: the messages that it has accepted, and the time before which it knows
/// nothing.
///
/// * A message is identified by its publisher's key, its time and its id, all of which are signed.
/// * When a message is forgotten, because it is old or because there is no room, its time becomes a
///   *floor*: no message of that publisher stamped at or before it is accepted. So a clock that
///   jumps, or a publisher that sends more than can be remembered, causes messages to be refused,
///   but never to be accepted twice.
/// * Before a message is accepted, a *mark* later than its time must be saved, see
///   [`next_mark`](Self::next_mark). After a crash every message up to the mark is refused. A
///   window that ends normally saves [`closed_state`](Self::closed_state), which loses nothing.
#[derive(Debug, Clone)]
pub struct ReplayWindow {
    settings: ReplaySettings,
    /// The floor for all publishers: no message stamped at or before it is accepted.
    floor: u64,
    /// The saved mark: no message stamped after it is accepted. `None` if this window is never
    /// saved.
    mark: Option<u64>,
    /// The latest time of an accepted message.
    highest: u64,
    capacity: usize,
    seen: HashMap<KeyId, SeenByPublisher>,
}

#[derive(Debug, Clone, Default)]
struct SeenByPublisher {
    floor: u64,
    messages: BTreeSet<(u64, MessageId)>,
}

/// A mark to save before messages up to its time are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    time: u64,
    state: Vec<u8>,
}

impl Mark {
    /// Returns the bytes to save.
    pub fn state(&self) -> &[u8] {
        &self.state
    }
}

impl ReplayWindow {
    /// Creates the window of a reader that runs for the first time: no message stamped before `now`
    /// is accepted. All times are in milliseconds since 1970.
    pub fn first(settings: ReplaySettings, now: u64) -> Self {
        Self::from(settings, now.saturating_sub(1), Some(0))
    }

    /// Creates a window that is never saved. It does not know the messages accepted before a
    /// restart, so it refuses all messages stamped before the start, and those that a clock that is
    /// ahead may have stamped before the start.
    pub fn unsaved(settings: ReplaySettings, now: u64) -> Self {
        let floor = now.saturating_add(millis(settings.ahead));
        Self::from(settings, floor, None)
    }

    /// Restores a saved window. After a crash it refuses every message up to the mark.
    ///
    /// # Errors
    ///
    /// [`StateError`] if these are not the saved bytes.
    pub fn restored(settings: ReplaySettings, state: &[u8]) -> Result<Self, StateError> {
        let state = WindowState::decode(state)?;
        let mut window = Self::from(settings, state.floor, Some(0));
        window.highest = state.mark;
        match state.publishers {
            Some(publishers) => {
                for PublisherState {
                    key,
                    floor,
                    messages,
                } in publishers
                {
                    window.seen.insert(key, SeenByPublisher { floor, messages });
                }
            }
            None => window.floor = window.floor.max(state.mark),
        }
        Ok(window)
    }

    fn from(settings: ReplaySettings, floor: u64, mark: Option<u64>) -> Self {
        Self {
            settings,
            floor,
            mark,
            highest: floor,
            capacity: MAX_REMEMBERED,
            seen: HashMap::new(),
        }
    }

    /// Divides the room among this number of publishers.
    pub(crate) fn share(&mut self, publishers: usize) {
        self.capacity = (MAX_REMEMBERED / publishers.max(1)).max(1);
    }

    /// Checks whether a message may be accepted according to its time and id.
    ///
    /// # Errors
    ///
    /// [`ReplayRefusal`] if it may not.
    pub fn check(
        &self,
        sender: KeyId,
        time: u64,
        id: &MessageId,
        now: u64,
    ) -> Result<(), ReplayRefusal> {
        let seen = self.seen.get(&sender);
        if seen.is_some_and(|seen| seen.messages.contains(&(time, *id))) {
            return Err(ReplayRefusal::Replayed);
        }
        let (max_age, ahead) = (millis(self.settings.max_age), millis(self.settings.ahead));
        if time > now.saturating_add(ahead) {
            let by_ms = time - now;
            return Err(ReplayRefusal::ClockAhead {
                by_ms,
                max_ms: ahead,
            });
        }
        if time.saturating_add(max_age) < now {
            let age_ms = now - time;
            return Err(ReplayRefusal::TooOld {
                age_ms,
                max_ms: max_age,
            });
        }
        let floor = self.floor.max(seen.map_or(0, |seen| seen.floor));
        if time <= floor {
            return Err(ReplayRefusal::Forgotten);
        }
        Ok(())
    }

    /// Accepts a message that was checked, opened and decoded.
    ///
    /// # Errors
    ///
    /// [`ReplayRefusal::NotSaved`] if no mark later than its time is saved, and the errors of
    /// [`check`](Self::check).
    pub fn accept(
        &mut self,
        sender: KeyId,
        time: u64,
        id: MessageId,
        now: u64,
    ) -> Result<(), ReplayRefusal> {
        self.check(sender, time, &id, now)?;
        if self.needs_mark(time) {
            return Err(ReplayRefusal::NotSaved);
        }
        self.highest = self.highest.max(time);
        let oldest = now.saturating_sub(millis(self.settings.max_age));
        let seen = self.seen.entry(sender).or_default();
        seen.messages.insert((time, id));
        while let Some(&(time, _)) = seen.messages.first()
            && (time < oldest || seen.messages.len() > self.capacity)
        {
            seen.messages.pop_first();
            seen.floor = seen.floor.max(time);
        }
        Ok(())
    }

    /// Returns whether a mark must be saved before a message with this time is accepted.
    pub fn needs_mark(&self, time: u64) -> bool {
        self.mark.is_some_and(|mark| time > mark)
    }

    /// Returns the mark to save so that a message with this time can be accepted. Call
    /// [`saved`](Self::saved) after it is saved.
    pub fn next_mark(&self, time: u64, now: u64) -> Mark {
        // The mark is also later than all accepted messages: the new state replaces the one that
        // lists them.
        let latest = time.max(now).max(self.highest);
        let time = latest.saturating_add(millis(self.settings.lease));
        let state = WindowState {
            floor: self.floor,
            mark: time,
            publishers: None,
        };
        let state = state.encode();
        Mark { time, state }
    }

    /// Records that a mark is saved.
    pub fn saved(&mut self, mark: &Mark) {
        if let Some(saved) = &mut self.mark {
            *saved = mark.time.max(*saved);
        }
    }

    /// Returns the state to save when the reader ends: everything that the window knows. If the
    /// reader never accepted a message, this is not needed. After this, no message may be accepted.
    pub fn closed_state(&self) -> Vec<u8> {
        let publishers = self.seen.iter().map(|(key, seen)| PublisherState {
            key: *key,
            floor: seen.floor,
            messages: seen.messages.clone(),
        });
        let state = WindowState {
            floor: self.floor,
            mark: self.highest,
            publishers: Some(publishers.collect()),
        };
        state.encode()
    }

    /// Returns the number of remembered messages.
    pub fn remembered(&self) -> usize {
        self.seen.values().map(|seen| seen.messages.len()).sum()
    }
}

#[cfg(test)]
mod tests;
