use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{MAX_HEADER, accept, connect};
use crate::UpgradeError;

const REQUEST: &str = "GET /any HTTP/1.1\r\nHost: 127.0.0.1:20200\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// Sends a request and returns what the node makes of it, and its answer.
async fn ask(request: &str) -> (Result<String, UpgradeError>, String) {
    let (mut node, mut sdk) = duplex(64 * 1024);
    sdk.write_all(request.as_bytes()).await.unwrap();
    sdk.shutdown().await.unwrap();
    let accepted = accept(&mut node, b"").await;
    drop(node);
    let mut answer = String::new();
    sdk.read_to_string(&mut answer).await.unwrap();
    let text = accepted.map(|rest| String::from_utf8(rest.to_vec()).unwrap());
    (text, answer)
}

/// Asks a node that gives this answer.
async fn answered(answer: &'static str) -> Result<(), UpgradeError> {
    let (mut sdk, mut node) = duplex(64 * 1024);
    let node = async {
        let _ = node.read(&mut [0; 1024]).await.unwrap();
        node.write_all(answer.as_bytes()).await.unwrap();
        drop(node);
    };
    tokio::join!(connect(&mut sdk, "localhost:1"), node)
        .0
        .map(drop)
}

#[tokio::test]
async fn both_sides_agree_and_keep_what_follows() {
    let (mut node, mut sdk) = duplex(64 * 1024);
    let (accepted, connected) = tokio::join!(accept(&mut node, b""), async {
        let rest = connect(&mut sdk, "[::1]:20200").await;
        sdk.write_all(b"after").await.unwrap();
        rest
    });
    assert_eq!(accepted.unwrap(), "");
    assert_eq!(connected.unwrap(), "");
    let mut after = [0; 5];
    node.read_exact(&mut after).await.unwrap();
    assert_eq!(&after, b"after");
}

#[tokio::test]
async fn a_request_may_come_in_parts_and_with_more_behind_it() {
    let (mut node, mut sdk) = duplex(64 * 1024);
    let (first, second) = REQUEST.split_at(3);
    let rest = async {
        sdk.write_all(second.as_bytes()).await.unwrap();
        sdk.write_all(b"\x82\x00").await.unwrap();
        let mut answer = vec![0; 1024];
        let len = sdk.read(&mut answer).await.unwrap();
        answer.truncate(len);
        String::from_utf8(answer).unwrap()
    };
    let (accepted, answer) = tokio::join!(accept(&mut node, first.as_bytes()), rest);
    assert_eq!(accepted.unwrap(), b"\x82\x00"[..]);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // The example of RFC 6455, section 1.3. No subprotocol is chosen.
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    assert!(
        !answer.to_ascii_lowercase().contains("protocol:"),
        "{answer}"
    );
}

#[tokio::test]
async fn other_requests_are_refused_with_a_status() {
    let cases = [
        (REQUEST.replace("GET", "POST"), "400"),
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), "400"),
        (REQUEST.replace("Version: 13", "Version: 8"), "426"),
        (REQUEST.replace("Host:", "Hos:"), "400"),
        (REQUEST.replace("Upgrade: websocket", "Upgrade: h2c"), "400"),
        (REQUEST.replace("dGhl", "dG"), "400"),
        ("GET \u{1} HTTP/1.1\r\n\r\n".to_owned(), "400"),
    ];
    for (request, status) in cases {
        let (accepted, answer) = ask(&request).await;
        let error = accepted.unwrap_err();
        assert!(
            matches!(error, UpgradeError::NotUpgrade(_)),
            "{request}: {error}"
        );
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_request_that_ends_early_or_never_is_no_request() {
    let (accepted, _) = ask(&REQUEST[..40]).await;
    assert!(matches!(accepted, Err(UpgradeError::Closed)));
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(2 * MAX_HEADER));
    let (accepted, _) = ask(&endless).await;
    assert!(matches!(
        accepted,
        Err(UpgradeError::TooLong { max: MAX_HEADER })
    ));
}

#[tokio::test]
async fn a_client_says_what_the_node_answered() {
    let refused = answered("HTTP/1.1 404 Not Found\r\n\r\n")
        .await
        .unwrap_err();
    assert!(
        matches!(refused, UpgradeError::Status { status: 404 }),
        "{refused}"
    );
    let closed = answered("").await.unwrap_err();
    assert!(matches!(closed, UpgradeError::Closed), "{closed}");
    assert!(closed.is_other_protocol());
    // A node of 2.x answers with a frame, if at all.
    let frame = answered("\0\0\0\u{2a}\0\u{13}").await.unwrap_err();
    assert!(matches!(frame, UpgradeError::NotUpgrade(_)), "{frame}");
    assert!(frame.is_other_protocol());
    let wrong = "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let wrong = answered(wrong).await.unwrap_err();
    assert!(matches!(wrong, UpgradeError::NotAccepted), "{wrong}");
    assert!(!wrong.is_other_protocol() && !refused.is_other_protocol());
}
