//! Messages that the program publishes, and answers that it gives.

use std::time::Instant;

use super::{
    ClientSession, SessionPhase,
    wire::{put_amop, wire_len},
};
use crate::{
    TopicName,
    channel::{FrameType, RESULT_OFFSET, Seq, result_code},
    client::{MessageKind, RefusalReason, RefusedRequest, requests::Ended},
};

impl<T> ClientSession<T> {
    /// Publishes a message; [`SessionEvent::Finished`](crate::client::SessionEvent::Finished) returns `token` with the outcome.
    ///
    /// # Errors
    ///
    /// [`RefusedRequest`] returns the token if nothing was sent.
    pub fn request(
        &mut self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) -> Result<Seq, RefusedRequest<T>> {
        if let Err(why) = self.may_request(topic, payload.len()) {
            return Err(RefusedRequest { token, why });
        }
        // No other message has this seq: it has 128 random bits.
        let seq = Seq::random(&mut self.rng);
        self.put_request(seq, kind, topic, payload, deadline, token);
        Ok(seq)
    }

    /// Does the same as [`request`](Self::request), with a token that is made when the seq is
    /// known.
    ///
    /// # Errors
    ///
    /// [`RefusalReason`] says why nothing was sent. `token` is not called then.
    pub fn request_with(
        &mut self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: impl FnOnce(Seq) -> T,
    ) -> Result<Seq, RefusalReason> {
        self.may_request(topic, payload.len())?;
        let seq = Seq::random(&mut self.rng);
        self.put_request(seq, kind, topic, payload, deadline, token(seq));
        Ok(seq)
    }

    /// Does the same as [`request`](Self::request), with a given seq: that of a message whose
    /// outcome on another session is unknown, so that subscribers recognise it.
    ///
    /// # Errors
    ///
    /// [`RefusedRequest`] returns the token if nothing was sent.
    pub fn request_as(
        &mut self,
        seq: Seq,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) -> Result<(), RefusedRequest<T>> {
        let may = self.may_request(topic, payload.len());
        if let Err(why) = may.and_then(|()| self.is_free(&seq)) {
            return Err(RefusedRequest { token, why });
        }
        self.put_request(seq, kind, topic, payload, deadline, token);
        Ok(())
    }

    pub(super) fn put_request(
        &mut self,
        seq: Seq,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
        deadline: Instant,
        token: T,
    ) {
        let len = wire_len(topic, payload.len());
        let result = if self.quiet && kind == MessageKind::Multicast {
            let at = self.out.len() + RESULT_OFFSET;
            self.multicasts.push(seq, deadline, token, len, at)
        } else {
            let ended = Ended { token, len };
            self.requests.insert(seq, topic.clone(), deadline, ended);
            result_code::SUCCESS
        };
        let kind = kind.frame_type();
        put_amop(&mut self.out, kind, seq, result, topic, payload);
    }

    /// Returns whether a request with this seq waits for its answer.
    pub fn awaits(&self, seq: &Seq) -> bool {
        self.is_free(seq).is_err()
    }

    pub(super) fn is_free(&self, seq: &Seq) -> Result<(), RefusalReason> {
        if self.multicasts.contains(seq) {
            return Err(RefusalReason::SeqInUse);
        }
        self.requests.is_free(seq)
    }

    pub(super) fn may_request(
        &self,
        topic: &TopicName,
        payload: usize,
    ) -> Result<(), RefusalReason> {
        match self.state {
            SessionPhase::Negotiating { .. } => return Err(RefusalReason::NotReady),
            SessionPhase::Closed => return Err(RefusalReason::Closed),
            SessionPhase::Ready => {}
        }
        let (len, max) = (wire_len(topic, payload), self.max_frame());
        if len > max {
            return Err(RefusalReason::TooLong { len, max });
        }
        let limit = self.config.max_in_flight;
        if self.in_flight() >= limit {
            return Err(RefusalReason::InFlight { limit });
        }
        Ok(())
    }

    /// Forgets a request and returns its token. A frame that was sent already is not taken back.
    pub fn cancel(&mut self, seq: &Seq) -> Option<T> {
        let request = self.requests.take(seq).map(|(_, ended)| ended.token);
        request.or_else(|| self.multicasts.cancel(seq))
    }

    /// Answers a pushed unicast. Returns whether the answer was queued; it is not if the session
    /// has ended.
    ///
    /// If the answer would be longer than [`max_frame`](Self::max_frame), [`result_code::NO_REPLY`]
    /// is sent instead, so that the node does not wait for it.
    pub fn respond(&mut self, seq: Seq, topic: &TopicName, result: i32, payload: &[u8]) -> bool {
        if self.state == SessionPhase::Closed {
            return false;
        }
        let (result, payload) = match wire_len(topic, payload.len()) > self.max_frame() {
            true => (result_code::NO_REPLY, &b""[..]),
            false => (result, payload),
        };
        put_amop(
            &mut self.out,
            FrameType::RESPONSE,
            seq,
            result,
            topic,
            payload,
        );
        true
    }
}
