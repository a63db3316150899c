//! Requests to a node's JSON-RPC port. Each gets one answer or none, and the next request is
//! answered.
#![no_main]
#![forbid(unsafe_code)]

use std::{cell::OnceCell, net::SocketAddr, time::Duration};

use amop_fuzz::node;
use amop_node::{ListenLimits, Node};
use libfuzzer_sys::fuzz_target;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::{Builder, Runtime},
};

const QUESTION: &[u8] = b"POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 54\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getClientVersion\"}\r\n\r\n";

struct Setup {
    runtime: Runtime,
    node: Node,
    asked: std::cell::Cell<u64>,
}

thread_local! {
    static SETUP: OnceCell<Setup> = const { OnceCell::new() };
}

/// Starts a node on a runtime without threads, so that all coverage belongs to this input.
fn setup() -> Setup {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = ListenLimits::default().with(|limits| limits.http_time = Duration::from_secs(2));
    let node = Node::builder()
        .identity(node())
        .channel_listen(any)
        .p2p_listen(any)
        .rpc_listen(any)
        .listen_limits(limits);
    let node = runtime.block_on(node.start()).unwrap();
    Setup {
        runtime,
        node,
        asked: 0.into(),
    }
}

/// Sends the whole request, closes the sending direction, and returns the answer.
async fn ask(node: &Node, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(node.rpc_address().unwrap())
        .await
        .unwrap();
    // There are thousands of connections per second: none may stay in the operating system.
    stream.set_zero_linger().unwrap();
    let mut answer = Vec::new();
    let (mut reader, mut writer) = stream.split();
    // A node that needs no more of it stops reading and resets the connection.
    let write = async {
        let _ = writer.write_all(request).await;
        let _ = writer.shutdown().await;
    };
    let read = async {
        let _ = reader.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(Duration::from_secs(4), async { tokio::join!(write, read) })
        .await
        .expect("the node ends every connection");
    answer
}

fuzz_target!(|request: &[u8]| {
    SETUP.with(|cell| {
        let setup = cell.get_or_init(setup);
        let answer = setup.runtime.block_on(ask(&setup.node, request));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."));
        let asked = setup.asked.get() + 1;
        setup.asked.set(asked);
        if asked % 64 == 0 {
            let answer = setup.runtime.block_on(ask(&setup.node, QUESTION));
            assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{:?}",
                answer.utf8_chunks()
            );
        }
    });
});
