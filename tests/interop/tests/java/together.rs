//! Both Java SDKs and the native client in one network, in every direction.

use std::path::Path;

use amop::{Client, Event, MessageKind, PrivateName, RawSubscription, TopicKey, TopicPublicKey};
use amop_interop::{Java, JavaSdks, Mode, Running};
use amop_testkit::{log, within};

use super::net::Net;
use crate::talk::{ask, asks, is_asked, topic};

#[tokio::test(flavor = "multi_thread")]
async fn in_ec_mode_on_a_jdk_that_signs_with_sha1() {
    let Some(sdks) = JavaSdks::find() else { return };
    both_ways(&sdks, Mode::Ec).await;
    log()
        .wait_for(&[
            "signed its TLS handshake with SHA-1",
            "sha1_client_signatures=false",
        ])
        .await;
}

/// If a node does not allow SHA-1, such a JDK has no way to sign.
#[tokio::test(flavor = "multi_thread")]
async fn a_jdk_that_signs_with_sha1_stays_out_where_that_is_switched_off() {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::without_sha1().await;
    let (files, node) = (net.files("java"), [net.endpoint(0)]);
    let java = sdks.launch(Java::JavaSdk, Mode::Ec, &files, &node);
    let ended = java.end().await;
    assert!(!ended.status.success(), "{ended:?}");
    let kinds: Vec<&str> = ended.events.iter().map(|event| &*event.event).collect();
    assert_eq!(kinds, ["failed"]);
    let told = ["refused: the client ended", "see sha1_client_signatures"];
    log().wait_for(&told).await;
    // Other clients still connect.
    let client = net.client(0).await;
    net.end([client]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_rsa_mode() {
    let Some(sdks) = JavaSdks::find() else { return };
    both_ways(&sdks, Mode::Rsa).await;
}

/// java-sdk is at the first node, web3sdk at the second, and a native client at each.
async fn both_ways(sdks: &JavaSdks, mode: Mode) {
    let mut net = Net::start(mode, 2).await;
    let (files, first, second) = (net.files("java"), [net.endpoint(0)], [net.endpoint(1)]);
    let (mut java, mut web) = tokio::join!(
        sdks.start(Java::JavaSdk, mode, &files, &first),
        sdks.start(Java::Web3sdk, mode, &files, &second),
    );
    let clients = [net.client(0).await, net.client(1).await];
    java.does(&["subscribe", "to-java", "echo"]).await;
    web.does(&["subscribe", "to-web", "echo"]).await;
    for client in &clients {
        asks(client, "to-java", &mut java).await;
        asks(client, "to-web", &mut web).await;
    }
    for (at, client) in clients.iter().enumerate() {
        for sdk in [&mut java, &mut web] {
            let nobody = |answer: &amop_interop::Event| answer.code == Some(100);
            for answer in is_asked(client, at, sdk, nobody).await {
                assert_eq!(answer.code, Some(0), "{answer:?}");
            }
        }
    }
    // The steps above made each known to the native clients, at both nodes.
    ask_each_other(&mut java, &mut web, "to-web").await;
    ask_each_other(&mut web, &mut java, "to-java").await;
    multicasts(&clients, &mut java, &mut web).await;
    for sdk in [&mut java, &mut web] {
        sdk.does(&["unicast", "nobody", "text:anyone?"]).await;
        assert_eq!(sdk.find("answered").await.code, Some(100));
    }
    private(&clients, &mut java).await;

    for node in 0..2 {
        net.restart(node).await;
    }
    // They reconnect by themselves, and subscribe.
    asks(&clients[1], "to-java", &mut java).await;
    asks(&clients[0], "to-web", &mut web).await;
    net.end(clients).await;
}

/// One Java SDK asks the other.
async fn ask_each_other(asking: &mut Running, asked: &mut Running, at: &str) {
    asking
        .does(&["unicast", at, "text:from Java to Java"])
        .await;
    assert!(asked.find("received").await.has("from Java to Java"));
    answered(asking, "from Java to Java").await;
}

async fn answered(sdk: &mut Running, text: &str) {
    let answer = sdk.find("answered").await;
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.has(text), "{answer:?}");
}

/// All subscribers get a multicast once, wherever they and the publisher are.
async fn multicasts(clients: &[Client; 2], java: &mut Running, web: &mut Running) {
    let news = topic("news");
    let mut streams: Vec<RawSubscription> = Vec::new();
    for client in clients {
        streams.push(client.subscribe_raw(&news).await.unwrap());
    }
    for sdk in [&mut *java, &mut *web] {
        sdk.does(&["subscribe", "news", "echo"]).await;
    }
    // Topics become known in order: a node that knows the last one knows `news`, too.
    for (sdk, client, name) in [
        (&mut *java, &clients[1], "known-java"),
        (&mut *web, &clients[0], "known-web"),
    ] {
        sdk.does(&["subscribe", name, "echo"]).await;
        ask(client, &topic(name), "there?").await;
        assert!(sdk.find("received").await.has("there?"));
    }
    clients[0]
        .publish_multicast_raw(&news, "from us".into())
        .await
        .unwrap();
    java.does(&["multicast", "news", "text:from java-sdk"])
        .await;
    web.does(&["multicast", "news", "text:from web3sdk"]).await;
    let texts = ["from us", "from java-sdk", "from web3sdk"];
    for stream in &mut streams {
        let mut got = Vec::new();
        for _ in texts {
            let message = within("news", stream.next()).await.unwrap();
            assert_eq!(message.kind(), MessageKind::Multicast);
            got.push(String::from_utf8(message.to_vec()).unwrap());
        }
        got.sort();
        assert_eq!(got, ["from java-sdk", "from us", "from web3sdk"]);
    }
    // Multicasts of SDKs come back to them, as to all others at their node.
    for sdk in [java, web] {
        let mut expected = texts.to_vec();
        for _ in texts {
            let event = sdk.find("received").await;
            let at = expected.iter().position(|text| event.has(text));
            expected.remove(at.unwrap_or_else(|| panic!("{event:?}")));
        }
    }
}

fn account(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/accounts");
    folder.join(name).display().to_string()
}

/// A private topic in both directions, with keys in all forms that the SDK accepts.
async fn private(clients: &[Client; 2], sdk: &mut Running) {
    let [here, there] = clients;
    // The native client subscribes, the SDK grants.
    let ours = "to-us";
    let name = PrivateName::new(ours).unwrap();
    let key = TopicKey::load(account("custodian.pem")).unwrap();
    for client in [here, there] {
        let subscribing = client.subscribe_private_raw(&name, &key);
        let mut messages = within("subscribing", subscribing).await.unwrap();
        let public = account("custodian.public.pem");
        sdk.does(&["grant", ours, &public]).await;
        let message = loop {
            sdk.does(&["unicast-private", ours, "text:deal"]).await;
            tokio::select! {
                message = within("a message", messages.next()) => break message.unwrap(),
                answer = sdk.find("answered") => assert_eq!(answer.code, Some(100), "{answer:?}"),
            }
        };
        assert_eq!(&message[..], b"deal");
        message.reply_bytes(b"done").unwrap();
        answered(sdk, "done").await;
    }

    // The SDK subscribes, the native client grants.
    let theirs = "to-them";
    let name = PrivateName::new(theirs).unwrap();
    let public = TopicPublicKey::load(account("custodian.public.pem")).unwrap();
    let mut events = there.events();
    for client in [here, there] {
        client.grant_to(&name, &[public]).await.unwrap();
    }
    for form in ["custodian.p12", "custodian.pem"] {
        sdk.does(&["subscribe-private", theirs, "echo", &account(form)])
            .await;
        for client in [here, there] {
            let reply = ask(client, name.topic(), form).await;
            assert_eq!(reply.payload, form);
            assert!(sdk.find("received").await.has(form));
        }
    }
    let verified = async {
        loop {
            match events.next().await.expect("the client is open") {
                Event::SubscriberVerified { .. } => break,
                Event::VerificationFailed { failure, .. } => panic!("{failure}"),
                _ => {}
            }
        }
    };
    within("a verification", verified).await;
}
