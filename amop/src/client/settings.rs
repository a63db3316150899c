//! The settings of a client.

use std::{collections::HashMap, time::Duration};

use amop_proto::channel::PrivateName;

use super::{call::CallOptions, policy::ReconnectPolicy};
use crate::{
    connection::ConnectionSettings,
    private::{TopicKey, TopicPublicKey},
};

/// The settings of a client.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    /// The settings of the first handle.
    pub(crate) call: CallOptions,
    pub(crate) connect_timeout: Duration,
    /// How long the first connection is tried again before connecting fails.
    pub(crate) first_connect: Duration,
    /// The number of endpoints to connect to at a time; at least 1.
    pub(crate) connections: usize,
    pub(crate) reconnect: ReconnectPolicy,
    pub(crate) connection: ConnectionSettings,
    pub(crate) grants: Vec<(PrivateName, Vec<TopicPublicKey>)>,
    /// The keys of subscriptions to private topics.
    pub(crate) keys: HashMap<PrivateName, TopicKey>,
}
