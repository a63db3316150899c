//! Tests of publishing and requests.

use std::pin::pin;

use futures::future::join_all;

use super::*;

/// Publishes while the node answers with `result` and `body`.
async fn unicast_answered(result: i32, body: Bytes) -> Result<Reply, PublishError> {
    let (client, mut node) = connect().await;
    let topic = hello();
    let (outcome, ()) = tokio::join!(
        client.publish_unicast_raw(&topic, "question".into()),
        async {
            let request = node.expect(FrameType::UNICAST).await;
            assert_eq!(request.body, framed("question"));
            node.answer(&request, result, body).await;
        }
    );
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_unicast_returns_the_answer_framed_or_not() {
    let reply = unicast_answered(0, framed("yes")).await.unwrap();
    assert_eq!(reply.payload, "yes");
    assert_eq!(reply.seq.to_string().len(), 32);
    let reply = unicast_answered(0, "raw".into()).await.unwrap();
    assert_eq!(reply.payload, "raw");
}

#[tokio::test(start_paused = true)]
async fn results_become_errors_that_name_topic_and_node() {
    type Check = fn(&PublishError) -> bool;
    let cases: [(i32, Check); 8] = [
        (100, |e| {
            matches!(e.kind(), PublishErrorKind::NoSubscriber { .. })
        }),
        (101, |e| {
            matches!(e.kind(), PublishErrorKind::SubscriberLeft)
        }),
        (102, |e| matches!(e.kind(), PublishErrorKind::NodeTimeout)),
        (103, |e| matches!(e.kind(), PublishErrorKind::OverLimit)),
        (104, |e| matches!(e.kind(), PublishErrorKind::Unanswered)),
        (105, |e| matches!(e.kind(), PublishErrorKind::Undecodable)),
        (99, |e| {
            matches!(e.kind(), PublishErrorKind::Rejected { code: 99, .. })
        }),
        (
            7,
            |e| matches!(e.kind(), PublishErrorKind::Rejected { code: 7, payload, .. } if payload == "why"),
        ),
    ];
    for (result, check) in cases {
        let error = unicast_answered(result, framed("why")).await.unwrap_err();
        assert!(check(&error), "{result}: {error:?}");
        let shown = error.to_string();
        assert!(
            shown.contains("\"hello\"") && shown.contains("node:1"),
            "{shown}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn typed_messages_go_out_as_the_codec_writes_them() {
    let (client, mut node) = connect().await;
    let message = text("话");
    let (unicast, multicast, ()) = tokio::join!(
        client.publish_unicast(&message),
        client.publish_multicast_to("other", &message),
        async {
            let unicast = node.expect(FrameType::UNICAST).await;
            assert_eq!(unicast.body, framed("话"));
            let multicast = node.expect(FrameType::MULTICAST).await;
            assert_eq!(multicast.body, frame_topic(b"other", "话".as_bytes()));
            node.answer(&multicast, 0, multicast.body.clone()).await;
            node.answer(&unicast, 0, framed("")).await;
        }
    );
    unicast.unwrap();
    multicast.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_decodes_its_reply() {
    let (client, mut node) = connect().await;
    let question = Question("6 * 7".into());
    for (answer, expected) in [("42", Some(42)), ("", None), ("\"42\"", None)] {
        let (result, ()) = tokio::join!(client.request(&question), async {
            let request = node.expect(FrameType::UNICAST).await;
            node.answer(&request, 0, framed(answer)).await;
        });
        match (result, expected) {
            (Ok(reply), Some(expected)) => assert_eq!(reply, expected),
            (Err(error), None) if matches!(error.kind(), PublishErrorKind::Reply(_)) => {}
            (result, _) => panic!("{answer:?}: {result:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_not() {
    let (client, mut node) = connect_with(Client::builder().max_frame(300), PIPE).await;
    let message = text(&"x".repeat(253));
    let error = client.publish_unicast(&message).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        PublishErrorKind::TooLarge {
            len: 301,
            max: 300,
            ..
        }
    ));
    for name in ["", "a\tb", &"t".repeat(255)] {
        let error = client.publish_unicast_to(name, &message).await.unwrap_err();
        assert!(matches!(error.kind(), PublishErrorKind::InvalidTopic(_)));
        let error = client.subscribe_to::<Hello>(name).await.unwrap_err();
        assert!(matches!(error, SubscribeError::InvalidTopic(_)));
    }
    assert!(node.is_quiet().await);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_timeout() {
    let builder = Client::builder().timeout(Duration::from_secs(3));
    let (client, mut node) = connect_with(builder, PIPE).await;
    let started = tokio::time::Instant::now();
    let publish = async {
        let error = client.publish_unicast(&text("")).await.unwrap_err();
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        error
    };
    let (error, late) = tokio::join!(publish, async {
        let late = node.expect(FrameType::UNICAST).await;
        node.lives(Duration::from_secs(4)).await;
        late
    });
    assert!(matches!(error.kind(), PublishErrorKind::Timeout { .. }));

    // The late answer does no harm.
    node.answer(&late, 0, framed("")).await;
    let message = text("");
    let (result, ()) = tokio::join!(client.publish_unicast(&message), async {
        let request = node.expect(FrameType::UNICAST).await;
        node.answer(&request, 0, framed("")).await;
    });
    result.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_are_pipelined_and_matched_in_any_order() {
    let (client, mut node) = connect().await;
    let topic = hello();
    let publishers = (0..200).map(|n| client.publish_unicast_raw(&topic, n.to_string().into()));
    let (replies, ()) = tokio::join!(join_all(publishers), async {
        let mut requests = Vec::new();
        for _ in 0..200 {
            requests.push(node.expect(FrameType::UNICAST).await);
        }
        for request in requests.iter().rev() {
            node.answer(request, 0, request.body.clone()).await;
        }
    });
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.unwrap().payload, n.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_publish_gives_its_place_back() {
    let (client, mut node) = connect_with(Client::builder().max_in_flight(1), PIPE).await;
    let topic = hello();
    for _ in 0..3 {
        let mut publishing = pin!(client.publish_unicast_raw(&topic, "given up".into()));
        assert!(futures::poll!(&mut publishing).is_pending());
    }
    let (reply, ()) = tokio::join!(client.publish_unicast_raw(&topic, "kept".into()), async {
        loop {
            let request = node.expect(FrameType::UNICAST).await;
            if request.body == framed("kept") {
                return node.answer(&request, 0, framed("")).await;
            }
        }
    });
    reply.unwrap();
}

#[tokio::test(start_paused = true)]
async fn publishing_waits_for_its_turn() {
    let builder = Client::builder()
        .max_in_flight(2)
        .timeout(Duration::from_secs(3));
    let (client, mut node) = connect_with(builder, PIPE).await;
    let topic = hello();
    let publish = || client.publish_unicast_raw(&topic, Bytes::new());
    let ((a, b, c), ()) = tokio::join!(
        async { tokio::join!(publish(), publish(), publish()) },
        async {
            let first = node.expect(FrameType::UNICAST).await;
            node.expect(FrameType::UNICAST).await;
            assert!(node.is_quiet().await);
            node.answer(&first, 0, framed("")).await;
            let third = node.expect(FrameType::UNICAST).await;
            node.answer(&third, 0, framed("")).await;
            node.lives(Duration::from_secs(4)).await;
        }
    );
    a.unwrap();
    assert!(matches!(
        b.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Timeout { .. })
    ));
    c.unwrap();

    // A message that never got room was not sent.
    let (_, _, c, ()) = tokio::join!(publish(), publish(), publish(), async {
        node.expect(FrameType::UNICAST).await;
        node.expect(FrameType::UNICAST).await;
        node.lives(Duration::from_secs(4)).await;
    });
    assert!(matches!(
        c.as_ref().map_err(PublishError::kind),
        Err(PublishErrorKind::Congested { .. })
    ));
    assert!(node.is_quiet().await);
}
