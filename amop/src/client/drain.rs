//! Closing without losing a message that was accepted.

use std::{sync::Arc, time::Duration};

use amop_proto::TopicName;
use tokio::time::{Instant, timeout_at};

use super::inner::ClientInner;
use crate::{
    DrainError,
    receive::{DeliveryQueue, wake_all},
};

impl ClientInner {
    /// Accepts no new messages, and waits until those that were accepted are read, answered and
    /// published, for `after` at most.
    pub(crate) async fn drain(&self, after: Duration) -> Result<(), DrainError> {
        let deadline = Instant::now() + after;
        let left = self.subscriptions.leave_all();
        let drained = async {
            let settling: Vec<_> = left
                .iter()
                .flat_map(|(topic, _)| self.sync_topics(&self.subscriptions.topics_of(topic)))
                .collect();
            for (connection, settling) in settling {
                // A connection that does not confirm, or is lost, is closed later like the others.
                let _ = connection.settled(settling, deadline).await;
            }
            for (_, queue) in &left {
                wake_all(queue.close());
            }
            for (_, queue) in &left {
                queue.emptied().await;
            }
            self.subscriptions.all_answered().await;
            self.publishing.over().await;
        };
        timeout_at(deadline, drained)
            .await
            .map_err(|_| self.undrained(&left, after))
    }

    fn undrained(&self, left: &[(TopicName, Arc<DeliveryQueue>)], after: Duration) -> DrainError {
        let unread = left.iter().map(|(_, queue)| queue.stats().waiting);
        DrainError {
            unread: unread.sum(),
            unanswered: self.subscriptions.pending(),
            publishing: self.publishing.count(),
            after,
        }
    }
}
