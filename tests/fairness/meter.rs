//! A connection between two nodes that lets through as many bytes as a test allows.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpSocket, TcpStream, tcp},
    sync::Semaphore,
    task::JoinHandle,
};

/// The size of the steps in which bytes are let through.
const STEP: usize = 4 * 1024;

/// The operating system's buffers for this connection, small so that few bytes are in transit
/// unseen.
const SOCKET: u32 = 64 * 1024;

/// Takes one connection and passes it on. Towards the node that dialled everything passes; in the
/// other direction only what is allowed.
pub(crate) struct Meter {
    pub(crate) address: SocketAddr,
    steps: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Meter {
    /// Starts a meter that first lets everything pass.
    pub(crate) fn start(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SOCKET).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(16).unwrap();
        let address = listener.local_addr().unwrap();
        let steps = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let task = tokio::spawn({
            let steps = steps.clone();
            async move {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(to).await.unwrap();
                let (near_read, mut near_write) = near.into_split();
                let (mut far_read, far_write) = far.into_split();
                // Ends when either direction ends: the nodes see a broken connection.
                tokio::select! {
                    () = metered(near_read, far_write, &steps) => {}
                    _ = copy(&mut far_read, &mut near_write) => {}
                }
            }
        });
        Self {
            address,
            steps,
            task,
        }
    }

    /// From now on only allowed bytes pass. Bytes that were read already may still pass.
    pub(crate) fn close(&self) {
        self.steps.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Lets `bytes` more bytes pass.
    pub(crate) fn allow(&self, bytes: usize) {
        self.steps.add_permits(bytes / STEP);
    }

    /// Lets everything pass again.
    pub(crate) fn open(&self) {
        let left = self.steps.available_permits();
        self.steps.add_permits(Semaphore::MAX_PERMITS / 2 - left);
    }

    pub(crate) async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn metered(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, steps: &Semaphore) {
    let mut part = vec![0; STEP];
    loop {
        let Ok(permit) = steps.acquire().await else {
            return;
        };
        permit.forget();
        match from.read(&mut part).await {
            Ok(len) if len > 0 && to.write_all(&part[..len]).await.is_ok() => {}
            _ => return,
        }
    }
}
