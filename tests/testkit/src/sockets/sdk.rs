//! A simulated SDK: frames over TLS records, and nothing of the `amop` crate.

use std::{net::SocketAddr, sync::Arc};

use amop_proto::channel::{Frame, FrameDecoder, FrameType, Seq};
use amop_tls::rustls::ClientConfig;
use bytes::{Bytes, BytesMut};

use crate::{RawLink, within};

/// Returns a seq that is easy to recognise in a log.
pub fn seq(number: u64) -> Seq {
    let mut seq = [b'0'; Seq::LEN];
    seq.copy_from_slice(format!("{number:032}").as_bytes());
    Seq(seq)
}

/// The connection of another SDK to a node.
///
/// It checks what some SDKs need: no record holds more than one frame, and every frame that fits
/// into one record is not split over two (channel-v2 section 3.4).
#[derive(Debug)]
pub struct Sdk {
    link: RawLink,
}

/// The maximum content of a TLS record.
const RECORD: usize = 16 * 1024;

impl Sdk {
    /// Connects; sends no handshake message.
    ///
    /// # Panics
    ///
    /// If the connection fails.
    pub async fn connect(endpoint: &str, config: Arc<ClientConfig>) -> Self {
        let link = within("TLS", RawLink::connect(endpoint, config)).await;
        Self {
            link: link.unwrap(),
        }
    }

    /// Returns the address by which the node knows this SDK.
    ///
    /// # Panics
    ///
    /// If the operating system does not know it.
    pub fn address(&self) -> SocketAddr {
        self.link.local_address().unwrap()
    }

    /// Sends bytes, well-formed or not.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        within("writing", self.link.write(bytes)).await.unwrap();
    }

    /// Sends a frame.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn send(&mut self, frame: &Frame) {
        self.send_bytes(&frame.to_bytes()).await;
    }

    /// Sends a frame with result 0.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn send_new(&mut self, kind: FrameType, number: u64, body: impl Into<Bytes>) {
        self.send(&Frame::new(kind, seq(number), body)).await;
    }

    /// Returns the content of the next record; `None` once closed.
    ///
    /// # Panics
    ///
    /// If nothing arrives, or the connection breaks.
    pub async fn record(&mut self) -> Option<Vec<u8>> {
        within("a record", self.link.read()).await.unwrap()
    }

    /// Returns the next frame.
    ///
    /// # Panics
    ///
    /// If there is none, or if it does not come in its own records.
    pub async fn receive(&mut self) -> Frame {
        let mut buffer = BytesMut::new();
        let mut records = 0;
        loop {
            let record = self.record().await.expect("the node closed the session");
            records += 1;
            buffer.extend_from_slice(&record);
            if let Some(frame) = FrameDecoder::default().decode(&mut buffer).unwrap() {
                assert!(
                    buffer.is_empty(),
                    "a record goes on after the end of a frame"
                );
                let len = frame.wire_len();
                assert!(
                    len > RECORD || records == 1,
                    "{records} records for {len} bytes"
                );
                return frame;
            }
        }
    }

    /// Sends a request and returns its answer, which must be the next frame and have its seq.
    ///
    /// # Panics
    ///
    /// If there is no answer, or another frame comes first.
    pub async fn ask(&mut self, kind: FrameType, number: u64, body: impl Into<Bytes>) -> Frame {
        self.send_new(kind, number, body).await;
        let answer = self.receive().await;
        assert_eq!(answer.seq, seq(number));
        answer
    }

    /// Waits until the node has handled everything sent before, and checks that it sends nothing
    /// else meanwhile.
    ///
    /// # Panics
    ///
    /// If the node sends anything but the answer to a heartbeat.
    pub async fn settle(&mut self, number: u64) {
        let answer = self.ask(FrameType::HEARTBEAT, number, "0").await;
        assert_eq!(answer.kind, FrameType::HEARTBEAT);
    }

    /// Waits for the node to close the session without sending anything.
    ///
    /// # Panics
    ///
    /// If it sends something or keeps the session open.
    pub async fn closed(&mut self) {
        let record = self.record().await;
        assert_eq!(record, None, "the node should have closed the session");
    }
}
