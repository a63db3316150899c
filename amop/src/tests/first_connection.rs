//! Tests of clients whose nodes are not there at first.

use tokio::time::Instant;

use super::{fake_nodes::FakeNodes, *};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns nodes that refuse connections, and a client that is being connected.
fn closed(
    builder: ClientBuilder,
) -> (
    FakeNodes,
    impl Future<Output = Result<Client, ConnectError>>,
) {
    let (nodes, client) = FakeNodes::start(2, &builder);
    nodes.set_open(0, false);
    nodes.set_open(1, false);
    (nodes, client)
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_each_endpoint_is_tried_once() {
    let start = Instant::now();
    let (_nodes, client) = closed(Client::builder());
    assert!(matches!(client.await, Err(ConnectError::AllFailed { .. })));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn connecting_is_tried_again_until_a_node_is_there() {
    let builder = Client::builder().retry_on_first_connect(secs(120));
    let (mut nodes, client) = closed(builder);
    let client = tokio::spawn(client);
    tokio::time::sleep(secs(60)).await;
    assert!(!client.is_finished());
    nodes.set_open(1, true);
    let _node = nodes.welcome(1).await;
    let client = client.await.unwrap().unwrap();
    assert_eq!(client.nodes().len(), 1);
    assert_eq!(client.nodes()[0].endpoint, "node:1");
}

#[tokio::test(start_paused = true)]
async fn connecting_fails_when_the_time_is_up() {
    let start = Instant::now();
    let (_nodes, client) = closed(Client::builder().retry_on_first_connect(secs(30)));
    assert!(matches!(client.await, Err(ConnectError::AllFailed { .. })));
    assert_eq!(start.elapsed(), secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_policy_with_an_end_ends_the_first_connection_too() {
    let start = Instant::now();
    let reconnect = ReconnectPolicy::forever().retries(2);
    let builder = Client::builder()
        .reconnect(reconnect)
        .retry_on_first_connect(secs(1000));
    let (_nodes, client) = closed(builder);
    assert!(client.await.is_err());
    // Two pauses, of 0.5 s to 1 s and of 1 s to 2 s.
    let took = start.elapsed();
    assert!(secs(1) < took && took < secs(4), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_try_in_progress_is_finished_when_the_time_is_up() {
    let builder = Client::builder()
        .connect_timeout(secs(20))
        .retry_on_first_connect(secs(5));
    let start = Instant::now();
    let (mut nodes, client) = FakeNodes::start(1, &builder);
    let client = tokio::spawn(client);
    // The node accepts the connection and says nothing for some time.
    let mut node = nodes.arrival(0).await;
    tokio::time::sleep(secs(10)).await;
    node.shake_hands(3).await;
    let _client = client.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), secs(10));
}

/// Returns a client that is not connected yet.
fn lazy(builder: &ClientBuilder) -> (FakeNodes, Client) {
    let (nodes, client) = FakeNodes::lazy(1, builder);
    nodes.set_open(0, false);
    (nodes, client)
}

#[tokio::test(start_paused = true)]
async fn a_lazy_client_is_there_at_once_and_connects_later() {
    let (mut nodes, client) = lazy(&Client::builder());
    assert!(!client.is_connected() && client.nodes().is_empty());
    assert_eq!(client.protocol_version(), 1);
    assert_eq!(
        (client.node_version(), client.node_public_key()),
        (None, None)
    );
    let mut events = client.events();
    assert!(matches!(
        events.next().await,
        Some(Event::ConnectFailed { .. })
    ));

    // Publishing and subscribing wait for the node.
    let work = tokio::spawn(async move {
        let message = text("early");
        let (published, subscribed) = tokio::join!(
            client.publish_multicast(&message),
            client.subscribe::<Hello>()
        );
        published.unwrap();
        (client, subscribed.unwrap())
    });
    tokio::time::sleep(secs(2)).await;
    nodes.set_open(0, true);
    let mut node = nodes.welcome(0).await;
    // The topics come first: the node counts as connected once it has them.
    assert_eq!(node.confirm().await, ["hello"]);
    let multicast = node.expect(FrameType::MULTICAST).await;
    assert_eq!(multicast.body, framed("early"));
    node.answer(&multicast, 0, multicast.body.clone()).await;
    let (client, mut subscription) = work.await.unwrap();
    assert!(client.is_connected());
    assert_eq!(client.protocol_version(), 3);
    node.push(MessageKind::Multicast, 1, b"for you").await;
    assert_eq!(subscription.next().await, Some(text("for you")));
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_lazy_client_end_in_time() {
    let (_nodes, client) = lazy(&Client::builder().offline(OfflinePolicy::FailFast));
    let start = Instant::now();
    let waiting = client
        .with_offline(OfflinePolicy::Wait)
        .with_timeout(secs(3));
    client.publish_unicast(&text("a")).await.unwrap_err();
    client.subscribe::<Hello>().await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let error = waiting.publish_unicast(&text("a")).await.unwrap_err();
    assert!(error.to_string().contains("node:0"), "{error}");
    assert_eq!(start.elapsed(), secs(3));
    waiting.subscribe::<Hello>().await.unwrap_err();
    assert_eq!(start.elapsed(), secs(6));
}

#[tokio::test(start_paused = true)]
async fn a_lazy_client_that_gives_up_says_what_failed() {
    let builder = Client::builder().reconnect(ReconnectPolicy::never());
    let (_nodes, client) = lazy(&builder);
    let reason = client.closed().await.to_string();
    assert!(reason.contains("node:0"), "{reason}");
    client.publish_unicast(&text("a")).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_lazy_client_can_be_closed_before_it_is_connected() {
    let (_nodes, client) = lazy(&Client::builder());
    client.close().await;
    assert_eq!(client.closed().await, CloseReason::Local);
    let (_nodes, client) = lazy(&Client::builder());
    client.drain().await.unwrap();
}

#[tokio::test]
async fn a_lazy_client_reports_wrong_settings_at_once() {
    let lazy = |builder: ClientBuilder| builder.connect_lazy().unwrap_err();
    let error = lazy(Client::builder().endpoint("no port"));
    assert!(matches!(error, ConnectError::InvalidEndpoint { .. }));
    let error = lazy(Client::builder().certificates("/no/such/folder"));
    let error = with_causes(&error).to_string();
    assert!(error.contains("/no/such/folder"), "{error}");
    let none: [&str; 0] = [];
    assert!(matches!(
        lazy(Client::builder().endpoints(none)),
        ConnectError::NoEndpoint
    ));
}
