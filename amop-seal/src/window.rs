//! Which messages were taken, so that none is taken twice.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    Id, KeyId,
    state::{Publisher, State, StateError},
};

/// Messages that a window remembers, of all publishers together; each has an equal share.
pub const MAX_REMEMBERED: usize = 262_144;

/// How a [`Window`] judges times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How old a message may be when it is read. Default 5 min.
    pub max_age: Duration,
    /// How far a publisher's clock may be ahead of this side's. Default 5 s.
    pub ahead: Duration,
    /// How much time a saved mark is good for: a reader that is killed refuses what is stamped up to so
    /// much after its last message. Default 2 s.
    pub lease: Duration,
}

impl Default for Settings {
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

/// Why a message is refused that is well signed, or would be if anybody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It was taken before.
    #[error("it was taken before: it is a copy")]
    Replayed,
    /// It is from before the time that is remembered, so it may have been taken.
    #[error(
        "it is from before this reader began, or from before what it remembers, so it may be a copy; \
         publish it anew"
    )]
    Forgotten,
    /// It is too old.
    #[error(
        "it is {age_ms} ms old, the limit is {max_ms} ms; publish it anew, and compare both clocks"
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
        /// How far, in milliseconds.
        by_ms: u64,
        /// The limit in milliseconds.
        max_ms: u64,
    },
    /// That it is taken could not be saved, so it must not be.
    #[error("it could not be saved that it is taken; check the replay guard's store")]
    NotSaved,
}

/// The memory of one reader: which messages it has taken, and the time from which on it knows.
///
/// * A message is known by its publisher's key, its time and its id, all of them signed.
/// * What is forgotten, because it is old or because there is no room, leaves its time behind as a
///   *floor*: nothing of that publisher stamped up to it is taken. So a clock that jumps, and a
///   publisher that sends more than can be remembered, make messages be refused and never taken twice.
/// * Before a message is taken, a *mark* later than its time must be saved, see
///   [`next_mark`](Self::next_mark). After a crash everything up to the mark is refused. A window that
///   ends well saves [`closed_state`](Self::closed_state), which loses nothing.
#[derive(Debug, Clone)]
pub struct Window {
    settings: Settings,
    /// For all publishers: nothing stamped up to it is taken.
    floor: u64,
    /// What is saved: nothing stamped after it is taken. `None`: nothing is saved ever.
    mark: Option<u64>,
    /// The latest time of a message taken.
    highest: u64,
    capacity: usize,
    seen: HashMap<KeyId, Seen>,
}

#[derive(Debug, Clone, Default)]
struct Seen {
    floor: u64,
    messages: BTreeSet<(u64, Id)>,
}

/// A mark to save before messages up to its time are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    time: u64,
    state: Vec<u8>,
}

impl Mark {
    /// The bytes to save.
    pub fn state(&self) -> &[u8] {
        &self.state
    }
}

impl Window {
    /// The window of a reader that was never there before: nothing stamped before `now` is taken. All
    /// times are in milliseconds since 1970.
    pub fn first(settings: Settings, now: u64) -> Self {
        Self::from(settings, now.saturating_sub(1), Some(0))
    }

    /// A window that is never saved. What was taken before a restart is not known, so everything stamped
    /// before the start is refused, and what a clock that is ahead may have stamped.
    pub fn unsaved(settings: Settings, now: u64) -> Self {
        let floor = now.saturating_add(millis(settings.ahead));
        Self::from(settings, floor, None)
    }

    /// The window that was saved. After a crash that is everything refused up to the mark.
    ///
    /// # Errors
    ///
    /// [`StateError`] if these are not the bytes that were saved.
    pub fn restored(settings: Settings, state: &[u8]) -> Result<Self, StateError> {
        let state = State::decode(state)?;
        let mut window = Self::from(settings, state.floor, Some(0));
        window.highest = state.mark;
        match state.publishers {
            Some(publishers) => {
                for Publisher {
                    key,
                    floor,
                    messages,
                } in publishers
                {
                    window.seen.insert(key, Seen { floor, messages });
                }
            }
            None => window.floor = window.floor.max(state.mark),
        }
        Ok(window)
    }

    fn from(settings: Settings, floor: u64, mark: Option<u64>) -> Self {
        Self {
            settings,
            floor,
            mark,
            highest: floor,
            capacity: MAX_REMEMBERED,
            seen: HashMap::new(),
        }
    }

    /// Shares the room among so many publishers.
    pub(crate) fn share(&mut self, publishers: usize) {
        self.capacity = (MAX_REMEMBERED / publishers.max(1)).max(1);
    }

    /// Whether a message may be taken, as far as its time and id go.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn check(&self, sender: KeyId, time: u64, id: &Id, now: u64) -> Result<(), Refusal> {
        let seen = self.seen.get(&sender);
        if seen.is_some_and(|seen| seen.messages.contains(&(time, *id))) {
            return Err(Refusal::Replayed);
        }
        let (max_age, ahead) = (millis(self.settings.max_age), millis(self.settings.ahead));
        if time > now.saturating_add(ahead) {
            let by_ms = time - now;
            return Err(Refusal::ClockAhead {
                by_ms,
                max_ms: ahead,
            });
        }
        if time.saturating_add(max_age) < now {
            let age_ms = now - time;
            return Err(Refusal::TooOld {
                age_ms,
                max_ms: max_age,
            });
        }
        let floor = self.floor.max(seen.map_or(0, |seen| seen.floor));
        if time <= floor {
            return Err(Refusal::Forgotten);
        }
        Ok(())
    }

    /// Takes a message that was checked, opened and decoded.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotSaved`] if no mark later than its time is saved, and what
    /// [`check`](Self::check) says.
    pub fn accept(&mut self, sender: KeyId, time: u64, id: Id, now: u64) -> Result<(), Refusal> {
        self.check(sender, time, &id, now)?;
        if self.needs_mark(time) {
            return Err(Refusal::NotSaved);
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

    /// Whether a mark has to be saved before a message of that time is taken.
    pub fn needs_mark(&self, time: u64) -> bool {
        self.mark.is_some_and(|mark| time > mark)
    }

    /// The mark to save so that a message of that time can be taken. Tell [`saved`](Self::saved) when it
    /// is.
    pub fn next_mark(&self, time: u64, now: u64) -> Mark {
        // Also above what was taken before: the bytes replace those that say it one by one.
        let latest = time.max(now).max(self.highest);
        let time = latest.saturating_add(millis(self.settings.lease));
        let state = State {
            floor: self.floor,
            mark: time,
            publishers: None,
        };
        let state = state.encode();
        Mark { time, state }
    }

    /// A mark is saved.
    pub fn saved(&mut self, mark: &Mark) {
        if let Some(saved) = &mut self.mark {
            *saved = mark.time.max(*saved);
        }
    }

    /// What to save when the reader ends, unless it never took anything: all that the window knows.
    /// Nothing may be taken after it.
    pub fn closed_state(&self) -> Vec<u8> {
        let publishers = self.seen.iter().map(|(key, seen)| Publisher {
            key: *key,
            floor: seen.floor,
            messages: seen.messages.clone(),
        });
        let state = State {
            floor: self.floor,
            mark: self.highest,
            publishers: Some(publishers.collect()),
        };
        state.encode()
    }

    /// Messages that are remembered now.
    pub fn remembered(&self) -> usize {
        self.seen.values().map(|seen| seen.messages.len()).sum()
    }
}

#[cfg(test)]
mod tests;
