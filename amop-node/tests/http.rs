//! JSON-RPC over HTTP, requested byte by byte over plain TCP.

use std::{net::SocketAddr, time::Duration};

use amop_node::{Limits, ListenLimits, Network, NodeBuilder};
use amop_proto::channel::FrameType;
use amop_testkit::{PATIENCE, Sdk, client, network_with, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"getClientVersion"}"#;

/// Turns HTTP on, with limits that a busy machine does not reach.
fn serving(builder: NodeBuilder, limits: ListenLimits) -> NodeBuilder {
    builder
        .rpc_listen(SocketAddr::from(([127, 0, 0, 1], 0)))
        .listen_limits(limits)
}

fn patient() -> ListenLimits {
    ListenLimits {
        http_time: PATIENCE,
        ..ListenLimits::default()
    }
}

async fn network(nodes: usize, limits: ListenLimits) -> Network {
    network_with(nodes, move |_, builder| serving(builder, limits)).await
}

fn address(network: &Network) -> SocketAddr {
    network.node(0).unwrap().rpc_address().unwrap()
}

async fn connect(network: &Network) -> TcpStream {
    within("TCP", TcpStream::connect(address(network)))
        .await
        .unwrap()
}

/// Reads everything up to the end of the connection; a reset counts as the end, too.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut all)).await;
    String::from_utf8(all).unwrap()
}

