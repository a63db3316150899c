//! Handles to a client with other settings for some calls.

use std::time::Duration;

use super::{api::Client, call::hold, policy::OfflinePolicy};
use crate::OverflowPolicy;

/// Other settings for some calls.
///
/// Each of these methods returns another handle to the same client. Calls through this handle, and
/// everything that is made with it (subscriptions, publishers, sealers), use the new setting; all
/// other settings are those of the handle that it was made from. A handle costs as little as a
/// clone, so it can be made for a single call, and it keeps the client open as a clone does.
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn run(client: amop::Client) -> Result<(), Box<dyn std::error::Error>> {
/// #[amop::topic("ticks")]
/// struct Tick {
///     price: u64,
/// }
///
/// // This message is worth nothing after 200 ms.
/// let tick = Tick { price: 4200 };
/// tick.publish_unicast(&client.with_timeout(Duration::from_millis(200))).await?;
///
/// // Only the newest prices matter.
/// let newest = client.with_queue(16).with_overflow(amop::OverflowPolicy::DropOldest);
/// let mut ticks = Tick::subscribe(&newest).await?;
/// # Ok(())
/// # }
/// ```
impl Client {
    /// Returns a handle whose calls may take this long, instead of
    /// [`ClientBuilder::timeout`](crate::ClientBuilder::timeout). Limited to 1 ms to 24 h.
    ///
    /// How soon a node that does not answer is given up still follows from the builder's timeout,
    /// see [`ClientBuilder::heartbeat`](crate::ClientBuilder::heartbeat).
    #[must_use = "the client itself does not change"]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with(|options| options.timeout = hold(timeout))
    }

    /// Returns a handle whose [`drain`](Self::drain) may take this long, instead of
    /// [`ClientBuilder::drain_timeout`](crate::ClientBuilder::drain_timeout). Limited to 1 ms to
    /// 24 h.
    #[must_use = "the client itself does not change"]
    pub fn with_drain_timeout(&self, timeout: Duration) -> Self {
        self.with(|options| options.drain_timeout = hold(timeout))
    }

    /// Returns a handle whose calls do this while no node is connected, instead of
    /// [`ClientBuilder::offline`](crate::ClientBuilder::offline).
    #[must_use = "the client itself does not change"]
    pub fn with_offline(&self, offline: OfflinePolicy) -> Self {
        self.with(|options| options.offline = offline)
    }

    /// Returns a handle whose subscriptions have queues of this length, instead of
    /// [`ClientBuilder::queue`](crate::ClientBuilder::queue). At least 1.
    #[must_use = "the client itself does not change"]
    pub fn with_queue(&self, messages: usize) -> Self {
        self.with(|options| options.queue = messages.max(1))
    }

    /// Returns a handle whose subscriptions do this with a message for which there is no room,
    /// instead of [`OverflowPolicy::DropNewest`].
    #[must_use = "the client itself does not change"]
    pub fn with_overflow(&self, overflow: OverflowPolicy) -> Self {
        self.with(|options| options.overflow = overflow)
    }

    /// Returns a handle whose multicasts are sent over this many connections if the first of them
    /// is one to a FISCO node, instead of
    /// [`ClientBuilder::multicast_copies`](crate::ClientBuilder::multicast_copies). At least 1.
    #[must_use = "the client itself does not change"]
    pub fn with_multicast_copies(&self, copies: usize) -> Self {
        self.with(|options| options.copies = copies.max(1))
    }

    /// Returns a handle whose unicasts to FISCO nodes ask another node after this time, or never
    /// (`None`), instead of
    /// [`ClientBuilder::ask_another_node_after`](crate::ClientBuilder::ask_another_node_after).
    /// Limited to 1 ms to 24 h.
    #[must_use = "the client itself does not change"]
    pub fn with_ask_another_node_after(&self, pause: impl Into<Option<Duration>>) -> Self {
        let pause = pause.into();
        self.with(|options| options.ask_another = pause.map(hold))
    }
}
