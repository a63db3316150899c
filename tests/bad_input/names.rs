//! Topics and endpoints that cannot be used: the client returns errors and sends nothing.

use amop::{Client, ConnectError, PublishErrorKind, SubscribeError, TopicError};
use amop_testkit::{builder, client, network};

#[amop::topic("hello")]
#[derive(Debug, Clone, PartialEq)]
struct Hello(String);

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_no_node_can_carry_are_refused_before_anything_is_sent() {
    let network = network(1).await;
    let client = client(&network, 0).await;
    let long = "t".repeat(255);
    let wide = "\u{4f60}".repeat(85);
    let cases = [
        ("", "1 to 254 bytes"),
        (
            &long,
            "is 255 bytes long, the protocol allows 254; shorten it",
        ),
        (&wide, "is 255 bytes long"),
        ("a\tb", "contains a tab"),
    ];
    for (topic, message) in cases {
        let hello = Hello(String::new());
        let errors = [
            hello.publish_unicast_to(&client, topic).await,
            hello.publish_multicast_to(&client, topic).await,
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(
                matches!(error.kind(), PublishErrorKind::InvalidTopic(_)),
                "{error:?}"
            );
            assert!(error.to_string().contains(message), "{error}");
        }
        let error = Hello::subscribe_to(&client, topic).await.unwrap_err();
        assert!(
            matches!(error, SubscribeError::InvalidTopic(_)),
            "{error:?}"
        );
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = Hello::subscribe_to(&client, &long).await.unwrap_err();
    assert!(
        matches!(
            error,
            SubscribeError::InvalidTopic(TopicError::TooLong { len: 255, .. })
        ),
        "{error:?}"
    );
    assert!(client.is_connected());
    let counters = network.node(0).unwrap().counters();
    assert_eq!((counters.unicasts, counters.multicasts), (0, 0));
    client.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_says_how_one_looks() {
    let network = network(1).await;
    for endpoint in [
        "",
        "127.0.0.1",
        "127.0.0.1:0",
        "::1:20200",
        "http://127.0.0.1:20200",
    ] {
        let error = builder(&network, 0)
            .endpoint(endpoint)
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(error, ConnectError::InvalidEndpoint { .. }),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(text.contains(&format!("{endpoint:?}")), "{text}");
        assert!(text.contains("for example 127.0.0.1:20200"), "{text}");
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_said_so() {
    let network = network(1).await;
    let sdk = network.sdk();
    let endpoint = network.endpoint(0).to_owned();
    network.shutdown().await;
    let error = Client::builder()
        .endpoint(&endpoint)
        .identity(sdk)
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&endpoint), "{text}");
    assert!(text.contains("check that the node runs"), "{text}");
}
