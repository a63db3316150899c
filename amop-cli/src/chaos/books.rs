//! The books of a run: what was sent, what became of it, who got it.

use std::{collections::BTreeMap, fmt, time::Duration};

/// What became of a message at its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    NotSent,
    /// Sent, and nothing came back yet.
    UnderWay,
    Acknowledged,
    Failed,
}

/// The books of numbered messages and numbered subscribers.
#[derive(Debug)]
pub(crate) struct Books {
    fates: Vec<Fate>,
    /// When each was sent, since the start.
    sent_at: Vec<Duration>,
    /// By subscriber, how often it was handed each message.
    taken: Vec<Vec<u8>>,
    failures: BTreeMap<&'static str, u64>,
    /// Something that no fault excuses, with an example.
    wrong: BTreeMap<&'static str, (u64, String)>,
}

/// What the books come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Without an answer until the end of the run.
    pub(crate) unfinished: u64,
    /// By kind of error.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    /// Messages that at least one subscriber was handed.
    pub(crate) delivered: u64,
    /// Messages that were handed to subscribers, counted each time.
    pub(crate) deliveries: u64,
    /// Acknowledged, and handed to nobody.
    pub(crate) lost: u64,
    /// Handed to the same subscriber more than once, acknowledged or not.
    pub(crate) duplicated: u64,
    /// Acknowledged, and handed to more than one subscriber.
    pub(crate) redelivered: u64,
    /// Not acknowledged, and yet handed to somebody.
    pub(crate) unconfirmed: u64,
    /// Something that no fault excuses, with an example.
    pub(crate) wrong: BTreeMap<&'static str, (u64, String)>,
    /// Some of the lost messages.
    pub(crate) lost_of: Vec<usize>,
    /// Some numbers of duplicated messages.
    pub(crate) examples: Vec<String>,
}

/// So many examples are kept.
const EXAMPLES: usize = 5;

impl Books {
    pub(crate) fn new(messages: usize, subscribers: usize) -> Self {
        Self {
            fates: vec![Fate::NotSent; messages],
            sent_at: vec![Duration::ZERO; messages],
            taken: vec![vec![0; messages]; subscribers],
            failures: BTreeMap::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// A message is about to be sent, so long after the start.
    pub(crate) fn sent(&mut self, message: usize, at: Duration) {
        self.fates[message] = Fate::UnderWay;
        self.sent_at[message] = at;
    }

    /// Messages that were acknowledged, when they were sent, and who was not handed them.
    pub(crate) fn missed(&self) -> impl Iterator<Item = (usize, Duration, usize)> {
        let fates = self.fates.iter().enumerate();
        let acknowledged = fates.filter(|&(_, &fate)| fate == Fate::Acknowledged);
        acknowledged.flat_map(move |(message, _)| {
            let taken = self.taken.iter().enumerate();
            let missed = taken.filter(move |(_, taken)| taken[message] == 0);
            missed.map(move |(subscriber, _)| (message, self.sent_at[message], subscriber))
        })
    }

    /// The publisher was told that a subscriber has it.
    pub(crate) fn acknowledged(&mut self, message: usize) {
        self.fates[message] = Fate::Acknowledged;
    }

    /// The publisher was told an error of that kind.
    pub(crate) fn failed(&mut self, message: usize, kind: &'static str) {
        self.fates[message] = Fate::Failed;
        *self.failures.entry(kind).or_default() += 1;
    }

    /// A subscriber was handed a message with that number.
    pub(crate) fn delivered(&mut self, subscriber: usize, message: usize) {
        match self.fates.get(message) {
            None | Some(Fate::NotSent) => {
                self.wrong("a message that was not sent", || message.to_string());
            }
            Some(_) => {
                let times = &mut self.taken[subscriber][message];
                *times = times.saturating_add(1);
            }
        }
    }

    /// Something happened that no fault excuses.
    pub(crate) fn wrong(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let (count, _) = self.wrong.entry(what).or_insert_with(|| (0, example()));
        *count += 1;
    }

    /// Messages that a publisher has an answer or an error for.
    pub(crate) fn settled(&self) -> u64 {
        let settled = |fate: &&Fate| matches!(fate, Fate::Acknowledged | Fate::Failed);
        self.fates.iter().filter(settled).count() as u64
    }

    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums {
            failures: self.failures.clone(),
            wrong: self.wrong.clone(),
            ..Sums::default()
        };
        for (message, &fate) in self.fates.iter().enumerate() {
            let times = self.taken.iter().map(|taken| taken[message]);
            let (mut subscribers, mut twice) = (0, None);
            for (subscriber, times) in times.enumerate().filter(|&(_, times)| times > 0) {
                subscribers += 1;
                sums.deliveries += u64::from(times);
                if times > 1 {
                    twice = Some((subscriber, times));
                }
            }
            let acknowledged = fate == Fate::Acknowledged;
            sums.sent += u64::from(fate != Fate::NotSent);
            sums.acknowledged += u64::from(acknowledged);
            sums.unfinished += u64::from(fate == Fate::UnderWay);
            sums.delivered += u64::from(subscribers > 0);
            sums.redelivered += u64::from(acknowledged && subscribers > 1);
            sums.unconfirmed += u64::from(!acknowledged && subscribers > 0);
            if acknowledged && subscribers == 0 {
                sums.lost += 1;
                if sums.lost_of.len() < EXAMPLES {
                    sums.lost_of.push(message);
                }
            }
            if let Some((subscriber, times)) = twice {
                sums.duplicated += 1;
                sums.example(|| {
                    format!("subscriber {subscriber} was handed number {message} {times} times")
                });
            }
        }
        sums
    }
}

impl Sums {
    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }

