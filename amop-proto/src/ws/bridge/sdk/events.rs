//! From the session with the SDK to the node.

use std::time::Instant;

use bytes::Bytes;

use super::{
    PONGS_WAIT, SdkBridge, Unconfirmed,
    codes::{failure, result_of_silence},
    notice::{SdkNotice, check_topic},
    pending::{DeliveredUnicast, PendingUnicast},
};
use crate::{
    channel::{Frame, FrameType, HEADER_LEN, NO_ACK, Seq, encode_topics, frame_topic, result_code},
    client::MessageKind,
    ws::{
        AmopRequest, WsMessage, WsSeq, WsStatus,
        server::{WsServerEvent, WsServerNotice},
    },
};

impl SdkBridge {
    /// Handles what the session reports. `now` is unknown when the connection ends.
    pub(super) fn drain(&mut self, now: Option<Instant>) {
        while let Some(event) = self.session.poll_event() {
            match event {
                WsServerEvent::Ready { .. } => {
                    if let Some(now) = now {
                        self.greet(now);
                    }
                }
                WsServerEvent::TopicsChanged { .. } => self.change_topics(now),
                WsServerEvent::Unicast { seq, request } => self.publish_unicast(seq, &request),
                WsServerEvent::Multicast { seq, request } => self.publish_multicast(&seq, &request),
                WsServerEvent::Answered { ticket, answer } => self.put_reply(&ticket, &answer),
                WsServerEvent::Unanswered { ticket, status } => {
                    self.notice(SdkNotice::NotAnswered { status });
                    self.put_response(ticket.seq, result_of_silence(status), Bytes::new());
                }
                // SDKs in Go and Java answer multicasts, too: this is usual.
                WsServerEvent::Notice(WsServerNotice::UnsolicitedResponse(_)) => {}
                WsServerEvent::Notice(notice) => self.notice(notice),
                WsServerEvent::Closed(reason) => {
                    self.failure = Some(reason.clone());
                    self.close_reason = Some(reason);
                    self.topics_changed = false;
                    self.unconfirmed = None;
                    self.pending.clear();
                }
            }
        }
    }

    /// Records that the node is to be told of a new set of topics.
    fn change_topics(&mut self, now: Option<Instant>) {
        self.topics_changed = true;
        // An SDK that changes its topics all the time gets pongs, too.
        let until = self.unconfirmed.as_ref().map(|waiting| waiting.until);
        let until = until.or_else(|| Some(now? + PONGS_WAIT));
        self.unconfirmed = until.map(|until| Unconfirmed {
            heartbeat: None,
            until,
        });
    }

    fn publish_unicast(&mut self, seq: WsSeq, request: &AmopRequest) {
        let kind = MessageKind::Unicast;
        if let Err(topic) = check_topic(&request.topic) {
            let text = WsStatus::NO_SUBSCRIBER.text(&request.topic);
            let text = format!("{text} (this node carries topics of at most 254 bytes of UTF-8)");
            let answer = failure(WsStatus::NO_SUBSCRIBER, text);
            self.session.answer(&seq, answer);
            return self.notice(SdkNotice::PublishNotCarried { kind, topic });
        }
        if self.is_too_long(kind, request) {
            self.session.fail(&seq, WsStatus::TOO_LONG, &request.topic);
            return;
        }
        let own = seq.as_seq();
        let own = own.unwrap_or_else(|| Seq::random(&mut self.rng));
        let pending = PendingUnicast {
            seq: seq.clone(),
            topic: Bytes::copy_from_slice(&request.topic),
        };
        if !self.pending.insert(own, pending) {
            let limit = self.config.session.max_in_flight;
            self.notice(WsServerNotice::TooManyInFlight { limit });
            let text = format!("{limit} messages of this session already wait for their answers");
            self.session.answer(&seq, failure(WsStatus::FAILED, text));
            return;
        }
        self.put_amop(FrameType::UNICAST, own, request);
    }

    fn publish_multicast(&mut self, seq: &WsSeq, request: &AmopRequest) {
        let kind = MessageKind::Multicast;
        if let Err(topic) = check_topic(&request.topic) {
            return self.notice(SdkNotice::PublishNotCarried { kind, topic });
        }
        if self.is_too_long(kind, request) {
            return;
        }
        let own = seq.as_seq();
        let own = own.unwrap_or_else(|| Seq::random(&mut self.rng));
        self.put_amop(FrameType::MULTICAST, own, request);
        if let Some(frame) = self.frames.back_mut() {
            frame.result = NO_ACK;
        }
    }

    /// Returns whether a message is over the node's limit, which would end the session.
    fn is_too_long(&mut self, kind: MessageKind, request: &AmopRequest) -> bool {
        let len = HEADER_LEN + 1 + request.topic.len() + request.data.len();
        let max = self.config.max_frame;
        if len > max {
            self.notice(SdkNotice::TooLongToPublish { kind, len, max });
        }
        len > max
    }

    fn put_amop(&mut self, kind: FrameType, seq: Seq, request: &AmopRequest) {
        // The topic is short enough, as `check_topic` says.
        let frame = Frame::amop(kind, seq, &request.topic, &request.data);
        self.put_topics_before();
        self.frames.push_back(frame);
    }

    /// SDKs of 2.x need the topic before the reply; some of them crash without it.
    fn put_reply(&mut self, unicast: &DeliveredUnicast, answer: &WsMessage) {
        let DeliveredUnicast { seq, topic } = unicast;
        let len = HEADER_LEN + 1 + topic.len() + answer.payload.len();
        let max = self.config.max_frame;
        if len > max {
            self.notice(SdkNotice::LongReplyDropped { len, max });
            return self.put_response(*seq, result_code::NO_REPLY, Bytes::new());
        }
        // The topic has been in a frame before.
        let body = frame_topic(topic, &answer.payload);
        self.put_response(*seq, i32::from(answer.status.0), body);
    }

    pub(super) fn put_response(&mut self, seq: Seq, result: i32, body: Bytes) {
        self.frames.push_back(Frame {
            result,
            ..Frame::new(FrameType::RESPONSE, seq, body)
        });
    }

    /// Lets a set of topics that came before a message stay before it.
    fn put_topics_before(&mut self) {
        if std::mem::take(&mut self.topics_changed) {
            self.put_topics();
        }
    }

    /// Sends the node the whole set, and asks whether it has room for it.
    pub(super) fn put_topics(&mut self) {
        let mut refused = None;
        let mut count = 0;
        let mut carried = Vec::new();
        for topic in self.session.topics() {
            match check_topic(topic) {
                Ok(topic) => carried.push(topic),
                Err(why) => {
                    count += 1;
                    refused.get_or_insert(why);
                }
            }
        }
        let body = encode_topics(carried);
        if let Some(first) = refused {
            self.notice(SdkNotice::TopicsNotCarried { count, first });
        }
        let seq = Seq::random(&mut self.rng);
        self.frames
            .push_back(Frame::new(FrameType::SET_TOPICS, seq, body));
        let heartbeat = self.beat();
        if let Some(waiting) = &mut self.unconfirmed {
            waiting.heartbeat = Some(heartbeat);
        }
    }
}
