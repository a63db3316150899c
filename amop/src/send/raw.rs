//! Publishers of bytes, which do not wait for each message.

use std::{collections::VecDeque, fmt, pin::pin, sync::Arc};

use amop_proto::{
    TopicName,
    channel::{PrivateName, Seq},
    client::{Attempts, MAX_CUT_OFFS, MessageKind},
    log::with_causes,
};
use bytes::Bytes;
use tokio::{
    task::consume_budget,
    time::{Instant, timeout_at},
};
use tracing::{Instrument, Span, field::display};

use super::{
    message::{AttemptFailure, OutgoingMessage, PipelinedMessage, exchange_span},
    outcome::failure,
    pipeline::{Again, Lost, Pipeline},
};
use crate::{
    FlushError, PublishError, PublishErrorKind as Kind,
    client::{CallOptions, ClientInner, Picked},
    connection::Connection,
};

/// Bytes of payload that may wait for confirmation, per publisher. A longer message is sent once no
/// other message waits.
const MAX_UNCONFIRMED: usize = 16 * 1024 * 1024;

/// What happened to a message that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// It is in the send buffer of a connection.
    Queued,
    /// A node has it.
    Confirmed,
}

/// As [`Publisher`](crate::Publisher), for bytes. Returned by
/// [`Client::publisher_raw`](crate::Client::publisher_raw).
#[must_use = "a publisher that is dropped reports no failures: flush it"]
pub struct RawPublisher {
    inner: Arc<ClientInner>,
    options: CallOptions,
    private: Option<PrivateName>,
    pipeline: Arc<Pipeline>,
    /// The connection in use.
    connection: Option<Connection>,
    /// The connections that copies are sent over, if `connection` is one to a FISCO node.
    others: Vec<Connection>,
    /// The number of messages so far.
    count: u64,
    /// Messages that were lost and are not sent again yet.
    again: VecDeque<Lost>,
}

impl fmt::Debug for RawPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawPublisher")
            .field("topic", &self.shown())
            .field("unconfirmed", &self.unconfirmed())
            .finish_non_exhaustive()
    }
}

impl Drop for RawPublisher {
    fn drop(&mut self) {
        self.pipeline.abandon(self.again.drain(..));
    }
}

impl RawPublisher {
    pub(crate) fn new(inner: Arc<ClientInner>, options: CallOptions, topic: &TopicName) -> Self {
        let publishing = Arc::clone(&inner.publishing);
        let counters = Arc::clone(&inner.counters);
        Self {
            private: PrivateName::of_topic(topic),
            pipeline: Arc::new(Pipeline::new(
                topic.clone(),
                options.timeout,
                publishing,
                counters,
            )),
            inner,
            options,
            connection: None,
            others: Vec::new(),
            count: 0,
            again: VecDeque::new(),
        }
    }

    pub(super) fn shown(&self) -> &str {
        PrivateName::shown(self.pipeline.topic())
    }

