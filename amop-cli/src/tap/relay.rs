//! One connection through the tap: two TLS streams, bytes both ways.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use amop_proto::log::with_causes;
use bytes::{Buf, Bytes};
use chrono::Local;
use tokio::{
    io::{AsyncBufRead, AsyncWrite},
    time::timeout,
};

use super::{
    Direction, TapRecord, ToNode, ToSdk, What, either::EitherWatcher, records, watch::StreamPart,
};
use crate::wire;

/// When one side has closed, the other side has this long to finish.
const LINGER: Duration = Duration::from_secs(30);

/// Reports one connection.
pub(super) struct ConnectionReporter {
    connection: u64,
    records: records::RecordSender,
}

impl ConnectionReporter {
    pub(super) fn new(connection: u64, records: &records::RecordSender) -> Self {
        Self {
            connection,
            records: records.clone(),
        }
    }

    pub(super) fn note(&self, text: String) {
        self.tell(None, What::Note(text));
    }

    fn seen(&self, direction: Direction, seen: StreamPart) {
        self.tell(Some(direction), What::of(seen));
    }

    fn tell(&self, direction: Option<Direction>, what: What) {
        self.records.send(TapRecord {
            time: Local::now(),
            connection: self.connection,
            direction,
            what,
        });
    }
}

/// Passes bytes on in both directions until both sides have ended, and returns how they ended.
pub(super) async fn relay(
    sdk: ToSdk,
    node: ToNode,
    preview: usize,
    reporter: &ConnectionReporter,
) -> String {
    let (sdk, node) = (Half::new(sdk), Half::new(node));
    let mut up = pin!(carry(&sdk, &node, Direction::ToNode, preview, reporter));
    let mut down = pin!(carry(&node, &sdk, Direction::ToSdk, preview, reporter));
    let (who, first, rest) = tokio::select! {
        end = &mut up => ("the SDK", end, timeout(LINGER, down).await),
        end = &mut down => ("the node", end, timeout(LINGER, up).await),
    };
    match (first, rest) {
        (Err(error), _) | (Ok(()), Ok(Err(error))) => with_causes(&error).to_string(),
        (Ok(()), Ok(Ok(()))) => format!("{who} closed it"),
        (Ok(()), Err(_)) => format!(
            "{who} closed it, the other side did not within {} s",
            LINGER.as_secs()
        ),
    }
}

/// A TLS stream that one future reads and another one writes, both in the same task.
struct Half<S>(Mutex<S>);

impl<S: AsyncBufRead + AsyncWrite + Unpin> Half<S> {
    fn new(stream: S) -> Self {
        Self(Mutex::new(stream))
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the content of the next TLS record; empty at the end.
    async fn read(&self) -> io::Result<Bytes> {
        poll_fn(|cx| {
            let mut stream = self.lock();
            // `read_record` keeps no state between polls that could be lost.
            pin!(wire::read_record(&mut *stream)).poll(cx)
        })
        .await
    }

    /// Writes the content of one record, as one record.
    async fn write(&self, mut content: Bytes) -> io::Result<()> {
        while !content.is_empty() {
            let len = poll_fn(|cx| Pin::new(&mut *self.lock()).poll_write(cx, &content)).await?;
            content.advance(len);
        }
        poll_fn(|cx| Pin::new(&mut *self.lock()).poll_flush(cx)).await
    }

    async fn finish(&self) -> io::Result<()> {
        poll_fn(|cx| Pin::new(&mut *self.lock()).poll_shutdown(cx)).await
    }
}

/// Passes bytes on in one direction up to and including the end of the stream.
async fn carry<F, T>(
    from: &Half<F>,
    to: &Half<T>,
    direction: Direction,
    preview: usize,
    reporter: &ConnectionReporter,
) -> io::Result<()>
where
    F: AsyncBufRead + AsyncWrite + Unpin,
    T: AsyncBufRead + AsyncWrite + Unpin,
{
    let mut watcher = EitherWatcher::new(preview);
    loop {
        let content = from.read().await?;
        if content.is_empty() {
            for seen in watcher.end() {
                reporter.seen(direction, seen);
            }
            return ended(to.finish().await);
        }
        for seen in watcher.see(&content) {
            reporter.seen(direction, seen);
        }
        match to.write(content).await {
            Ok(()) => {}
            Err(error) => return ended(Err(error)),
        }
    }
}

/// Ignores the error of a peer that has already closed the connection.
fn ended(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if !amop_tls::is_end(&error) => Err(error),
        _ => Ok(()),
    }
}
