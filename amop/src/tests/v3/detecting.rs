//! Which generation a node is of.

use std::pin::pin;

use tokio::time::Instant;

use super::*;

fn auto(first: Generation) -> Vec<Generation> {
    match first {
        V3 => vec![V3, V2],
        _ => vec![V2, V3],
    }
}

/// What the other side does with bytes of the wrong generation.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    Close,
    /// As Boost.Beast on FISCO nodes of 3.x.
    BadRequest,
    /// Bytes that are neither HTTP nor frames.
    Noise,
}

/// Reads what arrives, and reacts.
async fn react(mut stream: DuplexStream, reaction: Reaction) -> Vec<u8> {
    let mut bytes = vec![0; 256];
    let len = stream.read(&mut bytes).await.unwrap();
    bytes.truncate(len);
    let answer: &[u8] = match reaction {
        Reaction::Close => b"",
        Reaction::BadRequest => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        Reaction::Noise => b"\xff\xff this is another protocol, and says so at length\r\n\r\n",
    };
    stream.write_all(answer).await.unwrap();
    stream.shutdown().await.unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_node_of_3_x_is_found_out_and_remembered() {
    for reaction in [Reaction::Close, Reaction::BadRequest] {
        let (mut hosts, client) = Hosts::start(&[&auto(V2)], &Client::builder());
        let mut events = client.events();
        // It is spoken to as a node of 2.x, then as one of 3.x.
        let first = react(hosts.arrival(0).await, reaction).await;
        assert!(first.starts_with(&[0, 0, 0]), "{first:?}");
        let node = hosts.welcome(0).await;
        client.connected().await.unwrap();
        assert_eq!(client.nodes()[0].generation, V3);
        assert!(matches!(events.next().await, Some(Event::Connected { .. })));
        assert_eq!(client.stats().connections_failed, 0);
        // The next time it is right at once.
        drop(node);
        let _node = hosts.welcome(0).await;
        let mut event = events.next().await;
        assert!(
            matches!(event, Some(Event::Disconnected { .. })),
            "{event:?}"
        );
        event = events.next().await;
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_of_2_x_is_found_out_and_remembered() {
    for reaction in [Reaction::Close, Reaction::Noise] {
        let (mut hosts, client) = Hosts::start(&[&auto(V3)], &Client::builder());
        let first = react(hosts.arrival(0).await, reaction).await;
        assert!(first.starts_with(b"GET / HTTP/1.1\r\n"), "{first:?}");
        let node = hosts.welcome_v2(0).await;
        client.connected().await.unwrap();
        assert_eq!(client.nodes()[0].generation, V2, "{reaction:?}");
        drop(node);
        let _node = hosts.welcome_v2(0).await;
    }
}

/// What answers over HTTP is no node of 2.x, and may be silent to its protocol for ever.
#[tokio::test(start_paused = true)]
async fn a_web_server_is_no_node() {
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "200 OK",
        "101 Switching Protocols",
    ] {
        let (mut hosts, client) = Hosts::start(&[&auto(V3)], &Client::builder());
        let (connected, ()) = tokio::join!(client.connected(), async {
            let mut stream = hosts.arrival(0).await;
            stream
                .read_buf(&mut BytesMut::with_capacity(256))
                .await
                .unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = connected.unwrap_err();
        assert!(
            matches!(error, ConnectError::Upgrade { .. }),
            "{status}: {error:?}"
        );
    }
}

/// A node of 2.x may wait for the rest of what it takes for a long frame.
#[tokio::test(start_paused = true)]
async fn silence_is_borne_for_2_s() {
    let (mut hosts, client) = Hosts::start(&[&auto(V3)], &Client::builder());
    let before = Instant::now();
    let _silent = hosts.arrival(0).await;
    let _node = hosts.welcome_v2(0).await;
    assert_eq!(before.elapsed().as_secs(), 2);
    client.connected().await.unwrap();
}

/// Old nodes of 2.x do not answer the version handshake, so their silence shows nothing.
#[tokio::test(start_paused = true)]
async fn a_silent_node_of_2_x_is_one_of_version_1() {
    let (mut hosts, client) = Hosts::start(&[&auto(V2)], &Client::builder());
    let (connected, _node) = tokio::join!(client.connected(), async {
        let mut node = Node {
            stream: hosts.arrival(0).await,
            buffer: BytesMut::new(),
        };
        node.expect(FrameType::HANDSHAKE).await;
        assert!(hosts.is_deserted(0, Duration::from_secs(6)).await);
        node
    });
    connected.unwrap();
    assert_eq!(client.protocol_version(), 1);
}

#[tokio::test(start_paused = true)]
async fn if_both_fail_the_error_names_both_attempts() {
    for first in [V2, V3] {
        let (mut hosts, client) = Hosts::start(&[&auto(first)], &Client::builder());
        let (connected, ()) = tokio::join!(client.connected(), async {
            react(hosts.arrival(0).await, Reaction::Noise).await;
            react(hosts.arrival(0).await, Reaction::Noise).await;
        });
        let error = connected.unwrap_err();
        let ConnectError::NoGeneration { failures, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(failures.len(), 2);
        assert!(!error.is_retryable());
        let shown = error.to_string();
        for part in [
            "node:0 is neither a node of FISCO BCOS 2.x nor one of 3.x",
            "node:0 does not speak the protocol of FISCO BCOS 3.x",
            "node:0 does not speak the channel protocol",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }
}

/// Both attempts together have one time limit.
#[tokio::test(start_paused = true)]
async fn connecting_ends_in_time() {
    let builder = Client::builder().connect_timeout(Duration::from_secs(3));
    let (mut hosts, client) = Hosts::start(&[&auto(V3)], &builder);
    let before = Instant::now();
    let mut connecting = pin!(client.connected());
    let (_first, _second) = tokio::join!(
        async {
            assert!(futures::poll!(&mut connecting).is_pending());
            hosts.arrival(0).await
        },
        async {},
    );
    let _silent = tokio::spawn(async move {
        let _second = hosts.arrival(0).await;
        std::future::pending::<()>().await
    });
    let error = connecting.await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    let shown = error.to_string();
    assert!(
        shown.contains("the WebSocket upgrade did not finish"),
        "{shown}"
    );
    assert!(
        shown.contains("the version handshake did not finish"),
        "{shown}"
    );
    assert!(error.is_retryable());
}

/// A program that knows the generation gets no second connection.
#[tokio::test(start_paused = true)]
async fn a_fixed_generation_is_the_only_one_tried() {
    let (mut hosts, client) = Hosts::start(&[&[V3]], &Client::builder());
    let (connected, _) = tokio::join!(client.connected(), async {
        react(hosts.arrival(0).await, Reaction::Close).await
    });
    let error = connected.unwrap_err();
    assert!(matches!(error, ConnectError::Upgrade { .. }), "{error:?}");
    let shown = with_causes(&error).to_string();
    for part in [
        "node:0",
        "Protocol::V2 or Auto",
        "closed the connection during the WebSocket",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

/// A WebSocket server that is no node: the error says so, and nothing else is tried.
#[tokio::test(start_paused = true)]
async fn a_bad_handshake_is_told() {
    let (mut hosts, client) = Hosts::start(&[&auto(V3)], &Client::builder());
    let (connected, _node) = tokio::join!(client.connected(), async {
        let mut node = WsNode::accept(hosts.arrival(0).await).await;
        let hello = node.expect(amop_proto::ws::WsType::HANDSHAKE).await;
        node.answer(hello.kind, &hello.seq, 0, "welcome");
        node
    });
    let error = connected.unwrap_err();
    assert!(
        matches!(error, ConnectError::HandshakeRejected { .. }),
        "{error:?}"
    );
    let shown = with_causes(&error).to_string();
    assert!(shown.contains("malformed handshake"), "{shown}");
    // And one that says nothing at all is given up at the limit for everything.
    let (mut hosts, client) = Hosts::start(&[&[V3]], &Client::builder());
    let before = Instant::now();
    let (connected, _node) = tokio::join!(client.connected(), async {
        WsNode::accept(hosts.arrival(0).await).await
    });
    let shown = with_causes(&connected.unwrap_err()).to_string();
    assert!(shown.contains("version handshake"), "{shown}");
    assert_eq!(before.elapsed().as_secs(), 10);
}

/// FISCO nodes of 3.x are dialled again and again as rarely as by their own SDKs; overlay nodes as those
/// of 2.x.
#[tokio::test(start_paused = true)]
async fn fisco_nodes_of_3_x_are_dialled_again_after_10_s() {
    let (mut hosts, client) = Hosts::start(&[&[V3]], &Client::builder());
    let mut node = WsNode::accept(hosts.arrival(0).await).await;
    node.shake_hands_as_fisco().await;
    client.connected().await.unwrap();
    let info = &client.nodes()[0];
    assert!(info.fisco && info.generation == V3, "{info:?}");
    assert_eq!(info.node_version.as_deref(), Some("3.16.4"));
    drop(node);
    // The first time as the policy says.
    let before = Instant::now();
    drop(hosts.arrival(0).await);
    assert!(before.elapsed() <= Duration::from_secs(1));
    let before = Instant::now();
    let _again = hosts.arrival(0).await;
    let after = before.elapsed();
    assert!((10..=20).contains(&after.as_secs()), "{after:?}");

    let (mut hosts, client, node) = connect_v3(Client::builder()).await;
    let info = &client.nodes()[0];
    assert!(!info.fisco && info.node_version.is_none(), "{info:?}");
    drop(node);
    let before = Instant::now();
    let _again = hosts.arrival(0).await;
    assert!(before.elapsed() <= Duration::from_secs(1));
}

/// The program decides how long a node of 3.x may take to answer the handshake.
#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_the_handshake_may_do_so_later() {
    let builder = Client::builder().connect_timeout(Duration::from_secs(20));
    let (mut hosts, client) = Hosts::start(&[&[V3]], &builder);
    let before = Instant::now();
    let (connected, _node) = tokio::join!(client.connected(), async {
        WsNode::accept(hosts.arrival(0).await).await
    });
    let error = connected.unwrap_err();
    let stage = ConnectStage::Handshake;
    assert!(
        matches!(&error, ConnectError::Timeout { stage: at, .. } if *at == stage),
        "{error:?}"
    );
    assert!(error.is_retryable());
    assert_eq!(before.elapsed().as_secs(), 20);
}

/// A busy node is not taken for one of 2.x.
#[tokio::test(start_paused = true)]
async fn a_known_node_of_3_x_has_more_time() {
    let (mut hosts, client) = Hosts::start(&[&auto(V3)], &Client::builder());
    let node = hosts.welcome(0).await;
    client.connected().await.unwrap();
    drop(node);
    let busy = hosts.arrival(0).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut node = WsNode::accept(busy).await;
    node.shake_hands().await;
    client.connected().await.unwrap();
    assert_eq!(client.nodes()[0].generation, V3);
}

/// A node that has answered the version handshake is of 2.x, however the connection ends.
#[tokio::test(start_paused = true)]
async fn an_end_after_the_version_handshake_suggests_nothing() {
    let (mut hosts, client) = Hosts::start(&[&auto(V2)], &Client::builder());
    let mut node = hosts.welcome_v2(0).await;
    let (subscription, _) = tokio::join!(client.subscribe::<Hello>(), node.confirm());
    let _subscription = subscription.unwrap();
    drop(node);
    drop(hosts.welcome_v2(0).await);
    let first = react(hosts.arrival(0).await, Reaction::Close).await;
    assert!(first.starts_with(&[0, 0, 0]), "{first:?}");
}
