//! A simulated FISCO node: P2P frames over TLS, and nothing of the `amop-node` crate.

use std::sync::Arc;

use amop_proto::p2p::{PeerCodec, PeerFrame, protocol};
use amop_tls::rustls::ClientConfig;
use bytes::{Bytes, BytesMut};

use crate::{RawLink, within};

/// The connection of a FISCO node to another node.
#[derive(Debug)]
pub struct Peer {
    link: RawLink,
    codec: PeerCodec,
    buffer: BytesMut,
}

impl Peer {
    /// Connects; sends nothing.
    ///
    /// # Panics
    ///
    /// If the connection fails.
    pub async fn connect(address: &str, config: Arc<ClientConfig>) -> Self {
        let link = within("TLS", RawLink::connect(address, config)).await;
        Self {
            link: link.unwrap(),
            codec: PeerCodec::default(),
            buffer: BytesMut::new(),
        }
    }

    /// Compresses everything sent from now on.
    #[must_use]
    pub fn compressing(mut self) -> Self {
        self.codec = self.codec.with_compression(true);
        self
    }

    /// Sends a frame.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn send(&mut self, protocol: i32, packet: u16, seq: u32, body: impl Into<Bytes>) {
        let frame = PeerFrame {
            protocol,
            packet,
            seq,
            body: body.into(),
        };
        let mut wire = BytesMut::new();
        self.codec.encode(&frame, &mut wire);
        within("writing", self.link.write(&wire)).await.unwrap();
    }

    /// Returns the next frame of any kind; `None` once closed.
    ///
    /// # Panics
    ///
    /// If nothing arrives, or if it is not a valid frame.
    pub async fn receive_any(&mut self) -> Option<PeerFrame> {
        loop {
            if let Some(frame) = self.codec.decode(&mut self.buffer).unwrap() {
                return Some(frame);
            }
            let record = within("a record", self.link.read()).await.unwrap()?;
            self.buffer.extend_from_slice(&record);
        }
    }

    /// Returns the next frame that a FISCO node would handle: it drops frames of the overlay
    /// extension.
    ///
    /// # Panics
    ///
    /// As [`receive_any`](Self::receive_any), and if the node closes the connection.
    pub async fn receive(&mut self) -> PeerFrame {
        loop {
            let frame = self.receive_any().await.expect("the node closed the link");
            if frame.protocol != protocol::EXTENSION {
                return frame;
            }
        }
    }

    /// Returns the next frame of a protocol and packet type; skips others, for example periodic
    /// ones.
    ///
    /// # Panics
    ///
    /// As [`receive`](Self::receive).
    pub async fn receive_of(&mut self, protocol: i32, packet: u16) -> PeerFrame {
        loop {
            let frame = self.receive().await;
            if (frame.protocol, frame.packet) == (protocol, packet) {
                return frame;
            }
        }
    }
}
