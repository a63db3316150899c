//! A node that stops and comes back.

use std::net::{Ipv4Addr, SocketAddr};

use amop::{Client, Protocol};
use amop_interop::{JavaSdks, Sdk3};
use amop_node::NodeBuilder;
use amop_testkit::{Graph, PATIENCE, agency, free_ports, identity_of, within};
use amop_tls::pki::ChainV3Authority;

use super::net::files_of;
use crate::talk::{ask, topic};

/// SDKs of 3.x connect again by themselves after 10 to 20 s, and send their topics again.
#[tokio::test(flavor = "multi_thread")]
async fn sdks_and_native_clients_find_a_node_again() {
    let Some(sdks) = JavaSdks::find() else { return };
    let authority = ChainV3Authority::new("FISCO-BCOS").unwrap();
    let files = files_of(&authority);
    let of_node = identity_of(&files.cert, &files.key, &files.ca);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_ports(1)));
    let configure = move |_, builder: NodeBuilder| builder.v3_listen(address, of_node.clone());
    let mut graph = Graph::full_with(1, agency(), configure).await;
    let endpoint = address.to_string();

    let files = files_of(&authority);
    let mut java = Sdk3::Java.start(&sdks, &files, &endpoint).await.unwrap();
    let mut c = Sdk3::C.start(&sdks, &files, &endpoint).await.unwrap();
    let builder = Client::builder()
        .endpoint(&endpoint)
        .identity(identity_of(&files.cert, &files.key, &files.ca))
        .protocol(Protocol::V3)
        .timeout(PATIENCE);
    let client = within("connecting", builder.connect()).await.unwrap();
    let mut own = client.subscribe_raw(&topic("to-us")).await.unwrap();
    for (sdk, name) in [(&mut java, "to-java"), (&mut c, "to-c")] {
        sdk.does(&["subscribe", name, "echo"]).await;
        ask(&client, &topic(name), "before").await;
    }

    graph.stop(0).await;
    graph.start_again(0).await;
    for name in ["to-java", "to-c"] {
        let reply = ask(&client, &topic(name), "after").await;
        assert_eq!(reply.payload, "after");
    }
    c.does(&["unicast", "to-us", "text:after"]).await;
    let question = within("a question", own.next()).await.unwrap();
    assert_eq!(&question[..], b"after");
    question.reply_bytes(b"welcome").unwrap();
    assert!(c.find("answered").await.has("welcome"));
    graph.end([client]).await;
}
