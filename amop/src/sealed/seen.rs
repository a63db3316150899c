//! Which topics a client knows to be sealed, so that nothing goes to them as it is.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use amop_proto::TopicName;

use crate::PublishError;

/// The topics that were sealed for or subscribed to as sealed by this client.
#[derive(Debug, Default)]
pub(crate) struct SealedTopics {
    any: AtomicBool,
    topics: Mutex<HashSet<TopicName>>,
}

impl SealedTopics {
    fn lock(&self) -> MutexGuard<'_, HashSet<TopicName>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, topic: &TopicName) {
        self.lock().insert(topic.clone());
        self.any.store(true, Ordering::Release);
    }

    /// Refuses a payload that is no sealed message and would go to a sealed topic.
    pub(crate) fn check(&self, topic: &TopicName, payload: &[u8]) -> Result<(), PublishError> {
        // Most clients have none.
        if !self.any.load(Ordering::Acquire)
            || amop_seal::is_sealed(payload)
            || !self.lock().contains(topic)
        {
            return Ok(());
        }
        let topic = topic.to_string();
        Err(PublishError::NotSealed { topic })
    }
}
