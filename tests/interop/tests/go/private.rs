//! Private topics: go-sdk and the native client verify each other's keys (channel-v2 section 9).
//!
//! The keys are in the form that the chain's account script writes: secp256k1 in PKCS#8, with their
//! public halves in separate files.

use std::path::{Path, PathBuf};

use amop::{
    Client, Event, Events, MessageKind, PrivateName, RawSubscription, TopicKey, TopicPublicKey,
    VerificationFailure,
};
use amop_interop::{Go, GoSdk, known_at};
use amop_node::Network;
use amop_testkit::{client, log, network, within};

use super::go_sdk;

/// The key in `custodian.public.pem` as the chain's tools print it.
const CUSTODIAN: &str = "0cbafde5a4eb882546b8bfebab334043409cc862281041d74307f81fa4b8b33d\
                         21ea6abc98a9dc2161926ba5aa7aa8f69559635463bdf185b673d12264539e27";

fn account(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/accounts");
    folder.join(name)
}

fn private_key(name: &str) -> TopicKey {
    TopicKey::load(account(&format!("{name}.pem"))).unwrap()
}

fn public_key(name: &str) -> TopicPublicKey {
    TopicPublicKey::load(account(&format!("{name}.public.pem"))).unwrap()
}

fn topic(name: &str) -> PrivateName {
    PrivateName::new(name).unwrap()
}

/// Starts a subscriber with go-sdk, which answers with its key's name.
async fn go_subscriber(go: GoSdk, network: &Network, node: usize, topic: &str, key: &str) -> Go {
    let file = account(&format!("{key}.pem"));
    let flags = ["-private", "-key", file.to_str().unwrap(), "-reply", key];
    go.subscribe(network, node, topic, &flags).await
}

/// Starts a publisher with go-sdk that goes on until it is dropped: messages before its verdict are
/// lost. It sends slowly, because it may fill a pipe that is not read.
async fn go_publisher(go: GoSdk, network: &Network, mode: &str, topic: &str, key: &str) -> Go {
    let private = ["-private", "-public-key", key];
    let messages = ["-text", mode, "-count", "100000", "-interval", "300ms"];
    let mut publisher = go.publish(network, 0, mode, topic, &[&private[..], &messages].concat());
    publisher.expect("connected").await;
    publisher.expect("granted").await;
    publisher
}

async fn subscribe(client: &Client, topic: &PrivateName, key: &str) -> RawSubscription {
    let key = private_key(key);
    let subscribing = client.subscribe_private_raw(topic, &key);
    within("subscribing", subscribing).await.unwrap()
}

fn node_id(network: &Network, node: usize) -> String {
    network.node(node).unwrap().node_id().to_string()
}

/// Returns the id of a node as log lines show it.
fn logged_id(network: &Network, node: usize) -> String {
    network.node(node).unwrap().node_id().short().to_string()
}

/// Returns the next event about the verification of a node's subscriber.
async fn verification(events: &mut Events, of: &str) -> Result<(), VerificationFailure> {
    let next = async {
        loop {
            match events.next().await.expect("the client is open") {
                Event::SubscriberVerified { node, .. } if node == of => return Ok(()),
                Event::VerificationFailed { node, failure, .. } if node == of => {
                    return Err(failure);
                }
                _ => {}
            }
        }
    };
    within("a verification", next).await
}

