//! Writes packets of one connection.

use std::{io, time::Instant};

use amop_proto::gateway::{OutgoingPacket, bridge::GatewayConnectionId};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{parts::Gateway, room::ConnectionSignals};

/// Packets are joined up to about this much for one write.
const BATCH: usize = 128 * 1024;

/// Payloads of at least this length are written separately, not copied behind their headers, and in
/// parts of this length, so that the bridge sees the progress.
const LONG: usize = 64 * 1024;

/// The buffer that a connection keeps while it has nothing to write.
const KEEP: usize = 4 * 1024;

/// Writes until the connection fails.
pub(super) async fn write(
    gateway: &Gateway,
    id: GatewayConnectionId,
    signals: &ConnectionSignals,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Error {
    let mut buffers = Buffers::default();
    loop {
        gateway.room.carry().await;
        match write_some(gateway, id, &mut buffers, writer).await {
            Ok(true) => {}
            Ok(false) => {
                buffers.rest();
                gateway.room.wait_to_write(signals).await;
            }
            Err(error) => return error,
        }
    }
}

/// Writes what is left.
pub(super) async fn write_rest(
    gateway: &Gateway,
    id: GatewayConnectionId,
    writer: &mut (impl AsyncWrite + Unpin),
) {
    let mut buffers = Buffers::default();
    while let Ok(true) = write_some(gateway, id, &mut buffers, writer).await {}
}

/// What a writer uses again, so that it does not grow for each write.
#[derive(Default)]
struct Buffers {
    packets: Vec<OutgoingPacket>,
    out: BytesMut,
}

impl Buffers {
    /// Gives memory back while there is nothing to write.
    fn rest(&mut self) {
        if self.out.capacity() > KEEP {
            *self = Self::default();
        }
    }
}

/// Writes some packets. Returns whether there were any.
async fn write_some(
    gateway: &Gateway,
    id: GatewayConnectionId,
    Buffers { packets, out }: &mut Buffers,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let mut len = 0;
    gateway.room.take_packets(|bridge| {
        let now = Instant::now();
        while len < BATCH
            && let Some(packet) = bridge.poll_packet(now, id)
        {
            len += packet.wire_len();
            packets.push(packet);
        }
    });
    if packets.is_empty() {
        return Ok(false);
    }
    out.clear();
    out.reserve(len.min(BATCH + LONG));
    for packet in packets.drain(..) {
        // The bridge accepts no packet that cannot be written.
        let Ok(rest) = gateway.codec.encode_header(&packet, out) else {
            continue;
        };
        if rest.len() < LONG {
            out.extend_from_slice(&rest);
            continue;
        }
        writer.write_all(out).await?;
        out.clear();
        write_long(gateway, id, rest, writer).await?;
    }
    writer.write_all(out).await?;
    writer.flush().await?;
    gateway.room.note_written(id);
    Ok(true)
}

async fn write_long(
    gateway: &Gateway,
    id: GatewayConnectionId,
    mut rest: Bytes,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(LONG));
        writer.write_all(&part).await?;
        gateway.room.note_written(id);
    }
    Ok(())
}
