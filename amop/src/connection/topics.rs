//! Changes of a connection's topics: who waits for them, and what the node has no room for.

use std::collections::BTreeSet;

use amop_proto::{TopicName, channel::PrivateName, log::OneLine};
use tokio::sync::oneshot;

use crate::Event;

/// A change of the topic set that the node has not confirmed yet; `None` if it has.
#[derive(Debug)]
pub(crate) struct Settling(pub(super) Option<oneshot::Receiver<()>>);

/// The changes of a session's topic set that wait for the node.
#[derive(Debug, Default)]
pub(super) struct TopicChanges {
    /// Callers that wait for a change of the topic set, with its version.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    /// Topics of the settled set that the node has no room for.
    refused: BTreeSet<TopicName>,
    /// The same for the set that is about to be settled.
    refusing: Vec<TopicName>,
}

impl TopicChanges {
    /// Returns a value to wait with until the node confirms a version of the set.
    pub(super) fn wait(&mut self, version: u64) -> Settling {
        let (sender, receiver) = oneshot::channel();
        // Entries whose callers are gone would pile up while a node does not confirm.
        self.waiting.retain(|(_, waiter)| !waiter.is_closed());
        self.waiting.push((version, sender));
        Settling(Some(receiver))
    }

    /// Records which topics of the set that is about to be settled the node has no room for.
    pub(super) fn refusing(&mut self, topics: Vec<TopicName>) {
        self.refusing = topics;
    }

    /// Returns whether the node has no room for a topic of the last settled set.
    pub(super) fn refuses(&self, topic: &TopicName) -> bool {
        self.refused.contains(topic)
    }

    /// Records which topics of a settled set the node has no room for. Returns the event that
    /// reports them if the list has changed.
    pub(super) fn refused(&mut self, endpoint: &str) -> Option<Event> {
        let refused: BTreeSet<_> = std::mem::take(&mut self.refusing).into_iter().collect();
        if refused == self.refused {
            return None;
        }
        self.refused = refused;
        let mut topics = self.refused.iter().map(PrivateName::shown);
        let (count, first) = (topics.len(), topics.next());
        if let Some(first) = first {
            let first = OneLine::new(first);
            tracing::warn!(endpoint, count, %first, "the node has no room for all topics");
        }
        let topics = self
            .refused
            .iter()
            .map(|topic| PrivateName::shown(topic).to_owned());
        Some(Event::TopicsRefused {
            endpoint: endpoint.to_owned(),
            topics: topics.collect(),
        })
    }

    /// Notifies the callers that wait for this version or an earlier one.
    pub(super) fn confirm(&mut self, version: u64) {
        for (_, waiter) in self.waiting.extract_if(.., |(v, _)| *v <= version) {
            let _ = waiter.send(());
        }
    }

    /// Notifies all callers that their changes will not be confirmed.
    pub(super) fn close(&mut self) {
        self.waiting.clear();
    }
}
