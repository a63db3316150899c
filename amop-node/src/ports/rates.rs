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
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn source(n: u16) -> Source {
        let [a, b] = n.to_be_bytes();
        Source::of(IpAddr::from([10, 0, a, b]))
    }

    /// Sends `times` requests at once, and returns how many are answered.
    fn answered(rates: &mut Rates, now: Instant, n: u16, times: usize) -> usize {
        (0..times)
            .filter(|_| rates.ask(now, source(n)).is_ok())
            .count()
    }

    #[test]
    fn one_alone_has_all_and_the_rest_is_told_how_long_to_wait() {
        let (mut rates, start) = (Rates::new(10), Instant::now());
        assert_eq!(answered(&mut rates, start, 1, 100), 40);
        let wait = rates.ask(start, source(1)).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(answered(&mut rates, start + wait, 1, 100), 1);
        // Refused requests are sent again, and the rate is still reached.
        let mut count = 0;
        for n in 1..=1000 {
            count += answered(
                &mut rates,
                start + wait + Duration::from_millis(10 * n),
                1,
                5,
            );
        }
        assert!((99..=101).contains(&count), "{count} in 10 s");
    }

    #[test]
    fn one_that_floods_takes_nothing_from_others() {
        let (mut rates, start) = (Rates::new(10), Instant::now());
        answered(&mut rates, start, 1, 1000);
        for second in 0..20 {
            let now = start + Duration::from_secs(second);
            answered(&mut rates, now, 1, 1000);
            assert_eq!(answered(&mut rates, now, 2, 3), 3, "after {second} s");
        }
    }

    #[test]
    fn long_questions_and_answers_count_as_several() {
        let (mut rates, start) = (Rates::new(10), Instant::now());
        assert!(rates.ask(start, source(1)).is_ok());
        rates.spend(source(1), 16 << 20);
        let wait = rates.ask(start, source(1)).unwrap_err();
        assert!(wait > Duration::from_secs(20), "{wait:?}");
        assert!(rates.ask(start + wait, source(1)).is_ok());
    }

    #[test]
    fn it_is_bounded_and_forgets() {
        let (mut rates, start) = (Rates::new(10), Instant::now());
        for n in 0..2 * SOURCES as u16 {
            let _ = rates.ask(start, source(n));
        }
        assert_eq!(rates.sources.len(), SOURCES);
        assert_eq!(rates.ask(start, source(60_000)), Err(LATELY));
        let later = start + LATELY;
        assert!(rates.ask(later, source(60_000)).is_ok());
        assert_eq!(rates.sources.len(), 1);
    }
}
