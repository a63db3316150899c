//! What SDKs must not send: the connection is closed or the message refused, it is logged and
//! counted, and nobody else is affected.

use amop_proto::ws::{MAX_MESSAGE, WsStatus, WsType};
use amop_testkit::{
    counted, log,
    v3::{V3Sdk, opcode, seq, ws_seq},
    within,
};

use super::Bridge;

/// A pair of SDKs that goes on exchanging messages whatever others send.
struct Witness {
    publisher: V3Sdk,
    subscriber: V3Sdk,
}

impl Witness {
    async fn of(bridge: &Bridge) -> Self {
        let mut subscriber = bridge.v3().await;
        within("the subscription", subscriber.subscribe(&["witness"])).await;
        Self {
            publisher: bridge.v3().await,
            subscriber,
        }
    }

    async fn exchange(&mut self) {
        let (publisher, subscriber) = (&mut self.publisher, &mut self.subscriber);
        within("an exchange", async {
            publisher
                .publish(WsType::UNICAST, "w", b"witness", b"ping")
                .await;
            let (message, _) = subscriber.request().await;
            subscriber.answer(&message, 0, "pong").await;
            assert_eq!(publisher.message().await.unwrap().payload, "pong");
        })
        .await;
    }
}

/// ws-v3 section 15: such bodies stop a FISCO node for all its SDKs.
#[tokio::test(flavor = "multi_thread")]
async fn short_bodies_are_refused_and_the_session_stays() {
    let bridge = Bridge::start().await;
    let mut witness = Witness::of(&bridge).await;
    let mut sdk = bridge.v3().await;
    for (number, body) in [&b""[..], b"\0", b"\0\0\0\0\0", b"\0\0\0\0\0\x05abc"]
        .into_iter()
        .enumerate()
    {
        let name = format!("short{number}");
        sdk.send(WsType::UNICAST, &seq(&name), body).await;
        let answer = within("the answer", sdk.message()).await.unwrap();
        assert_eq!(
            (answer.seq, answer.status),
            (ws_seq(&name), WsStatus::FAILED)
        );
        sdk.send(WsType::MULTICAST, &seq(&name), body).await;
        witness.exchange().await;
    }
    log()
        .wait_for(&[
            "3.x session",
            "ends too early",
            "would have stopped a FISCO node",
        ])
        .await;
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_upgrades_are_refused_and_counted() {
    let bridge = Bridge::start().await;
    let mut witness = Witness::of(&bridge).await;
    let requests = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\0\0\0\x2a\0\x14nonsense\r\n\r\n",
    ];
    for request in requests {
        let mut sdk = bridge.v3_tls().await;
        let answer = within("the answer", sdk.upgrade(request)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert_eq!(within("the end", sdk.next()).await.ok().flatten(), None);
    }
    let count = requests.len() as u64;
    counted(&bridge.node, "refused upgrades", |stats| {
        stats.upgrades_refused == count
    })
    .await;
    log()
        .wait_for(&["3.x SDK at", "refused", "WebSocket upgrade"])
        .await;
    witness.exchange().await;
    bridge.stop().await;
}

/// An SDK that does not go on with the upgrade keeps no place for longer than a handshake.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_has_a_deadline() {
    let bridge = Bridge::start_with(|builder| {
        builder.listen_limits(
            amop_node::ListenLimits::default()
                .with(|limits| limits.handshake_time = std::time::Duration::from_secs(2)),
        )
    })
    .await;
    let mut sdk = bridge.v3_tls().await;
    sdk.write(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(within("the end", sdk.next()).await.ok().flatten(), None);
    counted(&bridge.node, "the upgrade", |stats| {
        stats.upgrades_refused == 1
    })
    .await;
    bridge.stop().await;
}

/// RFC 6455, and ws-v3 section 4.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_frames_end_the_session_with_a_code() {
    let bridge = Bridge::start().await;
    let mut witness = Witness::of(&bridge).await;
    let unmasked = V3Sdk::frame(opcode::BINARY, false, &[0; 10]);
    let not_text = V3Sdk::frame(opcode::TEXT, true, b"\xff\xff");
    let mut reserved = V3Sdk::frame(opcode::BINARY, true, &[0; 10]);
    reserved[0] |= 0x40;
    // The header of a message over the limit is enough.
    let mut oversized = vec![0x80 | opcode::BINARY, 0xff];
    oversized.extend((MAX_MESSAGE as u64 + 1).to_be_bytes());
    oversized.extend([0; 4]);
    let cases = [
        ("unmasked", unmasked, 1002),
        ("text that is not UTF-8", not_text, 1007),
        ("reserved bits", reserved, 1002),
        ("over 32 MiB", oversized, 1009),
    ];
    let before = bridge.node.stats().bad_frames;
    let count = cases.len() as u64;
    for (what, bytes, code) in cases {
        let mut sdk = bridge.v3().await;
        sdk.write(&bytes).await.unwrap();
        let closed = within(what, sdk.close_code()).await;
        assert_eq!(closed, Some(code), "{what}");
        witness.exchange().await;
    }
    counted(&bridge.node, "bad frames", |stats| {
        stats.bad_frames == before + count
    })
    .await;
    log()
        .wait_for(&["3.x session", "closed", "violates the WebSocket protocol"])
        .await;
    bridge.stop().await;
}

/// A FISCO node keeps such bytes and reads the next message as their end.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_none_end_the_session() {
    let bridge = Bridge::start().await;
    let mut witness = Witness::of(&bridge).await;
    for message in [
        &b"short"[..],
        b"\0\0\x01\x11\0\0\x00\x20too short for its seq",
    ] {
        let mut sdk = bridge.v3().await;
        sdk.binary(message).await.unwrap();
        within("the end", async { while sdk.message().await.is_some() {} }).await;
        witness.exchange().await;
    }
    counted(&bridge.node, "bad frames", |stats| stats.bad_frames == 2).await;
    bridge.stop().await;
}

/// Text that is UTF-8 is taken, as on a FISCO node.
#[tokio::test(flavor = "multi_thread")]
async fn text_frames_are_taken() {
    let bridge = Bridge::start().await;
    let mut sdk = bridge.v3().await;
    // A unicast to the topic "t" with the seq "s".
    let message = b"\0\0\x01\x11\0\0\0\x01s\0\0\0\0\0\0\0\x01t";
    let frame = V3Sdk::frame(opcode::TEXT, true, message);
    sdk.write(&frame).await.unwrap();
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!((answer.seq.as_bytes(), answer.status.0), (&b"s"[..], 3001));
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_are_answered_and_the_end_is_in_order() {
    let bridge = Bridge::start().await;
    let mut sdk = bridge.v3().await;
    let ping = V3Sdk::frame(opcode::PING, true, b"are you there?");
    sdk.write(&ping).await.unwrap();
    let pong = within("the pong", sdk.next()).await.unwrap().unwrap();
    assert_eq!(
        (pong.opcode, &pong.payload[..]),
        (opcode::PONG, &b"are you there?"[..])
    );
    let end = tokio::spawn(bridge.node.shutdown());
    assert_eq!(within("the end", sdk.close_code()).await, Some(1000));
    end.await.unwrap();
}
