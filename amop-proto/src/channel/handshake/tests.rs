use super::*;

#[test]
fn long_bodies_are_not_read_and_not_quoted() {
    let padded = |len: usize| format!("{{\"clientType\":\"{}\"}}", "x".repeat(len - 17));
    assert!(HandshakeRequest::parse(padded(MAX_BODY).as_bytes()).is_ok());
    let request = HandshakeRequest::parse(padded(MAX_BODY + 1).as_bytes());
    assert!(matches!(request, Err(HandshakeError::Malformed(_))));
    let quoted = format!("{{\"minimumSupport\":\"{}\"}}", "x".repeat(10_000));
    let Err(error) = HandshakeRequest::parse(quoted.as_bytes()) else {
        panic!("a text is not a number");
    };
    assert!(error.to_string().len() < 300);
}

#[test]
fn only_objects_are_handshakes() {
    let defaults = HandshakeRequest::parse(b" {} and more").unwrap();
    assert_eq!((defaults.minimum_support, defaults.maximum_support), (1, 1));
    for body in ["[]", "[1,3,\"x\"]", "null", "1", "", " "] {
        let request = HandshakeRequest::parse(body.as_bytes());
        assert!(
            matches!(request, Err(HandshakeError::Malformed(_))),
            "{body}"
        );
        let response = HandshakeResponse::parse(body.as_bytes());
        assert!(
            matches!(response, Err(HandshakeError::Malformed(_))),
            "{body}"
        );
    }
}
