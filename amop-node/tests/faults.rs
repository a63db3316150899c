//! A log that panics stops nothing except the task that logs: lasting tasks start again, and
//! connections are not left behind.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use amop::Client;
use amop_node::{Node, NodeBuilder};
use amop_testkit::{P2P_OFFSET, PATIENCE, agency, free_ports, identity, within};
use amop_tls::{
    Identity,
    pki::{Agency, Leaf},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::yield_now};

/// While this is set, every line panics.
static BROKEN: AtomicBool = AtomicBool::new(false);
static PANICS: AtomicUsize = AtomicUsize::new(0);

struct Output;

impl io::Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if BROKEN.load(Ordering::Relaxed) {
            PANICS.fetch_add(1, Ordering::Relaxed);
            panic!("the log is broken");
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn node(agency: &Agency, name: &str) -> NodeBuilder {
    Node::builder().identity(identity(agency, Leaf::Node, name))
}

async fn connect(node: &Node, sdk: &Identity) -> Client {
    let connecting = Client::builder()
        .endpoint(node.channel_address().to_string())
        .identity(sdk.clone())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .reconnect(amop::ReconnectPolicy::never())
        .connect();
    within("a connection", connecting).await.unwrap()
}

/// Waits until the log has panicked `count` times.
async fn panicked(count: usize) {
    let panicked = async {
        while PANICS.load(Ordering::Relaxed) < count {
            yield_now().await;
        }
    };
    within("a panic", panicked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_panics_stops_no_task_for_good() {
    tracing_subscriber::fmt()
        .with_env_filter("amop_node=debug")
        .with_writer(|| Output)
        .init();
    // The panics of this test are intended.
    std::panic::set_hook(Box::new(|_| {}));
    let agency = agency();
    let sdk = identity(&agency, Leaf::Sdk, "sdk");
    let peer_port = free_ports(1) + P2P_OFFSET;
    let peer = format!("127.0.0.1:{peer_port}").parse().unwrap();
    let listens_at = SocketAddr::from(([127, 0, 0, 1], peer_port));
    let dials = node(&agency, "dials").peer(peer).start().await.unwrap();
    BROKEN.store(true, Ordering::Relaxed);
    // The dialler logs failures, sessions open and close, and a client without a valid certificate
    // connects.
    let before = PANICS.load(Ordering::Relaxed);
    for _ in 0..3 {
        let _ = Client::builder()
            .endpoint(dials.channel_address().to_string())
            .identity(sdk.clone())
            .connect_timeout(PATIENCE)
            .reconnect(amop::ReconnectPolicy::never())
            .connect()
            .await;
        let mut stranger = TcpStream::connect(dials.channel_address()).await.unwrap();
        stranger.write_all(b"no TLS\r\n\r\n").await.unwrap();
    }
    panicked(before + 6).await;
    BROKEN.store(false, Ordering::Relaxed);

    // No session was left behind, new ones are served, and the peer is found once it is there.
    let gone = async {
        while dials.session_count() > 0 {
            yield_now().await;
        }
    };
    within("the end of the sessions", gone).await;
    let listens = node(&agency, "listens").p2p_listen(listens_at);
    let listens = listens.start().await.unwrap();
    dials.wait_for_peers(1, PATIENCE).await.unwrap();
    let client = connect(&dials, &sdk).await;
    assert_eq!(dials.session_count(), 1);
    client.close().await;
    within("the end", dials.shutdown()).await;
    within("the end", listens.shutdown()).await;
}
