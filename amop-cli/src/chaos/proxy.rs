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

/// For a connection to the target; it is on this machine.
const CONNECT: Duration = Duration::from_secs(5);

/// Once one side has ended a connection, the other gets this long to do the same.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// Bytes passed on at a time.
const CHUNK: usize = 64 * 1024;

/// What the wire does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Passes everything on, each piece so much later.
    Open { delay: Duration },
    /// Takes everything and passes nothing on; new connections as well.
    Held,
    /// Resets connections, new ones as well.
    Cut,
}

impl Wire {
    pub(crate) const GOOD: Self = Self::Open {
        delay: Duration::ZERO,
    };
}

/// Where a proxy leads; `None` while nobody listens there.
pub(crate) type Target = watch::Receiver<Option<SocketAddr>>;

/// See the module. Dropping it resets its connections in the background.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    wire: watch::Sender<Wire>,
    open: Arc<Open>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The connections that have both of their sides, by number, and since when.
#[derive(Debug, Default)]
struct Open(Mutex<(u64, BTreeMap<u64, Instant>)>);

impl Open {
    fn lock(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Instant>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a connection off the list when it is over, however it ends.
struct Entry(Arc<Open>, u64);

impl Entry {
    fn new(open: &Arc<Open>) -> Self {
        let (next, list) = &mut *open.lock();
        *next += 1;
        list.insert(*next, Instant::now());
        Self(Arc::clone(open), *next)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.lock().1.remove(&self.1);
    }
}

impl Proxy {
    /// A proxy on a free port of this machine.
    pub(crate) async fn start(target: Target) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Self {
            address: listener.local_addr()?,
            wire: watch::Sender::new(Wire::GOOD),
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what the wire does, for connections that exist and for new ones.
    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// How long the oldest of its connections has been there.
    pub(crate) fn open_for(&self) -> Option<Duration> {
        let oldest = self.open.lock().1.values().min().copied();
        oldest.map(|since| since.elapsed())
    }

    /// Resets its connections and waits until its tasks are gone.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.wire.send_replace(Wire::Cut);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.wire.send_replace(Wire::Cut);
    }
}

async fn accept(
    listener: TcpListener,
    target: Target,
    wire: watch::Sender<Wire>,
    open: Arc<Open>,
    tasks: TaskTracker,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (target, open) = (target.clone(), Arc::clone(&open));
                let wire = wire.subscribe();
                tasks.spawn(async move { connection(stream, target, wire, &open).await });
            }
            // Too many open files, say; that passes.
            Err(error) => {
                tracing::warn!("a proxy cannot accept: {error}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// One connection. Ends with the wire's being cut at the latest.
async fn connection(
    near: TcpStream,
    target: Target,
    mut wire: watch::Receiver<Wire>,
    open: &Arc<Open>,
) {
    let mut near = Some(near);
    // A connection that begins on a held wire leads nowhere.
    let held = *wire.borrow_and_update() == Wire::Held;
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
        let _entry = Entry::new(open);
        pass_both(stream, far, wire).await;
    }
    if let Some(near) = near {
        reset(&near);
    }
}

async fn connect(address: SocketAddr, wire: &mut watch::Receiver<Wire>) -> Option<TcpStream> {
    tokio::select! {
        connected = timeout(CONNECT, TcpStream::connect(address)) => connected.ok()?.ok(),
        () = cut(wire) => None,
    }
}

/// Passes on in both directions until both are over, or the wire is cut.
async fn pass_both(near: TcpStream, far: TcpStream, mut wire: watch::Receiver<Wire>) {
    for stream in [&near, &far] {
        // Costs time alone if it fails.
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

/// Passes on in one direction until its end.
async fn pass(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, wire: watch::Receiver<Wire>) {
    let mut buffer = vec![0; CHUNK];
    // What was swallowed is missing for good.
    let mut broken = false;
    loop {
        let len = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(len) => len,
        };
        let now = *wire.borrow();
        match now {
            Wire::Open { delay } if !broken => {
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
    // Fails only if there is nobody to be told. Nor does an end pass a held wire.
    if !broken {
        let _ = to.shutdown().await;
    }
}

/// Waits until the wire is cut.
async fn cut(wire: &mut watch::Receiver<Wire>) {
    // Without the sender, the proxy is gone.
    let _ = wire.wait_for(|&wire| wire == Wire::Cut).await;
}

/// Lets a connection end by a reset: at once, and without the other side's leave.
fn reset(stream: &TcpStream) {
    // If it fails, the connection ends in order.
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A proxy to something that sends back what it gets.
    async fn echo() -> (
        Proxy,
        watch::Sender<Option<SocketAddr>>,
        tokio::task::JoinHandle<()>,
    ) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = watch::Sender::new(Some(listener.local_addr().unwrap()));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.into_split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        let proxy = Proxy::start(target.subscribe()).await.unwrap();
        (proxy, target, task)
    }

    /// Sends a byte and waits for it to come back; whether it did.
    async fn comes_back(stream: &mut TcpStream) -> bool {
        let mut byte = [7];
        if stream.write_all(&byte).await.is_err() {
            return false;
        }
        match timeout(PATIENCE, stream.read(&mut byte)).await {
            Ok(Ok(len)) => len == 1,
            Ok(Err(_)) => false,
            Err(_) => panic!("neither an answer nor an end"),
        }
    }

    async fn is_refused(proxy: &Proxy) -> bool {
        match TcpStream::connect(proxy.address()).await {
            Ok(mut stream) => !comes_back(&mut stream).await,
            Err(_) => true,
        }
    }

    #[tokio::test]
    async fn a_cut_ends_connections_and_refuses_new_ones_until_repaired() {
        let (proxy, _target, echo) = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(comes_back(&mut stream).await);
        assert!(proxy.open_for().is_some());
        proxy.set(Wire::Cut);
        assert!(!comes_back(&mut stream).await);
        assert!(is_refused(&proxy).await);
        assert_eq!(proxy.open_for(), None);
        proxy.set(Wire::Open {
            delay: Duration::from_millis(1),
        });
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(comes_back(&mut stream).await);
        timeout(PATIENCE, proxy.stop()).await.unwrap();
        assert!(!comes_back(&mut stream).await);
        echo.abort();
    }

    #[tokio::test]
    async fn a_held_wire_swallows_and_what_it_swallowed_never_comes() {
        let (proxy, _target, echo) = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(comes_back(&mut stream).await);
        proxy.set(Wire::Held);
        stream.write_all(&[1]).await.unwrap();
        let mut byte = [0];
        let silent = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
        assert!(silent.is_err(), "{silent:?}");
        // Nor does what follows: half a conversation would be worse than none.
        proxy.set(Wire::GOOD);
        stream.write_all(&[2]).await.unwrap();
        let silent = timeout(Duration::from_millis(200), stream.read(&mut byte)).await;
        assert!(silent.is_err(), "{silent:?}");
        proxy.set(Wire::Cut);
        assert!(!comes_back(&mut stream).await);
        proxy.stop().await;
        echo.abort();
    }

    #[tokio::test]
    async fn without_a_target_connections_are_reset() {
        let (proxy, target, echo) = echo().await;
        let address = target.send_replace(None);
        assert!(is_refused(&proxy).await);
        target.send_replace(address);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(comes_back(&mut stream).await);
        proxy.stop().await;
        echo.abort();
    }
}
