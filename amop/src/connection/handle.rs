//! The handle to a connection.

use std::{
    fmt,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
};

use amop_proto::{
    TopicName,
    client::{CloseReason, ExpiredCertificate},
};
use tokio::{task::JoinHandle, time::Instant};

use super::{inner::ConnectionInner, state::ConnectionState, topics::Settling};
use crate::{Generation, receive::ReplyPath};

/// A handle to a connection. Cloning is cheap; dropping does not close the connection.
#[derive(Clone)]
pub(crate) struct Connection(pub(super) Arc<ConnectionInner>);

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Connection {
    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Returns whether messages can be sent.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.in_flight.is_closed()
    }

    /// Returns the number of messages that wait for their answers.
    pub(crate) fn load(&self) -> usize {
        self.0.max_in_flight
            - self
                .0
                .in_flight
                .available_permits()
                .min(self.0.max_in_flight)
    }

    /// Returns whether the node has the habits of an overlay node: it is one, or it is of 3.x. Other
    /// nodes are FISCO nodes of 2.x.
    pub(crate) fn is_overlay(&self) -> bool {
        self.0.overlay.load(Ordering::Relaxed)
    }

    /// Returns the generation of the node.
    pub(crate) fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Returns whether the node is of 3.x.
    pub(crate) fn is_v3(&self) -> bool {
        self.generation() == Generation::V3
    }

    /// Returns the length of the longest frame that may be sent, in bytes.
    pub(crate) fn max_frame(&self) -> usize {
        self.0.max_frame.load(Ordering::Relaxed)
    }

    pub(crate) fn protocol_version(&self) -> u32 {
        self.lock().session.version().number()
    }

    /// Returns why the session has ended; `None` if it has not.
    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.0.close_reason()
    }

    /// Returns the way back to the node, for messages that it brings.
    pub(super) fn reply_path(&self) -> Arc<dyn ReplyPath> {
        Arc::<ConnectionInner>::clone(&self.0)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock()
    }

    pub(super) fn driver_handle(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn update<R>(&self, action: impl FnOnce(&mut ConnectionState) -> R) -> R {
        self.0.update(action)
    }

    // ---- closing ----

    /// Starts a clean close. The driver writes the queued frames and ends.
    pub(crate) fn close(&self) {
        self.update(|state| {
            state.session.close();
            state.drain_events(self, Instant::now().into_std());
        });
    }

    /// As [`close`](Self::close), because a certificate has expired.
    pub(crate) fn expire(&self, certificate: ExpiredCertificate) {
        self.update(|state| {
            state.session.expire(certificate);
            state.drain_events(self, Instant::now().into_std());
        });
    }

    /// Waits until the session has ended. The driver may still be shutting down the stream.
    pub(crate) async fn lost(&self) -> CloseReason {
        let mut lost = self.0.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            // This cannot fail, because `self` owns the sender.
            Err(_) => CloseReason::Local,
        }
    }

    /// Waits until the driver task has ended.
    pub(crate) async fn join(&self) {
        let driver = self.driver_handle().take();
        if let Some(driver) = driver
            && let Err(error) = driver.await
            && error.is_panic()
        {
            tracing::error!(endpoint = %self.0.endpoint, "the connection's driver panicked");
        }
    }

    // ---- subscribing ----

    /// Brings the session's topic set in line with the subscriptions, for these topics and in one
    /// change. Returns a value to wait with until the node confirms the change.
    pub(crate) fn sync_topics(&self, topics: &[TopicName]) -> Settling {
        self.update(|state| state.sync_topics(topics))
    }

    /// Returns whether the node has no room for a topic of the last settled set.
    pub(crate) fn refuses(&self, topic: &TopicName) -> bool {
        self.lock().topics.refuses(topic)
    }

    /// Waits for a change of the topic set. `Ok(false)` if the deadline passes first.
    pub(crate) async fn settled(
        &self,
        settling: Settling,
        deadline: Instant,
    ) -> Result<bool, CloseReason> {
        if let Some(receiver) = settling.0 {
            match tokio::time::timeout_at(deadline, receiver).await {
                Err(_) => return Ok(false),
                Ok(Ok(())) => return Ok(true),
                Ok(Err(_)) => {}
            }
        }
        self.close_reason().map_or(Ok(true), Err)
    }
}
