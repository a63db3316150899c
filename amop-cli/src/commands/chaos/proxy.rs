//! A TCP proxy that can fail on command: the wire between two programs.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The maximum time to connect to the target, which is on this machine.
const CONNECT: Duration = Duration::from_secs(5);

/// After one side has ended a connection, the other side has this long to do the same.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// The number of bytes passed on at a time.
const CHUNK: usize = 64 * 1024;

/// The behaviour of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WireState {
    /// Passes everything on, each piece after this delay.
    Open { delay: Duration },
    /// Takes all data and passes nothing on, for new connections as well.
    Held,
    /// Resets all connections, also new ones.
    Cut,
}

impl WireState {
    pub(crate) const GOOD: Self = Self::Open {
        delay: Duration::ZERO,
    };
}

/// The address of a proxy's target; `None` while the target does not listen.
pub(crate) type ProxyTarget = watch::Receiver<Option<SocketAddr>>;

/// A TCP proxy that can fail on command. Dropping it resets its connections in the background.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    wire: watch::Sender<WireState>,
    open: Arc<OpenConnections>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// Connections that are established on both sides: by number, the time of their start.
#[derive(Debug, Default)]
struct OpenConnections(Mutex<(u64, BTreeMap<u64, Instant>)>);

impl OpenConnections {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a connection from the list when it ends for any reason.
struct ConnectionEntry(Arc<OpenConnections>, u64);

impl ConnectionEntry {
    fn new(open: &Arc<OpenConnections>) -> Self {
        let (next, list) = &mut *open.lock();
        *next += 1;
        list.insert(*next, Instant::now());
        Self(Arc::clone(open), *next)
    }
}

impl Drop for ConnectionEntry {
    fn drop(&mut self) {
        self.0.lock().1.remove(&self.1);
    }
}

impl Proxy {
    /// Starts a proxy on a free port of this machine.
    pub(crate) async fn start(target: ProxyTarget) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Self {
            address: listener.local_addr()?,
            wire: watch::Sender::new(WireState::GOOD),
            open: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let accepting = accept(
            listener,
            target,
            proxy.wire.clone(),
            Arc::clone(&proxy.open),
            proxy.tasks.clone(),
        );
        let stop = proxy.stop.clone();
        proxy
            .tasks
            .spawn(async move { stop.run_until_cancelled(accepting).await });
        Ok(proxy)
    }

    /// Returns the address on which it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the wire's behaviour, for existing and new connections.
    pub(crate) fn set(&self, wire: WireState) {
        self.wire.send_replace(wire);
    }

    /// Returns the age of its oldest connection.
    pub(crate) fn open_for(&self) -> Option<Duration> {
        let oldest = self.open.lock().1.values().min().copied();
        oldest.map(|since| since.elapsed())
    }

    /// Resets its connections and waits until its tasks have ended.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.wire.send_replace(WireState::Cut);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.wire.send_replace(WireState::Cut);
    }
}

async fn accept(
    listener: TcpListener,
    target: ProxyTarget,
    wire: watch::Sender<WireState>,
    open: Arc<OpenConnections>,
    tasks: TaskTracker,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (target, open) = (target.clone(), Arc::clone(&open));
                let wire = wire.subscribe();
                tasks.spawn(async move { connection(stream, target, wire, &open).await });
            }
            // For example too many open files, which is temporary.
            Err(error) => {
                tracing::warn!("a proxy cannot accept: {error}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Runs one connection, until the wire is cut at the latest.
async fn connection(
    near: TcpStream,
    target: ProxyTarget,
    mut wire: watch::Receiver<WireState>,
    open: &Arc<OpenConnections>,
) {
    let mut near = Some(near);
    // A connection that starts on a held wire is never connected to the target.
    let held = *wire.borrow_and_update() == WireState::Held;
    let address = *target.borrow();
    let far = match (held, address) {
        (false, Some(address)) => connect(address, &mut wire).await,
        (true, _) => {
            cut(&mut wire).await;
            None
        }
        (false, None) => None,
    };
    if let (Some(stream), Some(far)) = (near.take_if(|_| far.is_some()), far) {
        let _entry = ConnectionEntry::new(open);
        pass_both(stream, far, wire).await;
    }
    if let Some(near) = near {
        reset(&near);
    }
}

async fn connect(address: SocketAddr, wire: &mut watch::Receiver<WireState>) -> Option<TcpStream> {
    tokio::select! {
        connected = timeout(CONNECT, TcpStream::connect(address)) => connected.ok()?.ok(),
        () = cut(wire) => None,
    }
}

/// Passes data on in both directions until both have ended, or the wire is cut.
async fn pass_both(near: TcpStream, far: TcpStream, mut wire: watch::Receiver<WireState>) {
    for stream in [&near, &far] {
        // A failure only costs speed.
        let _ = stream.set_nodelay(true);
    }
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = pass(&mut near_read, &mut far_write, wire.clone());
    let back = pass(&mut far_read, &mut near_write, wire.clone());
    let both = async {
        tokio::pin!(there, back);
        tokio::select! {
            () = &mut there => drop(timeout(HALF_CLOSED, back).await),
            () = &mut back => drop(timeout(HALF_CLOSED, there).await),
        }
    };
    let is_cut = tokio::select! {
        () = both => false,
        () = cut(&mut wire) => true,
    };
    if is_cut {
        reset(near_read.as_ref());
        reset(far_read.as_ref());
    }
}

/// Passes data on in one direction until its end.
async fn pass(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, wire: watch::Receiver<WireState>) {
    let mut buffer = vec![0; CHUNK];
    // After data was swallowed, nothing more may be passed on.
    let mut broken = false;
    loop {
        let len = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(len) => len,
        };
        let now = *wire.borrow();
        match now {
            WireState::Open { delay } if !broken => {
                if !delay.is_zero() {
                    sleep(delay).await;
                }
                if to.write_all(&buffer[..len]).await.is_err() {
                    break;
                }
            }
            _ => broken = true,
        }
    }
    // Fails only if the receiver is gone. A held wire does not pass the end on, either.
    if !broken {
        let _ = to.shutdown().await;
    }
}

/// Waits until the wire is cut.
async fn cut(wire: &mut watch::Receiver<WireState>) {
    // An error means that the sender, and so the proxy, is gone.
    let _ = wire.wait_for(|&wire| wire == WireState::Cut).await;
}

/// Makes the connection end with a reset: at once, without waiting for the peer.
fn reset(stream: &TcpStream) {
    // If this fails, the connection ends normally.
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests;
