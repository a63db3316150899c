//! The state that all tasks and handles of a client share: its connections, and notifications about
//! them.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{Attempts, CloseReason, EndpointPool, MessageKind, PoolConfig},
};
use amop_tls::PublicKey;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    ConnectError, Event, Events, NodeInfo,
    client::ClientSettings,
    connection::{Connection, Settling},
    events::EventReporter,
    private::Verification,
    receive::Subscriptions,
    report::Later,
    sealed::SealedTopics,
    send::{InFlightCounter, Pins},
};

/// The shared state of one client.
pub(crate) struct ClientInner {
    pub(crate) options: ClientSettings,
    pub(crate) endpoints: Vec<Arc<str>>,
    pub(crate) subscriptions: Arc<Subscriptions>,
    /// The private topics.
    pub(crate) private: Arc<Verification>,
    pub(crate) events: Arc<EventReporter>,
    /// Reports that are made with a delay.
    pub(crate) later: Arc<Later>,
    state: Mutex<ClientState>,
    /// Notified when a connection becomes usable or is lost, or the client closes.
    changed: watch::Sender<()>,
    /// Set once the client is closed and its tasks have ended.
    over: watch::Sender<Option<CloseReason>>,
    /// Messages that are being published.
    pub(crate) publishing: Arc<InFlightCounter>,
    /// Topics to which nothing unsealed is sent.
    pub(crate) sealed: SealedTopics,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

struct ClientState {
    pool: EndpointPool,
    rng: StdRng,
    links: Vec<EndpointConnections>,
    /// The connections that the multicasts of each topic use.
    pins: Pins,
    connections_made: u64,
    last_lost: Option<CloseReason>,
    closing: Option<CloseReason>,
}

/// The state of an endpoint.
#[derive(Default)]
struct EndpointConnections {
    /// A connection that is not ready: the handshake or the confirmation of the topics is not
    /// finished.
    joining: Option<Connection>,
    /// A connection that can be used.
    up: Option<Connection>,
    /// What the node said about itself on the last connection.
    info: Option<NodeInfo>,
    /// The error of the first failed try.
    failure: Option<Arc<ConnectError>>,
    /// The longest frame that a node here has taken.
    longest_taken: Arc<AtomicUsize>,
}

/// The choice of a connection to try.
pub(crate) enum Picked {
    Connection(Connection),
    None,
    Closed(CloseReason),
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
        let events = Arc::new(EventReporter::default());
        let mut rng = StdRng::from_seed(seed);
        let config = PoolConfig {
            target: options.connections.min(endpoints.len()),
            first_pause: options.reconnect.first.min(options.reconnect.max),
            max_pause: options.reconnect.max,
            retries: options.reconnect.retries,
        };
        let now = Instant::now().into_std();
        let pool = EndpointPool::new(config, endpoints.len(), rng.random(), now);
        let later = Arc::new(Later::default());
        let private = Arc::new(Verification::new(Arc::clone(&events)));
        for (name, keys) in &options.grants {
            private.grant(name, keys);
        }
        let subscriptions = Subscriptions::new(
            Arc::clone(&private),
            Arc::clone(&events),
            Arc::clone(&later),
        );
        Arc::new(Self {
            options,
            subscriptions: Arc::new(subscriptions),
            private,
            events,
            later,
            state: Mutex::new(ClientState {
                pool,
                rng,
                links: endpoints
                    .iter()
                    .map(|_| EndpointConnections::default())
                    .collect(),
                pins: Pins::default(),
                connections_made: 0,
                last_lost: None,
                closing: None,
            }),
            endpoints,
            changed: watch::Sender::new(()),
            over: watch::Sender::new(None),
            publishing: Arc::default(),
            sealed: SealedTopics::default(),
            supervisor: Mutex::new(None),
        })
    }

    fn lock(&self) -> MutexGuard<'_, ClientState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of all endpoints, for errors.
    pub(crate) fn names(&self) -> String {
        self.endpoints.join(", ")
    }

    // ---- what is there ----

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Picks the connection over which a message is tried next. This is the connection of the
    /// topic's last multicast, for a multicast and for a unicast soon after one; otherwise it is
    /// the least busy connection.
    pub(crate) fn pick(&self, attempts: &Attempts, topic: &TopicName, kind: MessageKind) -> Picked {
        let state = &mut *self.lock();
        if let Some(reason) = &state.closing {
            return Picked::Closed(reason.clone());
        }
        let now = Instant::now();
        let pinned = match kind {
            MessageKind::Multicast => state.pins.ways(topic).first().copied(),
            MessageKind::Unicast => state.pins.recent(topic, now),
        };
        let may = |connection: &Connection| attempts.may_try(connection.id());
        let pinned = pinned.and_then(|id| state.usable(|c| c.id() == id && may(c)));
        let Some(connection) = pinned.or_else(|| state.least_busy(may)) else {
            return Picked::None;
        };
        if kind == MessageKind::Multicast {
            let id = connection.id();
            let others = state.pins.ways(topic).iter().filter(|&&other| other != id);
            let ways: Vec<u64> = std::iter::once(id).chain(others.copied().take(1)).collect();
            state.pins.set(topic, &ways, now);
        }
        Picked::Connection(connection)
    }

