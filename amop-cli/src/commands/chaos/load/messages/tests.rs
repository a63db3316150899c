use super::*;

#[test]
fn messages_are_read_as_written() {
    for (kind, number) in [(MessageKind::Unicast, 0), (MessageKind::Multicast, 199_999)] {
        let payload = write_message(kind, number);
        assert_eq!(payload.len(), LEN);
        assert_eq!(read_message(&payload), Some((kind, number)));
    }
    for payload in ["", "u", "u 1", "x 1 ", "u -1 ", "u one "] {
        assert_eq!(read_message(payload.as_bytes()), None, "{payload:?}");
    }
}
