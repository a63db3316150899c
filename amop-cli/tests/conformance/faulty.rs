//! A node with one fault: an overlay node behind a proxy that does something wrong.

use std::{net::SocketAddr, sync::Arc};

use amop_node::Network;
use amop_proto::channel::{Frame, FrameDecoder, PROTOCOL_MAX_FRAME};
use amop_testkit::identity;
use amop_tls::{Identity, ServerOptions, pki::Leaf, rustls::ClientConfig};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The effect of a fault on the frames of one session.
pub(crate) trait Fault: Send + 'static {
    /// A frame on its way to the node.
    fn to_node(&mut self, frame: Frame) -> Vec<Frame> {
        vec![frame]
    }

    /// A frame on its way to the SDK.
    fn to_sdk(&mut self, frame: Frame) -> Vec<Frame> {
        vec![frame]
    }

    /// The bytes of frames for the SDK, each to be written as one TLS record.
    fn records(&mut self, frames: Vec<Frame>) -> Vec<Vec<u8>> {
        frames
            .iter()
            .map(|frame| frame.to_bytes().to_vec())
            .collect()
    }
}

/// A faulty node; it stops when dropped.
pub(crate) struct FaultyNode {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl FaultyNode {
    /// Puts a fault before the first node of a network.
    pub(crate) async fn start<F: Fault>(
        network: &Network,
        fault: impl Fn() -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = identity(network.agency(), Leaf::Node, "faulty")
            .server_config(ServerOptions::default())
            .unwrap();
        let client = network.sdk().client_config().unwrap();
        let node = network.endpoint(0).to_owned();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let acceptor = TlsAcceptor::from(server.clone());
                sessions.spawn(session(
                    acceptor,
                    tcp,
                    client.clone(),
                    node.clone(),
                    fault(),
                ));
                while sessions.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            _task: task,
        }
    }

    pub(crate) fn endpoint(&self) -> String {
        self.address.to_string()
    }
}

async fn session(
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    client: Arc<ClientConfig>,
    node: String,
    mut fault: impl Fault,
) {
    // The TLS checks make this fail.
    let Ok(sdk) = acceptor.accept(tcp).await else {
        return;
    };
    let tcp = TcpStream::connect(&node).await.unwrap();
    let node = TlsConnector::from(client)
        .connect(Identity::server_name(), tcp)
        .await
        .unwrap();
    let (mut from_sdk, mut to_sdk) = tokio::io::split(sdk);
    let (mut from_node, mut to_node) = tokio::io::split(node);
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    let mut sdk_is_done = false;
    loop {
        tokio::select! {
            frames = read(&mut from_sdk, &mut up), if !sdk_is_done => match frames {
                Some(frames) => {
                    for frame in frames.into_iter().flat_map(|frame| fault.to_node(frame)) {
                        write(&mut to_node, &frame.to_bytes()).await;
                    }
                }
                None => {
                    // Bytes that are not a frame go to the node unchanged. The node handles them.
                    write(&mut to_node, &up).await;
                    let _ = to_node.shutdown().await;
                    sdk_is_done = true;
                }
            },
            frames = read(&mut from_node, &mut down) => {
                let Some(frames) = frames else { break };
                let frames = frames
                    .into_iter()
                    .flat_map(|frame| fault.to_sdk(frame))
                    .collect();
                for record in fault.records(frames) {
                    write(&mut to_sdk, &record).await;
                }
            }
        }
    }
    let _ = to_sdk.shutdown().await;
}

/// Returns the available frames; `None` at the end of the stream, or when no more can be decoded.
async fn read(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Option<Vec<Frame>> {
    if from.read_buf(buffer).await.ok()? == 0 {
        return None;
    }
    let mut frames = Vec::new();
    while let Some(frame) = FrameDecoder::new(PROTOCOL_MAX_FRAME).decode(buffer).ok()? {
        frames.push(frame);
    }
    Some(frames)
}

/// Ignores errors: if the peer has closed, reading shows it.
async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    if to.write_all(bytes).await.is_ok() {
        let _ = to.flush().await;
    }
}
