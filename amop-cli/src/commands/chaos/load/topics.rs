//! The topics of a run, and who subscribes to them.

use std::collections::BTreeSet;

use amop::TopicName;
use anyhow::Result;

/// One in this many messages goes to a topic that several subscribers share.
const SHARED: u64 = 4;

/// The approximate number of subscribers that share a topic.
const GROUP: usize = 3;

/// Returns the topic of one node's probes.
pub(crate) fn probe_topic(node: usize) -> Result<TopicName> {
    Ok(TopicName::new(&format!("chaos.probe.{node}"))?)
}

/// The topics and their subscribers.
#[derive(Debug)]
pub(super) struct LoadTopics {
    /// For each subscriber, a topic that only it subscribes to.
    pub(super) own: Vec<TopicName>,
    /// Subscriber `s` subscribes to the topic at `s % shared.len()`.
    pub(super) shared: Vec<TopicName>,
    pub(super) all: TopicName,
}

impl LoadTopics {
    pub(super) fn new(subscribers: usize) -> Result<Self> {
        let named = |kind: &str, count: usize| -> Result<Vec<TopicName>> {
            let name = |index| Ok(TopicName::new(&format!("chaos.{kind}.{index}"))?);
            (0..count).map(name).collect()
        };
        Ok(Self {
            own: named("own", subscribers)?,
            shared: named("shared", (subscribers / GROUP).max(1))?,
            all: TopicName::new("chaos.all")?,
        })
    }

    /// Returns the topic of a unicast, and the subscribers that may receive it.
    pub(super) fn of(&self, seed: u64, message: usize) -> (&TopicName, BTreeSet<usize>) {
        let drawn = scatter(seed ^ message as u64);
        let at = (drawn / SHARED) as usize;
        let subscribers = 0..self.own.len();
        if drawn.is_multiple_of(SHARED) {
            let group = at % self.shared.len();
            let members = subscribers.filter(|s| s % self.shared.len() == group);
            (&self.shared[group], members.collect())
        } else {
            let subscriber = at % self.own.len();
            (&self.own[subscriber], BTreeSet::from([subscriber]))
        }
    }
}

/// Spreads numbers over all 64 bits: the finaliser of SplitMix64.
fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
