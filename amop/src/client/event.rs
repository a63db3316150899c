//! What happens to a client's connections and subscriptions.

use std::{sync::Arc, time::Duration};

use amop_proto::client::CloseReason;
use amop_seal::OpenError;

use crate::{ConnectError, VerificationFailure};

/// Something that happened to a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A node is connected and has confirmed every subscribed topic, except those of a
    /// [`TopicsRefused`](Self::TopicsRefused) before this event.
    Connected {
        /// The node.
        endpoint: String,
        /// Its compatibility version, if the node told it.
        node_version: Option<String>,
    },
    /// A connection was lost or closed.
    Disconnected {
        /// The node.
        endpoint: String,
        /// Why.
        reason: CloseReason,
        /// The pause before the endpoint may be tried again; `None` if it will not be.
        retry_in: Option<Duration>,
    },
    /// Connecting to an endpoint failed.
    ConnectFailed {
        /// The node.
        endpoint: String,
        /// Why.
        error: Arc<ConnectError>,
        /// The pause before the endpoint may be tried again; `None` if it will not be.
        retry_in: Option<Duration>,
    },
    /// Messages were turned away because a subscription's queue was full, or because the program
    /// did not read it. The first one is reported at once, the others, including the last, at most
    /// once a second per subscription. Reports about one topic that are not read yet are added up.
    /// The total equals that of [`Subscription::stats`](crate::Subscription::stats).
    Lagged {
        /// The topic.
        topic: String,
        /// The number of messages since the last report.
        dropped: u64,
    },
    /// A node has no room for some of the subscribed topics: they are over a limit of the node, or
    /// over this client's share of a limit. The client continues with the other topics and asks
    /// again every 10 s. A `subscribe` that waits for a refused topic fails with
    /// [`SubscribeError::Refused`](crate::SubscribeError::Refused).
    TopicsRefused {
        /// The node.
        endpoint: String,
        /// All topics that it has no room for now; empty once it has every topic.
        topics: Vec<String>,
    },
    /// A subscriber of a private topic proved that it has a granted key: its node now gets the
    /// topic's messages through this endpoint.
    SubscriberVerified {
        /// The private topic.
        topic: String,
        /// The node that asked for the verification.
        endpoint: String,
        /// The id of the subscriber's node.
        node: String,
    },
    /// A subscriber of a private topic was not verified, so it gets no messages of the topic from
    /// this client. Verification is tried again every 5 s; this is reported again only if the
    /// reason changes.
    VerificationFailed {
        /// The private topic.
        topic: String,
        /// The node that asked for the verification.
        endpoint: String,
        /// The id of the subscriber's node.
        node: String,
        /// Why, and what to do.
        failure: VerificationFailure,
    },
    /// A subscription to a sealed topic refused messages: they were forged, copies, sealed to other
    /// keys, or too old. It is reported as often as [`Lagged`](Self::Lagged);
    /// [`SealedSubscription::refused`](crate::SealedSubscription::refused) counts by reason.
    SealedRefused {
        /// The topic.
        topic: String,
        /// The number of messages since the last report.
        refused: u64,
        /// Why the last of them was refused.
        last: OpenError,
    },
    /// The stream was not read fast enough: this number of events is missing here.
    Missed(u64),
    /// The client is closed for good. Nothing follows.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}
