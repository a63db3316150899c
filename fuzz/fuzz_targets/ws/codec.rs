//! One WebSocket message.

use amop_fuzz::assert_error_in_one_line;
use amop_proto::{
    client::MessageKind,
    ws::{
        AmopRequest, BlockNotice, EncodedMessage, GroupInfo, WsHandshakeRequest,
        WsHandshakeResponse, WsMessage, WsRpcAnswer, WsRpcRequest, WsTopicList, WsType,
    },
};
use bytes::Bytes;

const MAX: usize = 60_000;

pub(crate) fn run(data: &[u8]) {
    let wire = Bytes::copy_from_slice(data);
    let message = match WsMessage::decode(wire.clone(), MAX) {
        Ok(message) => message,
        Err(error) => return assert_error_in_one_line(&error),
    };
    assert_eq!(message.wire_len(), wire.len());
    let request = AmopRequest::decode(&message.payload);
    match message.encode() {
        Ok(written) => assert_eq!(written.to_bytes(), wire),
        Err(error) => {
            // Only a message that would stop a node is not written.
            assert!(message.kind.has_request() && request.is_err());
            assert_error_in_one_line(&error);
        }
    }
    if let Ok(request) = request {
        let written = EncodedMessage::amop(MessageKind::Unicast, &message.seq, &request);
        let written = super::read(&written.expect("short"));
        assert_eq!(written.payload, message.payload);
    }
    read_json(message.kind, &message.payload);
}

/// Reads the payload as everything that it could be. What is read is the same when written and read
/// again.
fn read_json(kind: WsType, payload: &Bytes) {
    match WsHandshakeRequest::parse(payload) {
        Ok(request) => {
            assert_eq!(
                WsHandshakeRequest::parse(&request.to_payload()),
                Ok(request)
            );
            if let Ok(version) = request.negotiate() {
                assert!((1..=2).contains(&version));
            }
        }
        Err(error) => assert_error_in_one_line(&error),
    }
    if let Ok(answer) = WsHandshakeResponse::parse(payload) {
        let again = WsHandshakeResponse::parse(&answer.to_payload());
        assert_eq!(again, Ok(answer));
    }
    match WsTopicList::parse(payload, 16) {
        Ok(list) => assert!(list.topics.len() <= 16),
        Err(error) => assert_error_in_one_line(&error),
    }
    if let Ok(request) = WsRpcRequest::parse(payload) {
        assert!(WsRpcRequest::parse(&request.to_payload()).is_ok());
    }
    if let Ok(group) = GroupInfo::parse(payload) {
        assert_eq!(GroupInfo::parse(&group.to_payload()), Ok(group));
    }
    if let Ok(notice) = BlockNotice::parse(payload) {
        assert_eq!(BlockNotice::parse(&notice.to_payload()), Ok(notice));
    }
    if kind == WsType::NODE_ANSWER
        && let Err(error) = WsRpcAnswer::parse(payload)
    {
        assert_error_in_one_line(&error);
    }
}
