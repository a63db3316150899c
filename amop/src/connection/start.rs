//! The start of a connection.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use amop_proto::{channel::FrameDecoder, client::ClientSession};
use tokio::{
    sync::{Semaphore, oneshot, watch},
    time::Instant,
};
use tracing::Instrument;

use super::{
    driver::Driver,
    handle::Connection,
    inner::ConnectionInner,
    settings::{ConnectionSettings, Hello, NewConnection, SEND_BUFFER},
    state::ConnectionState,
    stream::FrameStream,
};
use crate::{Generation, receive::Subscriptions};

/// Longer than any handshake.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

impl Connection {
    /// Starts the driver of `stream`. The receiver gets the node's hello; it gets nothing if the
    /// session closes first.
    pub(crate) fn start<S>(
        stream: S,
        new: NewConnection,
        settings: &ConnectionSettings,
        subscriptions: Arc<Subscriptions>,
    ) -> (Self, oneshot::Receiver<Hello>)
    where
        S: FrameStream + Unpin + Send + 'static,
    {
        let NewConnection {
            id,
            endpoint,
            generation,
            seed,
            longest_taken,
        } = new;
        let config = settings.session.clone().with(|config| {
            config.max_frame = settings.max_frame;
            config.longest_taken = longest_taken.load(Ordering::Relaxed);
            if generation == Generation::V3 {
                // The session of 3.x has a time limit of its own.
                config.handshake_timeout = NO_LIMIT;
            }
        });
        let in_flight = config.max_in_flight;
        let (hello, heard) = oneshot::channel();
        let session = ClientSession::new(config, seed, Instant::now().into_std());
        let connection = Self(Arc::new(ConnectionInner {
            id,
            endpoint,
            generation,
            max_frame: AtomicUsize::new(settings.max_frame),
            overlay: AtomicBool::new(false),
            longest_taken,
            counters: Arc::clone(subscriptions.counters()),
            max_in_flight: in_flight,
            state: Mutex::new(ConnectionState::new(
                session,
                generation,
                subscriptions,
                hello,
            )),
            in_flight: Semaphore::new(in_flight),
            room: Semaphore::new(SEND_BUFFER),
            lost: watch::Sender::new(None),
            driver: Mutex::new(None),
        }));
        let decoder = FrameDecoder::new(settings.max_incoming);
        let driver = Driver::new(stream, decoder, connection.clone());
        let driver = tokio::spawn(driver.in_current_span());
        *connection.driver_handle() = Some(driver);
        (connection, heard)
    }
}
