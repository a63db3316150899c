//! The ports that SDKs of 3.x come to.

use amop::Client;
use amop_node::{ListenLimits, Node};
use amop_proto::ws::{WsHandshakeResponse, WsRpcAnswer, WsRpcRequest, WsType};
use amop_testkit::{
    PATIENCE, agency, identity, log, patient, ping, until,
    v3::{V3Sdk, seq, ws_seq},
    within,
};
use amop_tls::pki::Leaf;
use serde_json::json;

use super::Bridge;

/// What `getClient` of java-sdk needs.
#[tokio::test(flavor = "multi_thread")]
async fn sdks_are_told_of_the_groups() {
    let bridge = Bridge::start_with(|builder| builder.v3_groups("chain7", ["group0"])).await;
    let mut sdk = bridge.v3_tls().await;
    let answer = within("the handshake", sdk.begin()).await;
    let answer = WsHandshakeResponse::parse(&answer).unwrap();
    assert_eq!(answer.protocol_version, 2);
    let group = &answer.group_info_list[0];
    assert_eq!((&*group.chain_id, &*group.group_id), ("chain7", "group0"));
    assert_eq!((&*group.genesis_config, group.node_list.len()), ("{}", 1));
    let question = WsRpcRequest::new(1, "getBlockNumber", vec![json!("group0"), json!("")]);
    sdk.send(WsType::RPC, &seq("rpc"), question.to_payload())
        .await;
    let answer = within("the answer", sdk.message()).await.unwrap();
    assert_eq!(answer.seq, ws_seq("rpc"));
    let answer = WsRpcAnswer::parse(&answer.payload).unwrap();
    assert_eq!(answer, WsRpcAnswer::Result(json!(0)));
    bridge.stop().await;
}

/// The first bytes tell the generations apart.
#[tokio::test(flavor = "multi_thread")]
async fn one_port_serves_both_generations() {
    log();
    let agency = agency();
    let builder = Node::builder()
        .identity(identity(&agency, Leaf::Node, "node"))
        .v3_on_channel_port(true)
        .timeouts(patient());
    let node = builder.start().await.unwrap();
    assert_eq!(node.v3_address(), None);
    let endpoint = node.channel_address().to_string();
    let sdk_identity = identity(&agency, Leaf::Sdk, "sdk");
    // It sends nothing, as an SDK of 2.x may do.
    let _silent = V3Sdk::tls(&endpoint, &sdk_identity).await.unwrap();
    let mut sdk = within("3.x", V3Sdk::connect(&endpoint, &sdk_identity)).await;
    within("the subscription", sdk.subscribe(&["topic"])).await;
    let client = || async {
        let builder = Client::builder()
            .endpoint(endpoint.clone())
            .identity(sdk_identity.clone())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE);
        builder.connect().await.unwrap()
    };
    let (publisher, topic) = (client().await, "topic".parse().unwrap());
    let (reply, ()) = tokio::join!(publisher.publish_unicast_raw(&topic, "a".into()), async {
        let (message, _) = within("the message", sdk.request()).await;
        sdk.answer(&message, 0, "b").await;
    });
    assert_eq!(reply.unwrap().payload, "b");
    ping(publisher, client().await).await;
    // The silent one is a session, too, after a while.
    until("the sessions", || node.session_count() == 2).await;
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_without_tls_serves_only_if_it_is_asked_for() {
    log();
    let agency = agency();
    let builder = Node::builder()
        .identity(identity(&agency, Leaf::Node, "node"))
        .v3_listen_plain("127.0.0.1:0".parse().unwrap())
        .timeouts(patient());
    let node = builder.start().await.unwrap();
    log()
        .wait_for(&["SDKs OF 3.x ARE SERVED WITHOUT TLS"])
        .await;
    let endpoint = node.v3_address().unwrap().to_string();
    let mut sdk = V3Sdk::plain(&endpoint).await.unwrap();
    within("the handshake", sdk.begin()).await;
    within("the subscription", sdk.subscribe(&["topic"])).await;
    drop(sdk);
    until("the end", || node.session_count() == 0).await;
    node.shutdown().await;
}

/// A FISCO node requires a certificate of its chain, too.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_another_chain_are_refused() {
    let bridge = Bridge::start().await;
    let endpoint = bridge.v3_endpoint();
    let other = amop_testkit::v3::V3Certificates::new();
    let refused = V3Sdk::tls(&endpoint, &other.sdk).await;
    assert!(refused.is_err());
    // The certificates of the 2.x chain belong to the other port.
    let sdk = identity(&bridge.agency, Leaf::Sdk, "sdk");
    assert!(V3Sdk::tls(&endpoint, &sdk).await.is_err());
    bridge.stop().await;
}

/// They hold places of the port while it waits for them, not those of sessions, however many there
/// are.
#[tokio::test(flavor = "multi_thread")]
async fn sdks_that_stop_before_the_upgrade_keep_nobody_out() {
    let limits = ListenLimits::default().with(|limits| {
        limits.sessions = 2;
        limits.handshakes = 2;
        limits.handshake_time = PATIENCE;
    });
    let own_port = Bridge::start_with(|builder| builder.listen_limits(limits)).await;
    let shared_port = Bridge::start_with(|builder| {
        builder
            .v3_on_channel_port(true)
            .listen_limits(limits)
            .timeouts(patient())
    })
    .await;
    let agency = identity(&shared_port.agency, Leaf::Sdk, "sdk");
    let channel = shared_port.node.channel_address().to_string();
    for (node, endpoint, sdk) in [
        (
            &own_port.node,
            own_port.v3_endpoint(),
            &own_port.certificates.sdk,
        ),
        (&shared_port.node, channel, &agency),
    ] {
        let mut silent = Vec::new();
        for _ in 0..8 {
            let mut sdk = within("TLS", V3Sdk::tls(&endpoint, sdk)).await.unwrap();
            // The port waits for the rest of this.
            sdk.write(b"GET / HTTP/1.1\r\n").await.unwrap();
            silent.push(sdk);
        }
        let mut honest = within("3.x", V3Sdk::connect(&endpoint, sdk)).await;
        within("the subscription", honest.subscribe(&["topic"])).await;
        assert_eq!(node.session_count(), 1);
        assert_eq!(node.stats().sessions_turned_away, 0);
    }
    own_port.stop().await;
    shared_port.stop().await;
}
