//! What happens to a client's connections, and its end.

use std::{
    net::SocketAddr,
    sync::{Arc, MutexGuard, PoisonError, atomic::AtomicUsize},
};

use amop_proto::{client::CloseReason, log::with_causes, race::AddressOrder};
use rand::RngExt;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    dial::Dialer, event::Event, inner::ClientInner, node_info::NodeInfo, state::ClientState,
};
use crate::{ConnectError, Generation, connection::Connection};

impl ClientInner {
    // ---- reported by the supervisor ----

    /// Returns the next endpoint to dial, or when to ask again.
    pub(super) fn next_dial(&self) -> Result<usize, Option<Instant>> {
        let mut state = self.lock();
        let now = Instant::now().into_std();
        let due = state.pool.take_due(now);
        due.ok_or_else(|| state.pool.next_timeout().map(Instant::from_std))
    }

    /// Returns a number and a seed for a connection to an endpoint, and the length of the longest
    /// frame that was taken there.
    pub(super) fn new_connection(&self, index: usize) -> (u64, [u8; 32], Arc<AtomicUsize>) {
        let mut state = self.lock();
        state.connections_made += 1;
        let longest = Arc::clone(&state.links[index].longest_taken);
        (state.connections_made, state.rng.random(), longest)
    }

    /// Returns in which order to try the addresses of an endpoint.
    pub(super) fn address_order(&self, index: usize) -> AddressOrder {
        self.lock().links[index].order.clone()
    }

    /// Takes note of what is known of the endpoints before they are dialled.
    pub(super) fn describe(&self, dialer: &impl Dialer) {
        for (index, link) in self.lock().links.iter_mut().enumerate() {
            link.chain = dialer.chain(index);
            link.allowed = dialer.generations(index).to_vec();
        }
    }

    /// Returns the generation that an endpoint's node had last.
    pub(super) fn generation(&self, index: usize) -> Option<Generation> {
        self.lock().links[index].generation
    }

    /// Returns these generations of an endpoint's node in the order in which to try them: the one that
    /// it had last is the first.
    pub(super) fn in_order(&self, index: usize, generations: &[Generation]) -> Vec<Generation> {
        let last = self.generation(index);
        let mut order = generations.to_vec();
        order.sort_by_key(|&generation| Some(generation) != last);
        order
    }

    /// Records whether a connection to an address of an endpoint could be used.
    pub(super) fn judge(&self, index: usize, address: SocketAddr, usable: bool) {
        let order = &mut self.lock().links[index].order;
        match usable {
            true => order.usable(address),
            false => order.unusable(address),
        }
    }

    /// Registers a connection that is not ready yet. Closes it at once if the client is closed.
    pub(super) fn joining(&self, index: usize, connection: &Connection) {
        let mut state = self.lock();
        state.links[index].joining = Some(connection.clone());
        let closing = state.closing.is_some();
        drop(state);
        if closing {
            connection.close();
        }
    }

    /// Records that a connection is ready, with every topic confirmed.
    pub(super) fn joined(&self, index: usize, connection: &Connection, info: NodeInfo) {
        let mut state = self.lock();
        let ClientState { pool, links, .. } = &mut *state;
        pool.up(index, Instant::now().into_std());
        info.describe_fisco(self.endpoints.len());
        self.events.report(info.connected());
        let link = &mut links[index];
        self.counters.connections_made.one();
        link.joining = None;
        link.generation = Some(connection.generation());
        link.up = Some(connection.clone());
        link.info = Some(info);
        drop(state);
        self.changed.send_replace(());
    }

    /// Records that connecting failed.
    pub(super) fn failed(&self, index: usize, error: ConnectError) {
        let mut state = self.lock();
        let retry_in = match state.closing {
            None => state.failed(index),
            Some(_) => None,
        };
        self.counters.connections_failed.one();
        tracing::warn!(?retry_in, "{}", with_causes(&error));
        let error = Arc::new(error);
        self.events.report(Event::ConnectFailed {
            endpoint: self.endpoints[index].to_string(),
            error: Arc::clone(&error),
            retry_in,
        });
        let link = &mut state.links[index];
        link.joining = None;
        link.failure = Some(error);
        drop(state);
        self.changed.send_replace(());
    }

    /// Records that a connection that was ready has ended.
    pub(super) fn lost(&self, index: usize, reason: CloseReason) {
        let mut state = self.lock();
        let retry_in = match state.closing {
            None => state.failed(index),
            Some(_) => None,
        };
        state.links[index].up = None;
        state.last_lost = Some(reason.clone());
        self.counters.connections_lost.one();
        self.events.report(Event::Disconnected {
            endpoint: self.endpoints[index].to_string(),
            reason,
            retry_in,
        });
        drop(state);
        self.changed.send_replace(());
    }

    /// Returns why the supervisor has nothing left to do; `None` if it has.
    pub(super) fn is_over(&self) -> Option<CloseReason> {
        let state = self.lock();
        if state.closing.is_some() {
            return state.closing.clone();
        }
        let last = || state.last_lost.clone().or_else(|| state.never_connected());
        let last = || last().unwrap_or(CloseReason::Local);
        state.pool.is_over().then(last)
    }

    /// Ends the client: everything that waits ends with `reason`, or with an earlier reason if
    /// there is one.
    pub(super) fn finish(&self, reason: CloseReason) {
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

    pub(super) fn supervised_by(&self, task: JoinHandle<()>) {
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
