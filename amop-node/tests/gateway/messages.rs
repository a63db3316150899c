//! Messages and topics between nodes that are joined by gateways.

use std::time::Duration;

use amop_testkit::{PATIENCE, log, until, within};

use super::chain::{
    ask, builder, certificate, client, client_builder, echo, free_address, gateway, joined,
    known_by, next, node, start, subscribe,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_unicast_crosses_with_its_reply_in_both_directions() {
    let a = node(&[]).await;
    let b = node(&[a.gateway_address().unwrap()]).await;
    let (at_a, at_b) = (client(&a).await, client(&b).await);
    echo(subscribe(&at_b, "at b").await, "from b");
    echo(subscribe(&at_a, "at a").await, "from a");
    assert_eq!(ask(&at_a, "at b", "hello").await, "from b");
    assert_eq!(ask(&at_b, "at a", "hello").await, "from a");
    let counters = b.gateway_counters().unwrap();
    assert!(counters.unicasts_received > 0 && counters.unicasts_sent > 0);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_and_a_name_that_is_not_ascii_cross() {
    let a = node(&[]).await;
    let b = node(&[a.gateway_address().unwrap()]).await;
    let (at_a, at_b) = (client(&a).await, client(&b).await);
    let mut messages = subscribe(&at_b, "价格😀").await;
    let long = vec![7; 1 << 20];
    let expected = long.clone();
    let answered = tokio::spawn(async move {
        loop {
            let message = next(&mut messages).await;
            let is_long = *message == expected;
            message.reply_bytes("got it").unwrap();
            if is_long {
                return;
            }
        }
    });
    ask(&at_a, "价格😀", "short").await;
    let topic = "价格😀".parse().unwrap();
    let reply = at_a.publish_unicast_raw(&topic, long.into()).await.unwrap();
    assert_eq!(reply.payload, "got it");
    within("the message", answered).await.unwrap();
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_get_each_multicast_once() {
    let a = node(&[]).await;
    let b = node(&[a.gateway_address().unwrap()]).await;
    let peers = [a.gateway_address().unwrap(), b.gateway_address().unwrap()];
    let c = node(&peers).await;
    for node in [&a, &b, &c] {
        joined(node, 2).await;
    }
    let clients = [client(&a).await, client(&b).await, client(&c).await];
    let mut subscriptions = Vec::new();
    for client in &clients {
        subscriptions.push(subscribe(client, "all").await);
    }
    known_by(&clients[0], &a, "all", 2).await;
    let topic = "all".parse().unwrap();
    for text in ["first", "last"] {
        let sent = clients[0].publish_multicast_raw(&topic, text.into()).await;
        sent.unwrap();
    }
    for messages in &mut subscriptions {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|text| text != "last") {
            let message = next(messages).await;
            if *message != "probe" {
                seen.push((*message).clone());
            }
        }
        assert_eq!(seen, ["first", "last"]);
    }
    for node in [a, b, c] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_subscriber_a_publisher_is_told_so() {
    let a = node(&[]).await;
    let b = node(&[a.gateway_address().unwrap()]).await;
    joined(&b, 1).await;
    let at_a = client(&a).await;
    let topic = "nobody".parse().unwrap();
    let error = at_a
        .publish_unicast_raw(&topic, "x".into())
        .await
        .unwrap_err();
    let is_told = matches!(error.kind(), amop::PublishErrorKind::NoSubscriber { .. });
    assert!(is_told, "{error}");
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restarts_is_dialled_again() {
    let own = certificate();
    let address = free_address();
    let listening = |own| gateway(own, &[]).with(|gateway| gateway.listen = address);
    let a = start(listening(own.clone())).await;
    let b = node(&[address]).await;
    let at_b = client(&b).await;
    echo(subscribe(&at_b, "at b").await, "from b");
    let at_a = client(&a).await;
    ask(&at_a, "at b", "before").await;
    at_a.close().await;
    a.shutdown().await;
    joined(&b, 0).await;
    let a = start(listening(own)).await;
    let at_a = client(&a).await;
    assert_eq!(ask(&at_a, "at b", "after").await, "from b");
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_dial_each_other_and_themselves_keep_one_connection() {
    let addresses = [free_address(), free_address()];
    let start = |n: usize| {
        let options = gateway(certificate(), &addresses);
        start(options.with(|gateway| gateway.listen = addresses[n]))
    };
    let (a, b) = (start(0).await, start(1).await);
    let (at_a, at_b) = (client(&a).await, client(&b).await);
    echo(subscribe(&at_b, "at b").await, "from b");
    assert_eq!(ask(&at_a, "at b", "x").await, "from b");
    joined(&a, 1).await;
    joined(&b, 1).await;
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_reaches_overlay_nodes_behind_the_gateway() {
    let far = node(&[]).await;
    let bridge = builder();
    let bridge = bridge.gateway(gateway(certificate(), &[far.gateway_address().unwrap()]));
    let bridge = bridge.start().await.unwrap();
    let address = bridge.p2p_address().to_string();
    let inner = builder()
        .peer(address.parse().unwrap())
        .start()
        .await
        .unwrap();
    inner.wait_for_peers(1, PATIENCE).await.unwrap();
    let (inside, outside) = (client(&inner).await, client(&far).await);
    echo(subscribe(&inside, "inside").await, "from inside");
    echo(subscribe(&outside, "outside").await, "from outside");
    assert_eq!(ask(&outside, "inside", "x").await, "from inside");
    assert_eq!(ask(&inside, "outside", "x").await, "from outside");
    assert_eq!(inner.gateway_counters(), None);
    for node in [inner, bridge, far] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_subscriber_ends_a_unicast_without_another_attempt() {
    let timeouts = amop_node::Timeouts::default().with(|timeouts| {
        timeouts.peer_answer = Duration::from_secs(2);
        timeouts.session_answer = PATIENCE;
        timeouts.unicast = PATIENCE;
    });
    let b = node(&[]).await;
    let a = builder().timeouts(timeouts);
    let a = a.gateway(gateway(certificate(), &[b.gateway_address().unwrap()]));
    let a = a.start().await.unwrap();
    let (at_a, at_b) = (client(&a).await, client(&b).await);
    let mut messages = subscribe(&at_b, "silent").await;
    known_by(&at_a, &a, "silent", 1).await;
    let topic = "silent".parse().unwrap();
    let publisher = at_a.clone();
    let name: amop::TopicName = topic;
    let topic = name.clone();
    let asked = tokio::spawn(async move { publisher.publish_unicast_raw(&name, "x".into()).await });
    let _held = loop {
        let message = next(&mut messages).await;
        if *message != "probe" {
            break message;
        }
    };
    // Another subscriber would get the message if it counted as not delivered.
    let other = client(&a).await;
    let mut others = subscribe(&other, "silent").await;
    let outcome = within("the end", asked).await.unwrap();
    let error = outcome.unwrap_err();
    assert!(error.may_have_been_delivered(), "{error}");
    let sent = at_a.publish_multicast_raw(&topic, "probe".into());
    sent.await.unwrap();
    assert_eq!(*next(&mut others).await, "probe");
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_nodes_connect() {
    let (welcome, stranger) = (certificate(), certificate());
    let key = amop_tls::rsa_public_key(&welcome.chain()[0]).unwrap();
    let key = key
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let options = gateway(certificate(), &[]).with(|gateway| {
        gateway.whitelist = Some([key.parse().unwrap()].into());
    });
    let a = start(options).await;
    let address = a.gateway_address().unwrap();
    let refused = start(gateway(stranger, &[address])).await;
    let admitted = start(gateway(welcome, &[address])).await;
    joined(&a, 1).await;
    let lines = ["do not let this node in"];
    log().wait_for(&lines).await;
    until("the end", || refused.gateway_peers().is_empty()).await;
    for node in [a, refused, admitted] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_learns_that_a_remote_subscriber_failed() {
    let a = node(&[]).await;
    let b = node(&[a.gateway_address().unwrap()]).await;
    let at_a = client(&a).await;
    let at_b = client_builder(&b).connect().await.unwrap();
    let mut messages = subscribe(&at_b, "failing").await;
    let refuser = tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            // It is dropped without a reply, which acknowledges it.
            drop(message);
        }
    });
    assert_eq!(ask(&at_a, "failing", "x").await, "");
    at_b.close().await;
    within("the end", refuser).await.unwrap();
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_linked_gateways_one_carries_the_messages() {
    let far = node(&[]).await;
    let peers = [far.gateway_address().unwrap()];
    let bridge = || builder().gateway(gateway(certificate(), &peers));
    let first = bridge().start().await.unwrap();
    let address = first.p2p_address().to_string();
    let second = bridge()
        .peer(address.parse().unwrap())
        .start()
        .await
        .unwrap();
    second.wait_for_peers(1, PATIENCE).await.unwrap();
    joined(&far, 2).await;
    let lower = match first.node_id() < second.node_id() {
        true => &first,
        false => &second,
    };
    let carrier = format!("{}", lower.node_id().short());
    log().wait_for(&["the gateway stands by", &carrier]).await;
    let (at_first, at_second, outside) = (
        client(&first).await,
        client(&second).await,
        client(&far).await,
    );
    let mut inside = [
        subscribe(&at_first, "inside").await,
        subscribe(&at_second, "inside").await,
    ];
    // The one that stands by has no topics for the chain.
    known_by(&outside, &far, "inside", 1).await;
    let topic = "inside".parse().unwrap();
    for text in ["one", "two"] {
        let sent = outside.publish_multicast_raw(&topic, text.into()).await;
        sent.unwrap();
    }
    for messages in &mut inside {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|text| text != "two") {
            let message = next(messages).await;
            if *message != "probe" {
                seen.push((*message).clone());
            }
        }
        assert_eq!(seen, ["one", "two"]);
    }
    // When it ends, the other one takes its place.
    echo(subscribe(&outside, "outside").await, "from outside");
    let (carrying, standing, client) = match first.node_id() < second.node_id() {
        true => (first, second, at_second),
        false => (second, first, at_first),
    };
    assert_eq!(ask(&client, "outside", "x").await, "from outside");
    assert_eq!(standing.gateway_counters().unwrap().unicasts_sent, 0);
    carrying.shutdown().await;
    assert_eq!(ask(&client, "outside", "x").await, "from outside");
    standing.shutdown().await;
    far.shutdown().await;
}
