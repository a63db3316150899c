//! An SDK of 3.x that sends any bytes: TLS, the upgrade and WebSocket frames by hand.

use std::io;

use amop_proto::ws::{
    AmopRequest, EncodedMessage, MAX_MESSAGE, WsHandshakeRequest, WsMessage, WsSeq, WsType,
};
use amop_tls::{
    Identity,
    pki::{ChainV3Authority, PkiError},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The request that SDKs send (ws-v3 section 3).
pub const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:20200\r\nUpgrade: websocket\r\n\
    Connection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The opcodes of WebSocket frames.
pub mod opcode {
    /// Text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// The end of the connection.
    pub const CLOSE: u8 = 8;
    /// A question for a sign of life.
    pub const PING: u8 = 9;
    /// The answer to it.
    pub const PONG: u8 = 10;
}

/// The certificates of a 3.x chain with one node.
#[derive(Debug, Clone)]
pub struct V3Certificates {
    /// Those of the node.
    pub node: Identity,
    /// Those of an SDK.
    pub sdk: Identity,
}

impl V3Certificates {
    /// Makes the certificates of a new chain.
    ///
    /// # Panics
    ///
    /// If they cannot be made.
    pub fn new() -> Self {
        let made = || -> Result<Self, PkiError> {
            let authority = ChainV3Authority::new("FISCO-BCOS-1")?;
            let identity = || -> Result<Identity, PkiError> {
                let issued = authority.issue()?;
                let [cert, key] = [&issued.cert_pem, &issued.key_pem].map(|pem| pem.as_bytes());
                let ca = authority.cert_pem().as_bytes();
                Ok(Identity::from_pem(cert, key, ca).unwrap())
            };
            Ok(Self {
                node: identity()?,
                sdk: identity()?,
            })
        };
        made().unwrap()
    }
}

impl Default for V3Certificates {
    fn default() -> Self {
        Self::new()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An SDK of 3.x, or a connection that may become one.
pub struct V3Sdk {
    stream: Box<dyn Stream>,
}

impl std::fmt::Debug for V3Sdk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("V3Sdk").finish_non_exhaustive()
    }
}

/// A WebSocket frame that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V3Frame {
    /// What it is.
    pub opcode: u8,
    /// Its payload.
    pub payload: Bytes,
}

impl V3Sdk {
    /// Connects with TLS, without the upgrade.
    ///
    /// # Errors
    ///
    /// Returns errors of TCP and TLS.
    pub async fn tls(address: &str, identity: &Identity) -> io::Result<Self> {
        let config = identity.client_config().map_err(io::Error::other)?;
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(Identity::server_name(), tcp).await?;
        let stream = Box::new(stream);
        Ok(Self { stream })
    }

    /// Connects without TLS, and without the upgrade.
    ///
    /// # Errors
    ///
    /// Returns errors of TCP.
    pub async fn plain(address: &str) -> io::Result<Self> {
        let stream = Box::new(TcpStream::connect(address).await?);
        Ok(Self { stream })
    }

