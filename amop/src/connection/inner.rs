//! What the driver of a connection and its handles share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use amop_proto::{
    TopicName,
    channel::{HEADER_LEN, Seq},
    client::CloseReason,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::state::ConnectionState;
use crate::{Generation, ReplyError, receive::ReplyPath, report::ClientCounters};

impl fmt::Debug for ConnectionInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.endpoint).finish()
    }
}

pub(super) struct ConnectionInner {
    /// Its number among all connections of the client.
    pub(super) id: u64,
    pub(super) endpoint: Arc<str>,
    /// The generation of the node.
    pub(super) generation: Generation,
    /// The length of the longest frame that may be sent; lower if the node has told a lower limit.
    pub(super) max_frame: AtomicUsize,
    /// Whether the node is an overlay node.
    pub(super) overlay: AtomicBool,
    /// The length of the longest frame that a node at this endpoint has taken, on this connection
    /// or an earlier one.
    pub(super) longest_taken: Arc<AtomicUsize>,
    pub(super) counters: Arc<ClientCounters>,
    pub(super) max_in_flight: usize,
    pub(super) state: Mutex<ConnectionState>,
    /// One permit per request that waits for its answer. Closed with the session.
    pub(super) in_flight: Semaphore,
    /// One permit per byte of [`SEND_BUFFER`](super::settings::SEND_BUFFER). Closed with the
    /// session.
    pub(super) room: Semaphore,
    /// Set once the session has ended.
    pub(super) lost: watch::Sender<Option<CloseReason>>,
    pub(super) driver: Mutex<Option<JoinHandle<()>>>,
}

impl ConnectionInner {
    pub(super) fn lock(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and then wakes the driver.
    pub(super) fn update<R>(&self, action: impl FnOnce(&mut ConnectionState) -> R) -> R {
        let mut state = self.lock();
        let result = action(&mut state);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        result
    }
}

impl ReplyPath for ConnectionInner {
    fn id(&self) -> u64 {
        self.id
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn close_reason(&self) -> Option<CloseReason> {
        self.lock().closed.clone()
    }

    fn check_len(&self, topic: &TopicName, payload: &[u8]) -> Result<(), ReplyError> {
        let max = self.max_frame.load(Ordering::Relaxed);
        let len = wire_len(topic, payload);
        if len > max {
            return Err(ReplyError::TooLarge {
                topic: topic.to_string(),
                len,
                max,
            });
        }
        Ok(())
    }

    fn respond(&self, seq: Seq, topic: &TopicName, result: i32, payload: &[u8]) -> bool {
        self.update(|state| state.session.respond(seq, topic, result, payload))
    }

    fn wake(&self) {
        self.update(|_| ());
    }
}

/// Returns the length of a message's frame.
pub(super) fn wire_len(topic: &TopicName, payload: &[u8]) -> usize {
    HEADER_LEN + 1 + topic.as_bytes().len() + payload.len()
}
