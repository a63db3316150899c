//! Messages from the SDK.

use std::time::Instant;

use super::{ServerPhase, WsServerSession};
use crate::{
    client::{Ended, MessageKind},
    ws::{
        AmopRequest, AmopRequestError, WsHandshakeError, WsHandshakeRequest, WsHandshakeResponse,
        WsMessage, WsSeq, WsStatus, WsTopicList, WsType,
        rpc::{RpcFacts, answer, refuse_events},
        server::{WsServerEvent, WsServerNotice},
    },
};

impl<D> WsServerSession<D> {
    /// Handles a message from the SDK.
    pub fn handle_message(&mut self, now: Instant, message: WsMessage) {
        if self.phase == ServerPhase::Closed {
            return;
        }
        self.pings.message(now);
        // AMOP messages are never answers, whatever their seq. All other messages are answers if
        // they have the seq of a delivery, whatever their type (ws-v3 sections 5, 10.3).
        match message.kind {
            WsType::UNICAST => self.handle_unicast(now, message),
            WsType::MULTICAST => self.handle_multicast(message),
            _ => self.handle_other(now, message),
        }
    }

    fn handle_other(&mut self, now: Instant, message: WsMessage) {
        let own = message.seq.as_seq();
        if let Some((_, ended)) = own.and_then(|seq| self.deliveries.take(&seq)) {
            let (ticket, answer) = (ended.token, message);
            self.events
                .push_back(WsServerEvent::Answered { ticket, answer });
            return;
        }
        match message.kind {
            WsType::HANDSHAKE => self.handle_handshake(message),
            WsType::SET_TOPICS => self.handle_topics(now, &message.payload),
            WsType::RPC => self.handle_rpc(message),
            WsType::EVENT_REGISTER | WsType::EVENT_UNREGISTER => {
                // Same type and seq (ws-v3 section 13).
                if let Some(payload) = refuse_events(&message.payload) {
                    self.put_message(&WsMessage { payload, ..message });
                }
            }
            WsType::RESPONSE => self.notice(WsServerNotice::UnsolicitedResponse(message.seq)),
            kind => self.notice(WsServerNotice::Ignored(kind)),
        }
    }

    fn handle_handshake(&mut self, message: WsMessage) {
        let request = match WsHandshakeRequest::parse(&message.payload) {
            Ok(request) => request,
            // It is not answered, and the session stays open (ws-v3 section 7).
            Err(error) => return self.notice(WsServerNotice::BadHandshake(error)),
        };
        let version = match request.negotiate() {
            Ok(version) => version,
            Err(error @ WsHandshakeError::NoCommonVersion { .. }) => {
                return self.finish(error.into());
            }
            Err(error) => return self.notice(WsServerNotice::BadHandshake(error)),
        };
        let answer = WsHandshakeResponse::new(version, self.config.groups.clone());
        // The request with another payload (ws-v3 section 7).
        let payload = answer.to_payload();
        self.put_message(&WsMessage { payload, ..message });
        if let ServerPhase::Waiting { .. } = self.phase {
            self.phase = ServerPhase::Ready;
            self.events.push_back(WsServerEvent::Ready { version });
            self.announce(self.topics.iter().cloned().collect(), Vec::new());
        }
    }

    fn handle_topics(&mut self, now: Instant, payload: &[u8]) {
        let list = match WsTopicList::parse(payload, self.config.max_topics) {
            Ok(list) => list,
            Err(error) => return self.notice(WsServerNotice::BadTopicList(error)),
        };
        let changes = self.topics.apply(now, list);
        if changes.left_out > 0 {
            let count = changes.left_out;
            self.notice(WsServerNotice::TopicsLeftOut { count });
        }
        self.announce(changes.added, changes.removed);
    }

    fn handle_rpc(&mut self, message: WsMessage) {
        let groups = self.config.groups.iter();
        let groups: Vec<&str> = groups.map(|group| &*group.group_id).collect();
        let facts = RpcFacts {
            groups: &groups,
            block_number: self.config.block_number,
        };
        let payload = answer(&message.payload, facts);
        // The type of nodes since 3.1.0 (ws-v3 section 9.1).
        self.put_message(&WsMessage::new(WsType::NODE_ANSWER, message.seq, payload));
    }

    fn handle_unicast(&mut self, now: Instant, message: WsMessage) {
        let WsMessage { seq, payload, .. } = message;
        let request = match AmopRequest::decode(&payload) {
            Ok(request) => request,
            Err(error) => return self.refuse_malformed(&seq, error),
        };
        if self.requests.is_free(&seq).is_err() {
            return self.notice(WsServerNotice::SeqInUse(seq));
        }
        let (len, max) = (seq.len(), self.config.max_seq);
        if len > max {
            self.notice(WsServerNotice::SeqTooLong { len });
            let text = format!("the seq has {len} bytes, this node accepts {max}");
            return self.put_error(&seq, WsStatus::FAILED, text);
        }
        let limit = self.config.max_in_flight;
        if self.requests.len() >= limit {
            self.notice(WsServerNotice::TooManyInFlight { limit });
            let text = format!("{limit} messages of this session already wait for their answers");
            return self.put_error(&seq, WsStatus::FAILED, text);
        }
        self.remember(now, seq.clone());
        self.events
            .push_back(WsServerEvent::Unicast { seq, request });
    }

    fn remember(&mut self, now: Instant, seq: WsSeq) {
        let ended = Ended {
            token: seq.clone(),
            len: 0,
        };
        let deadline = now + self.config.request_timeout;
        self.requests.insert(seq, (), deadline, ended);
    }

    fn refuse_malformed(&mut self, seq: &WsSeq, error: AmopRequestError) {
        let kind = MessageKind::Unicast;
        self.notice(WsServerNotice::Malformed { kind, error });
        // It would be taken for the answer to the other one.
        if self.requests.is_free(seq).is_ok() {
            self.put_error(seq, WsStatus::FAILED, error.to_string());
        }
    }

    fn handle_multicast(&mut self, message: WsMessage) {
        let WsMessage { seq, payload, .. } = message;
        match AmopRequest::decode(&payload) {
            Ok(request) => self
                .events
                .push_back(WsServerEvent::Multicast { seq, request }),
            Err(error) => {
                let kind = MessageKind::Multicast;
                self.notice(WsServerNotice::Malformed { kind, error });
            }
        }
    }
}
