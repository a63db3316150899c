//! Connections that never become TLS, and ports that are in use.

use std::{io, time::Duration};

use amop_node::{ListenLimits, Node, Port, StartError};
use amop_testkit::{Bystanders, identity, log, network, network_with, within};
use amop_tls::pki::Leaf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Reads until the other side closes.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    match within("the end", stream.read_to_end(&mut rest)).await {
        Ok(_) => rest,
        Err(error) if amop_tls::is_end(&error) => rest,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_tls_is_refused_on_both_ports() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(0).unwrap();
    let garbage: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\nHost: node0\r\n\r\n",
        &[0; 64],
        // A channel frame without TLS around it.
        b"\0\0\0\x2b\0\x1300000000000000000000000000000001\0\0\0\x000",
    ];
    for (who, address) in [
        ("SDK", node.channel_address()),
        ("node", node.p2p_address()),
    ] {
        for bytes in garbage {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let local = stream.local_addr().unwrap().to_string();
            stream.write_all(bytes).await.unwrap();
            closed(&mut stream).await;
            log()
                .wait_for(&[&format!("{who} at {local} refused"), "does not speak TLS"])
                .await;
            bystanders.go_on().await;
        }
    }
    bystanders.stop().await;
    network.shutdown().await;
}

/// A connection that sends nothing, or stops in the middle, is closed after a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_cut_off() {
    let limits =
        ListenLimits::default().with(|limits| limits.handshake_time = Duration::from_secs(3));
    let network = network_with(2, |_, builder| builder.listen_limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let node = network.node(1).unwrap();
    // The beginning of a ClientHello of 512 bytes.
    let beginnings: [&[u8]; 2] = [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    let mut streams = Vec::new();
    for address in [node.channel_address(), node.p2p_address()] {
        for beginning in beginnings {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(beginning).await.unwrap();
            streams.push(stream);
        }
    }
    bystanders.go_on().await;
    for stream in &mut streams {
        assert_eq!(closed(stream).await, b"");
        let local = stream.local_addr().unwrap().to_string();
        log()
            .wait_for(&[&format!("{local} did not complete TLS within 3 s")])
            .await;
    }
    bystanders.stop().await;
    network.shutdown().await;
}

/// Half-open handshakes do not keep other clients out.
#[tokio::test(flavor = "multi_thread")]
async fn more_sessions_than_allowed_are_turned_away() {
    let limits = ListenLimits::default().with(|limits| limits.sessions = 3);
    let network = network_with(1, |_, builder| builder.listen_limits(limits)).await;
    let mut bystanders = Bystanders::start(&network).await;
    let third = amop_testkit::client(&network, 0).await;
    let error = amop_testkit::builder(&network, 0)
        .connect()
        .await
        .unwrap_err();
    assert!(error.to_string().contains(network.endpoint(0)), "{error}");
    log()
        .wait_for(&["session", "all 3 connections are in use"])
        .await;
    bystanders.go_on().await;

    // A place that becomes free is used again.
    third.close().await;
    let fourth = within("a free place", async {
        loop {
            match amop_testkit::builder(&network, 0).connect().await {
                Ok(client) => break client,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    fourth.close().await;
    bystanders.stop().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let network = network(2).await;
    let mut bystanders = Bystanders::start(&network).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let by_other = taken.local_addr().unwrap();
    let by_node = network.node(0).unwrap().channel_address();
    let builder = || Node::builder().identity(identity(network.agency(), Leaf::Node, "late"));
    let cases = [
        (builder().channel_listen(by_other), Port::Channel, by_other),
        (builder().p2p_listen(by_other), Port::P2p, by_other),
        (builder().channel_listen(by_node), Port::Channel, by_node),
    ];
    for (builder, port, expected) in cases {
        let error = builder.start().await.unwrap_err();
        let text = error.to_string();
        match error {
            StartError::Bind {
                what,
                address,
                source,
            } => {
                assert_eq!((what, address), (port, expected));
                assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
            }
            other => panic!("{other:?}"),
        }
        assert!(text.contains(&expected.to_string()), "{text}");
        assert!(
            text.contains("stop that one or choose another port"),
            "{text}"
        );
    }
    bystanders.go_on().await;
    bystanders.stop().await;
    network.shutdown().await;
}

/// A port is free again as soon as its node has stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_nodes_ports_can_be_taken_at_once() {
    let mut network = network(1).await;
    let node = network.node(0).unwrap();
    let (channel, p2p) = (node.channel_address(), node.p2p_address());
    let client = amop_testkit::builder(&network, 0)
        .reconnect(amop::ReconnectPolicy::never())
        .connect()
        .await
        .unwrap();
    network.stop(0).await;
    within("the news", client.closed()).await;
    let again = Node::builder()
        .identity(identity(network.agency(), Leaf::Node, "again"))
        .channel_listen(channel)
        .p2p_listen(p2p)
        .start()
        .await
        .unwrap();
    assert_eq!(again.channel_address(), channel);
    let client = amop_testkit::client(&network, 0).await;
    client.close().await;
    again.shutdown().await;
}
