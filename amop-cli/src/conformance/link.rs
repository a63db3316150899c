//! One session with a node, frame by frame and record by record.

use std::{sync::Arc, time::Duration};

use amop_proto::channel::{
    Frame, FrameDecoder, FrameType, HandshakeRequest, PROTOCOL_MAX_FRAME, Seq, encode_topics,
};
use amop_tls::{Mode, rustls::ClientConfig};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::client::TlsStream;

use super::problem::{CheckProblem, Checked, broken, failed, same, same_frame};
use crate::{WireError, show, wire};

/// The time in which a node must give an answer that needs no waiting. Long, for busy machines.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The time in which no frame may arrive, counted from a heartbeat after the cause. FISCO nodes
/// handle the frames of a session in any order (channel-v2 section 6.3).
const QUIET: Duration = Duration::from_millis(300);

/// A session.
#[derive(Debug)]
pub(super) struct TestSession {
    stream: TlsStream<TcpStream>,
    buffer: BytesMut,
    /// The number of records that held the last frame, and whether it ended with its record.
    pub(super) records: FrameRecords,
}

/// The place of the last frame in the TLS records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FrameRecords {
    pub(super) count: usize,
    pub(super) ends_with_frame: bool,
}

/// Returns a new seq.
pub(super) fn seq() -> Seq {
    Seq::random(&mut rand::rng())
}

impl TestSession {
    pub(super) async fn connect(
        endpoint: &str,
        tls: Arc<ClientConfig>,
        mode: Mode,
    ) -> Result<Self, WireError> {
        Ok(Self {
            stream: wire::connect(endpoint, tls, mode).await?,
            buffer: BytesMut::new(),
            records: FrameRecords::default(),
        })
    }

