//! One connection of the kit to a node of 3.x: HTTP and WebSocket frames by hand.

use std::io;

use amop_proto::ws::{MAX_MESSAGE, WsMessage, WsSeq, WsType};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::super::problem::{Checked, broken, failed, same};
use crate::show;

/// The request of an SDK, with the key of RFC 6455, section 1.3.
pub(super) const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The longest HTTP header that is read.
const MAX_HTTP: usize = 8 * 1024;

/// The opcodes of WebSocket frames.
pub(super) mod opcode {
    pub(in super::super) const TEXT: u8 = 1;
    pub(in super::super) const BINARY: u8 = 2;
    pub(in super::super) const CLOSE: u8 = 8;
    pub(in super::super) const PING: u8 = 9;
    pub(in super::super) const PONG: u8 = 10;
}

/// A connection after TLS.
#[derive(Debug)]
pub(super) struct V3Link {
    stream: TlsStream<TcpStream>,
}

impl V3Link {
    pub(super) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self { stream }
    }

    async fn write(&mut self, bytes: &[u8]) -> Checked<()> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            Err(error) => broken("the node takes what is sent", &error),
        }
    }

    /// Sends a request, and returns the header of the answer; empty if the node closes the connection.
    pub(super) async fn upgrade(&mut self, request: &str) -> Checked<String> {
        self.write(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) if answer.len() < MAX_HTTP => answer.push(byte),
                Ok(_) => return failed("an HTTP answer", "a header without end"),
                Err(_) => break,
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Sends a WebSocket frame.
    pub(super) async fn frame(&mut self, opcode: u8, payload: &[u8]) -> Checked<()> {
        let mut frame = vec![0x80 | opcode];
        match (payload.len(), u16::try_from(payload.len())) {
            (len @ ..126, _) => frame.push(0x80 | len as u8),
            (_, Ok(len)) => {
                frame.push(0x80 | 126);
                frame.extend(len.to_be_bytes());
            }
            (len, Err(_)) => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        let mask = rand::random::<[u8; 4]>();
        frame.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        self.write(&frame).await
    }

    /// Sends a message.
    pub(super) async fn send(
        &mut self,
        kind: WsType,
        seq: &str,
        payload: impl AsRef<[u8]>,
    ) -> Checked<()> {
        self.frame(opcode::BINARY, &encoded(kind, seq, payload.as_ref()))
            .await
    }

    /// Publishes a message.
    pub(super) async fn publish(
        &mut self,
        kind: WsType,
        seq: &str,
        topic: &[u8],
        data: &[u8],
    ) -> Checked<()> {
        self.send(kind, seq, request(topic, data)).await
    }

    /// Answers a unicast.
    pub(super) async fn reply(
        &mut self,
        unicast: &WsMessage,
        status: i16,
        data: &[u8],
    ) -> Checked<()> {
        let data = Bytes::copy_from_slice(data);
        let mut answer = WsMessage::new(WsType::RESPONSE, unicast.seq.clone(), data);
        answer.status.0 = status;
        match answer.encode() {
            Ok(message) => self.frame(opcode::BINARY, &message.to_bytes()).await,
            Err(error) => failed("a reply that can be sent", error.to_string()),
        }
    }

    /// Returns the next WebSocket frame; `None` once the node has closed the connection.
    pub(super) async fn next(&mut self) -> Checked<Option<(u8, Bytes)>> {
        match self.read().await {
            Ok(frame) => Ok(frame),
            Err(error) => broken("a WebSocket frame", &error),
        }
    }

    async fn read(&mut self) -> io::Result<Option<(u8, Bytes)>> {
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head).await {
            Ok(_) => {}
            Err(error) if amop_tls::is_end(&error) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let len = match head[1] {
            126 => u64::from(self.stream.read_u16().await?),
            127 => self.stream.read_u64().await?,
            len => len.into(),
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if head[0] & 0xf0 != 0x80 || head[1] > 127 || len > MAX_MESSAGE {
            let text = "it is masked, fragmented or too long, which nodes never do";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await?;
        Ok(Some((head[0] & 0x0f, payload.into())))
    }

    /// Returns the next message that is about AMOP or an answer, and answers pings on the way.
    pub(super) async fn message(&mut self) -> Checked<WsMessage> {
        loop {
            let Some((opcode, payload)) = self.next().await? else {
                return failed("a message", "the node closed the connection");
            };
            match opcode {
                opcode::PING => self.frame(opcode::PONG, &payload).await?,
                opcode::PONG => {}
                opcode::BINARY => match WsMessage::decode(payload, MAX_MESSAGE) {
                    // A chain tells its news at any time.
                    Ok(news) if is_news(news.kind) => {}
                    Ok(message) => return Ok(message),
                    Err(error) => return failed("a message", error.to_string()),
                },
                opcode::CLOSE => return failed("a message", "a Close message"),
                other => return failed("a message", format!("a frame with the opcode {other}")),
            }
        }
    }

    /// Returns the next message, which must be the answer to this seq.
    pub(super) async fn answer(&mut self, seq: &str) -> Checked<WsMessage> {
        let answer = self.message().await?;
        let got = String::from_utf8_lossy(answer.seq.as_bytes()).into_owned();
        same("the seq of the answer", got, seq.to_owned())?;
        Ok(answer)
    }

    /// Returns the next message, which must be this kind of AMOP message on this topic.
    pub(super) async fn delivery(
        &mut self,
        kind: WsType,
        topic: &[u8],
        data: &[u8],
    ) -> Checked<WsMessage> {
        let message = self.message().await?;
        is_type(&message, kind)?;
        // The version is the publisher's or 0.
        let body = message.payload.get(4..).unwrap_or_default();
        if body == &request(topic, data)[4..] {
            return Ok(message);
        }
        failed(
            "the topic and the bytes as they were published",
            shown(&message),
        )
    }

    /// Waits until the node closes the connection.
    pub(super) async fn is_closed(&mut self) -> Checked<()> {
        loop {
            match self.read().await {
                Ok(None) | Err(_) | Ok(Some((opcode::CLOSE, _))) => return Ok(()),
                Ok(Some((opcode::BINARY | opcode::TEXT, payload))) => {
                    let text = format!("a message of {} bytes", payload.len());
                    return failed("the end of the connection", text);
                }
                Ok(Some(_)) => {}
            }
        }
    }
}

fn is_news(kind: WsType) -> bool {
    matches!(kind, WsType::BLOCK_NOTIFY | WsType::GROUP_NOTIFY)
}

/// Returns the bytes of a message. Nothing checks it, so that it can be of any type.
pub(super) fn encoded(kind: WsType, seq: &str, payload: &[u8]) -> Vec<u8> {
    let seq = WsSeq::new(seq.as_bytes()).unwrap_or(WsSeq::EMPTY);
    let message = WsMessage::new(kind, seq, Bytes::copy_from_slice(payload));
    message
        .encode()
        .map_or(Vec::new(), |message| message.to_bytes().to_vec())
}

/// Returns the payload of an AMOP message.
fn request(topic: &[u8], data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(topic.len()).unwrap_or(0);
    [&[0; 4], &len.to_be_bytes()[..], topic, data].concat()
}

/// Checks the type of a message.
pub(super) fn is_type(message: &WsMessage, kind: WsType) -> Checked<()> {
    if message.kind == kind {
        return Ok(());
    }
    let expected = format!("{} (0x{:04x})", show::v3_type_name(kind), kind.0);
    failed(expected, shown(message))
}

/// Returns a message on one line.
pub(super) fn shown(message: &WsMessage) -> String {
    format!(
        "{} (0x{:04x}) seq={} status={} {} bytes {}",
        show::v3_type_name(message.kind),
        message.kind.0,
        message.seq.as_bytes().escape_ascii(),
        message.status.0,
        message.payload.len(),
        show::preview(&message.payload, 64, false)
    )
}
