//! One attempt at publishing: sends a message over one connection and waits for the answer.

use std::sync::Arc;

use amop_proto::{
    channel::Seq,
    client::{MessageKind, RequestOutcome},
};
use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use super::{context::PublishContext, handle::Connection, inner::wire_len, state::Token};
use crate::send::{AttemptFailure, OutgoingMessage, Pipeline, PipelinedMessage};

impl Connection {
    /// Sends a message and waits for its answer.
    pub(crate) async fn exchange(
        &self,
        message: &mut OutgoingMessage<'_>,
    ) -> Result<(Seq, Bytes), AttemptFailure> {
        let OutgoingMessage {
            kind,
            seq,
            topic,
            payload,
            deadline,
            options,
            span: _,
            cut_offs: _,
        } = *message;
        let mut context = PublishContext {
            connection: self,
            topic,
            len: wire_len(topic, payload),
            seq,
            timeout: options.timeout,
        };
        let charge = context.charge()?;
        // Released when this function returns.
        let _in_flight = match context.try_admit(charge) {
            Some(permit) => permit,
            None => context.admit(charge, deadline).await?,
        };
        let (sender, receiver) = oneshot::channel();
        let sent = self.update(|state| {
            let token = Token::Exchange(sender);
            let (session, deadline) = (&mut state.session, deadline.into_std());
            match seq {
                None => session.request(kind, topic, payload, deadline, token),
                Some(seq) => session
                    .request_as(seq, kind, topic, payload, deadline, token)
                    .map(|()| seq),
            }
            .inspect(|_| state.charged += charge)
        });
        let seq = sent.map_err(|refused| context.refused(charge, refused.why))?;
        message.sent_as(seq);
        context.seq = Some(seq);
        let mut waiting = CancelOnDrop {
            connection: self,
            seq: Some(seq),
        };
        let outcome = receiver.await;
        waiting.seq = None;
        // The sender is dropped without a value only when the state itself is dropped.
        let payload = context.result(outcome.unwrap_or(RequestOutcome::Disconnected))?;
        Ok((seq, payload))
    }

    /// Sends a multicast of a pipeline, which gets its outcome. Waits for room until `deadline`, or
    /// without one for the pipeline's timeout. Returns its seq.
    pub(crate) async fn enqueue(
        &self,
        pipeline: &Arc<Pipeline>,
        message: PipelinedMessage<'_>,
        deadline: Option<Instant>,
    ) -> Result<Seq, AttemptFailure> {
        let PipelinedMessage {
            seq, payload, copy, ..
        } = message;
        let (topic, timeout) = (pipeline.topic(), pipeline.timeout());
        let context = PublishContext {
            connection: self,
            topic,
            len: wire_len(topic, payload),
            seq,
            timeout,
        };
        let charge = context.charge()?;
        match context.try_admit(charge) {
            Some(permit) => permit.forget(),
            None => {
                let until = deadline.unwrap_or_else(|| Instant::now() + timeout);
                context.admit(charge, until).await?.forget();
            }
        }
        let sent = self.update(|state| {
            // The first message since the driver's last look wakes the driver. Messages that come
            // before it runs are almost as old, so they use the same time instead of reading the
            // clock.
            let since = *state.batch.get_or_insert_with(Instant::now);
            let until = deadline.unwrap_or(since + timeout).into_std();
            let token = |seq| Token::Pipelined(message.kept(pipeline, seq));
            let (session, kind) = (&mut state.session, MessageKind::Multicast);
            match seq {
                None => session.request_with(kind, topic, payload, until, token),
                Some(seq) => session
                    .request_as(seq, kind, topic, payload, until, token(seq))
                    .map(|()| seq)
                    .map_err(|refused| refused.why),
            }
            // Recorded while the state is locked, so that no answer comes first.
            .inspect(|_| {
                state.charged += charge;
                pipeline.sent(payload.len(), copy);
            })
        });
        sent.map_err(|why| {
            self.0.in_flight.add_permits(1);
            context.refused(charge, why)
        })
    }
}

/// Cancels a request whose future is dropped before the answer comes.
struct CancelOnDrop<'a> {
    connection: &'a Connection,
    seq: Option<Seq>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(seq) = self.seq {
            self.connection.lock().session.cancel(&seq);
        }
    }
}
