//! Publishing to nodes of 3.x.

use amop_proto::ws::WsType;
use tokio::time::Instant;

use super::*;
use crate::PublishErrorKind as Kind;

/// Publishes while the node answers.
async fn unicast_answered(kind: WsType, status: i16, payload: &str) -> Result<Reply, PublishError> {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let topic = hello();
    let (outcome, ()) = tokio::join!(
        client.publish_unicast_raw(&topic, "question".into()),
        async {
            let (seq, request) = node.expect_amop(WsType::UNICAST).await;
            assert_eq!(
                (request.topic, request.data),
                ("hello".into(), "question".into())
            );
            node.answer(kind, &seq, status, payload);
        }
    );
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_unicast_returns_the_answer() {
    let reply = unicast_answered(WsType::RESPONSE, 0, "yes").await.unwrap();
    assert_eq!(reply.payload, "yes");
    assert_eq!(reply.seq.to_string().len(), 32);
    // The answer of a FISCO node to a publisher whose subscriber was silent twice.
    let reply = unicast_answered(WsType::NODE_ANSWER, 0, "").await.unwrap();
    assert_eq!(reply.payload, "");
}

#[tokio::test(start_paused = true)]
async fn statuses_become_errors_that_name_topic_and_node() {
    type Check = fn(&Kind) -> bool;
    let node = WsType::NODE_ANSWER;
    let cases: [(WsType, i16, Check); 14] = [
        (node, 3001, |kind| {
            matches!(kind, Kind::NoSubscriber { fisco: false })
        }),
        (node, 3002, |kind| matches!(kind, Kind::Unanswered)),
        (node, 3003, |kind| {
            matches!(kind, Kind::NoSubscriber { fisco: false })
        }),
        (node, -4006, |kind| matches!(kind, Kind::SubscriberLeft)),
        (node, -4008, |kind| matches!(kind, Kind::NodeTimeout)),
        // "hello", 8 bytes, and the header of 43.
        (node, -4011, |kind| {
            matches!(kind, Kind::TooLarge { len: 56, max: 55 })
        }),
        (node, -1, |kind| matches!(kind, Kind::OverLimit)),
        (node, -7, |kind| matches!(kind, Kind::NodeTimeout)),
        (WsType::RESPONSE, 104, |kind| {
            matches!(kind, Kind::Unanswered)
        }),
        (WsType::RESPONSE, 105, |kind| {
            matches!(kind, Kind::Undecodable)
        }),
        (WsType::RESPONSE, 106, |kind| matches!(kind, Kind::NoReply)),
        (WsType::RESPONSE, 107, |kind| {
            matches!(kind, Kind::SubscriberFailed)
        }),
        (
            WsType::RESPONSE,
            7,
            |kind| matches!(kind, Kind::Rejected { code: 7, payload } if payload == "why"),
        ),
        (WsType::RESPONSE, -3, |kind| {
            matches!(kind, Kind::Rejected { code: -3, .. })
        }),
    ];
    for (kind, status, check) in cases {
        let error = unicast_answered(kind, status, "why").await.unwrap_err();
        assert!(check(error.kind()), "{status}: {error:?}");
        let shown = error.to_string();
        assert!(
            shown.contains("\"hello\"") && !shown.contains("FISCO node"),
            "{shown}"
        );
        if !matches!(error.kind(), Kind::TooLarge { .. }) {
            assert!(shown.contains("node:0"), "{shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_its_typed_reply() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let question = Question("six by seven".into());
    let (reply, ()) = tokio::join!(client.request(&question), async {
        let (seq, _) = node.expect_amop(WsType::UNICAST).await;
        node.answer(WsType::RESPONSE, &seq, 0, "42");
    });
    assert_eq!(reply.unwrap(), 42);
}

/// The client's own deadline counts, whatever the node does. It sends nothing a second time.
#[tokio::test(start_paused = true)]
async fn a_silent_subscriber_is_a_timeout() {
    let builder = Client::builder().ask_another_node_after(Duration::from_secs(1));
    let (_hosts, client, mut node) = connect_v3(builder).await;
    let before = Instant::now();
    let message = text("question");
    let (outcome, ()) = tokio::join!(client.publish_unicast(&message), async {
        node.expect(WsType::UNICAST).await;
        assert!(node.is_quiet(Duration::from_secs(9)).await);
    });
    let error = outcome.unwrap_err();
    assert!(
        matches!(error.kind(), Kind::Timeout { fisco: false, .. }),
        "{error:?}"
    );
    assert_eq!(before.elapsed().as_secs(), 10);
}

/// It is confirmed when the node has read it, and sent once.
#[tokio::test(start_paused = true)]
async fn a_multicast_is_taken_by_a_node_that_reads_it() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    client.publish_multicast(&text("news")).await.unwrap();
    let (seq, request) = node.expect_amop(WsType::MULTICAST).await;
    assert_eq!((seq.len(), request.data), (32, "news".into()));
    assert!(node.is_quiet(Duration::from_secs(5)).await);
    node.deafen();
    let error = client.publish_multicast(&text("lost")).await.unwrap_err();
    assert!(error.may_have_been_delivered(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_keeps_the_order_and_its_flush_is_confirmed() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let mut publisher = client.publisher::<Hello>().unwrap();
    for n in 0..500 {
        publisher.publish(&text(&n.to_string())).await.unwrap();
    }
    publisher.flush().await.unwrap();
    for n in 0..500 {
        let (_, request) = node.expect_amop(WsType::MULTICAST).await;
        assert_eq!(request.data, n.to_string());
    }
    assert_eq!(client.stats().confirmed, 500);
}

/// A message of 1 MiB, there and back.
#[tokio::test(start_paused = true)]
async fn long_messages_fit() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let (topic, payload) = (hello(), "x".repeat(1024 * 1024));
    let (reply, ()) = tokio::join!(
        client.publish_unicast_raw(&topic, payload.clone().into()),
        async {
            let (seq, request) = node.expect_amop(WsType::UNICAST).await;
            node.answer(
                WsType::RESPONSE,
                &seq,
                0,
                std::str::from_utf8(&request.data).unwrap(),
            );
        }
    );
    assert_eq!(reply.unwrap().payload, payload);
}

/// What is longer than 3.x allows is not sent, although 2.x would allow it.
#[tokio::test(start_paused = true)]
async fn what_is_too_long_for_3_x_is_not_sent() {
    let builder = Client::builder().max_frame(100 * 1024 * 1024);
    let (_hosts, client, mut node) = connect_v3(builder).await;
    let payload = vec![b'x'; 32 * 1024 * 1024];
    let error = client
        .publish_unicast_raw(&hello(), payload.into())
        .await
        .unwrap_err();
    assert!(matches!(error.kind(), Kind::TooLarge { .. }), "{error:?}");
    assert!(!error.may_have_been_delivered());
    assert!(node.is_quiet(Duration::from_millis(10)).await);
}

#[cfg(feature = "private")]
#[tokio::test(start_paused = true)]
async fn private_topics_are_refused() {
    let (_hosts, client, mut node) = connect_v3(Client::builder()).await;
    let key = TopicKey::generate();
    let name: PrivateName = "secret".parse().unwrap();
    let error = client.grant_to(&name, &[key.public_key()]).await;
    let Err(GrantError::Unconfirmed { source, .. }) = error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(source, SubscribeError::NoPrivateTopics { .. }),
        "{source:?}"
    );
    for kind in [MessageKind::Unicast, MessageKind::Multicast] {
        let topic = name.topic();
        let published = match kind {
            MessageKind::Unicast => client
                .publish_unicast_raw(topic, "x".into())
                .await
                .map(drop),
            MessageKind::Multicast => client
                .publish_multicast_raw(topic, "x".into())
                .await
                .map(drop),
        };
        let error = published.unwrap_err();
        assert!(matches!(error.kind(), Kind::NoPrivateTopics), "{error:?}");
        assert!(!error.may_have_been_delivered() && !error.is_retryable());
    }
    let Err(error) = client.subscribe_private_raw(&name, &key).await else {
        panic!("there are no private topics");
    };
    assert!(
        matches!(error, SubscribeError::NoPrivateTopics { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("\"secret\"") && !error.is_retryable());
    assert!(node.is_quiet(Duration::from_millis(10)).await);
}

/// An endpoint that was never reached may be of 2.x only if the program does not say otherwise.
#[cfg(feature = "private")]
#[tokio::test(start_paused = true)]
async fn private_topics_are_refused_although_a_node_is_missing() {
    let key = TopicKey::generate();
    let name: PrivateName = "secret".parse().unwrap();
    let cases: [(&[Generation], bool, u64); 3] =
        [(&[V3], true, 0), (&[V2, V3], true, 10), (&[V2], false, 10)];
    for (missing, none, after) in cases {
        let builder = Client::builder().grant(name.clone(), [key.public_key()]);
        let (mut hosts, client) = Hosts::start(&[&[V3], missing], &builder);
        hosts.arrivals[1].close();
        let (connected, _node) = tokio::join!(client.connected(), hosts.welcome(0));
        connected.unwrap();
        let before = Instant::now();
        let published = client.publish_multicast_raw(name.topic(), "x".into());
        let error = published.await.unwrap_err();
        assert_eq!(
            matches!(error.kind(), Kind::NoPrivateTopics),
            none,
            "{error:?}"
        );
        assert_eq!(before.elapsed().as_secs(), after);
        let Err(error) = client.subscribe_private_raw(&name, &key).await else {
            panic!("there are no private topics");
        };
        let refused = matches!(error, SubscribeError::NoPrivateTopics { .. });
        assert_eq!(refused, none, "{error:?}");
    }
}

/// Heartbeats wait behind a long message, so its bytes are the sign of life.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_does_not_end_the_connection() {
    let builder = Client::builder().timeout(Duration::from_secs(60));
    let (mut hosts, client) = Hosts::start(&[&[V3]], &builder);
    let (near, far) = tokio::io::duplex(PIPE);
    let (reader, writer) = tokio::io::split(hosts.arrival(0).await);
    let (far_reader, far_writer) = tokio::io::split(far);
    let relay = |mut from: tokio::io::ReadHalf<DuplexStream>,
                 mut to: tokio::io::WriteHalf<DuplexStream>,
                 slow| async move {
        let mut part = vec![0; 32 * 1024];
        while let Ok(len @ 1..) = from.read(&mut part).await {
            if slow && len > 1000 {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            if to.write_all(&part[..len]).await.is_err() {
                break;
            }
        }
    };
    let _there = tokio::spawn(relay(reader, far_writer, true));
    let _back = tokio::spawn(relay(far_reader, writer, false));
    let mut node = WsNode::accept(near).await;
    node.shake_hands().await;
    client.connected().await.unwrap();
    let before = Instant::now();
    let (topic, payload) = (hello(), "x".repeat(5 << 19));
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, payload.into()), async {
        let (seq, _) = node.expect_amop(WsType::UNICAST).await;
        node.answer(WsType::RESPONSE, &seq, 0, "");
    });
    reply.unwrap();
    assert!(before.elapsed() > Duration::from_secs(15));
    assert_eq!(client.stats().connections_lost, 0);
}
