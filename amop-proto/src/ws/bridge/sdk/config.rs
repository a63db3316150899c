//! The settings of the translator on the node's side.

use std::{sync::Arc, time::Duration};

use crate::{
    channel::DEFAULT_MAX_FRAME,
    node::Timeouts,
    ws::server::{ListMeaning, WsServerConfig},
};

/// How long two lists of topics may come in the wrong order: an SDK's queue has no order (ws-v3 section
/// 4). [`NodeBridge`](crate::ws::bridge::NodeBridge) repeats a list later than this.
const SETTLED: Duration = Duration::from_millis(500);

/// The settings of an [`SdkBridge`](super::SdkBridge), usually the same ones for all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SdkBridgeConfig {
    /// The settings of the session with the SDK.
    pub session: Arc<WsServerConfig>,
    /// The time between two heartbeats to the node: shorter than the time after which it ends a
    /// silent session. Default 15 s.
    pub heartbeat: Duration,
    /// The longest frame that the node accepts from a session, header included, in bytes. Default
    /// [`DEFAULT_MAX_FRAME`].
    pub max_frame: usize,
}

impl SdkBridgeConfig {
    /// Returns the settings for a node with these timeouts: a subscriber has 9 tenths of the time
    /// after which the node would try the next one, and a list of topics replaces the earlier ones
    /// once they are settled (0.5 s). `session` gives the rest.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use amop_proto::{
    ///     node::Timeouts,
    ///     ws::{bridge::SdkBridgeConfig, server::WsServerConfig},
    /// };
    ///
    /// let config = SdkBridgeConfig::for_node(WsServerConfig::default(), &Timeouts::default());
    /// assert_eq!(config.session.answer_within, Duration::from_millis(4500));
    /// ```
    pub fn for_node(session: WsServerConfig, timeouts: &Timeouts) -> Self {
        let session = session.with(|session| {
            session.answer_within = timeouts.session_answer.saturating_mul(9) / 10;
            // The node answers each unicast within its own limit; this is for the case that it fails.
            session.request_timeout = timeouts.unicast.saturating_add(Duration::from_secs(5));
            session.topic_lists = ListMeaning::ReplacesSettled(SETTLED);
        });
        Self {
            session: Arc::new(session),
            heartbeat: (timeouts.session_idle / 4).max(Duration::from_millis(1)),
            max_frame: DEFAULT_MAX_FRAME,
        }
    }

    /// Returns the settings with a change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