    /// Whether nothing acknowledged is lost and nobody was handed anything twice.
    pub(crate) fn hold(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.wrong.is_empty()
    }

    /// Whether no subscriber was handed anything twice.
    pub(crate) fn nothing_twice(&self) -> bool {
        self.duplicated == 0 && self.wrong.is_empty()
    }

    /// The same for multicasts. Every subscriber is to be handed a copy of each, so that `Missing` counts the
    /// copies that were lost, and not these sums.
    pub(crate) fn of_copies(mut self) -> Self {
        self.lost = 0;
        self.lost_of.clear();
        self
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// What is wrong, a line each; empty if nothing is.
impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, (count, example)) in &self.wrong {
            writeln!(f, "  wrong       {what}: {count}, for example {example}")?;
        }
        for message in &self.lost_of {
            writeln!(
                f,
                "  wrong       number {message} was acknowledged and is lost"
            )?;
        }
        for example in &self.examples {
            writeln!(f, "  wrong       {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Books of 3 subscribers in which messages 0 and 1 were acknowledged, 2 failed, 3 is under way.
    fn books() -> Books {
        let mut books = Books::new(5, 3);
        for message in 0..4 {
            books.sent(message, Duration::ZERO);
        }
        for message in 0..2 {
            books.acknowledged(message);
        }
        books.failed(2, "timeout");
        books
    }

    #[test]
    fn books_without_a_fault_hold() {
        let mut books = books();
        books.delivered(0, 0);
        books.delivered(1, 1);
        let sums = books.sums();
        let expected = Sums {
            sent: 4,
            acknowledged: 2,
            unfinished: 1,
            failures: BTreeMap::from([("timeout", 1)]),
            delivered: 2,
            deliveries: 2,
            ..Sums::default()
        };
        assert_eq!(sums, expected);
        assert!(sums.hold() && sums.nothing_twice());
        assert_eq!(sums.to_string(), "");
        assert_eq!(books.settled(), 3);
    }

    #[test]
    fn a_loss_is_found() {
        let mut books = books();
        books.delivered(0, 0);
        let sums = books.sums();
        assert_eq!((sums.lost, sums.duplicated), (1, 0));
        assert!(!sums.hold() && sums.nothing_twice());
        assert!(sums.to_string().contains("number 1 was acknowledged"));
    }

    /// Of a message that failed as well: nobody may be handed anything twice.
    #[test]
    fn a_duplicate_is_found() {
        for message in [0, 2, 3] {
            let mut books = books();
            books.delivered(0, 0);
            books.delivered(1, 1);
            let times = if message == 0 { 1 } else { 2 };
            for _ in 0..times {
                books.delivered(0, message);
            }
            let sums = books.sums();
            assert_eq!((sums.lost, sums.duplicated), (0, 1), "{message}");
            assert!(!sums.hold() && !sums.nothing_twice());
            let line = format!("subscriber 0 was handed number {message} 2 times");
            assert!(sums.to_string().contains(&line), "{sums}");
        }
    }

    /// At two subscribers is not twice at one.
    #[test]
    fn a_redelivery_is_counted_apart() {
        let mut books = books();
        for (subscriber, message) in [(0, 0), (2, 0), (1, 1), (0, 2), (1, 2)] {
            books.delivered(subscriber, message);
        }
        let sums = books.sums();
        assert_eq!((sums.duplicated, sums.redelivered), (0, 1));
        assert_eq!((sums.delivered, sums.deliveries), (3, 5));
        assert_eq!(sums.unconfirmed, 1);
        assert!(sums.hold());
    }

    #[test]
    fn what_nobody_sent_is_found() {
        for message in [4, 5, 1000] {
            let mut books = books();
            books.delivered(0, 0);
            books.delivered(0, 1);
            books.delivered(0, message);
            let sums = books.sums();
            assert!(!sums.hold() && !sums.nothing_twice());
            assert_eq!(sums.deliveries, 2);
            assert!(sums.to_string().contains(&message.to_string()));
        }
    }
}
