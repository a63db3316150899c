//! The connection of a node that lies.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use amop_proto::{
    channel::{Frame, result_code},
    p2p::{
        NodeId, PeerCodec, PeerFrame,
        mesh::{
            Record, RoutingKey, SignedRecord, StatementSigner, Subject, UnicastHeader, Whole,
            encode_hello, encode_known, packet,
        },
        packet as topics_packet, protocol,
    },
};
use amop_tls::Identity;
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::super::{Link, Target};
use crate::machines::extension;

/// The longest message that is examined.
const LONGEST: usize = 64 << 20;

/// The number of frames with records that are kept.
const KEEP: usize = 64;

/// A key that signs as nodes do.
#[derive(Debug, Clone)]
pub(super) struct Key(pub(super) Identity);

impl StatementSigner for Key {
    fn algorithm(&self) -> u8 {
        1
    }

    fn sign(&self, message: &[u8]) -> Option<Bytes> {
        self.0.sign_statement(message).map(Bytes::from)
    }

    fn chain(&self) -> Vec<Bytes> {
        let chain = self.0.chain().iter();
        chain.map(|der| Bytes::copy_from_slice(der)).collect()
    }
}

impl Key {
    /// Returns the ID of the node with this certificate.
    pub(super) fn id(&self) -> io::Result<NodeId> {
        let key = self.0.public_key();
        Ok(NodeId(key.ok_or(io::ErrorKind::InvalidInput)?.0))
    }

    /// Returns a complete record of `subject`, signed with this key, whether that is its key or
    /// not.
    pub(super) fn record(
        &self,
        subject: Subject,
        version: u64,
        neighbours: Vec<RoutingKey>,
        topics: Vec<(Bytes, u32)>,
    ) -> Option<SignedRecord> {
        let stub = matches!(subject, Subject::Stub { .. });
        let whole = Whole {
            agreement: AGREEMENT,
            chain: self.chain(),
        };
        let record = Record {
            subject,
            version,
            base: 0,
            whole: (!stub).then_some(whole),
            neighbours: (!stub).then_some(neighbours),
            topics,
        };
        record.sign(self)
    }
}

/// The public half of a key pair whose secret half is unknown.
const AGREEMENT: [u8; 32] = [9; 32];

/// Returns the microseconds since 1970, from which versions are made.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as u64)
}

/// The kind of node that it pretends to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An overlay node, which sends a greeting.
    Overlay,
    /// A FISCO node.
    Fisco,
}

/// A lying node's connection to an honest one.
pub(super) struct Liar {
    link: Link,
    codec: PeerCodec,
    buffer: BytesMut,
    pub(super) key: Key,
    pub(super) own: NodeId,
    next: u32,
    /// Frames with records of other nodes, as they arrived.
    pub(super) records: Vec<Bytes>,
    /// Messages of others that it was given.
    pub(super) seen: u64,
    /// The topic list with which it answers.
    pub(super) list: Bytes,
    /// Whether it acknowledges nothing.
    pub(super) deaf: bool,
}

impl Liar {
    /// Connects, and introduces itself as this kind of node.
    pub(super) async fn join(target: &Target, identity: &Identity, kind: Kind) -> io::Result<Self> {
        let config = identity
            .peer_client_config(None)
            .map_err(io::Error::other)?;
        let key = Key(identity.clone());
        let mut liar = Self {
            link: Link::connect(&target.p2p, config).await?,
            codec: PeerCodec::default(),
            buffer: BytesMut::new(),
            own: key.id()?,
            key,
            next: 1,
            records: Vec::new(),
            seen: 0,
            list: Bytes::from_static(b"1"),
            deaf: false,
        };
        if kind == Kind::Overlay {
            liar.say(packet::HELLO, 0, encode_hello()).await?;
        }
        let body = Bytes::from_static(b"0");
        liar.send(protocol::TOPIC, topics_packet::TOPIC_SEQ, 0, body)
            .await?;
        Ok(liar)
    }

    /// Joins as an overlay node does: states itself, with links to `neighbours`, and learns what
    /// the node knows.
    pub(super) async fn settle_in(
        &mut self,
        neighbours: Vec<RoutingKey>,
        topics: Vec<(Bytes, u32)>,
    ) -> io::Result<()> {
        self.introduce(neighbours, topics).await?;
        self.listen(Duration::from_millis(100)).await
    }

    /// The same, but reads nothing.
    pub(super) async fn introduce(
        &mut self,
        neighbours: Vec<RoutingKey>,
        topics: Vec<(Bytes, u32)>,
    ) -> io::Result<()> {
        self.put(&extension(packet::KNOWN, 0, encode_known([])))
            .await?;
        let own = self
            .key
            .record(Subject::Node(self.own), now(), neighbours, topics);
        let own = own.ok_or(io::ErrorKind::InvalidInput)?;
        let number = self.number();
        self.put(&extension(packet::RECORDS, number, own.bytes().clone()))
            .await
    }

    pub(super) async fn send(
        &mut self,
        protocol: i32,
        packet: u16,
        seq: u32,
        body: Bytes,
    ) -> io::Result<()> {
        let frame = PeerFrame {
            protocol,
            packet,
            seq,
            body,
        };
        self.put(&frame).await?;
        self.take().await
    }

