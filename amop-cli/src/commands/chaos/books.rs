//! The books of a run: which messages were sent, their outcomes, and who received them.

use std::{collections::BTreeMap, fmt, time::Duration};

/// The outcome of a message for its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PublishOutcome {
    NotSent,
    /// Sent, without an answer so far.
    UnderWay,
    Acknowledged,
    Failed,
}

/// The books of numbered messages and numbered subscribers.
#[derive(Debug)]
pub(crate) struct Books {
    fates: Vec<PublishOutcome>,
    /// When each message was sent, since the start.
    sent_at: Vec<Duration>,
    /// For each subscriber, the number of times that it received each message.
    taken: Vec<Vec<u8>>,
    failures: BTreeMap<&'static str, u64>,
    /// Events that no fault explains: their number, with an example.
    wrong: BTreeMap<&'static str, (u64, String)>,
}

/// The totals of the books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Messages without an answer at the end of the run.
    pub(crate) unfinished: u64,
    /// The number of errors, by kind.
    pub(crate) failures: BTreeMap<&'static str, u64>,
    /// Messages that at least one subscriber received.
    pub(crate) delivered: u64,
    /// Deliveries to subscribers, including repeated ones.
    pub(crate) deliveries: u64,
    /// Acknowledged, but received by no subscriber.
    pub(crate) lost: u64,
    /// Received by the same subscriber more than once, acknowledged or not.
    pub(crate) duplicated: u64,
    /// Acknowledged, and received by more than one subscriber.
    pub(crate) redelivered: u64,
    /// Not acknowledged, but received by a subscriber.
    pub(crate) unconfirmed: u64,
    /// Events that no fault explains: their number, with an example.
    pub(crate) wrong: BTreeMap<&'static str, (u64, String)>,
    /// Some of the lost messages.
    pub(crate) lost_of: Vec<usize>,
    /// Descriptions of some of the duplicates.
    pub(crate) examples: Vec<String>,
}

/// The maximum number of examples.
pub(super) const EXAMPLES: usize = 5;

impl Books {
    pub(crate) fn new(messages: usize, subscribers: usize) -> Self {
        Self {
            fates: vec![PublishOutcome::NotSent; messages],
            sent_at: vec![Duration::ZERO; messages],
            taken: vec![vec![0; messages]; subscribers],
            failures: BTreeMap::new(),
            wrong: BTreeMap::new(),
        }
    }

    /// Records that a message is about to be sent, at this time since the start.
    pub(crate) fn sent(&mut self, message: usize, at: Duration) {
        self.fates[message] = PublishOutcome::UnderWay;
        self.sent_at[message] = at;
    }

    /// Returns acknowledged messages with the time of sending and a subscriber that did not receive
    /// them.
    pub(crate) fn missed(&self) -> impl Iterator<Item = (usize, Duration, usize)> {
        let fates = self.fates.iter().enumerate();
        let acknowledged = fates.filter(|&(_, &fate)| fate == PublishOutcome::Acknowledged);
        acknowledged.flat_map(move |(message, _)| {
            let taken = self.taken.iter().enumerate();
            let missed = taken.filter(move |(_, taken)| taken[message] == 0);
            missed.map(move |(subscriber, _)| (message, self.sent_at[message], subscriber))
        })
    }

    /// Records that the publisher got an acknowledgement.
    pub(crate) fn acknowledged(&mut self, message: usize) {
        self.fates[message] = PublishOutcome::Acknowledged;
    }

    /// Records that the publisher got an error of this kind.
    pub(crate) fn failed(&mut self, message: usize, kind: &'static str) {
        self.fates[message] = PublishOutcome::Failed;
        *self.failures.entry(kind).or_default() += 1;
    }

    /// Records that a subscriber received a message with this number.
    pub(crate) fn delivered(&mut self, subscriber: usize, message: usize) {
        match self.fates.get(message) {
            None | Some(PublishOutcome::NotSent) => {
                self.wrong("a message that was not sent", || message.to_string());
            }
            Some(_) => {
                let times = &mut self.taken[subscriber][message];
                *times = times.saturating_add(1);
            }
        }
    }

    /// Records an event that no fault explains.
    pub(crate) fn wrong(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        let (count, _) = self.wrong.entry(what).or_insert_with(|| (0, example()));
        *count += 1;
    }

    /// Returns the number of messages with an answer or an error.
    pub(crate) fn settled(&self) -> u64 {
        let settled = |fate: &&PublishOutcome| {
            matches!(fate, PublishOutcome::Acknowledged | PublishOutcome::Failed)
        };
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
            let acknowledged = fate == PublishOutcome::Acknowledged;
            sums.sent += u64::from(fate != PublishOutcome::NotSent);
            sums.acknowledged += u64::from(acknowledged);
            sums.unfinished += u64::from(fate == PublishOutcome::UnderWay);
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
                    format!("subscriber {subscriber} received number {message} {times} times")
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

    /// Returns whether no acknowledged message is lost and no subscriber received a message twice.
    pub(crate) fn hold(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.wrong.is_empty()
    }

    /// Returns whether no subscriber received a message twice.
    pub(crate) fn nothing_twice(&self) -> bool {
        self.duplicated == 0 && self.wrong.is_empty()
    }

    /// Returns the totals for multicasts. Every subscriber should receive a copy, so `Missing`
    /// counts the lost copies and these totals do not.
    pub(crate) fn of_copies(mut self) -> Self {
        self.lost = 0;
        self.lost_of.clear();
        self
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// Everything that is wrong, one line each; empty if nothing is.
impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, (count, example)) in &self.wrong {
            writeln!(f, "  wrong       {what}: {count}, for example {example}")?;
        }
        for message in &self.lost_of {
            writeln!(
                f,
                "  wrong       number {message} was acknowledged but lost"
            )?;
        }
        for example in &self.examples {
            writeln!(f, "  wrong       {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