    /// Writes bytes, in one TLS record if they fit.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> Checked<()> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(PATIENCE, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => broken("the node reads", &error),
            Err(_) => failed("the node reads", "it does not"),
        }
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> Checked<()> {
        self.send_bytes(&frame.to_bytes()).await
    }

    /// Closes this side of the session: no more frames are sent.
    pub(super) async fn finish(&mut self) -> Checked<()> {
        match timeout(PATIENCE, self.stream.shutdown()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => broken("the node reads", &error),
            Err(_) => failed("the node reads", "it does not"),
        }
    }

    /// Returns the next frame before a deadline, or the end of the session.
    async fn next(&mut self, deadline: Instant) -> Checked<NextFrame> {
        self.records = FrameRecords::default();
        loop {
            match FrameDecoder::new(PROTOCOL_MAX_FRAME).decode(&mut self.buffer) {
                Ok(Some(frame)) => {
                    self.records.ends_with_frame = self.buffer.is_empty();
                    return Ok(NextFrame::Frame(frame));
                }
                Ok(None) => {}
                Err(error) => return failed("a frame", error.to_string()),
            }
            let record = match timeout_at(deadline, wire::read_record(&mut self.stream)).await {
                Err(_) => return Ok(NextFrame::Nothing),
                Ok(Ok(record)) if record.is_empty() => return Ok(NextFrame::End),
                Ok(Ok(record)) => record,
                Ok(Err(error)) => return broken("a frame", &error),
            };
            self.records.count += 1;
            self.buffer.extend_from_slice(&record);
        }
    }

    /// Returns the next frame, which must arrive.
    pub(super) async fn receive(&mut self, what: &str) -> Checked<Frame> {
        match self.receive_or_end(what).await? {
            Some(frame) => Ok(frame),
            None => failed(what, "the node closed the session"),
        }
    }

    /// Returns the next frame, or `None` at the end of the session. One of the two must happen.
    pub(super) async fn receive_or_end(&mut self, what: &str) -> Checked<Option<Frame>> {
        match self.next(Instant::now() + PATIENCE).await? {
            NextFrame::Frame(frame) => Ok(Some(frame)),
            NextFrame::End => Ok(None),
            NextFrame::Nothing => failed(what, format!("nothing within {} s", PATIENCE.as_secs())),
        }
    }

    /// Returns the next frame, if it arrives in time.
    pub(super) async fn receive_within(&mut self, time: Duration) -> Checked<Option<Frame>> {
        match self.next(Instant::now() + time).await? {
            NextFrame::Frame(frame) => Ok(Some(frame)),
            NextFrame::Nothing => Ok(None),
            NextFrame::End => failed("the session goes on", "the node closed it"),
        }
    }

    /// Checks that the next frame is this one.
    pub(super) async fn expect(&mut self, what: &str, expected: &Frame) -> Checked<()> {
        let got = self
            .receive(&format!("{what}: {}", show::frame(expected)))
            .await?;
        same_frame(what, &got, expected)
    }

    /// Sends a request and returns the next frame, which must be its answer, with the same seq.
    pub(super) async fn ask(&mut self, kind: FrameType, body: impl Into<Bytes>) -> Checked<Frame> {
        let request = Frame::new(kind, seq(), body);
        self.send(&request).await?;
        let what = format!("an answer to {}", show::frame(&request));
        let answer = self.receive(&what).await?;
        if answer.seq != request.seq {
            return failed(what, show::frame(&answer));
        }
        Ok(answer)
    }

    /// Performs the handshake of a client that speaks versions 1 to `version`.
    pub(super) async fn handshake(&mut self, version: u32) -> Checked<()> {
        let request = HandshakeRequest {
            minimum_support: 1,
            maximum_support: version,
            client_type: "conformance".to_owned(),
        };
        let answer = self
            .ask(FrameType::HANDSHAKE, request.to_frame(seq()).body)
            .await?;
        same("type of the answer", answer.kind, FrameType::HANDSHAKE)
    }

    /// Sends a heartbeat. No other frame may arrive before its answer.
    ///
    /// The body `0` is answered in every version (channel-v2 section 5.2).
    pub(super) async fn alive(&mut self) -> Checked<()> {
        let answer = self.ask(FrameType::HEARTBEAT, "0").await?;
        same("type of the answer", answer.kind, FrameType::HEARTBEAT)
    }

    /// Checks that no frame arrives, and that the session goes on.
    pub(super) async fn silent(&mut self) -> Checked<()> {
        self.alive().await?;
        match self.receive_within(QUIET).await? {
            None => Ok(()),
            Some(frame) => failed("nothing", show::frame(&frame)),
        }
    }

    /// Checks that the node closes the session without another frame.
    pub(super) async fn closed(&mut self) -> Checked<()> {
        match self.next(Instant::now() + PATIENCE).await {
            Ok(NextFrame::End) => Ok(()),
            Ok(NextFrame::Frame(frame)) => {
                failed("the node closes the session", show::frame(&frame))
            }
            Ok(NextFrame::Nothing) => failed(
                "the node closes the session",
                format!("it is still open after {} s", PATIENCE.as_secs()),
            ),
            Err(CheckProblem::Failed { got, .. }) => failed("the node closes the session", got),
            Err(skipped) => Err(skipped),
        }
    }

    /// Returns whether the node closes the session in time, without another frame.
    pub(super) async fn closes_within(&mut self, time: Duration) -> Checked<bool> {
        match self.next(Instant::now() + time).await? {
            NextFrame::End => Ok(true),
            NextFrame::Nothing => Ok(false),
            NextFrame::Frame(frame) => failed("no frame", show::frame(&frame)),
        }
    }

    /// Replaces the session's topics. There is no answer (channel-v2 section 6.1).
    pub(super) async fn set_topics(&mut self, topics: &[&str]) -> Checked<()> {
        let body = encode_topics(topics.iter().copied());
        self.send(&Frame::new(FrameType::SET_TOPICS, seq(), body))
            .await
    }
}

enum NextFrame {
    Frame(Frame),
    End,
    Nothing,
}
