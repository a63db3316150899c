//! From the node to the session with the SDK.

use std::time::Instant;

use bytes::Bytes;

use super::{
    SdkBridge,
    codes::{SdkAnswer, answer_of},
    notice::SdkNotice,
    pending::{DeliveredUnicast, PendingUnicast},
};
use crate::{
    channel::{Frame, FrameType, Seq, read_shortage, result_code, split_topic},
    client::MessageKind,
    ws::{AmopRequest, WsSeq, server::DeliveryRefusal},
};

impl SdkBridge {
    pub(super) fn take_frame(&mut self, now: Instant, frame: Frame) {
        match frame.kind {
            FrameType::UNICAST => self.deliver_unicast(now, &frame),
            FrameType::MULTICAST => self.deliver_multicast(&frame),
            FrameType::HANDSHAKE => {}
            FrameType::HEARTBEAT => self.read_heartbeat(&frame),
            kind => match self.pending.take(&frame.seq) {
                // A subscriber's answer may have any type (channel-v2 section 4).
                Some(unicast) => self.end_unicast(&unicast, frame),
                None if kind == FrameType::RESPONSE => self.end_multicast(&frame),
                None => self.notice(SdkNotice::NoCounterpart(kind)),
            },
        }
    }

    fn deliver_unicast(&mut self, now: Instant, frame: &Frame) {
        let Some(request) = request_of(frame) else {
            return self.refuse(frame.seq);
        };
        let unicast = DeliveredUnicast {
            seq: frame.seq,
            topic: Bytes::copy_from_slice(&request.topic),
        };
        if let Err(refused) = self.session.deliver(now, &request, unicast) {
            self.not_delivered(MessageKind::Unicast, refused.why);
            self.refuse(frame.seq);
        }
    }

    /// Refuses a unicast in a way that lets the node try the next subscriber.
    fn refuse(&mut self, seq: Seq) {
        self.put_response(seq, result_code::NO_SESSION, Bytes::new());
    }

    fn deliver_multicast(&mut self, frame: &Frame) {
        let Some(request) = request_of(frame) else {
            return;
        };
        let seq = if frame.seq.0.iter().all(u8::is_ascii_graphic) {
            WsSeq::from(frame.seq)
        } else {
            WsSeq::EMPTY
        };
        if let Err(why) = self.session.deliver_multicast(&request, &seq) {
            self.not_delivered(MessageKind::Multicast, why);
        }
    }

    fn not_delivered(&mut self, kind: MessageKind, why: DeliveryRefusal) {
        self.notice(SdkNotice::NotDelivered { kind, why });
    }

    fn end_unicast(&mut self, unicast: &PendingUnicast, frame: Frame) {
        let PendingUnicast { seq, topic } = unicast;
        match answer_of(frame.result, unframe(topic, frame.body)) {
            SdkAnswer::Failure(status) => self.session.fail(seq, status, topic),
            SdkAnswer::Message(answer) => self.session.answer(seq, answer),
        };
    }

    fn end_multicast(&mut self, frame: &Frame) {
        let result = frame.result;
        if result != result_code::SUCCESS {
            self.notice(SdkNotice::MulticastRefused { result });
        }
    }

    fn read_heartbeat(&mut self, answer: &Frame) {
        self.unconfirmed
            .take_if(|waiting| waiting.heartbeat == Some(answer.seq));
        let shortage = read_shortage(&answer.body);
        if shortage.is_none() || self.told_of_shortage == Some(shortage.clone()) {
            return;
        }
        let first = shortage.refused.first().cloned().unwrap_or_default();
        self.told_of_shortage = Some(shortage);
        self.notice(SdkNotice::TopicsRefused { first });
    }
}

/// Returns a reply without the topic before it. Some SDKs do not write one.
fn unframe(topic: &[u8], body: Bytes) -> Bytes {
    match split_topic(&body) {
        Ok(parts) if parts.topic == topic => parts.payload,
        _ => body,
    }
}

/// Returns topic and payload; `None` if the body is malformed, which the node does not send.
fn request_of(frame: &Frame) -> Option<AmopRequest> {
    let body = split_topic(&frame.body).ok()?;
    Some(AmopRequest::new(body.topic, body.payload))
}