    /// Picks another connection for a copy of a message, except those with the numbers in `not`.
    /// For a multicast this is the connection that had the copy of the topic's last multicast;
    /// otherwise it is the least busy one.
    pub(crate) fn pick_other(
        &self,
        topic: &TopicName,
        kind: MessageKind,
        not: &[u64],
    ) -> Option<Connection> {
        let state = &mut *self.lock();
        if state.closing.is_some() {
            return None;
        }
        let may = |connection: &Connection| !not.contains(&connection.id());
        if kind == MessageKind::Unicast {
            return state.least_busy(may);
        }
        let pinned = state.pins.ways(topic).get(1).copied();
        let pinned = pinned.and_then(|id| state.usable(|c| c.id() == id && may(c)));
        let other = pinned.or_else(|| state.least_busy(may))?;
        if let Some(&first) = state.pins.ways(topic).first() {
            let ways = [first, other.id()];
            state.pins.set(topic, &ways, Instant::now());
        }
        Some(other)
    }

    /// Returns a new seq for a message that is sent over several connections.
    pub(crate) fn new_seq(&self) -> Seq {
        Seq::random(&mut self.lock().rng)
    }

    /// Returns whether the connection with that number can be used.
    pub(crate) fn is_open(&self, id: u64) -> bool {
        let state = self.lock();
        let mut up = state.links.iter().filter_map(|link| link.up.as_ref());
        up.any(|connection| connection.id() == id && connection.is_open())
    }

    /// Returns a new topic for challenges, which cannot be guessed.
    pub(crate) fn new_route(&self, name: &PrivateName) -> TopicName {
        name.route(&mut self.lock().rng)
    }

    pub(crate) fn is_connected(&self) -> bool {
        let state = self.lock();
        let mut up = state.links.iter().filter_map(|link| link.up.as_ref());
        up.any(Connection::is_open)
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
        let connected = up.filter_map(|link| link.info.as_ref().map(connected));
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

    /// Waits for the first connection.
    pub(crate) async fn connected(&self) -> Result<(), ConnectError> {
        let mut changes = self.changes();
        loop {
            {
                let mut state = self.lock();
                if state.links.iter().any(|link| link.up.is_some()) {
                    return Ok(());
                }
                if state.links.iter().all(|link| link.failure.is_some()) {
                    let links = state.links.iter_mut();
                    let failures = links.filter_map(|link| link.failure.take()).collect();
                    return Err(ConnectError::of_all(failures));
                }
            }
            // This cannot fail, because `self` owns the sender.
            let _ = changes.changed().await;
        }
    }

    // ---- what happens, reported by the supervisor ----

    /// Returns the next endpoint to dial, or when to ask again.
    pub(crate) fn next_dial(&self) -> Result<usize, Option<Instant>> {
        let mut state = self.lock();
        let now = Instant::now().into_std();
        let due = state.pool.take_due(now);
        due.ok_or_else(|| state.pool.next_timeout().map(Instant::from_std))
    }

    /// Returns a number and a seed for a connection to an endpoint, and the length of the longest
    /// frame that was taken there.
    pub(crate) fn new_connection(&self, index: usize) -> (u64, [u8; 32], Arc<AtomicUsize>) {
        let mut state = self.lock();
        state.connections_made += 1;
        let longest = Arc::clone(&state.links[index].longest_taken);
        (state.connections_made, state.rng.random(), longest)
    }

    /// Registers a connection that is not ready yet. Closes it at once if the client is closed.
    pub(crate) fn joining(&self, index: usize, connection: &Connection) {
        let mut state = self.lock();
        state.links[index].joining = Some(connection.clone());
        let closing = state.closing.is_some();
        drop(state);
        if closing {
            connection.close();
        }
    }

    /// Records that a connection is ready, with every topic confirmed.
    pub(crate) fn joined(&self, index: usize, connection: &Connection, info: NodeInfo) {
        let mut state = self.lock();
        let ClientState { pool, links, .. } = &mut *state;
        pool.up(index, Instant::now().into_std());
        if info.fisco {
            describe_fisco(&info, self.endpoints.len());
        }
        self.events.report(connected(&info));
        let link = &mut links[index];
        link.joining = None;
        link.up = Some(connection.clone());
        link.info = Some(info);
        drop(state);
        self.changed.send_replace(());
    }

    /// Records that connecting failed.
    pub(crate) fn failed(&self, index: usize, error: ConnectError) {
        let mut state = self.lock();
        let retry_in = match state.closing {
            None => state.pool.failed(index, Instant::now().into_std()),
            Some(_) => None,
        };
        tracing::warn!(?retry_in, "{error}");
        let error = Arc::new(error);
        self.events.report(Event::ConnectFailed {
            endpoint: self.endpoints[index].to_string(),
            error: Arc::clone(&error),
            retry_in,
        });
        let link = &mut state.links[index];
        link.joining = None;
        link.failure.get_or_insert(error);
        drop(state);
        self.changed.send_replace(());
    }

    /// Records that a connection that was ready has ended.
    pub(crate) fn lost(&self, index: usize, reason: CloseReason) {
        let mut state = self.lock();
        let retry_in = match state.closing {
            None => state.pool.failed(index, Instant::now().into_std()),
            Some(_) => None,
        };
        state.links[index].up = None;
        state.last_lost = Some(reason.clone());
        self.events.report(Event::Disconnected {
            endpoint: self.endpoints[index].to_string(),
            reason,
            retry_in,
        });
        drop(state);
        self.changed.send_replace(());
    }

    /// Returns why the supervisor has nothing left to do; `None` if it has.
    pub(crate) fn is_over(&self) -> Option<CloseReason> {
        let state = self.lock();
        if state.closing.is_some() {
            return state.closing.clone();
        }
        let last = || state.last_lost.clone().unwrap_or(CloseReason::Local);
        state.pool.is_over().then(last)
    }

    /// Ends the client: everything that waits ends with `reason`, or with an earlier reason if
    /// there is one.
    pub(crate) fn finish(&self, reason: CloseReason) {
        let mut state = self.lock();
        let reason = state.closing.get_or_insert(reason).clone();
        drop(state);
        self.subscriptions.close();
        // Before the last event.
        self.later.finish();
        let first = self.over.send_if_modified(|over| {
            let first = over.is_none();
            over.get_or_insert_with(|| reason.clone());
            first
        });
        if first {
            self.events.report(Event::Closed { reason });
        }
        self.changed.send_replace(());
    }

    pub(crate) fn supervised_by(&self, task: JoinHandle<()>) {
        *self.supervisor() = Some(task);
    }

    fn supervisor(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    // ---- closing ----

    /// Starts to close. The connections write their queued messages; then the supervisor ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closing.get_or_insert(CloseReason::Local);
        let connections: Vec<Connection> = state
            .links
            .iter()
            .flat_map(|link| link.joining.iter().chain(&link.up))
            .cloned()
            .collect();
        drop(state);
        for connection in connections {
            connection.close();
        }
        self.subscriptions.close();
        self.changed.send_replace(());
    }

    /// Waits until the client is closed.
    pub(crate) async fn closed(&self) -> CloseReason {
        let mut over = self.over.subscribe();
        match over.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Local),
            // This cannot fail, because `self` owns the sender.
            Err(_) => CloseReason::Local,
        }
    }

    /// Waits until the client is closed and its tasks have ended.
    pub(crate) async fn join(&self) {
        let supervisor = self.supervisor().take();
        if let Some(supervisor) = supervisor
            && let Err(error) = supervisor.await
            && error.is_panic()
        {
            tracing::error!("the client's supervisor panicked");
        }
        self.closed().await;
    }
}

