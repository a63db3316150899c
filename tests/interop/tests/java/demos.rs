//! The calls of the chain's own demos in Java: AmopPublisher, AmopPublisherPrivate,
//! AmopPublisherFile and QueryAmopSubscribers request a client of group 1, its node and its peers
//! before they publish.

use amop_interop::{Java, JavaSdks, Mode};

use super::net::Net;
use crate::talk::{ask, topic};

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_of_the_chain_run_through() {
    let Some(sdks) = JavaSdks::find() else { return };
    let net = Net::start(Mode::Rsa, 2).await;
    let (files, first) = (net.files("java"), [net.endpoint(0)]);
    let mut java = sdks.start(Java::JavaSdk, Mode::Rsa, &files, &first).await;
    let client = net.client(1).await;
    let name = topic("hello");
    let mut hello = client.subscribe_raw(&name).await.unwrap();
    // The first node knows the subscriber.
    let near = net.client(0).await;
    let answering = async {
        let asked = hello.next().await.unwrap();
        assert_eq!(&asked[..], b"there?");
        asked.reply_bytes(b"yes").unwrap();
    };
    let (there, ()) = tokio::join!(ask(&near, &name, "there?"), answering);
    assert_eq!(there.payload, "yes");

    java.does(&["query", "hello", &first[0]]).await;
    assert_eq!(java.find("groups").await.text.as_deref(), Some("[1]"));
    assert_eq!(java.find("node").await.text, Some(net.node_id(0)));
    assert_eq!(java.find("subscribers").await.bytes, Some(1));
    java.does(&["unicast", "hello", "text:hi"]).await;
    let message = hello.next().await.unwrap();
    assert_eq!(&message[..], b"hi");
    message.reply_bytes(b"and you").unwrap();
    assert!(java.find("answered").await.has("and you"));
    net.end([client, near]).await;
}
