//! The topics that a client knows to be sealed, so that nothing unsealed is sent to them.

use std::{
    collections::HashSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use amop_proto::TopicName;

use crate::{PublishError, PublishErrorKind};

/// The topics for which this client has a sealer or a sealed subscription, now or before.
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

    /// Refuses a payload for a sealed topic that is not a sealed message.
    pub(crate) fn check(&self, topic: &TopicName, payload: &[u8]) -> Result<(), PublishError> {
        // Most clients have no sealed topics.
        if !self.any.load(Ordering::Acquire)
            || amop_seal::is_sealed(payload)
            || !self.lock().contains(topic)
        {
            return Ok(());
        }
        Err(PublishError::new(PublishErrorKind::NotSealed, topic))
    }
}
