//! A proxy between SDKs and a node that shows every frame and changes none. SDK and node may be of 2.x
//! or of 3.x: their first bytes say which. Of 3.x, each message is shown, and the upgrade, pings, pongs
//! and Close messages are notes.
//!
//! It ends TLS on both sides: SDKs connect to it as to a node, and it connects to the node as an
//! SDK. It passes all bytes on unchanged, even bytes that are not frames, and keeps the boundaries
//! of TLS records as far as TLS allows. A frame is reported before it is passed on, so a request is
//! always reported before its answer. The connections do not wait for a slow reader: it loses
//! records, and gets the number of lost ones.

mod door;
mod either;
mod record;
mod records;
mod relay;
mod watch;
mod watch_v3;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use amop_proto::log::with_causes;
use amop_tls::rustls::ClientConfig;
use amop_tls::{HandshakeFailure, Identity, Mode, ServerOptions, Side, TlsError};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::door::{TapDoor, TapPlace};
pub use self::record::{Direction, FrameRecord, Style, TapRecord, What};
pub use self::records::TapRecords;
use self::relay::{ConnectionReporter, relay};
use crate::wire;

/// The maximum number of connected SDKs. More are refused.
const CONNECTIONS: usize = 256;

/// The maximum number of connections that have not completed TLS. A new one replaces the oldest one
/// of the address that has the most.
const HANDSHAKES: usize = 64;

/// The time that an SDK has to complete TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The pause after a failed accept, for example when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The options of a tap.
#[derive(Debug, Clone)]
pub struct TapOptions {
    /// The address to which SDKs connect.
    pub listen: SocketAddr,
    /// The node's channel port, or its port for SDKs of 3.x: `host:port`.
    pub to: String,
    /// An SDK's certificates that the node accepts.
    pub sdk: Identity,
    /// The certificates shown to SDKs. Any certificate of the chain works, also an SDK's, except
    /// for native clients: they require a node's certificate unless they are configured otherwise.
    pub node: Identity,
    /// The number of bytes of each payload that records keep.
    pub preview: usize,
}

/// The tap could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

/// A running tap. Dropping it stops it in the background.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Tap {
    /// Starts to listen. The traffic is reported by the returned records, which end when the tap
    /// has stopped.
    ///
    /// # Errors
    ///
    /// [`TapError`] if the address cannot be listened on or the certificates are not usable.
    pub async fn start(options: TapOptions) -> Result<(Self, TapRecords), TapError> {
        let server = options.node.server_config(ServerOptions::default())?;
        let client = options.sdk.client_config()?;
        let failed = |source| TapError::Listen {
            address: options.listen,
            source,
        };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (records, receiver) = records::channel();
        let tap = Self {
            address,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let port = TapPort {
            acceptor: server.into(),
            mode: options.node.mode(),
            upstream: Upstream {
                endpoint: options.to.into(),
                tls: client,
                mode: options.sdk.mode(),
            },
            preview: options.preview,
            records,
            stop: tap.stop.clone(),
            tasks: tap.tasks.clone(),
        };
        tap.tasks.spawn(port.run(listener));
        Ok((tap, receiver))
    }

    /// Returns the address to which SDKs connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: closes all connections and returns when every task has ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[derive(Debug, Clone)]
struct Upstream {
    endpoint: Arc<str>,
    tls: Arc<ClientConfig>,
    mode: Mode,
}

struct TapPort {
    acceptor: TlsAcceptor,
    mode: Mode,
    upstream: Upstream,
    preview: usize,
    records: records::RecordSender,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl TapPort {
    async fn run(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS));
        let door = Arc::new(TapDoor::new(HANDSHAKES));
        let mut number = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((tcp, address)) => {
                    if let Some(place) = door.admit(address) {
                        number += 1;
                        self.serve(number, tcp, address, (place, slots.clone()));
                    }
                }
                Err(error) => {
                    let reporter = ConnectionReporter::new(0, &self.records);
                    reporter.note(format!("cannot accept: {error}"));
                    tokio::select! {
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                        () = self.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    fn serve(
        &self,
        number: u64,
        tcp: TcpStream,
        address: SocketAddr,
        (place, slots): (TapPlace, Arc<Semaphore>),
    ) {
        let reporter = ConnectionReporter::new(number, &self.records);
        let (acceptor, mode) = (self.acceptor.clone(), self.mode);
        let (upstream, preview) = (self.upstream.clone(), self.preview);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let served = async {
                reporter.note(format!("connection from {address}"));
                let accepted = tokio::select! {
                    accepted = accept(acceptor, mode, tcp) => accepted,
                    () = place.lost() => Err(
                        "closed to make room for a new connection, before TLS was complete: there \
                         are too many connections"
                            .to_owned(),
                    ),
                };
                drop(place);
                let end = match (accepted, slots.try_acquire_owned()) {
                    (Err(problem), _) => problem,
                    (Ok(_), Err(_)) => {
                        format!("refused: {CONNECTIONS} SDKs are connected already")
                    }
                    (Ok(sdk), Ok(_slot)) => match connect(&upstream).await {
                        Ok(node) => relay(sdk, node, preview, &reporter).await,
                        Err(problem) => problem,
                    },
                };
                reporter.note(format!("ended: {end}"));
            };
            tokio::select! {
                () = served => {}
                // Dropping the connections closes them.
                () = stop.cancelled() => {}
            }
        });
    }
}

type ToSdk = tokio_rustls::server::TlsStream<TcpStream>;
type ToNode = tokio_rustls::client::TlsStream<TcpStream>;

/// Completes TLS with the SDK.
async fn accept(acceptor: TlsAcceptor, mode: Mode, tcp: TcpStream) -> Result<ToSdk, String> {
    let accepting = async {
        tcp.set_nodelay(true)?;
        acceptor.accept(tcp).await
    };
    let accepting = HandshakeFailure::explain(accepting, Side::Server, mode);
    match timeout(HANDSHAKE, accepting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(failure)) => Err(format!(
            "TLS with the SDK failed: {}",
            with_causes(&failure)
        )),
        Err(_) => Err(format!(
            "the SDK did not complete TLS within {} s",
            HANDSHAKE.as_secs()
        )),
    }
}

/// Completes TLS with the node.
async fn connect(upstream: &Upstream) -> Result<ToNode, String> {
    wire::connect(&upstream.endpoint, upstream.tls.clone(), upstream.mode)
        .await
        .map_err(|error| with_causes(&error).to_string())
}
