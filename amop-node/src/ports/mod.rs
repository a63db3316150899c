//! The thread for connections whose other end is not authenticated yet.
//!
//! Unknown clients can cause any amount of work: connections, handshakes, certificate checks. All
//! of this runs here, on one thread with its own runtime and a lower share of the processor, and no
//! task that carries messages waits for it. A connection whose other end is authenticated moves to
//! the node's runtime ([`Tcp::move_here`](crate::tcp::Tcp::move_here)).

mod door;
mod rates;
mod turns;

use std::{
    future::Future,
    io,
    net::{IpAddr, TcpListener as StdListener},
    thread,
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::supervise::keep_thread;

use self::turns::{Caller, HandshakeTurns, Waits};
pub(crate) use amop_proto::admission::Source;

pub(crate) use self::{
    door::{Door, Place},
    rates::Rates,
};

/// How much lower the priority of this thread is than that of threads that carry messages: when
/// processors are busy, it gets a third of the time of one of these.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// The number of handshakes worked on at the same time.
const TURNS: usize = 8;

/// A handle to the thread, to start tasks there.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    handle: Handle,
    tasks: TaskTracker,
    turns: HandshakeTurns,
}

/// The thread itself.
#[derive(Debug)]
pub(crate) struct PortsThread {
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Ports {
    /// Starts the thread, which ends by itself once `stop` is cancelled and its tasks have ended.
    pub(crate) fn start(stop: CancellationToken) -> io::Result<(Self, PortsThread)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let ports = Self {
            handle: runtime.handle().clone(),
            tasks: TaskTracker::new(),
            turns: HandshakeTurns::new(TURNS),
        };
        let (tasks, (end, ended)) = (ports.tasks.clone(), oneshot::channel());
        let thread = thread::Builder::new()
            .name("amop-ports".into())
            .spawn(move || {
                be_nice();
                let run = || {
                    runtime.block_on(async {
                        stop.cancelled().await;
                        tasks.close();
                        tasks.wait().await;
                    });
                };
                keep_thread("the thread of the ports", run);
                drop(runtime);
                // Nothing may be waiting for the end of the thread.
                let _ = end.send(());
            })?;
        Ok((ports, PortsThread { thread, ended }))
    }

    /// Runs a task on the thread. The thread waits for the task before it ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }

    /// Runs a future on the thread and returns its output; dropping the result ends the future.
    pub(crate) fn run<F>(&self, future: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        AbortOnDropHandle::new(self.tasks.spawn_on(future, &self.handle))
    }

    /// Registers a listener with this thread's runtime.
    pub(crate) fn adopt(&self, listener: StdListener) -> io::Result<TcpListener> {
        let _inside = self.handle.enter();
        TcpListener::from_std(listener)
    }

    /// Runs a handshake with an unknown client, in turns.
    pub(crate) fn shake<F: Future>(
        &self,
        place: &Place,
        handshake: F,
    ) -> impl Future<Output = F::Output> {
        let source = match place.expected() {
            true => Caller::Peer(place.source()),
            false => Caller::Stranger(place.source()),
        };
        let told = |waits| match waits {
            Waits::Turn => place.queued(),
            Waits::Other => place.waiting(),
        };
        self.turns.take(source, told, handshake)
    }

    /// Runs a handshake of a connection that this node dialled: it waits for at most one turn of
    /// each unknown client and configured peer.
    pub(crate) async fn shake_first<F: Future>(&self, handshake: F) -> F::Output {
        self.turns.take(Caller::Here, |_| {}, handshake).await
    }
}

impl PortsThread {
    /// Waits until the thread has ended.
    pub(crate) async fn join(self) {
        // An error means that the thread panicked, which the join reports.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!("the thread of the ports panicked");
        }
    }
}

/// Returns the source that an address is counted for.
pub(crate) fn source(address: IpAddr) -> Source {
    Source::of(address)
}

/// Lowers the calling thread's share of the processor: work for unknown clients and neighbours must
/// not delay messages. Only Linux has a priority per thread.
fn be_nice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!("cannot lower the priority of a thread: {error}");
    }
}