impl ClientState {
    /// Returns a usable connection for which `is_it` is true.
    fn usable(&self, is_it: impl Fn(&Connection) -> bool) -> Option<Connection> {
        let mut up = self.links.iter().filter_map(|link| link.up.as_ref());
        up.find(|c| c.is_open() && is_it(c)).cloned()
    }

    fn least_busy(&mut self, may: impl Fn(&Connection) -> bool) -> Option<Connection> {
        let Self { pool, links, .. } = self;
        let usable = links.iter().enumerate().filter_map(|(index, link)| {
            let connection = link.up.as_ref()?;
            let usable = connection.is_open() && may(connection);
            usable.then(|| (index, connection.load()))
        });
        let index = pool.pick(usable)?;
        links[index].up.clone()
    }
}

impl EndpointConnections {
    fn current_info(&self) -> Option<NodeInfo> {
        let mut info = self.info.clone()?;
        if let Some(connection) = &self.up {
            info.protocol_version = connection.protocol_version();
        }
        Some(info)
    }
}

fn connected(info: &NodeInfo) -> Event {
    Event::Connected {
        endpoint: info.endpoint.clone(),
        node_version: info.node_version.clone(),
    }
}

/// Returns the [`NodeInfo`] of a connection.
pub(crate) fn node_info(
    connection: &Connection,
    node_version: Option<String>,
    public_key: Option<PublicKey>,
) -> NodeInfo {
    NodeInfo {
        endpoint: connection.endpoint().to_owned(),
        protocol_version: connection.protocol_version(),
        node_version,
        public_key,
        fisco: !connection.is_overlay(),
    }
}

/// Logs how a FISCO node differs from an overlay node.
fn describe_fisco(info: &NodeInfo, endpoints: usize) {
    let (endpoint, version) = (&info.endpoint, info.node_version.as_deref());
    let advice = match endpoints {
        1 => {
            "subscribers at this node get nothing from publishers at this node: publish and subscribe at \
             different nodes, or name several endpoints"
        }
        _ => {
            "multicasts are sent to two nodes; a unicast waits 30 s if the node picks one of its \
             own subscribers, see ClientBuilder::ask_another_node_after"
        }
    };
    tracing::info!(
        endpoint,
        version,
        "connected to a FISCO node, which does not deliver to its own subscribers: {advice}"
    );
}
