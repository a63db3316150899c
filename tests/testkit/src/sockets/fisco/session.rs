//! A FISCO node's connection to an SDK.

use std::{io, sync::Arc, time::Duration};

use amop_proto::channel::{
    Frame, FrameDecoder, FrameType, HandshakeRequest, PROTOCOL_MAX_FRAME, SetTopics,
    heartbeat_answer, split_topic,
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    sync::mpsc::unbounded_channel,
    time::{sleep, timeout},
};

use super::{Accepted, Pool, Shared, machine::Candidate, rpc};

/// A connection on which nothing arrives for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// After a pause of this length, the threads handle the frames that they have.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn run(shared: Arc<Shared>, stream: Accepted) {
    let (out, mut frames) = unbounded_channel::<Frame>();
    let id = shared.machine().open_session(out);
    let _closing = Closing(&shared, id);
    let (mut reader, mut writer) = split(stream);
    let writing = async {
        while let Some(frame) = frames.recv().await {
            // Each frame is its own TLS record.
            writer.write_all(&frame.to_bytes()).await?;
            writer.flush().await?;
        }
        io::Result::Ok(())
    };
    let reading = async {
        let decoder = FrameDecoder::new(PROTOCOL_MAX_FRAME);
        let mut pool = Pool::new(shared.habits.seed ^ id);
        let mut buffer = BytesMut::new();
        loop {
            let patience = if pool.is_busy() { PAUSE } else { IDLE };
            match timeout(patience, reader.read_buf(&mut buffer)).await {
                Ok(Ok(len)) if len > 0 => {}
                Err(_) if pool.is_busy() => {
                    for frame in pool.rest() {
                        deal_with(&shared, id, frame)?;
                    }
                    continue;
                }
                _ => return Ok(()),
            }
            while let Some(frame) = decoder.decode(&mut buffer).map_err(io::Error::other)? {
                for frame in pool.put(frame) {
                    deal_with(&shared, id, frame)?;
                }
            }
        }
    };
    // How the connection ends does not matter.
    let _ = tokio::select! {
        end = writing => end,
        end = reading => end,
    };
}

/// Removes a session when its task ends, for any reason.
struct Closing<'a>(&'a Shared, u64);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.machine().close_session(self.1);
    }
}

/// Handles a frame. An error closes the session.
fn deal_with(shared: &Arc<Shared>, id: u64, frame: Frame) -> io::Result<()> {
    let mut machine = shared.machine();
    if machine.answer(id, &frame) {
        return Ok(());
    }
    match frame.kind {
        FrameType::HANDSHAKE => {
            // A frame that cannot be read is ignored.
            let Ok(request) = HandshakeRequest::parse(&frame.body) else {
                return Ok(());
            };
            let version = request.negotiate().map_err(io::Error::other)?;
            machine.set_version(id, version);
            let number = version.number();
            let body = format!("{{\"nodeVersion\":\"2.11.1\",\"protocol\":{number}}}\n");
            machine.send(id, Frame::new(frame.kind, frame.seq, body));
        }
        FrameType::HEARTBEAT => {
            if let Some(answer) = heartbeat_answer(machine.version(id), &frame.body) {
                machine.send(id, Frame::new(frame.kind, frame.seq, answer));
            }
        }
        FrameType::SET_TOPICS => {
            if let SetTopics::Replace(topics) = SetTopics::parse(&frame.body) {
                machine.set_topics(id, topics);
            }
        }
        FrameType::RPC => {
            let answer = rpc::answer(&frame.body, &machine.topics());
            machine.send(id, Frame::new(frame.kind, frame.seq, answer));
        }
        FrameType::MULTICAST => {
            let topic = split_topic(&frame.body).map_err(io::Error::other)?.topic;
            machine.multicast(&frame, &topic);
            let body = frame.body.clone();
            machine.send(id, frame.respond(0, body));
        }
        FrameType::UNICAST => {
            let topic = split_topic(&frame.body).map_err(io::Error::other)?.topic;
            drop(machine);
            shared.spawn(unicast(Arc::clone(shared), id, frame, topic));
        }
        FrameType::VERIFY_RESULT => machine.judge(&frame.body),
        // Answers that no task waits for, acknowledgements, and requests that need a chain.
        _ => {}
    }
    Ok(())
}

/// Tries one candidate after the other; each draw depends on the second.
async fn unicast(shared: Arc<Shared>, session: u64, frame: Frame, topic: Bytes) {
    let mut candidates = shared.machine().candidates(&topic);
    while !candidates.is_empty() {
        let drawn = shared.machine().draw(candidates.len());
        let answered = match candidates.remove(drawn) {
            Candidate::Own => None,
            Candidate::Peer(peer) => shared.machine().ask_peer(peer, frame.to_bytes()),
        };
        let Some(answered) = answered else {
            sleep(shared.habits.stall).await;
            continue;
        };
        if let Ok(Ok(answer)) = timeout(shared.habits.stall, answered).await
            && let Ok(answer) = Frame::from_bytes(answer, PROTOCOL_MAX_FRAME)
        {
            return shared.machine().send(session, answer);
        }
    }
    let nobody = frame.respond(100, Bytes::new());
    shared.machine().send(session, nobody);
}

/// Handles a unicast of another node. Returns the answer of one of the sessions here, or the
/// message itself with result 104.
pub(super) async fn answer_of_subscriber(shared: &Shared, frame: &Frame, topic: &[u8]) -> Frame {
    let mut subscribers = shared.machine().subscribers(topic);
    while !subscribers.is_empty() {
        let drawn = shared.machine().draw(subscribers.len());
        let asked = shared.machine().ask(subscribers.remove(drawn), frame);
        let Some(answered) = asked else { continue };
        if let Ok(Ok(answer)) = timeout(shared.habits.answer, answered).await {
            return answer;
        }
    }
    frame.respond(104, frame.body.clone())
}