/// Returns the status and the body of the answer to a request.
async fn ask(network: &Network, request: &str) -> (u16, String) {
    let mut stream = connect(network).await;
    within("writing", stream.write_all(request.as_bytes()))
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn post(body: &str) -> String {
    let len = body.len();
    format!("POST / HTTP/1.1\r\nHost: node\r\nContent-Length: {len}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_channel_give_the_same_answers() {
    let network = network(2, patient()).await;
    let subscriber = client(&network, 1).await;
    let topic = "over-http".parse().unwrap();
    let _subscription = subscriber.subscribe_raw(&topic).await.unwrap();
    let tls = network.sdk().client_config().unwrap();
    let mut sdk = Sdk::connect(network.endpoint(0), tls).await;
    let method =
        |name: &str| format!(r#"{{"jsonrpc":"2.0","id":"x","method":"{name}","params":[1]}}"#);
    let bodies = [
        VERSION.to_owned(),
        method("getPeers"),
        method("getNodeIDList"),
        method("getNodeInfo"),
        method("getGroupList"),
        method("getBlockNumber"),
        method("getGroupPeers"),
        method("sendRawTransaction"),
        method("noSuchMethod"),
        format!("[{VERSION},{}]", method("getPeers")),
        "[]".to_owned(),
        "{".to_owned(),
        String::new(),
        r#"{"jsonrpc":"2.0","method":"getPeers"}"#.to_owned(),
        method("rpc_modules"),
        r#"{"jsonrpc":"2.0","id":-3,"method":"getPeers","params":["1"]}"#.to_owned(),
    ];
    for (number, body) in (1..).zip(&bodies) {
        let answer = sdk.ask(FrameType::RPC, number, body.clone()).await;
        let expected = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(ask(&network, &post(body)).await, (200, expected), "{body}");
    }
    let (_, peers) = ask(&network, &post(&bodies[1])).await;
    assert!(peers.contains(r#""Topic":["over-http"]"#), "{peers}");
    subscriber.close().await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_come_in_pieces() {
    let network = network(1, patient()).await;
    let pieces: String = VERSION.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let head = "POST /any/path HTTP/1.1\r\nHost: node\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (status, body) = ask(&network, &format!("{head}{pieces}0\r\n\r\n")).await;
    assert_eq!(status, 200);
    assert!(body.contains(r#""Supported Version":"2.11.1""#), "{body}");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_question_is_refused() {
    let network = network(1, patient()).await;
    let length =
        |bytes: usize| format!("POST / HTTP/1.1\r\nHost: n\r\nContent-Length: {bytes}\r\n\r\n");
    let chunked = "POST / HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mib = 1 << 20;
    let spaces = " ".repeat(mib);
    let from_page = post(VERSION).replacen("Host", "Origin: http://page.example\r\nHost", 1);
    let cases = [
        ("GET / HTTP/1.1\r\nHost: n\r\n\r\n".to_owned(), 405),
        ("OPTIONS / HTTP/1.1\r\nHost: n\r\n\r\n".to_owned(), 405),
        (from_page, 403),
        // Refused by its length alone, and by the bytes that really came.
        (length(mib + 1), 413),
        (format!("{chunked}{mib:x}\r\n{spaces}\r\n1\r\nx"), 413),
        (format!("{chunked}not a length\r\n"), 400),
        ("this is not HTTP\r\n\r\n".to_owned(), 400),
        (
            format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(32 * 1024)),
            431,
        ),
    ];
    for (request, expected) in cases {
        let head: String = request.chars().take(60).collect();
        assert_eq!(ask(&network, &request).await.0, expected, "{head}");
    }
    // The longest request that is allowed.
    let (status, body) = ask(&network, &post(&spaces)).await;
    assert_eq!(status, 200);
    assert!(body.contains("-32700"), "{body}");
    network.shutdown().await;
}

/// A client that is slow with the head or with the body is disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_a_deadline() {
    let limits = ListenLimits {
        http_time: Duration::from_millis(200),
        ..ListenLimits::default()
    };
    let network = network(1, limits).await;
    let request = post(VERSION);
    for sent in [0, 1, 30, request.len() - 1] {
        let mut stream = connect(&network).await;
        stream.write_all(&request.as_bytes()[..sent]).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{sent} bytes");
    }
    network.shutdown().await;
}

/// Connections that send nothing, or half a request, make room for those that send requests.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_none_keeps_another_out() {
    let limits = ListenLimits {
        http: 2,
        first_byte_time: PATIENCE,
        ..patient()
    };
    let network = network(1, limits).await;
    let node = network.node(0).unwrap();
    let mut idle = Vec::new();
    for n in 1..=20 {
        let mut stream = connect(&network).await;
        if n % 2 == 0 {
            // It may have lost its place already.
            let _ = stream.write_all(b"POST / HTTP/1.1\r\n").await;
        }
        idle.push(stream);
    }
    within("those that lost their places", async {
        while node.stats().http_displaced < 18 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..3 {
        assert_eq!(ask(&network, &post(VERSION)).await.0, 200);
    }
    // The first ones were closed.
    assert_eq!(rest(&mut idle[0]).await, "");
    network.shutdown().await;
}

/// Neither silent connections nor requests in progress delay the end of a node, and its port is
/// free afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_it() {
    let network = network(1, patient()).await;
    let address = address(&network);
    let mut idle = connect(&network).await;
    let mut slow = connect(&network).await;
    let request = post(VERSION);
    slow.write_all(&request.as_bytes()[..request.len() - 1])
        .await
        .unwrap();
    within("the end", network.shutdown()).await;
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut slow).await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_off_unless_asked_for() {
    let network = amop_testkit::network(1).await;
    assert_eq!(network.node(0).unwrap().rpc_address(), None);
    network.shutdown().await;
}

/// Sends a request from another address of this machine.
async fn ask_from(network: &Network, host: [u8; 4]) -> String {
    rest(&mut asked_from(network, host, VERSION).await).await
}

/// Sends a request from another address of this machine; the client reads only a little at a time.
async fn asked_from(network: &Network, host: [u8; 4], body: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((host, 0))).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = within("TCP", socket.connect(address(network)))
        .await
        .unwrap();
    within("writing", stream.write_all(post(body).as_bytes()))
        .await
        .unwrap();
    stream
}

#[cfg(target_os = "linux")]
const LISTS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"getNodeInfo"}"#;

/// Subscribes to so many topics that the node's list of topics is as long as allowed, and waits
/// until it is.
#[cfg(target_os = "linux")]
async fn subscribe_to_much(network: &Network) -> Vec<Sdk> {
    let config = network.sdk().client_config().unwrap();
    let mut sdks = Vec::new();
    for sdk in 0..4 {
        // Each of these characters is two bytes of JSON.
        let name = |n| format!("\"{sdk}{n:04}{}\"", r"\\".repeat(230));
        let names: Vec<String> = (0..4000).map(name).collect();
        let mut sdk = Sdk::connect(network.endpoint(0), config.clone()).await;
        let set = format!("[{}]", names.join(","));
        sdk.send_new(FrameType::SET_TOPICS, 1, set).await;
        sdk.settle(2).await;
        sdks.push(sdk);
    }
    let last = sdks.last_mut().unwrap();
    within("the topics", async {
        for number in 3.. {
            let answer = last.ask(FrameType::RPC, number, LISTS).await;
            if answer.body.len() > LONG {
                break;
            }
        }
    })
    .await;
    sdks
}

#[cfg(target_os = "linux")]
const LONG: usize = 5_000_000;

/// Returns the beginning of an answer.
#[cfg(target_os = "linux")]
fn head(answer: &str) -> &str {
    answer.get(..500).unwrap_or(answer)
}

/// Answers that unknown clients do not read are held within a budget, and short answers are
/// available for everyone.
#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn answers_that_nobody_reads_are_bounded_and_leave_room_for_others() {
    let listen = ListenLimits {
        http_answers: 12 << 20,
        http_rate: 100_000,
        ..patient()
    };
    let limits = Limits {
        session_text: 1 << 30,
        session_topic_changes: 100_000,
        topic_changes: 100_000,
        ..Limits::default()
    };
    let network = network_with(1, move |_, builder| serving(builder, listen).limits(limits)).await;
    let sdks = subscribe_to_much(&network).await;
    let mut idle = asked_from(&network, [127, 0, 0, 1], LISTS).await;
    let mut begins = [0; 12];
    within("the answer", idle.read_exact(&mut begins))
        .await
        .unwrap();
    assert_eq!(&begins, b"HTTP/1.1 200");
    let other = [127, 0, 0, 2];
    let refused = rest(&mut asked_from(&network, other, LISTS).await).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{}", head(&refused));
    assert!(
        refused.to_lowercase().contains("retry-after: "),
        "{refused}"
    );
    assert!(refused.contains("amop_limits.http_answers"), "{refused}");
    let short = ask_from(&network, other).await;
    assert!(short.starts_with("HTTP/1.1 200"), "{short}");
    assert_eq!(network.node(0).unwrap().stats().http_refused, 1);
    // Once it was read, there is room again.
    assert!(rest(&mut idle).await.len() > LONG);
    within("room for another answer", async {
        loop {
            let answer = rest(&mut asked_from(&network, other, LISTS).await).await;
            if answer.starts_with("HTTP/1.1 200") {
                return assert!(answer.len() > LONG);
            }
            assert!(answer.starts_with("HTTP/1.1 503"), "{}", head(&answer));
        }
    })
    .await;
    drop(sdks);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn an_address_that_asks_too_often_is_told_so_and_others_are_answered() {
    let limits = ListenLimits {
        http_rate: 1,
        ..patient()
    };
    let network = network(1, limits).await;
    let mut refused = None;
    // Four at once, and one more for each second that passes.
    for _ in 0..200 {
        let answer = ask_from(&network, [127, 0, 0, 1]).await;
        if !answer.starts_with("HTTP/1.1 200") {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("one is too many");
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    assert!(
        refused.to_lowercase().contains("retry-after: "),
        "{refused}"
    );
    assert!(
        refused.contains("too many questions from your address"),
        "{refused}"
    );
    let other = ask_from(&network, [127, 0, 0, 2]).await;
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    assert_eq!(network.node(0).unwrap().stats().http_refused, 1);
    network.shutdown().await;
}
