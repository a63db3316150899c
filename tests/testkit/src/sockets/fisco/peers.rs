//! A FISCO node's connection to another node.

use std::{io, sync::Arc};

use amop_proto::{
    channel::{Frame, FrameType, PROTOCOL_MAX_FRAME, split_topic},
    p2p::{PEER_HEADER_LEN, PeerCodec, PeerFrame, TopicList, packet, parse_topic_seq, protocol},
};
use amop_tls::{peer_info, rustls::pki_types::CertificateDer};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::mpsc::unbounded_channel,
    time::interval,
};

use super::{Shared, session::answer_of_subscriber};

/// A TLS connection of either side.
pub(super) trait Link: AsyncRead + AsyncWrite + Send {
    fn certificates(&self) -> &[CertificateDer<'static>];
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Link for tokio_rustls::server::TlsStream<T> {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        self.get_ref().1.peer_certificates().unwrap_or_default()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Link for tokio_rustls::client::TlsStream<T> {
    fn certificates(&self) -> &[CertificateDer<'static>] {
        self.get_ref().1.peer_certificates().unwrap_or_default()
    }
}

pub(super) async fn run(shared: Arc<Shared>, stream: impl Link) {
    let info = peer_info(stream.certificates());
    let Some(key) = info.ok().and_then(|info| info.public_key) else {
        return;
    };
    let (out, mut frames) = unbounded_channel::<PeerFrame>();
    let id = shared.machine().open_peer(key.to_string(), out);
    let _closing = Closing(&shared, id);
    let codec = PeerCodec::new(PROTOCOL_MAX_FRAME).with_compression(true);
    let (mut reader, mut writer) = split(stream);
    let writing = async {
        let mut ticks = interval(shared.habits.tick);
        let mut wire = BytesMut::new();
        loop {
            let frame = tokio::select! {
                Some(frame) = frames.recv() => frame,
                // The first tick is immediate.
                _ = ticks.tick() => announcement(&shared),
            };
            wire.clear();
            codec.encode(&frame, &mut wire);
            writer.write_all(&wire).await?;
            writer.flush().await?;
        }
    };
    let reading = async {
        let mut buffer = BytesMut::new();
        loop {
            while let Some(frame) = codec.decode(&mut buffer).map_err(io::Error::other)? {
                deal_with(&shared, id, frame);
            }
            if reader.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
    };
    let _: io::Result<()> = tokio::select! {
        end = writing => end,
        end = reading => end,
    };
}

/// Removes a connection when its task ends, for any reason.
struct Closing<'a>(&'a Shared, u64);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.machine().close_peer(self.1);
    }
}

fn announcement(shared: &Shared) -> PeerFrame {
    PeerFrame {
        protocol: protocol::TOPIC,
        packet: packet::TOPIC_SEQ,
        seq: 0,
        body: shared.machine().topic_seq().to_string().into(),
    }
}

/// Handles a frame. Unknown frames are ignored without an answer, and so are frames that cannot be
/// read.
fn deal_with(shared: &Arc<Shared>, id: u64, frame: PeerFrame) {
    let mut machine = shared.machine();
    match (frame.protocol, frame.packet) {
        (protocol::TOPIC, packet::TOPIC_SEQ) => {
            if let Ok(number) = parse_topic_seq(&frame.body) {
                machine.heard(id, number);
            }
        }
        (protocol::TOPIC, packet::REQUEST_TOPICS) => {
            let list = machine.list();
            machine.tell(id, response(&frame, packet::TOPICS, list));
        }
        (topic, packet::TOPICS) if topic == -protocol::TOPIC => {
            if let Ok(list) = TopicList::parse(&frame.body, usize::MAX) {
                machine.fetch(id, list, PEER_HEADER_LEN + frame.body.len());
            }
        }
        (amop, _) if amop == -protocol::AMOP => machine.answered_by_peer(id, frame.seq, frame.body),
        (protocol::AMOP, _) => {
            drop(machine);
            message(shared, id, frame);
        }
        _ => {}
    }
}

fn response(request: &PeerFrame, packet: u16, body: Bytes) -> PeerFrame {
    PeerFrame {
        protocol: -request.protocol,
        packet,
        seq: request.seq,
        body,
    }
}

/// Handles a message for the sessions of this node.
fn message(shared: &Arc<Shared>, id: u64, request: PeerFrame) {
    let Ok(frame) = Frame::from_bytes(request.body.clone(), PROTOCOL_MAX_FRAME) else {
        return;
    };
    let Ok(body) = split_topic(&frame.body) else {
        return;
    };
    match frame.kind {
        FrameType::UNICAST => {
            let of_task = Arc::clone(shared);
            shared.spawn(async move {
                let answer = answer_of_subscriber(&of_task, &frame, &body.topic).await;
                let answer = response(&request, request.packet, answer.to_bytes());
                of_task.machine().tell(id, answer);
            });
        }
        FrameType::MULTICAST => {
            let machine = shared.machine();
            for session in machine.subscribers(&body.topic) {
                machine.send(session, frame.clone());
            }
        }
        _ => {}
    }
}
