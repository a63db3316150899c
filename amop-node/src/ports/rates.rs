//! How often those may ask whom nobody knows. No clock: instants are passed in.
//!
//! All questions together have a rate, of which every address that has asked lately has an equal part. What
//! is long counts as several.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::Source;

/// What is not used is saved up, for so many seconds.
const SAVED: f64 = 4.0;

/// An address that has not asked for this long has no part.
const LATELY: Duration = Duration::from_secs(10);

/// More addresses than this are not told apart: those that would be more wait until others are forgotten.
const SOURCES: usize = 4096;

/// So many bytes read or written count as one question more.
const LENGTH: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Questions a second.
    rate: f64,
    sources: HashMap<Source, Asking>,
}

#[derive(Debug)]
struct Asking {
    /// Questions that may be asked now; less than nothing after long ones.
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

    /// Somebody asks.
    ///
    /// # Errors
    ///
    /// How long to wait before the next question, if this is one too many.
    pub(crate) fn ask(&mut self, now: Instant, source: Source) -> Result<(), Duration> {
        let lately = |asking: &Asking| now < asking.asked + LATELY;
        let is_new = !self.sources.contains_key(&source);
        if is_new {
            // What is old is looked for only when somebody new comes, and then at most 4,096 are.
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

    /// So many bytes were read and written for somebody.
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

    /// Who asks `times` at once is answered so often.
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
        // What was refused is asked again, and still comes to the rate.
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
