//! An SDK of 3.x and native clients of both generations in one network, in every direction.

use amop::{Client, MessageKind, Protocol, RawSubscription};
use amop_interop::{GoSdk, JavaSdks, Running, Sdk3};
use amop_testkit::within;

use super::net::Net;
use crate::talk::{ask, asks, is_asked, topic};

#[tokio::test(flavor = "multi_thread")]
async fn java_sdk() {
    both_ways(Sdk3::Java).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_sdk() {
    both_ways(Sdk3::C).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn go_sdk() {
    both_ways(Sdk3::Go).await;
}

/// The SDK is at the first node; there is a native client of 2.x at each node, and one of 3.x at each.
async fn both_ways(kind: Sdk3) {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::start(2).await;
    let Some(mut sdk) = net.sdk(&sdks, kind, 0).await else {
        return;
    };
    let clients = [
        net.client(Protocol::V2, 0).await,
        net.client(Protocol::V2, 1).await,
        net.client(Protocol::V3, 0).await,
        net.client(Protocol::V3, 1).await,
    ];
    sdk.does(&["subscribe", "to-价格", "echo"]).await;
    for client in &clients {
        asks(client, "to-价格", &mut sdk).await;
    }
    for (at, client) in clients.iter().enumerate() {
        let nobody = |answer: &amop_interop::Event| is_refused(kind, answer);
        for answer in is_asked(client, at, &mut sdk, nobody).await {
            assert_eq!(answer.code.unwrap_or(0), 0, "{answer:?}");
        }
    }
    multicasts(&clients, &mut sdk).await;
    nobody(kind, &mut sdk).await;
    net.end(clients).await;
}

/// Returns whether this is what an SDK says if nobody has the topic. go-sdk gives its programs no data
/// and no error.
fn is_refused(kind: Sdk3, answer: &amop_interop::Event) -> bool {
    match kind {
        Sdk3::Go => answer.has(""),
        _ => answer.code == Some(3001),
    }
}

async fn nobody(kind: Sdk3, sdk: &mut Running) {
    sdk.does(&["unicast", "nobody", "text:anyone?"]).await;
    let answer = sdk.find("answered").await;
    assert!(is_refused(kind, &answer), "{answer:?}");
}

/// All subscribers get a multicast once, wherever they and the publisher are.
async fn multicasts(clients: &[Client; 4], sdk: &mut Running) {
    let news = topic("news");
    let mut streams: Vec<RawSubscription> = Vec::new();
    for client in clients {
        streams.push(client.subscribe_raw(&news).await.unwrap());
    }
    sdk.does(&["subscribe", "news", "silence"]).await;
    // Topics become known in order: a node that knows the last one knows `news`, too.
    sdk.does(&["subscribe", "known", "echo"]).await;
    for client in clients {
        ask(client, &topic("known"), "there?").await;
        assert!(sdk.find("received").await.has("there?"));
    }
    for (at, client) in clients.iter().enumerate() {
        let text = format!("from client {at}");
        client
            .publish_multicast_raw(&news, text.into())
            .await
            .unwrap();
    }
    sdk.does(&["multicast", "news", "text:from the SDK"]).await;
    let mut texts: Vec<String> = (0..4).map(|at| format!("from client {at}")).collect();
    texts.push("from the SDK".to_owned());
    for stream in &mut streams {
        let mut got = Vec::new();
        for _ in &texts {
            let message = within("news", stream.next()).await.unwrap();
            assert_eq!(message.kind(), MessageKind::Multicast);
            got.push(String::from_utf8(message.to_vec()).unwrap());
        }
        got.sort();
        assert_eq!(got, texts);
    }
    // The SDK gets its own multicast, too.
    for _ in 0..texts.len() {
        let event = sdk.find("received").await;
        let at = texts.iter().position(|text| event.has(text));
        texts.remove(at.unwrap_or_else(|| panic!("{event:?}")));
    }
}

/// java-sdk's client for a group, with what it asks the node for.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_java_sdk_finds_its_group() {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::start(1).await;
    let mut java = net.sdk(&sdks, Sdk3::Java, 0).await.unwrap();
    java.does(&["client", "group0"]).await;
    let client = java.find("client").await;
    assert_eq!(client.text.as_deref(), Some("group0"));
    assert_eq!(client.code, Some(0));
    net.end([]).await;
}

/// A program with go-sdk of 2.x asks one with an SDK of 3.x, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn sdks_of_both_generations_ask_each_other() {
    let Some(sdks) = JavaSdks::find() else { return };
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/go");
    let Some(go) = GoSdk::build(target) else {
        return;
    };
    let net = Net::start(2).await;
    for kind in [Sdk3::Java, Sdk3::C] {
        let mut new = net.sdk(&sdks, kind, 0).await.unwrap();
        new.does(&["subscribe", "to-new", "text:from 3.x"]).await;
        ask(
            &net.client(Protocol::V2, 1).await,
            &topic("to-new"),
            "there?",
        )
        .await;
        let flags = ["-text", "from 2.x"];
        let mut old = go.publish(&net.network, 1, "unicast", "to-new", &flags);
        old.find("connected").await;
        let answer = old.find("answered").await;
        assert!(answer.has("from 3.x"), "{answer:?}");
        assert!(new.find("received").await.has("there?"));
        assert!(new.find("received").await.has("from 2.x"));

        let flags = ["-reply", "from 2.x"];
        let old = go.subscribe(&net.network, 1, "to-old", &flags).await;
        let asked = ask(
            &net.client(Protocol::V3, 0).await,
            &topic("to-old"),
            "there?",
        )
        .await;
        assert_eq!(asked.payload, "from 2.x");
        new.does(&["unicast", "to-old", "text:from 3.x"]).await;
        let answer = new.find("answered").await;
        assert!(
            answer.code == Some(0) && answer.has("from 2.x"),
            "{answer:?}"
        );
        old.kill().await;
        new.kill().await;
    }
    net.end([]).await;
}

/// A subscriber that never answers, as go-sdk's programs usually are, has the message: no other one gets
/// it, and the publisher is told that nobody answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_subscriber_keeps_the_message() {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::start(1).await;
    let mut first = net.sdk(&sdks, Sdk3::C, 0).await.unwrap();
    let mut second = net.sdk(&sdks, Sdk3::C, 0).await.unwrap();
    for sdk in [&mut first, &mut second] {
        sdk.does(&["subscribe", "quiet", "silence"]).await;
        sdk.does(&["subscribe", "known", "echo"]).await;
    }
    let client = net.client(Protocol::V2, 0).await;
    for sdk in [&mut first, &mut second] {
        // Either of them answers, so ask until this one has.
        loop {
            ask(&client, &topic("known"), "there?").await;
            if sdk.left("received").next().is_some() {
                break;
            }
            tokio::select! {
                event = sdk.find("received") => {
                    assert!(event.has("there?"));
                    break;
                }
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let error = client
        .publish_unicast_raw(&topic("quiet"), "once".into())
        .await
        .unwrap_err();
    assert!(error.may_have_been_delivered(), "{error}");
    let mut copies = 0;
    for sdk in [&mut first, &mut second] {
        // What came before this has been handled.
        sdk.does(&["multicast", "nobody", "text:nothing"]).await;
        copies += sdk
            .left("received")
            .filter(|event| event.has("once"))
            .count();
    }
    assert_eq!(copies, 1);
    net.end([client]).await;
}
