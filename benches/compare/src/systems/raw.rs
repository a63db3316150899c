//! The limit that TLS over the same hops sets: length-prefixed frames through two relaying
//! processes.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{StreamExt, stream, stream::BoxStream};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, server};

use super::{Asking, Client};
use crate::{certs, gate::Gate, job::Target};

/// The number of bytes read at a time.
const READ: usize = 64 * 1024;

#[derive(Clone)]
pub enum RawClient {
    /// The end that dials the first relay.
    Sender(Arc<Sender>),
    /// The end that the last relay dials.
    Receiver(Arc<Receiver>),
}

pub struct Sender {
    pipe: Arc<Pipe>,
    /// The requests that wait for the next frames that come back.
    waiting: Arc<Mutex<VecDeque<oneshot::Sender<Bytes>>>>,
}

pub struct Receiver {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// Frames that wait to be written; frames added during a write are written with the next one.
#[derive(Default)]
struct Pipe {
    queued: Mutex<BytesMut>,
    more: Notify,
}

impl Pipe {
    fn put(&self, payload: &[u8]) {
        let mut queued = self.queued.lock().unwrap();
        queued.put_u32(payload.len() as u32);
        queued.put_slice(payload);
        drop(queued);
        self.more.notify_one();
    }

    async fn write(&self, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut out = BytesMut::new();
        loop {
            std::mem::swap(&mut *self.queued.lock().unwrap(), &mut out);
            if out.is_empty() {
                self.more.notified().await;
                continue;
            }
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        }
    }
}

/// Reads frames.
struct Frames<S> {
    stream: S,
    buffer: BytesMut,
}

impl<S: AsyncRead + Unpin> Frames<S> {
    fn new(stream: S) -> Self {
        let buffer = BytesMut::new();
        Self { stream, buffer }
    }

    /// Returns the next frame; `None` when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(header) = self.buffer.first_chunk() {
                let len = u32::from_be_bytes(*header) as usize;
                if self.buffer.len() >= 4 + len {
                    self.buffer.advance(4);
                    return Some(self.buffer.split_to(len).freeze());
                }
                self.buffer.reserve(4 + len);
            }
            self.buffer.reserve(READ);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

impl RawClient {
    fn sender(&self) -> Result<&Sender> {
        match self {
            Self::Sender(sender) => Ok(sender),
            Self::Receiver(_) => anyhow::bail!("the receiving end does not send"),
        }
    }

    fn receiver(&self) -> Result<&Arc<Receiver>> {
        match self {
            Self::Receiver(receiver) => Ok(receiver),
            Self::Sender(_) => anyhow::bail!("the sending end does not receive"),
        }
    }
}

impl Receiver {
    async fn accept(&self) -> io::Result<server::TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        self.acceptor.accept(stream).await
    }
}

impl Client for RawClient {
    type Messages = BoxStream<'static, Bytes>;

    async fn connect(target: &Target, server: usize) -> Result<Self> {
        if server == 1 {
            let listener = TcpListener::bind(&target.endpoints[1]).await?;
            let acceptor = certs::server(&target.certs)?.into();
            return Ok(Self::Receiver(Arc::new(Receiver { listener, acceptor })));
        }
        let stream = TcpStream::connect(&target.endpoints[0]).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(certs::client(&target.certs)?);
        let name = ServerName::try_from("localhost")?;
        let (reader, writer) = tokio::io::split(connector.connect(name, stream).await?);
        let pipe = Arc::new(Pipe::default());
        let waiting = Arc::new(Mutex::new(VecDeque::<oneshot::Sender<Bytes>>::new()));
        let replies = Arc::clone(&waiting);
        tokio::spawn(async move {
            let mut frames = Frames::new(reader);
            while let Some(frame) = frames.next().await {
                if let Some(waiting) = replies.lock().unwrap().pop_front() {
                    let _ = waiting.send(frame);
                }
            }
        });
        let writing = Arc::clone(&pipe);
        tokio::spawn(async move { writing.write(writer).await });
        Ok(Self::Sender(Arc::new(Sender { pipe, waiting })))
    }

    async fn subscribe(&self, _topic: &str) -> Result<Self::Messages> {
        let receiver = Arc::clone(self.receiver()?);
        // The last relay dials only when the first one is dialled, which happens later.
        let frames = stream::once(async move {
            let stream = receiver.accept().await.ok();
            stream::unfold(stream.map(Frames::new), |frames| async {
                let mut frames = frames?;
                Some((frames.next().await?, Some(frames)))
            })
        });
        Ok(frames.flatten().boxed())
    }

    async fn publish(&self, _topic: &str, payload: Bytes) -> Result<()> {
        self.sender()?.pipe.put(&payload);
        Ok(())
    }

    async fn publish_all(&self, _topic: &str, payload: Bytes, gate: &Gate) -> Result<()> {
        let sender = self.sender()?;
        while gate.enter().await {
            sender.pipe.put(&payload);
        }
        Ok(())
    }
}

impl Asking for RawClient {
    async fn answer(&self, _topic: &str) -> Result<JoinHandle<()>> {
        let receiver = Arc::clone(self.receiver()?);
        Ok(tokio::spawn(async move {
            let Ok(stream) = receiver.accept().await else {
                return;
            };
            let (reader, writer) = tokio::io::split(stream);
            let pipe = Pipe::default();
            let echo = async {
                let mut frames = Frames::new(reader);
                while let Some(frame) = frames.next().await {
                    pipe.put(&frame);
                }
            };
            tokio::select! {
                () = echo => {}
                _ = pipe.write(writer) => {}
            }
        }))
    }

    async fn ask(&self, _topic: &str, payload: Bytes) -> Result<Bytes> {
        let sender = self.sender()?;
        let (reply, replied) = oneshot::channel();
        {
            // Replies come in the order of the requests.
            let mut waiting = sender.waiting.lock().unwrap();
            waiting.push_back(reply);
            sender.pipe.put(&payload);
        }
        replied.await.context("the connection was lost")
    }
}