    /// Connects and does the upgrade and the handshake.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    pub async fn connect(address: &str, identity: &Identity) -> Self {
        let mut sdk = Self::tls(address, identity).await.unwrap();
        sdk.begin().await;
        sdk
    }

    /// Does the upgrade and the handshake. Returns the payload of the handshake's answer.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    pub async fn begin(&mut self) -> Bytes {
        let answer = self.upgrade(UPGRADE).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let payload = WsHandshakeRequest::client().to_payload();
        self.send(WsType::HANDSHAKE, "handshake", payload).await;
        let answer = self.message().await.unwrap();
        assert_eq!(answer.kind, WsType::HANDSHAKE);
        answer.payload
    }

    /// Sends a request, and returns the header of the answer.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn upgrade(&mut self, request: &str) -> io::Result<String> {
        self.write(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(self.stream.read_u8().await?);
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Returns the bytes of a WebSocket frame.
    pub fn frame(opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ ..126 => frame.push(mask_bit | len as u8),
            len @ 126..=0xffff => {
                frame.push(mask_bit | 126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(mask_bit | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        if masked {
            frame.extend(mask);
            frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        } else {
            frame.extend(payload);
        }
        frame
    }

    /// Sends a binary WebSocket message.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn binary(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(&Self::frame(opcode::BINARY, true, payload))
            .await
    }

    /// Sends a message that may be wrong.
    ///
    /// # Panics
    ///
    /// If the connection has ended, or the seq is too long.
    pub async fn send(&mut self, kind: WsType, seq: &str, payload: impl AsRef<[u8]>) {
        let mut message = vec![0, 0];
        message.extend(kind.0.to_be_bytes());
        message.extend([0, 0]);
        message.extend(u16::try_from(seq.len()).unwrap().to_be_bytes());
        message.extend(seq.as_bytes());
        message.extend([0, 0]);
        message.extend(payload.as_ref());
        self.binary(&message).await.unwrap();
    }

    /// Sends the list of its topics.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn list(&mut self, topics: &[&str]) {
        let list = serde_json::json!({ "topics": topics }).to_string();
        self.send(WsType::SET_TOPICS, &seq("list"), list).await;
    }

    /// Subscribes to topics in addition to no others, and returns when they are in force: 3.x has no
    /// acknowledgement, so the SDK sends itself a unicast on a topic that nobody else has.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn subscribe(&mut self, topics: &[&str]) {
        let own = format!("own topic {:p}", &raw const self.stream);
        self.list(&[topics, &[&own]].concat()).await;
        loop {
            self.publish(WsType::UNICAST, "own", own.as_bytes(), b"")
                .await;
            let message = self.message().await.unwrap();
            if message.kind == WsType::UNICAST {
                self.answer(&message, 0, "").await;
                let answer = self.message().await.unwrap();
                assert_eq!((answer.seq, answer.status.0), (ws_seq("own"), 0));
                return;
            }
            assert_eq!((message.seq, message.status.0), (ws_seq("own"), 3001));
        }
    }

    /// Publishes a message.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn publish(&mut self, kind: WsType, name: &str, topic: &[u8], data: &[u8]) {
        let mut payload = vec![0; 4];
        payload.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        payload.extend(topic);
        payload.extend(data);
        self.send(kind, &seq(name), payload).await;
    }

    /// Sends a message.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn message_out(&mut self, message: EncodedMessage) {
        self.binary(&message.to_bytes()).await.unwrap();
    }

    /// Answers a unicast.
    ///
    /// # Panics
    ///
    /// If the connection has ended.
    pub async fn answer(&mut self, unicast: &WsMessage, status: i16, data: &'static str) {
        let mut answer = WsMessage::new(WsType::RESPONSE, unicast.seq.clone(), data);
        answer.status.0 = status;
        self.message_out(answer.encode().unwrap()).await;
    }

    /// Returns the next WebSocket frame; `None` once the other side has closed the connection.
    ///
    /// # Errors
    ///
    /// Returns errors of the connection.
    pub async fn next(&mut self) -> io::Result<Option<V3Frame>> {
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        assert_eq!(head[0] & 0x80, 0x80, "nodes never fragment");
        assert_eq!(head[1] & 0x80, 0, "nodes never mask");
        let len = match head[1] {
            126 => usize::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await? as usize,
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await?;
        Ok(Some(V3Frame {
            opcode: head[0] & 0x0f,
            payload: payload.into(),
        }))
    }

    /// Returns the next message, and answers pings on the way; `None` once the node has closed the
    /// connection.
    pub async fn message(&mut self) -> Option<WsMessage> {
        loop {
            let frame = self.next().await.ok()??;
            match frame.opcode {
                opcode::PING => {
                    let pong = Self::frame(opcode::PONG, true, &frame.payload);
                    self.write(&pong).await.ok()?;
                }
                opcode::BINARY => {
                    return Some(WsMessage::decode(frame.payload, MAX_MESSAGE).unwrap());
                }
                opcode::CLOSE => return None,
                other => panic!("a frame with the opcode {other}"),
            }
        }
    }

    /// Returns the next message with its request.
    ///
    /// # Panics
    ///
    /// If the connection ends, or it is another message.
    pub async fn request(&mut self) -> (WsMessage, AmopRequest) {
        let message = self.message().await.unwrap();
        assert!(
            matches!(message.kind, WsType::UNICAST | WsType::MULTICAST),
            "{message:?}"
        );
        let request = AmopRequest::decode(&message.payload).unwrap();
        (message, request)
    }

    /// Returns the code of the Close message with which the node ends the connection; `None` if it
    /// ends without one. Messages before it are dropped.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            let frame = self.next().await.ok()??;
            if frame.opcode == opcode::CLOSE {
                let code = frame.payload.first_chunk()?;
                return Some(u16::from_be_bytes(*code));
            }
        }
    }
}

/// Returns a seq of 32 characters that begins with a name.
pub fn seq(name: &str) -> String {
    format!("{name:0<32}")
}

/// Returns the same, as answers have it.
pub fn ws_seq(name: &str) -> WsSeq {
    WsSeq::new(seq(name).as_bytes()).unwrap()
}