    /// Sends a frame, without handling frames that have arrived.
    pub(super) async fn put(&mut self, frame: &PeerFrame) -> io::Result<()> {
        let mut wire = BytesMut::new();
        self.codec.encode(frame, &mut wire);
        self.write(&wire).await
    }

    /// Returns the next frame, without handling it.
    pub(super) async fn next(&mut self) -> io::Result<PeerFrame> {
        loop {
            let frame = self.codec.decode(&mut self.buffer);
            if let Some(frame) = frame.map_err(io::Error::other)? {
                return Ok(frame);
            }
            ended(self.link.reader.read_buf(&mut self.buffer).await?)?;
        }
    }

    /// Writes, and reads at the same time: a node does not wait for a peer that does not read.
    async fn write(&mut self, wire: &[u8]) -> io::Result<()> {
        let mut rest = wire;
        while !rest.is_empty() {
            tokio::select! {
                written = self.link.writer.write(rest) => match written? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    written => rest = &rest[written..],
                },
                read = self.link.reader.read_buf(&mut self.buffer) => ended(read?)?,
            }
        }
        self.link.writer.flush().await
    }

    pub(super) async fn say(&mut self, packet: u16, seq: u32, body: Bytes) -> io::Result<()> {
        self.send(protocol::EXTENSION, packet, seq, body).await
    }

    /// Handles the frames that have arrived. It answers like a node that wants to stay connected,
    /// and refuses every unicast, so that the next subscriber is asked.
    async fn take(&mut self) -> io::Result<()> {
        let mut answers = BytesMut::new();
        while let Some(frame) = self
            .codec
            .decode(&mut self.buffer)
            .map_err(io::Error::other)?
        {
            if let Some(answer) = self.answer(frame) {
                self.codec.encode(&answer, &mut answers);
            }
        }
        if answers.is_empty() {
            return Ok(());
        }
        // Frames that arrive meanwhile are handled with the next frame.
        self.write(&answers).await
    }

    fn answer(&mut self, frame: PeerFrame) -> Option<PeerFrame> {
        let PeerFrame {
            protocol,
            packet,
            seq,
            body,
        } = frame;
        match (protocol, packet) {
            (protocol::EXTENSION, packet::RECORDS) => {
                if self.records.len() < KEEP {
                    self.records.push(body);
                }
                (!self.deaf).then(|| extension(packet::TAKEN, seq, Bytes::new()))
            }
            (protocol::EXTENSION, packet::UNICAST) => {
                self.seen += 1;
                Some(extension(packet::ANSWER, seq, refuse_envelope(body)?))
            }
            (
                protocol::EXTENSION,
                packet::MULTICAST
                | packet::RELAYED_UNICAST
                | packet::RELAYED_ANSWER
                | packet::RELAYED_MULTICAST,
            ) => {
                self.seen += 1;
                None
            }
            (protocol::TOPIC, topics_packet::REQUEST_TOPICS) => Some(PeerFrame {
                protocol: -protocol::TOPIC,
                packet: topics_packet::TOPICS,
                seq,
                body: self.list.clone(),
            }),
            (protocol::AMOP, topics_packet::UNICAST) => {
                self.seen += 1;
                let frame = Frame::from_bytes(body, LONGEST).ok()?;
                Some(PeerFrame {
                    protocol: -protocol::AMOP,
                    packet,
                    seq,
                    body: refuse(&frame).to_bytes(),
                })
            }
            _ => None,
        }
    }

    /// Reads for a while.
    pub(super) async fn listen(&mut self, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        loop {
            let read = self.link.reader.read_buf(&mut self.buffer);
            match timeout_at(until, read).await {
                Ok(read) => {
                    ended(read?)?;
                    self.take().await?;
                }
                Err(_) => return Ok(()),
            }
        }
    }

    /// Reads until the node ends the connection.
    pub(super) async fn stay(&mut self) -> io::Result<()> {
        loop {
            self.listen(Duration::from_millis(500)).await?;
            self.say(packet::HELLO, 0, encode_hello()).await?;
        }
    }

    pub(super) fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// Sends records in one packet.
    pub(super) async fn state(
        &mut self,
        records: impl IntoIterator<Item = SignedRecord>,
    ) -> io::Result<()> {
        let mut body = BytesMut::new();
        for record in records {
            body.extend_from_slice(record.bytes());
        }
        let number = self.number();
        self.say(packet::RECORDS, number, body.freeze()).await
    }
}

fn ended(read: usize) -> io::Result<()> {
    match read {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Returns the refusal "nobody here" for a unicast.
fn refuse(frame: &Frame) -> Frame {
    frame.respond(result_code::NO_SESSION, frame.body.clone())
}

/// The same for a unicast in a header.
fn refuse_envelope(body: Bytes) -> Option<Bytes> {
    let (header, frame) = UnicastHeader::decode(body)?;
    let frame = Frame::from_bytes(frame, LONGEST).ok()?;
    let answer = UnicastHeader {
        source: header.target,
        target: header.source,
        id: header.id,
    };
    Some(answer.encode(&refuse(&frame)))
}
