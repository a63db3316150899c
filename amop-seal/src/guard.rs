//! What a reader remembers, and where it is kept.

use std::{fmt, io, path::PathBuf, time::Duration};

use crate::{FileStore, ReplayStore, Settings, StateError, Window};

/// Keeps a subscriber from taking a message twice, over restarts, too. Each subscription has its own.
///
/// | made by | remembers over a restart | what a restart costs |
/// | --- | --- | --- |
/// | [`file`](Self::file), [`store`](Self::store) | every message | after a clean end nothing; after a crash, messages stamped up to 2 s after the last one taken are refused |
/// | [`without_store`](Self::without_store) | nothing | messages stamped before the start, or within the [tolerance](Self::clock_tolerance) after it, are refused |
///
/// Where there was no file yet, messages stamped before the start are refused. So it must not be deleted
/// lightly: a publisher whose clock is ahead may have stamped the last messages of the time before
/// later than that. And it must not be brought back from a backup.
pub struct ReplayGuard {
    settings: Settings,
    store: Option<Box<dyn ReplayStore>>,
    state: Option<Vec<u8>>,
}

impl ReplayGuard {
    /// A guard that keeps its state in a file, see [`FileStore`]. The file is written once in 2 s while
    /// messages come, and when the subscription ends.
    ///
    /// # Errors
    ///
    /// [`GuardError`] names the file.
    pub fn file(path: impl Into<PathBuf>) -> Result<Self, GuardError> {
        let path = path.into();
        let named = |source| GuardError::Store {
            place: path.display().to_string(),
            source,
        };
        let store = FileStore::new(&path).map_err(named)?;
        Self::named(store, path.display().to_string())
    }

    /// A guard that keeps its state in a store of the application's.
    ///
    /// # Errors
    ///
    /// [`GuardError`] if it cannot be loaded.
    pub fn store(store: impl ReplayStore) -> Result<Self, GuardError> {
        Self::named(store, "the application's store".to_owned())
    }

    fn named(mut store: impl ReplayStore, place: String) -> Result<Self, GuardError> {
        let state = match store.load() {
            Ok(state) => state,
            Err(source) => return Err(GuardError::Store { place, source }),
        };
        let settings = Settings::default();
        if let Some(state) = &state
            && let Err(source) = Window::restored(settings, state)
        {
            return Err(GuardError::State { place, source });
        }
        Ok(Self {
            settings,
            store: Some(Box::new(store)),
            state,
        })
    }

    /// A guard that keeps nothing, for where nothing can be kept.
    pub fn without_store() -> Self {
        Self {
            settings: Settings::default(),
            store: None,
            state: None,
        }
    }

    /// How old a message may be when the program takes it, the time it waited for the program
    /// included. Default 5 min.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// How far publishers' clocks may be ahead of this side's. Default 5 s.
    #[must_use]
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.settings.ahead = tolerance;
        self
    }

    /// The window of a reader that starts at `now`, in milliseconds since 1970, and where to save what it
    /// says.
    ///
    /// # Errors
    ///
    /// [`StateError`], which the constructors found already.
    pub fn start(self, now: u64) -> Result<(Window, Option<Box<dyn ReplayStore>>), StateError> {
        let window = match (&self.state, &self.store) {
            (Some(state), _) => Window::restored(self.settings, state)?,
            (None, Some(_)) => Window::first(self.settings, now),
            (None, None) => Window::unsaved(self.settings, now),
        };
        Ok((window, self.store))
    }
}

impl fmt::Debug for ReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayGuard")
            .field("settings", &self.settings)
            .field("stored", &self.store.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a [`ReplayGuard`] cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The store cannot be opened or read.
    #[error(
        "cannot use the replay guard {place}: {source}; check the path and its folder, and that no \
         other subscription uses it"
    )]
    Store {
        /// Which one.
        place: String,
        /// What is wrong.
        source: io::Error,
    },
    /// What is in the store was not saved by a guard, or is damaged.
    #[error("cannot use the replay guard {place}: {source}")]
    State {
        /// Which one.
        place: String,
        /// What is wrong, and what to do.
        source: StateError,
    },
}

#[cfg(test)]
mod tests;
