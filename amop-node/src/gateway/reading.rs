//! Reads packets of one connection.

use std::{io, time::Duration};

use amop_proto::gateway::{
    GatewayCodec, GatewayPacket, GatewayPacketError, bridge::GatewayConnectionId,
};
use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep, timeout_at},
};

use super::{parts::Gateway, room::GatewayRoom};
use crate::{
    intake::{IntakeRoom, IntakeShare},
    receive::Patience,
};

/// The room for one read while little arrives, and at most.
const READ_MIN: usize = 4 * 1024;
const READ_MAX: usize = 64 * 1024;

/// Incomplete packets up to this length need no room in the node's budget.
const SHORT: usize = READ_MAX + READ_MIN;

/// The most packets that are handled before others get their turn.
const AT_ONCE: usize = 256;
/// After this many bytes of payloads, packets are handed on before more are decompressed.
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// How much may be gained by decompressing, in bytes per second: a pause follows what is beyond.
const INFLATED_PER_SECOND: f64 = (64 * 1024 * 1024) as f64;

/// Why a connection is not read from any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadEnd {
    #[error("the other side closed it")]
    Closed,
    #[error("a packet took longer to arrive than {} s, plus one second for each {} bytes received", .0.grace.as_secs(), .0.rate)]
    Slow(Patience),
    #[error(
        "no room for a packet of {len} bytes: too many bytes of half-received frames are held for its \
         key, its agency or all connections (limit {limit})"
    )]
    NoRoom { len: usize, limit: usize },
}

/// A packet of which a part has arrived.
struct Incomplete {
    since: Instant,
    /// Its room in the budget, once it is known to be long.
    room: Option<IntakeRoom>,
}

/// Reads until the connection ends.
pub(super) async fn read(
    gateway: &Gateway,
    id: GatewayConnectionId,
    share: &IntakeShare,
    reader: &mut (impl AsyncRead + Unpin),
) -> ReadEnd {
    let patience = gateway.context.patience();
    let mut buffer = BytesMut::new();
    let mut head: Option<Incomplete> = None;
    loop {
        if buffer.is_empty() {
            // An idle connection keeps no memory for a long packet.
            buffer = BytesMut::new();
        }
        let room = match head.as_ref().and_then(|head| head.room.as_ref()) {
            Some(_) => gateway.codec.missing(&buffer).max(READ_MIN),
            None => buffer.len().clamp(READ_MIN, READ_MAX),
        };
        buffer.reserve(room);
        let due = head.as_ref().and_then(|head| {
            let time = patience.of(buffer.len());
            head.since.checked_add(time)
        });
        let read = reader.read_buf(&mut buffer);
        let read = match due {
            None => read.await,
            Some(due) => match timeout_at(due, read).await {
                Ok(read) => read,
                Err(_) => {
                    gateway.context.core.refusals.slow_frame();
                    return ReadEnd::Slow(patience);
                }
            },
        };
        match read {
            Ok(0) => return ended(&gateway.room, id, None).await,
            Ok(_) => {}
            Err(error) if amop_tls::is_end(&error) => return ended(&gateway.room, id, None).await,
            Err(error) => return ended(&gateway.room, id, Some(error)).await,
        }
        // The time that this node takes does not count against the packet.
        let before = Instant::now();
        match take_packets(gateway, id, &mut buffer).await {
            Ok(0) => {}
            Ok(_) => head = None,
            Err(error) => {
                gateway.context.core.refusals.bad_frame();
                let room = &gateway.room;
                let bad = room.with(|bridge, now| bridge.handle_packet_error(now, id, error));
                room.hand_on(bad.1).await;
                return ReadEnd::Closed;
            }
        }
        if buffer.is_empty() {
            continue;
        }
        let spent = before.elapsed();
        if let Err(end) = admit(&gateway.codec, share, &buffer, &mut head, spent) {
            gateway.context.core.refusals.no_room(buffer.len());
            return end;
        }
    }
}

/// Gives the incomplete packet at the beginning of the buffer its room.
fn admit(
    codec: &GatewayCodec,
    share: &IntakeShare,
    buffer: &[u8],
    head: &mut Option<Incomplete>,
    spent: Duration,
) -> Result<(), ReadEnd> {
    let packet = head.get_or_insert_with(|| Incomplete {
        since: Instant::now(),
        room: None,
    });
    packet.since += spent;
    let missing = codec.missing(buffer);
    let len = buffer.len() + missing;
    if missing == 0 || len <= SHORT || packet.room.is_some() {
        return Ok(());
    }
    packet.room = share.admit(len);
    match packet.room {
        Some(_) => Ok(()),
        None => Err(ReadEnd::NoRoom {
            len,
            limit: share.intake().limit(),
        }),
    }
}

/// Takes all packets out of the buffer and gives them to the bridge. Returns their number.
async fn take_packets(
    gateway: &Gateway,
    id: GatewayConnectionId,
    buffer: &mut BytesMut,
) -> Result<usize, GatewayPacketError> {
    let mut count = 0;
    // Few packets are shorter than 128 bytes.
    let expected = buffer.len() / 128 + 1;
    let mut packets: Vec<GatewayPacket> = Vec::with_capacity(expected.min(AT_ONCE));
    loop {
        // Packets before bytes that are none still count.
        let mut failed = None;
        let (mut read, before) = (0, buffer.len());
        while packets.len() < AT_ONCE && read < BYTES_AT_ONCE {
            match gateway.codec.decode(buffer) {
                Ok(Some(packet)) => {
                    read += packet.payload.len();
                    packets.push(packet);
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let taken = packets.len();
        let more = taken == AT_ONCE || read >= BYTES_AT_ONCE;
        let inflated = read.saturating_sub(before - buffer.len());
        count += taken;
        let ((), frames) = gateway.room.with(|bridge, now| {
            bridge.note_activity(now, id);
            for packet in packets.drain(..) {
                bridge.handle_packet(now, id, packet);
            }
        });
        gateway.room.hand_on(frames).await;
        // A packet of a kilobyte may become one of 32 MiB.
        if inflated > BYTES_AT_ONCE {
            sleep(Duration::from_secs_f64(
                inflated as f64 / INFLATED_PER_SECOND,
            ))
            .await;
        }
        match (failed, more) {
            (Some(error), _) => return Err(error),
            (None, false) => return Ok(count),
            (None, true) => tokio::task::yield_now().await,
        }
    }
}

/// Tells the bridge that the connection ended.
async fn ended(room: &GatewayRoom, id: GatewayConnectionId, error: Option<io::Error>) -> ReadEnd {
    let ((), frames) = room.with(|bridge, now| match &error {
        None => bridge.handle_eof(now, id),
        Some(error) => bridge.handle_io_error(now, id, error),
    });
    room.hand_on(frames).await;
    ReadEnd::Closed
}
