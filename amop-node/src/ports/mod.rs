//! The thread on which a node deals with everybody it does not know yet.
//!
//! Strangers cost what they like: connections, handshakes, certificates to be checked. All of that runs
//! here, on one thread with a runtime of its own and a lower share of the processor, and no task that
//! carries messages waits for any of it. A connection whose other end is known moves to the runtime of
//! the node ([`Tcp::moved`](crate::tcp::Tcp::moved)).

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

use self::turns::{Caller, Turns, Waits};
pub(crate) use amop_proto::admission::Source;

pub(crate) use self::{
    door::{Door, Place},
    rates::Rates,
};

/// How much nicer the thread is than those that carry messages: in contention it gets a third of what
/// one of them gets.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;

/// Handshakes worked on at a time.
const TURNS: usize = 8;

/// What the tasks on the thread share, and what others need to start tasks there.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    handle: Handle,
    tasks: TaskTracker,
    turns: Turns,
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
            turns: Turns::new(TURNS),
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
                // Nobody may wait for it.
                let _ = end.send(());
            })?;
        Ok((ports, PortsThread { thread, ended }))
    }

    /// Runs a task on the thread, which waits for it at its end.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.handle);
    }

    /// Runs a future on the thread and gives its output; dropping what is returned ends it.
    pub(crate) fn run<F>(&self, future: F) -> AbortOnDropHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        AbortOnDropHandle::new(self.tasks.spawn_on(future, &self.handle))
    }

    /// Makes a listener one of this thread.
    pub(crate) fn adopt(&self, listener: StdListener) -> io::Result<TcpListener> {
        let _inside = self.handle.enter();
        TcpListener::from_std(listener)
    }

    /// A handshake with a stranger: worked on when it is its turn.
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

    /// A handshake that this node wants: it waits for no more than one of each stranger and configured peer.
    pub(crate) async fn shake_first<F: Future>(&self, handshake: F) -> F::Output {
        self.turns.take(Caller::Here, |_| {}, handshake).await
    }
}

impl PortsThread {
    /// Waits until the thread has ended.
    pub(crate) async fn join(self) {
        // An error is a thread that panicked, which the join tells.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!("the thread of the ports panicked");
        }
    }
}

/// Where an address is counted.
pub(crate) fn source(address: IpAddr) -> Source {
    Source::of(address)
}

/// Gives the thread that calls it a lower share of the processor: what strangers and neighbours cost must not
/// be taken from messages. Only on Linux is this of a thread.
fn be_nice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICER) {
        tracing::debug!("cannot lower the priority of a thread: {error}");
    }
}
