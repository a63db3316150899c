use amop_proto::client::ExpiredCertificate;

use super::*;

#[test]
fn an_error_is_retryable_if_one_endpoint_may_recover() {
    let tcp = || ConnectError::Tcp {
        endpoint: "node:1".to_owned(),
        address: ([127, 0, 0, 1], 1).into(),
        source: io::ErrorKind::ConnectionRefused.into(),
    };
    let tls = |source| ConnectError::Tls {
        endpoint: "node:1".to_owned(),
        source,
    };
    let stranger = || tls(HandshakeFailure::PeerUnknownIssuer { subject: None });
    assert!(tcp().is_retryable());
    assert!(!stranger().is_retryable() && !ConnectError::NoEndpoint.is_retryable());
    assert!(tls(HandshakeFailure::Io(io::ErrorKind::TimedOut.into())).is_retryable());
    let all = |failures: Vec<ConnectError>| ConnectError::AllFailed {
        failures: failures.into_iter().map(Arc::new).collect(),
    };
    assert!(all(vec![stranger(), tcp()]).is_retryable());
    assert!(!all(vec![stranger(), stranger()]).is_retryable());
}

/// If this side ended the connection, the error does not blame the node.
#[test]
fn who_ended_a_connection_is_said_as_it_was() {
    let shown = |reason| {
        let endpoint = "node:1".to_owned();
        let error = ConnectError::ClosedDuringHandshake { endpoint, reason };
        with_causes(&error).to_string()
    };
    for reason in [CloseReason::Peer, CloseReason::DuringHandshake] {
        assert!(shown(reason).contains("does not let this client in"));
    }
    let expired = CloseReason::from(Box::new(ExpiredCertificate::of_client(
        "CN=sdk",
        Some("conf/sdk.crt".to_owned()),
        1_609_459_200,
    )));
    let lost = CloseReason::Transport {
        kind: io::ErrorKind::TimedOut,
        message: "no route".to_owned(),
    };
    for (reason, part) in [
        (CloseReason::Local, "closed by this side"),
        (
            expired,
            "this client, \"CN=sdk\" in conf/sdk.crt, or one above it, expired at \
             2021-01-01T00:00:00Z",
        ),
        (lost, "no route"),
    ] {
        let shown = shown(reason);
        assert!(shown.contains(part) && shown.contains("node:1"), "{shown}");
        assert!(!shown.contains("let this client in"), "{shown}");
    }
}
