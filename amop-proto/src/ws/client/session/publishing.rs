//! Messages that the program publishes, and answers that it gives.

use std::time::Instant;

use bytes::Bytes;

use super::{WsClientSession, WsPhase};
use crate::{
    channel::{Seq, result_code},
    client::{Ended, MessageKind},
    ws::{
        EncodeError, EncodedMessage, MAX_MESSAGE, WsMessage, WsSeq, WsStatus, WsTopic, WsType,
        client::{
            RefusedUnicast, WsRefusal,
            deliveries::{ANSWER_WITHIN, Answer},
        },
    },
};

/// The status of a unicast that the program accepted, and to which it gives no reply.
const NO_REPLY: WsStatus = WsStatus(result_code::NO_REPLY as i16);

impl<T> WsClientSession<T> {
    /// Publishes a unicast; [`WsClientEvent::Finished`](crate::ws::client::WsClientEvent::Finished)
    /// returns `token` with the outcome. The payload is not copied if it is long.
    ///
    /// The node may need up to 60 s and then send no usable answer, so only the deadline is certain
    /// (ws-v3 section 10.4).
    ///
    /// # Errors
    ///
    /// [`RefusedUnicast`] returns the token if nothing was sent.
    pub fn request(
        &mut self,
        topic: &WsTopic,
        payload: impl Into<Bytes>,
        deadline: Instant,
        token: T,
    ) -> Result<Seq, RefusedUnicast<T>> {
        // No other message has this seq: it has 128 random bits.
        let seq = Seq::random(&mut self.rng);
        self.request_as(seq, topic, payload, deadline, token)?;
        Ok(seq)
    }

    /// Does the same as [`request`](Self::request), with a given seq.
    ///
    /// # Errors
    ///
    /// [`RefusedUnicast`] returns the token if nothing was sent.
    pub fn request_as(
        &mut self,
        seq: Seq,
        topic: &WsTopic,
        payload: impl Into<Bytes>,
        deadline: Instant,
        token: T,
    ) -> Result<(), RefusedUnicast<T>> {
        let sent = self
            .may_request(&seq)
            .and_then(|()| self.put_amop(MessageKind::Unicast, seq, topic, payload.into()));
        match sent {
            Ok(len) => {
                let ended = Ended { token, len };
                self.requests.insert(seq, (), deadline, ended);
                Ok(())
            }
            Err(why) => Err(RefusedUnicast { token, why }),
        }
    }

    /// Publishes a multicast through this node. No node ever answers it, so there is no outcome: it
    /// is delivered as well as the network allows, also to this session if it has the topic, and
    /// never confirmed (ws-v3 section 10.5). The payload is not copied if it is long.
    ///
    /// # Errors
    ///
    /// [`WsRefusal`] if nothing was sent.
    pub fn multicast(
        &mut self,
        topic: &WsTopic,
        payload: impl Into<Bytes>,
    ) -> Result<Seq, WsRefusal> {
        let seq = Seq::random(&mut self.rng);
        self.multicast_as(seq, topic, payload)?;
        Ok(seq)
    }

    /// Does the same as [`multicast`](Self::multicast), with a given seq. Subscribers at the same node
    /// get it, too.
    ///
    /// # Errors
    ///
    /// [`WsRefusal`] if nothing was sent.
    pub fn multicast_as(
        &mut self,
        seq: Seq,
        topic: &WsTopic,
        payload: impl Into<Bytes>,
    ) -> Result<(), WsRefusal> {
        self.may_publish()?;
        self.put_amop(MessageKind::Multicast, seq, topic, payload.into())?;
        Ok(())
    }

    /// Forgets a unicast and returns its token. A message that was sent already is not taken back.
    pub fn cancel(&mut self, seq: &Seq) -> Option<T> {
        let (_, ended) = self.requests.take(seq)?;
        Some(ended.token)
    }

    /// Answers a pushed unicast, once: with the payload alone, without its topic (ws-v3 section
    /// 10.3). A status other than 0 tells the publisher of a failure.
    ///
    /// # Errors
    ///
    /// [`WsRefusal`] if the answer was not queued. After [`WsRefusal::TooLong`] the status 106 was
    /// queued instead, so that the publisher does not wait for it; after
    /// [`WsRefusal::QueueFull`], the unicast can be answered later.
    pub fn respond(
        &mut self,
        now: Instant,
        seq: &WsSeq,
        status: WsStatus,
        payload: impl Into<Bytes>,
    ) -> Result<(), WsRefusal> {
        if self.phase == WsPhase::Closed {
            return Err(WsRefusal::Closed);
        }
        let message = WsMessage {
            status,
            ..WsMessage::new(WsType::RESPONSE, seq.clone(), payload)
        };
        let room = self.has_room(message.wire_len());
        if let Err(full @ WsRefusal::QueueFull { .. }) = room {
            return Err(full);
        }
        match self.deliveries.answer(now, seq) {
            Answer::Unknown => return Err(WsRefusal::NotWaiting),
            Answer::Late => {
                let within = ANSWER_WITHIN;
                return Err(WsRefusal::Late { within });
            }
            Answer::Send => {}
        }
        if let Err(why) = room {
            // Also if the queue is full: the delivery is forgotten, so this is the last chance, and each
            // can cause only one of these.
            self.put(WsMessage {
                status: NO_REPLY,
                ..WsMessage::new(WsType::RESPONSE, seq.clone(), Bytes::new())
            });
            return Err(why);
        }
        self.put(message);
        Ok(())
    }

    pub(super) fn put_response(
        &mut self,
        seq: WsSeq,
        status: WsStatus,
        payload: Bytes,
    ) -> Result<(), WsRefusal> {
        let message = WsMessage {
            status,
            ..WsMessage::new(WsType::RESPONSE, seq, payload)
        };
        self.put_limited(message.encode().map_err(refusal)?)
    }

    fn put_amop(
        &mut self,
        kind: MessageKind,
        seq: Seq,
        topic: &WsTopic,
        payload: Bytes,
    ) -> Result<usize, WsRefusal> {
        let message = EncodedMessage::put_amop(kind, &seq.into(), 0, topic.as_bytes(), payload)
            .map_err(refusal)?;
        let len = message.len();
        self.put_limited(message)?;
        Ok(len)
    }

    fn may_request(&self, seq: &Seq) -> Result<(), WsRefusal> {
        self.may_publish()?;
        let limit = self.config.max_in_flight;
        if self.in_flight() >= limit {
            return Err(WsRefusal::InFlight { limit });
        }
        // The handshake's answer would be taken for this one's.
        if *seq == self.handshake || self.requests.is_free(seq).is_err() {
            return Err(WsRefusal::SeqInUse);
        }
        Ok(())
    }

    fn may_publish(&self) -> Result<(), WsRefusal> {
        match self.phase {
            WsPhase::Negotiating { .. } => Err(WsRefusal::NotReady),
            WsPhase::Closed => Err(WsRefusal::Closed),
            WsPhase::Ready => Ok(()),
        }
    }
}

/// Returns why a message that cannot be written is refused. A topic and a seq always fit.
fn refusal(error: EncodeError) -> WsRefusal {
    let len = match error {
        EncodeError::TooLong { len } | EncodeError::TopicTooLong { len } => len,
        EncodeError::Incomplete(_) => 0,
    };
    let max = MAX_MESSAGE;
    WsRefusal::TooLong { len, max }
}