#[test]
fn the_accounts_keys_are_read_in_all_their_forms() {
    let expected = public_key("custodian");
    assert_eq!(private_key("custodian").public_key(), expected);
    for prefix in ["", "04", "0x", "0x04"] {
        let text = format!("{prefix}{CUSTODIAN}");
        assert_eq!(text.parse::<TopicPublicKey>().unwrap(), expected);
    }
    assert_ne!(public_key("stranger"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_client_verifies_subscribers_on_go_sdk() {
    let Some(go) = go_sdk() else { return };
    let network = network(3).await;
    let topic = topic("deal");
    let mut custodian = go_subscriber(go, &network, 1, "deal", "custodian").await;
    let mut stranger = go_subscriber(go, &network, 2, "deal", "stranger").await;
    let publisher = client(&network, 0).await;
    let (mut of_custodian, mut of_stranger) = (publisher.events(), publisher.events());
    let keys = [CUSTODIAN.parse().unwrap()];
    publisher.grant_to(&topic, &keys).await.unwrap();
    let (custodians, strangers) = (node_id(&network, 1), node_id(&network, 2));
    assert_eq!(verification(&mut of_custodian, &custodians).await, Ok(()));
    let key = Some(public_key("stranger"));
    let failure = VerificationFailure::UnknownKey { key };
    assert_eq!(
        verification(&mut of_stranger, &strangers).await,
        Err(failure)
    );

    for number in 0..10 {
        let text = format!("for the custodian {number}");
        let sending = publisher.publish_unicast_raw(topic.topic(), text.clone().into());
        let reply = within("an answer", sending).await.unwrap();
        assert_eq!(reply.payload, "custodian");
        assert!(custodian.expect("received").await.has(&text));
        let sending = publisher.publish_multicast_raw(topic.topic(), text.clone().into());
        within("multicasting", sending).await.unwrap();
        assert!(custodian.expect("received").await.has(&text));
    }

    // The node asks again, and then the grant includes this key.
    let keys = [public_key("stranger")];
    publisher.grant_to(&topic, &keys).await.unwrap();
    assert_eq!(verification(&mut of_stranger, &strangers).await, Ok(()));
    let sending = publisher.publish_multicast_raw(topic.topic(), "for both".into());
    within("multicasting", sending).await.unwrap();
    for subscriber in [&mut custodian, &mut stranger] {
        // This is the stranger's first message: none of those before arrived.
        let received = subscriber.expect("received").await;
        assert_eq!(received.text.as_deref(), Some("for both"));
    }
    publisher.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_sdk_verifies_subscribers_on_a_native_client() {
    let Some(go) = go_sdk() else { return };
    for (mode, key) in [
        ("unicast", CUSTODIAN.to_owned()),
        ("multicast", format!("0x04{CUSTODIAN}")),
    ] {
        let network = network(3).await;
        let topic = topic("deal");
        let custodian = client(&network, 1).await;
        let stranger = client(&network, 2).await;
        let mut messages = subscribe(&custodian, &topic, "custodian").await;
        let mut nothing = subscribe(&stranger, &topic, "stranger").await;
        let mut publisher = go_publisher(go, &network, mode, "deal", &key).await;
        // go-sdk logs both.
        log()
            .wait_for(&[&logged_id(&network, 2), "is refused for a private topic"])
            .await;
        log()
            .wait_for(&[&logged_id(&network, 1), "is verified for a private topic"])
            .await;
        for _ in 0..5 {
            let message = within("a message", messages.next()).await.unwrap();
            assert!(message.starts_with(mode.as_bytes()), "{message:?}");
            if message.kind() == MessageKind::Unicast {
                message.reply_bytes(b"mine").unwrap();
                // The messages before the verdict found no subscriber.
                let answer = answered(&mut publisher).await;
                assert_eq!(answer, "mine");
            }
        }

        // A subscriber that is created again is verified again.
        custodian.close().await;
        let custodian = client(&network, 1).await;
        let mut messages = subscribe(&custodian, &topic, "custodian").await;
        let message = within("a message", messages.next()).await.unwrap();
        assert!(message.starts_with(mode.as_bytes()), "{message:?}");
        publisher.kill().await;

        end(&network, &topic).await;
        let first = within("a message", nothing.next()).await.unwrap();
        assert_eq!(&first[..], b"end");
        for client in [custodian, stranger] {
            client.close().await;
        }
        network.shutdown().await;
    }
}

/// A subscriber with a wrong key does not keep other subscribers of its node out, although go-sdk
/// tells the node that it is refused, and FISCO nodes do not ask again (channel-v2 section 9.2).
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_go_sdk_refused_does_not_keep_its_node_out() {
    let Some(go) = go_sdk() else { return };
    let network = network(2).await;
    let topic = topic("deal");
    let stranger = client(&network, 1).await;
    let _nothing = subscribe(&stranger, &topic, "stranger").await;
    let publisher = go_publisher(go, &network, "unicast", "deal", CUSTODIAN).await;
    log()
        .wait_for(&[&logged_id(&network, 1), "is refused for a private topic"])
        .await;
    let custodian = client(&network, 1).await;
    let _messages = subscribe(&custodian, &topic, "custodian").await;
    known_at(&network, 0, topic.topic().as_str(), 1).await;
    publisher.kill().await;
    for client in [stranger, custodian] {
        client.close().await;
    }
    network.shutdown().await;
}

/// Sends the stranger a last message, from its own node, which does not verify (channel-v2 section
/// 9.2).
async fn end(network: &Network, topic: &PrivateName) {
    let publisher = client(network, 2).await;
    let keys = [public_key("custodian")];
    publisher.grant_to(topic, &keys).await.unwrap();
    let sending = publisher.publish_multicast_raw(topic.topic(), "end".into());
    within("multicasting", sending).await.unwrap();
    publisher.close().await;
}

/// Returns the next answer to a publisher with go-sdk, as text.
async fn answered(publisher: &mut Go) -> String {
    loop {
        let event = publisher.next().await.expect("the publisher goes on");
        match event.event.as_str() {
            "answered" => return event.text.unwrap(),
            "sending" | "log" => {}
            "failed" => assert!(event.error().contains("error code 100"), "{event:?}"),
            _ => panic!("{event:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn go_sdk_verifies_go_sdk_across_overlay_nodes() {
    let Some(go) = go_sdk() else { return };
    let network = network(3).await;
    let mut custodian = go_subscriber(go, &network, 1, "deal", "custodian").await;
    let mut stranger = go_subscriber(go, &network, 2, "deal", "stranger").await;
    let mut publisher = go_publisher(go, &network, "unicast", "deal", CUSTODIAN).await;
    let topic = topic("deal");
    known_at(&network, 0, topic.topic().as_str(), 1).await;
    log()
        .wait_for(&[&logged_id(&network, 2), "is refused for a private topic"])
        .await;
    for _ in 0..5 {
        assert_eq!(answered(&mut publisher).await, "custodian");
        custodian.expect("received").await;
    }
    publisher.kill().await;
    end(&network, &topic).await;
    let first = stranger.expect("received").await;
    assert_eq!(first.text.as_deref(), Some("end"));
    network.shutdown().await;
}
