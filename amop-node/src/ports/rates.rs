//! Limits how often unauthenticated clients may send requests. Has no clock: instants are passed
//! in.
//!
//! All requests together have a rate, and the addresses that sent requests lately share it equally.
//! A long request or answer counts as several.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::Source;

/// Unused requests are saved up for this number of seconds.
const SAVED: f64 = 4.0;

/// An address that has sent no request for this long gets no part.
const LATELY: Duration = Duration::from_secs(10);

/// The number of addresses that are tracked. Further addresses wait until others are forgotten.
const SOURCES: usize = 4096;

/// This many bytes read or written count as one more request.
const LENGTH: usize = 64 * 1024;

/// The request rates of all addresses; see the module.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Requests per second, over all addresses.
    rate: f64,
    sources: HashMap<Source, Asking>,
}

#[derive(Debug)]
struct Asking {
    /// Requests that may be sent now; negative after long ones.
    left: f64,
    at: Instant,
    asked: Instant,
}

impl Rates {
    pub(crate) fn new(rate: usize) -> Self {
        Self {
            rate: rate.max(1) as f64,
            sources: HashMap::new(),
        }
    }

    /// Counts one request from `source`.
    ///
    /// # Errors
    ///
    /// Returns how long to wait before the next request, if this request is over the rate.
    pub(crate) fn ask(&mut self, now: Instant, source: Source) -> Result<(), Duration> {
        let lately = |asking: &Asking| now < asking.asked + LATELY;
        let is_new = !self.sources.contains_key(&source);
        if is_new {
            // Old entries are removed only when a new address comes, and there are at most 4,096 of
            // them.
            self.sources.retain(|_, asking| lately(asking));
            if self.sources.len() >= SOURCES {
                return Err(LATELY);
            }
        }
        let parts = self.sources.len() + usize::from(is_new);
        let rate = self.rate / parts as f64;
        let most = (SAVED * rate).max(1.0);
        let asking = self.sources.entry(source).or_insert(Asking {
            left: most,
            at: now,
            asked: now,
        });
        let passed = now.saturating_duration_since(asking.at).as_secs_f64();
        asking.left = (asking.left + passed * rate).min(most);
        (asking.at, asking.asked) = (now, now);
        if asking.left < 1.0 {
            let wait = (1.0 - asking.left) / rate;
            return Err(Duration::from_secs_f64(wait.min(3600.0)));
        }
        asking.left -= 1.0;
        Ok(())
    }

    /// Counts bytes that were read and written for `source`.
    pub(crate) fn spend(&mut self, source: Source, bytes: usize) {
        if let Some(asking) = self.sources.get_mut(&source) {
            asking.left -= (bytes / LENGTH) as f64;
        }
    }
}

#[cfg(test)]
mod tests;
