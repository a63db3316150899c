//! The replay guard: the messages that a reader remembers, and where they are stored.

use std::{fmt, io, path::PathBuf, time::Duration};

use crate::{FileStore, ReplaySettings, ReplayStore, ReplayWindow, StateError};

/// Prevents a subscriber from accepting a message twice, even after restarts. Each subscription has
/// its own guard.
///
/// | made by | remembers after a restart | cost of a restart |
/// | --- | --- | --- |
/// | [`file`](Self::file), [`store`](Self::store) | every message | after a normal end nothing; after a crash, messages stamped up to 2 s after the last accepted one are refused |
/// | [`without_store`](Self::without_store) | nothing | messages stamped before the start, or within the [tolerance](Self::clock_tolerance) after it, are refused |
///
/// If there is no file yet, messages stamped before the start are refused. Do not delete the file
/// without need: a publisher whose clock is ahead may have stamped its last messages later than the
/// start, and these could be accepted again. Do not restore it from a backup, either.
pub struct ReplayGuard {
    settings: ReplaySettings,
    store: Option<Box<dyn ReplayStore>>,
    state: Option<Vec<u8>>,
}

impl ReplayGuard {
    /// Creates a guard that keeps its state in a file, see [`FileStore`]. The file is written once
    /// in 2 s while messages arrive, and when the subscription ends.
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

    /// Creates a guard that keeps its state in a store of the application.
    ///
    /// # Errors
    ///
    /// [`GuardError`] if the state cannot be loaded.
    pub fn store(store: impl ReplayStore) -> Result<Self, GuardError> {
        Self::named(store, "the application's store".to_owned())
    }

    fn named(mut store: impl ReplayStore, place: String) -> Result<Self, GuardError> {
        let state = match store.load() {
            Ok(state) => state,
            Err(source) => return Err(GuardError::Store { place, source }),
        };
        let settings = ReplaySettings::default();
        if let Some(state) = &state
            && let Err(source) = ReplayWindow::restored(settings, state)
        {
            return Err(GuardError::State { place, source });
        }
        Ok(Self {
            settings,
            store: Some(Box::new(store)),
            state,
        })
    }

    /// Creates a guard that stores nothing, for systems where nothing can be stored.
    pub fn without_store() -> Self {
        Self {
            settings: ReplaySettings::default(),
            store: None,
            state: None,
        }
    }

    /// Sets the maximum age of a message when the program takes it, including the time that it
    /// waited for the program. Default 5 min.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// Sets how far publishers' clocks may be ahead of this side's. Default 5 s.
    #[must_use]
    pub fn clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.settings.ahead = tolerance;
        self
    }

    /// Returns the window of a reader that starts at `now`, in milliseconds since 1970, and the
    /// store for its state.
    ///
    /// # Errors
    ///
    /// [`StateError`], which the constructors have reported already.
    pub fn start(
        self,
        now: u64,
    ) -> Result<(ReplayWindow, Option<Box<dyn ReplayStore>>), StateError> {
        let window = match (&self.state, &self.store) {
            (Some(state), _) => ReplayWindow::restored(self.settings, state)?,
            (None, Some(_)) => ReplayWindow::first(self.settings, now),
            (None, None) => ReplayWindow::unsaved(self.settings, now),
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

/// Why a [`ReplayGuard`] is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The store cannot be opened or read.
    #[error(
        "cannot use the replay guard {place}; check the path and its folder, and that no other \
         subscription uses it"
    )]
    Store {
        /// The name of the store.
        place: String,
        /// The error of the store.
        source: io::Error,
    },
    /// The stored bytes were not saved by a guard, or are damaged.
    #[error("cannot use the replay guard {place}")]
    State {
        /// The name of the store.
        place: String,
        /// The problem, and what to do.
        source: StateError,
    },
}

#[cfg(test)]
mod tests;