    /// Returns the number of messages that no node has confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.pipeline.unconfirmed()
    }

    /// As [`Publisher::publish`](crate::Publisher::publish).
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`](crate::Publisher::publish).
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::publish`](crate::Publisher::publish).
    pub async fn publish(&mut self, payload: Bytes) -> Result<(), PublishError> {
        // A task that publishes all the time lets other tasks run.
        consume_budget().await;
        let span = exchange_span(self.pipeline.topic(), MessageKind::Multicast);
        let accepted = self.accept(payload).instrument(span).await;
        let counters = &self.inner.counters;
        counters.multicasts.one();
        match &accepted {
            Ok(Accepted::Queued) => {}
            Ok(Accepted::Confirmed) => counters.confirmed.one(),
            Err(error) => failure(counters, error).one(),
        }
        accepted.map(drop)
    }

    /// Puts a message into a connection's send buffer, or delivers it.
    async fn accept(&mut self, payload: Bytes) -> Result<Accepted, PublishError> {
        self.check_granted()?;
        self.inner.sealed.check(self.pipeline.topic(), &payload)?;
        let mut deadline = None;
        if self.is_full(payload.len()) || self.has_lost() {
            let until = *deadline.insert(Instant::now() + self.pipeline.timeout());
            self.make_room(payload.len(), until).await?;
        }
        self.count += 1;
        let message = PipelinedMessage {
            number: self.count,
            seq: None,
            payload: &payload,
            copy: false,
        };
        self.send(message, deadline).await
    }

    /// As [`Publisher::flush`](crate::Publisher::flush).
    ///
    /// # Errors
    ///
    /// As [`Publisher::flush`](crate::Publisher::flush).
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::flush`](crate::Publisher::flush).
    pub async fn flush(&mut self) -> Result<(), FlushError> {
        let deadline = Instant::now() + self.pipeline.timeout();
        let pipeline = Arc::clone(&self.pipeline);
        let mut changed = pin!(pipeline.changed());
        loop {
            // Enabled before the checks, so that no change is missed.
            changed.as_mut().enable();
            self.send_again(deadline).await;
            if pipeline.is_settled() {
                return pipeline.take_failures();
            }
            if !self.has_lost() {
                // Every message on a connection ends by its own deadline.
                changed.as_mut().await;
            }
            changed.set(pipeline.changed());
        }
    }

    fn check_granted(&self) -> Result<(), PublishError> {
        self.inner.check_granted(self.private.as_ref())
    }

    fn has_lost(&self) -> bool {
        !self.again.is_empty() || self.pipeline.has_lost()
    }

    fn is_full(&self, len: usize) -> bool {
        let waiting = self.pipeline.bytes();
        waiting > 0 && waiting + len > MAX_UNCONFIRMED
    }

    /// Sends lost messages again, and waits until there is room for `len` more bytes.
    async fn make_room(&mut self, len: usize, deadline: Instant) -> Result<(), PublishError> {
        let pipeline = Arc::clone(&self.pipeline);
        let mut changed = pin!(pipeline.changed());
        loop {
            changed.as_mut().enable();
            self.send_again(deadline).await;
            if !self.is_full(len) {
                return Ok(());
            }
            if !self.has_lost() && timeout_at(deadline, changed.as_mut()).await.is_err() {
                let after = pipeline.timeout();
                let error = PublishError::new(Kind::Congested { after }, pipeline.topic());
                return Err(match &self.connection {
                    Some(connection) => error.at(connection.endpoint()),
                    None => error,
                });
            }
            changed.set(pipeline.changed());
        }
    }

    /// Sends lost messages again. The next flush reports those that fail.
    async fn send_again(&mut self, deadline: Instant) {
        loop {
            if self.again.is_empty() {
                self.again.extend(self.pipeline.take_lost());
            }
            let Some(lost) = self.again.front() else {
                return;
            };
            let payload = lost.payload.clone();
            let message = PipelinedMessage {
                number: lost.number,
                seq: Some(lost.seq),
                payload: &payload,
                copy: lost.copy,
            };
            let (number, again, copy) = (lost.number, lost.again, lost.copy);
            let sent = match (again, self.check_granted()) {
                (_, Err(revoked)) => Err(revoked),
                // A copy of it, or the message itself, has failed because of this.
                _ if self.pipeline.cut_offs(number) >= MAX_CUT_OFFS => Ok(Accepted::Queued),
                // A copy that is not sent is not an error.
                (_, Ok(())) if copy => {
                    self.send_copies(message, Some(deadline)).await;
                    Ok(Accepted::Queued)
                }
                (Again::Anywhere, _) => self.send(message, Some(deadline)).await,
                (Again::Elsewhere, _) => {
                    let delivered = self.deliver(message, deadline).await;
                    delivered.map(|()| Accepted::Confirmed)
                }
            };
            // Removed only now, so that the message stays in the list if this future is dropped
            // earlier.
            self.again.pop_front();
            match sent {
                Ok(Accepted::Queued) => self.pipeline.settled_one(copy, payload.len()),
                Ok(Accepted::Confirmed) => self.pipeline.confirmed(1, payload.len()),
                Err(error) => {
                    // The connection that was lost may have delivered it.
                    let error = error.after_attempt(true);
                    self.pipeline.failed(number, (copy, payload.len()), error);
                }
            }
        }
    }

    /// Puts a message into a connection's send buffer; without a connection, delivers it on its
    /// own.
    async fn send(
        &mut self,
        message: PipelinedMessage<'_>,
        deadline: Option<Instant>,
    ) -> Result<Accepted, PublishError> {
        let until = |timeout| deadline.unwrap_or_else(|| Instant::now() + timeout);
        loop {
            let connection = match &self.connection {
                Some(connection) if connection.is_open() => connection,
                _ => match self.pick() {
                    Picked::Connection(connection) => self.connection.insert(connection),
                    Picked::None | Picked::Closed(_) => {
                        let until = until(self.pipeline.timeout());
                        self.deliver(message, until).await?;
                        return Ok(Accepted::Confirmed);
                    }
                },
            };
            let overlay = connection.is_overlay();
            if let Some(seq) = message.seq {
                let until = until(self.pipeline.timeout());
                copy_settled(&self.pipeline, connection, &seq, until).await;
            }
            let sent = connection.enqueue(&self.pipeline, message, deadline);
            let sent = sent.await;
            if let (Ok(seq), None) = (&sent, message.seq) {
                note(seq);
            }
            match sent {
                Ok(_) if overlay => return Ok(Accepted::Queued),
                Ok(seq) => {
                    let seq = Some(seq);
                    let message = PipelinedMessage { seq, ..message };
                    self.send_copies(message, deadline).await;
                    return Ok(Accepted::Queued);
                }
                Err(AttemptFailure::Final(error)) => return Err(error),
                // The connection is closed, so it is not chosen again.
                Err(AttemptFailure::NotSent) => self.connection = None,
                // The message is too long for this node; another one may take it.
                Err(AttemptFailure::Retry(..)) => {
                    let until = until(self.pipeline.timeout());
                    self.deliver(message, until).await?;
                    return Ok(Accepted::Confirmed);
                }
            }
        }
    }

    fn pick(&self) -> Picked {
        let attempts = Attempts::default();
        self.inner
            .pick(&attempts, self.pipeline.topic(), MessageKind::Multicast)
    }

    /// Puts copies of a message into the send buffers of other connections, if there are any: a
    /// FISCO node does not deliver to its own subscribers.
    async fn send_copies(&mut self, message: PipelinedMessage<'_>, deadline: Option<Instant>) {
        let copies = self.options.copies - 1;
        let mut asked: Vec<u64> = self.connection.iter().map(Connection::id).collect();
        self.others.retain(Connection::is_open);
        let mut sent = 0;
        while sent < copies {
            let known = |other: &&Connection| !asked.contains(&other.id());
            let other = match self.others.iter().find(known) {
                Some(other) => other.clone(),
                None => {
                    let topic = self.pipeline.topic();
                    let Some(other) = self.inner.pick_other(topic, MessageKind::Multicast, &asked)
                    else {
                        return;
                    };
                    self.others.push(other.clone());
                    other
                }
            };
            asked.push(other.id());
            let message = PipelinedMessage {
                copy: true,
                ..message
            };
            match other.enqueue(&self.pipeline, message, deadline).await {
                Ok(_) => sent += 1,
                Err(AttemptFailure::Retry(..) | AttemptFailure::NotSent) => {}
                Err(AttemptFailure::Final(error)) => {
                    let topic = self.shown();
                    let error = with_causes(&error);
                    tracing::debug!(topic, "a copy of a multicast was not sent: {error}");
                    return;
                }
            }
        }
    }

    /// Publishes a message outside of the pipeline: waits for a connection, if there is none, and
    /// for the node's answer.
    async fn deliver(
        &self,
        message: PipelinedMessage<'_>,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let PipelinedMessage {
            number,
            seq,
            payload,
            ..
        } = message;
        // A message that is sent again is already counted by the pipeline.
        let _counted = seq.is_none().then(|| self.inner.publishing.one());
        let span = Span::current();
        let message = OutgoingMessage {
            kind: MessageKind::Multicast,
            seq,
            topic: self.pipeline.topic(),
            payload,
            deadline,
            options: &self.options,
            span: &span,
            cut_offs: self.pipeline.cut_offs(number),
        };
        self.inner.deliver(message, self.private.as_ref()).await?;
        Ok(())
    }
}

/// Adds the seq of a message to the span of its exchange.
fn note(seq: &Seq) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        Span::current().record("seq", display(seq));
    }
}

/// Waits until a connection has the outcome of a copy with this seq, if it has a copy: the message
/// itself cannot be sent there before.
async fn copy_settled(pipeline: &Pipeline, connection: &Connection, seq: &Seq, deadline: Instant) {
    let mut changed = pin!(pipeline.changed());
    loop {
        // Enabled before the check, so that no change is missed.
        changed.as_mut().enable();
        if !connection.awaits(seq) || timeout_at(deadline, changed.as_mut()).await.is_err() {
            return;
        }
        changed.set(pipeline.changed());
    }
}
