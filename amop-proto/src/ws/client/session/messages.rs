//! Messages from the node.

use std::time::Instant;

use bytes::Bytes;

use super::{WsClientSession, WsPhase};
use crate::{
    channel::result_code,
    client::{Ended, MessageKind},
    ws::{
        AmopRequest, WsHandshakeError, WsHandshakeResponse, WsMessage, WsSeq, WsStatus, WsType,
        client::{WsClientEvent, WsClientNotice, WsOutcome, WsPush, deliveries::Arrived},
    },
};

/// The status that refuses a message that no subscriber here accepts. It is the same number as in
/// the 2.x protocol; SDKs of 3.x show it as a number of the subscriber.
const NOT_TAKEN: WsStatus = WsStatus(result_code::NO_SESSION as i16);

/// The status that refuses a message whose payload cannot be read.
const UNREADABLE: WsStatus = WsStatus(result_code::DECODE as i16);

impl<T> WsClientSession<T> {
    /// Handles a message from the node.
    pub fn handle_message(&mut self, now: Instant, message: WsMessage) {
        if self.phase == WsPhase::Closed {
            return;
        }
        self.pings.message(now);
        // A push is never an answer, even with the seq of a unicast of this session: a node that
        // finds no other subscriber sends the publisher its own message (ws-v3 section 10.4). All
        // other messages are answers if they have such a seq, whatever their type (section 5).
        match message.kind {
            WsType::UNICAST => self.handle_push(now, MessageKind::Unicast, message),
            WsType::MULTICAST => self.handle_push(now, MessageKind::Multicast, message),
            _ => self.handle_other(message),
        }
    }

    fn handle_other(&mut self, message: WsMessage) {
        let WsMessage {
            kind,
            status,
            seq,
            payload,
            ..
        } = message;
        if let Some(own) = seq.as_seq() {
            if own == self.handshake && matches!(self.phase, WsPhase::Negotiating { .. }) {
                return self.handle_handshake(status, &payload);
            }
            if let Some((_, Ended { token, .. })) = self.requests.take(&own) {
                let outcome = WsOutcome::of(kind, status, payload);
                self.events
                    .push_back(WsClientEvent::Finished { token, outcome });
                return;
            }
        }
        match kind {
            WsType::BLOCK_NOTIFY | WsType::GROUP_NOTIFY | WsType::EVENT_PUSH => {}
            // A node sends such a message with an empty seq to a publisher whose subscriber was
            // silent twice (ws-v3 section 10.4).
            WsType::NODE_ANSWER if seq.is_empty() => {}
            WsType::NODE_ANSWER | WsType::RESPONSE => {
                self.notice(WsClientNotice::UnsolicitedResponse(seq));
            }
            kind => self.notice(WsClientNotice::Ignored(kind)),
        }
    }

    fn handle_handshake(&mut self, status: WsStatus, payload: &[u8]) {
        let answer = match status {
            WsStatus::SUCCESS => WsHandshakeResponse::parse(payload),
            status => Err(WsHandshakeError::Refused(status)),
        };
        match answer {
            Ok(answer) => {
                self.phase = WsPhase::Ready;
                self.version = answer.protocol_version;
                self.events.push_back(WsClientEvent::Ready(answer));
            }
            Err(error) => self.finish(error.into()),
        }
    }

    fn handle_push(&mut self, now: Instant, kind: MessageKind, message: WsMessage) {
        let WsMessage { seq, payload, .. } = message;
        let request = match AmopRequest::decode(&payload) {
            Ok(request) => request,
            // The node passes on what a publisher wrote, so it is not the node's fault.
            Err(error) => {
                self.refuse(now, kind, seq, UNREADABLE);
                return self.notice(WsClientNotice::Malformed { kind, error });
            }
        };
        let Some(topic) = self.topics.find(&request.topic).cloned() else {
            self.refuse(now, kind, seq, NOT_TAKEN);
            let topic = request.topic;
            return self.notice(WsClientNotice::NotSubscribed { kind, topic });
        };
        match self.arrive(now, kind, &seq, &request) {
            Ok(repeats) => self.events.push_back(WsClientEvent::Push(WsPush {
                kind,
                seq,
                topic,
                payload: request.data,
                repeats,
            })),
            // Not even a refusal: it would be taken for the answer to the other one.
            Err(notice @ WsClientNotice::SeqInUse(_)) => self.notice(notice),
            Err(notice) => {
                self.refuse(now, kind, seq, NOT_TAKEN);
                self.notice(notice);
            }
        }
    }

    /// Records a delivery, if it waits for an answer. Returns the first copy of the same message, or
    /// why the program does not get it.
    fn arrive(
        &mut self,
        now: Instant,
        kind: MessageKind,
        seq: &WsSeq,
        request: &AmopRequest,
    ) -> Result<Option<WsSeq>, WsClientNotice> {
        if kind == MessageKind::Multicast {
            return Ok(None);
        }
        let len = seq.len();
        if len > self.config.max_seq {
            return Err(WsClientNotice::SeqTooLong { len });
        }
        match self.deliveries.arrive(now, seq, request) {
            Arrived::New { repeats } => Ok(repeats),
            Arrived::SeqInUse => Err(WsClientNotice::SeqInUse(seq.clone())),
            Arrived::TooMany => {
                let limit = self.config.max_deliveries;
                Err(WsClientNotice::TooManyDeliveries { limit })
            }
        }
    }

    /// Answers a unicast that the program does not get, so that its publisher need not wait. A full
    /// queue gets no more of these answers: the node causes them. Nothing is sent with the seq of a
    /// unicast that waits for the program: it would be taken for the answer to that one.
    fn refuse(&mut self, now: Instant, kind: MessageKind, seq: WsSeq, status: WsStatus) {
        if kind == MessageKind::Unicast && !self.deliveries.contains(now, &seq) {
            // It fits if there is room.
            let _ = self.put_response(seq, status, Bytes::new());
        }
    }
}
