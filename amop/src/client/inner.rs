//! What all tasks and handles of a client share: its connections, and notifications about them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{Attempts, CloseReason, MessageKind},
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::{
    event::Event,
    events::{EventReporter, Events},
    node_info::NodeInfo,
    settings::ClientSettings,
    state::{ClientState, EndpointConnections, Picked},
};
use crate::{
    ConnectError, Generation,
    connection::{Connection, Settling},
    private::Verification,
    receive::Subscriptions,
    report::{ClientCounters, Later},
    sealed::SealedTopics,
    send::InFlightCounter,
};

/// The shared state of one client.
pub(crate) struct ClientInner {
    pub(crate) options: ClientSettings,
    pub(crate) endpoints: Vec<Arc<str>>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// The private topics.
    pub(crate) private: Arc<Verification>,
    pub(crate) events: Arc<EventReporter>,
    pub(crate) counters: Arc<ClientCounters>,
    /// Reports that are made with a delay.
    pub(super) later: Arc<Later>,
    pub(super) state: Mutex<ClientState>,
    /// Notified when a connection becomes usable or is lost, or the client closes.
    pub(super) changed: watch::Sender<()>,
    /// Set once the client is closed and its tasks have ended.
    pub(super) over: watch::Sender<Option<CloseReason>>,
    /// Messages that are being published.
    pub(crate) publishing: Arc<InFlightCounter>,
    /// Topics to which nothing unsealed is sent.
    pub(crate) sealed: SealedTopics,
    pub(super) supervisor: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for ClientInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientInner")
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl ClientInner {
    pub(crate) fn new(
        endpoints: Vec<Arc<str>>,
        options: ClientSettings,
        seed: [u8; 32],
    ) -> Arc<Self> {
        let state = ClientState::new(endpoints.len(), &options, seed);
        let events = Arc::new(EventReporter::default());
        let later = Arc::new(Later::default());
        let counters = Arc::new(ClientCounters::default());
        let private = Arc::new(Verification::new(Arc::clone(&events)));
        for (name, keys) in &options.grants {
            private.grant(name, keys);
        }
        let subscriptions = Subscriptions::new(
            Arc::clone(&private),
            Arc::clone(&events),
            Arc::clone(&later),
            Arc::clone(&counters),
        );
        Arc::new(Self {
            options,
            subscriptions: Arc::new(subscriptions),
            private,
            events,
            counters,
            later,
            state: Mutex::new(state),
            endpoints,
            changed: watch::Sender::new(()),
            over: watch::Sender::new(None),
            publishing: Arc::default(),
            sealed: SealedTopics::default(),
            supervisor: Mutex::new(None),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ClientState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of all endpoints, for errors.
    pub(crate) fn names(&self) -> String {
        self.endpoints.join(", ")
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    // ---- the connections ----

    /// Picks the connection over which a message is tried next.
    pub(crate) fn pick(&self, attempts: &Attempts, topic: &TopicName, kind: MessageKind) -> Picked {
        self.lock().pick(attempts, topic, kind)
    }

    /// Picks another connection for a copy of a message, except those with the numbers in `not`.
    pub(crate) fn pick_other(
        &self,
        topic: &TopicName,
        kind: MessageKind,
        not: &[u64],
    ) -> Option<Connection> {
        self.lock().pick_other(topic, kind, not)
    }

    /// Returns a new seq for a message that is sent over several connections.
    pub(crate) fn new_seq(&self) -> Seq {
        Seq::random(&mut self.lock().rng)
    }

    /// Returns whether the connection with that number can be used.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        let state = self.lock();
        state.open().any(|connection| connection.id() == id)
    }

    /// Returns a new topic for challenges, which cannot be guessed.
    pub(crate) fn new_route(&self, name: &PrivateName) -> TopicName {
        name.route(&mut self.lock().rng)
    }

    pub(crate) fn is_connected(&self) -> bool {
        let state = self.lock();
        state.open().next().is_some()
    }

    /// Returns whether the nodes of all endpoints are known to be of 3.x.
    pub(crate) fn only_v3(&self) -> bool {
        let state = self.lock();
        let mut links = state.links.iter();
        links.all(|link| link.is_known_as(Generation::V3))
    }

    /// Returns whether the connected nodes are of 3.x, and none is known to be of 2.x.
    pub(crate) fn no_v2_found(&self) -> bool {
        let state = self.lock();
        let mut links = state.links.iter();
        state.open().next().is_some()
            && state.open().all(Connection::is_v3)
            && links.all(|link| !link.is_known_as(Generation::V2))
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.lock().closing.clone()
    }

    /// Returns the nodes that are connected now.
    pub(crate) fn nodes(&self) -> Vec<NodeInfo> {
        let state = self.lock();
        let up = state.links.iter().filter(|link| link.up.is_some());
        up.filter_map(EndpointConnections::current_info).collect()
    }

    /// Returns the first connected node, or if none is connected, the first that was.
    pub(crate) fn first_node(&self) -> Option<NodeInfo> {
        let state = self.lock();
        let of = |up: bool| {
            let mut links = state.links.iter().filter(|link| link.up.is_some() == up);
            links.find_map(EndpointConnections::current_info)
        };
        of(true).or_else(|| of(false))
    }

    pub(crate) fn events(&self) -> Events {
        // Locked, so that no event is lost between the snapshot and the stream.
        let state = self.lock();
        let up = state.links.iter().filter(|link| link.up.is_some());
        let connected = up.filter_map(|link| link.info.as_ref().map(NodeInfo::connected));
        let closed = self.over.borrow().clone();
        let closed = closed.map(|reason| Event::Closed { reason });
        self.events.stream(connected.chain(closed))
    }

    /// Brings the topic sets of all connections in line with the subscriptions. Returns the pending
    /// changes of the connections that can be used.
    pub(crate) fn sync_topics(&self, topics: &[TopicName]) -> Vec<(Connection, Settling)> {
        let (joining, up): (Vec<Connection>, Vec<Connection>) = {
            let state = self.lock();
            let joining = state.links.iter().filter_map(|link| link.joining.clone());
            let up = state.links.iter().filter_map(|link| link.up.clone());
            (joining.collect(), up.collect())
        };
        for connection in joining {
            connection.sync_topics(topics);
        }
        let settling = up.into_iter().map(|connection| {
            let settling = connection.sync_topics(topics);
            (connection, settling)
        });
        settling.collect()
    }

    /// Waits for the first connection. Fails once every endpoint has failed, but not before
    /// `retry_until` as long as the reconnect policy has endpoints tried again.
    pub(crate) async fn connected(&self, retry_until: Instant) -> Result<(), ConnectError> {
        let mut changes = self.changes();
        loop {
            {
                let mut state = self.lock();
                if state.links.iter().any(|link| link.up.is_some()) {
                    return Ok(());
                }
                let final_answer = Instant::now() >= retry_until || state.gave_up();
                if final_answer && state.links.iter().all(|link| link.failure.is_some()) {
                    let links = state.links.iter_mut();
                    let failures = links.filter_map(|link| link.failure.take()).collect();
                    return Err(ConnectError::of_all(failures));
                }
            }
            // After that time only the first try of each endpoint is waited for.
            if Instant::now() < retry_until {
                let _ = timeout_at(retry_until, changes.changed()).await;
            } else {
                // This cannot fail, because `self` owns the sender.
                let _ = changes.changed().await;
            }
        }
    }
}
