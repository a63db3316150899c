//! Messages that the node delivers to the SDK, and answers to the SDK's unicasts.

use std::time::Instant;

use super::{ServerPhase, WsServerSession};
use crate::{
    channel::Seq,
    client::{Ended, MessageKind},
    ws::{
        AmopRequest, EncodedMessage, MAX_MESSAGE, MIN_MESSAGE, WsMessage, WsSeq, WsStatus, WsType,
        outbox::cost,
        server::{DeliveryRefusal, RefusedDelivery},
    },
};

impl<D> WsServerSession<D> {
    /// Delivers a unicast with a fresh seq, which is returned.
    /// [`WsServerEvent::Answered`](crate::ws::server::WsServerEvent::Answered) or
    /// [`WsServerEvent::Unanswered`](crate::ws::server::WsServerEvent::Unanswered) returns `ticket`.
    /// Data of more than 64 KiB are not copied.
    ///
    /// # Errors
    ///
    /// [`RefusedDelivery`] returns the ticket if nothing was sent.
    pub fn deliver(
        &mut self,
        now: Instant,
        request: &AmopRequest,
        ticket: D,
    ) -> Result<Seq, RefusedDelivery<D>> {
        let limit = self.config.max_deliveries;
        // A publisher's own seq is never used here: an SDK that gets its own message would take it
        // for the answer (ws-v3 section 10.4).
        let seq = Seq::random(&mut self.rng);
        let sent = if self.deliveries.len() >= limit && self.is_ready() {
            Err(DeliveryRefusal::TooManyDeliveries { limit })
        } else {
            self.put_amop(MessageKind::Unicast, &seq.into(), request)
        };
        match sent {
            Ok(len) => {
                let deadline = now + self.config.answer_within;
                let ended = Ended { token: ticket, len };
                self.deliveries.insert(seq, (), deadline, ended);
                Ok(seq)
            }
            Err(why) => Err(RefusedDelivery { ticket, why }),
        }
    }

    /// Delivers a multicast. `seq` is that of the publisher if it is an SDK of this node, and empty
    /// otherwise (ws-v3 section 10.5). A publisher that has the topic gets its own multicast, too.
    ///
    /// Version, status and flags of the message are 0. A FISCO node passes those of a publisher of its
    /// own on to its own sessions. This differs on purpose: version and flags are 0 and not checked,
    /// a status is used only in answers (section 5), and sessions of other nodes never get them. The
    /// version in the request is kept.
    ///
    /// # Errors
    ///
    /// [`DeliveryRefusal`] if nothing was sent.
    pub fn deliver_multicast(
        &mut self,
        request: &AmopRequest,
        seq: &WsSeq,
    ) -> Result<(), DeliveryRefusal> {
        self.put_amop(MessageKind::Multicast, seq, request)?;
        Ok(())
    }

    /// Answers one of the SDK's unicasts with what a subscriber sent: type, status, flags and
    /// payload are kept, and the seq is replaced (ws-v3 section 10.3). An answer that is too long is
    /// replaced by the status -4011. Returns whether the unicast was waiting.
    pub fn answer(&mut self, seq: &WsSeq, answer: WsMessage) -> bool {
        if self.requests.take(seq).is_none() {
            return false;
        }
        let mut answer = WsMessage {
            seq: seq.clone(),
            ..answer
        };
        // SDKs take a message with a pending seq for the answer, but a native client does not take
        // a message to subscribers for one.
        if answer.kind.has_request() {
            answer.kind = WsType::RESPONSE;
        }
        match answer.encode() {
            Ok(message) if message.len() <= self.config.longest() => self.put(message),
            _ => self.put_failure(seq, WsStatus::TOO_LONG, b""),
        }
        true
    }

    /// Answers one of the SDK's unicasts with an error of the node, in the words of a FISCO node.
    /// Returns whether the unicast was waiting.
    pub fn fail(&mut self, seq: &WsSeq, status: WsStatus, topic: &[u8]) -> bool {
        let waits = self.requests.take(seq).is_some();
        if waits {
            self.put_failure(seq, status, topic);
        }
        waits
    }

    fn put_amop(
        &mut self,
        kind: MessageKind,
        seq: &WsSeq,
        request: &AmopRequest,
    ) -> Result<usize, DeliveryRefusal> {
        match self.phase {
            ServerPhase::Closed => return Err(DeliveryRefusal::Closed),
            ServerPhase::Waiting { .. } => return Err(DeliveryRefusal::NotReady),
            ServerPhase::Ready => {}
        }
        let too_long = |len, max| DeliveryRefusal::TooLong { len, max };
        let message = EncodedMessage::amop(kind, seq, request).map_err(|_| {
            let len = MIN_MESSAGE + seq.len() + request.wire_len();
            too_long(len, MAX_MESSAGE)
        })?;
        let (len, longest) = (message.len(), self.config.longest());
        if len > longest {
            return Err(too_long(len, longest));
        }
        let (queued, max) = (self.out.bytes(), self.config.max_queued);
        // A message that is longer than the limit may go alone.
        if queued > 0 && queued + cost(len) > max {
            return Err(DeliveryRefusal::QueueFull { queued, max });
        }
        self.out.push(message);
        Ok(len)
    }
}
