//! The settings of a client.

use std::{collections::HashMap, time::Duration};

use amop_proto::channel::PrivateName;

use super::policy::{OfflinePolicy, ReconnectPolicy};
use crate::{TopicKey, TopicPublicKey, connection::ConnectionSettings};

/// The settings of a client.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) queue: usize,
    /// The number of endpoints to connect to at a time; at least 1.
    pub(crate) connections: usize,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) offline: OfflinePolicy,
    /// The number of connections that a multicast to FISCO nodes is sent over; at least 1.
    pub(crate) copies: usize,
    /// The time after which a unicast to a FISCO node is sent over another connection as well.
    pub(crate) ask_another: Option<Duration>,
    pub(crate) connection: ConnectionSettings,
    pub(crate) grants: Vec<(PrivateName, Vec<TopicPublicKey>)>,
    /// The keys of subscriptions to private topics.
    pub(crate) keys: HashMap<PrivateName, TopicKey>,
}
