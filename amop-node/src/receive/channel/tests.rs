use super::*;

#[test]
fn a_late_sdk_of_3_x_is_told_apart_from_garbage() {
    let decoder = FrameDecoder::new(1024);
    let explained = |bytes: &[u8]| {
        let error = decoder.decode(&mut bytes.into()).unwrap_err();
        explain(&error, bytes)
    };
    assert!(explained(b"GET / HTTP/1.1\r\n").contains("SDK of 3.x"));
    assert!(explained(b"GOT / HTTP/1.1\r\n").contains("over the limit"));
}
