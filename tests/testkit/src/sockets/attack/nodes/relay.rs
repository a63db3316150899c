//! A relay between two nodes that have no other path to each other: it passes on their messages,
//! and lies about them as well as it can.

use std::io;

use amop_proto::{
    channel::{Frame, result_code},
    p2p::{
        PeerFrame,
        mesh::{
            MulticastHeader, RelayedMulticastHeader, RelayedUnicastHeader, RoutingKey, Seal,
            UnicastHeader, encode_hello, packet,
        },
        protocol,
    },
};
use bytes::{Bytes, BytesMut};

use super::{
    super::{Attack, Field, Tally},
    liar::{Kind, Liar},
};
use crate::machines::extension;

/// The number of old messages that are kept and sent again later.
const KEEP: usize = 32;

/// Starts a relay between the first two nodes of a field. Each message passes it once; before and
/// after it come altered, redirected and renamed copies, the message itself again, and old
/// messages. Counts the messages.
pub fn relay(field: &Field) -> Attack {
    let mut attack = Attack::new();
    let field = field.clone();
    attack.persist(move |tally| {
        let field = field.clone();
        async move { Relay::join(&field).await?.run(&tally).await }
    });
    attack
}

struct Relay {
    ends: [Liar; 2],
    keys: [RoutingKey; 2],
    old: Vec<PeerFrame>,
}

impl Relay {
    async fn join(field: &Field) -> io::Result<Self> {
        let keys = [0, 1].map(|n| RoutingKey::from(&field.members[n]));
        let mut ends = [
            Liar::join(&field.targets[0], &field.node, Kind::Overlay).await?,
            Liar::join(&field.targets[1], &field.node, Kind::Overlay).await?,
        ];
        for end in &mut ends {
            end.introduce(keys.to_vec(), Vec::new()).await?;
        }
        let old = Vec::new();
        Ok(Self { ends, keys, old })
    }

    async fn run(mut self, tally: &Tally) -> io::Result<()> {
        loop {
            let [one, other] = &mut self.ends;
            let (from, frame) = tokio::select! {
                frame = one.next() => (0, frame?),
                frame = other.next() => (1, frame?),
            };
            if frame.protocol == protocol::EXTENSION {
                self.pass(from, frame, tally).await?;
            }
        }
    }

    async fn pass(&mut self, from: usize, frame: PeerFrame, tally: &Tally) -> io::Result<()> {
        match frame.packet {
            packet::HELLO => {
                let hello = extension(packet::HELLO, 0, encode_hello());
                self.ends[from].put(&hello).await
            }
            packet::RECORDS => {
                let taken = extension(packet::TAKEN, frame.seq, Bytes::new());
                self.ends[from].put(&taken).await?;
                let to = &mut self.ends[1 - from];
                let number = to.number();
                to.put(&extension(packet::RECORDS, number, frame.body))
                    .await
            }
            packet::ASK => self.ends[1 - from].put(&frame).await,
            packet::RELAYED_UNICAST | packet::RELAYED_ANSWER | packet::RELAYED_MULTICAST => {
                tally.done();
                for (to, lie) in self.lies(from, &frame) {
                    self.ends[to].put(&lie).await?;
                }
                let truth = PeerFrame {
                    seq: frame.seq.saturating_sub(1),
                    ..frame
                };
                self.ends[1 - from].put(&truth).await?;
                // The message again, sent back, and an old one.
                let old = self.old.get(truth.seq as usize % KEEP).cloned();
                for again in [truth.clone(), truth.clone()].into_iter().chain(old) {
                    self.ends[1 - from].put(&again).await?;
                }
                self.ends[from].put(&truth).await?;
                if self.old.len() == KEEP {
                    self.old.remove(0);
                }
                self.old.push(truth);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns the false versions of a message, and the end that each is sent to.
    fn lies(&self, from: usize, frame: &PeerFrame) -> Vec<(usize, PeerFrame)> {
        let to = 1 - from;
        let mut lies = Vec::new();
        let mut lie = |end, packet, body| lies.push((end, extension(packet, 8, body)));
        lie(to, frame.packet, last_byte_changed(&frame.body));
        if frame.packet == packet::RELAYED_MULTICAST {
            let Some((spread, content)) = RelayedMulticastHeader::decode(frame.body.clone()) else {
                return lies;
            };
            for spread in self.other_spreads(from, &spread) {
                lie(to, packet::RELAYED_MULTICAST, spread.encode(&content[..]));
            }
            let direct = MulticastHeader {
                source: spread.source,
                id: spread.id,
                targets: Vec::new(),
            };
            lie(to, packet::MULTICAST, direct.encode(&content[..]));
            return lies;
        }
        let Some((relayed, content)) = RelayedUnicastHeader::decode(frame.body.clone()) else {
            return lies;
        };
        for relayed in self.other_headers(from, &relayed) {
            lie(to, frame.packet, relayed.encode(&content[..]));
        }
        // As a message of another kind, and as one of a neighbour.
        let (other, direct) = match frame.packet {
            packet::RELAYED_UNICAST => (packet::RELAYED_ANSWER, packet::UNICAST),
            _ => (packet::RELAYED_UNICAST, packet::ANSWER),
        };
        lie(to, other, frame.body.clone());
        lie(to, direct, header(&relayed.header, &content));
        // An answer from a node that was not asked.
        if let Ok(asked) = Frame::from_bytes(content, 64 << 20) {
            let false_answer =
                asked.respond(result_code::SUCCESS, Bytes::from_static(b"\x01xa lie"));
            let back = UnicastHeader {
                source: relayed.header.target,
                target: relayed.header.source,
                id: relayed.header.id,
            };
            lie(from, packet::ANSWER, back.encode(&false_answer));
            let sealed = RelayedUnicastHeader {
                header: back,
                seal: relayed.seal,
            };
            lie(from, packet::RELAYED_ANSWER, sealed.encode(&false_answer));
        }
        lies
    }

    fn other_headers(
        &self,
        from: usize,
        relayed: &RelayedUnicastHeader,
    ) -> [RelayedUnicastHeader; 5] {
        let &RelayedUnicastHeader { header, seal } = relayed;
        let own = RoutingKey::from(&self.ends[0].own);
        [
            UnicastHeader {
                id: header.id ^ 1,
                ..header
            },
            UnicastHeader {
                source: own,
                ..header
            },
            UnicastHeader {
                source: self.keys[1 - from],
                ..header
            },
            UnicastHeader {
                target: self.keys[from],
                ..header
            },
            header,
        ]
        .map(|changed| RelayedUnicastHeader {
            header: changed,
            seal: if changed == header { later(seal) } else { seal },
        })
    }

    fn other_spreads(
        &self,
        from: usize,
        spread: &RelayedMulticastHeader,
    ) -> Vec<RelayedMulticastHeader> {
        let own = RoutingKey::from(&self.ends[0].own);
        let with = |change: &dyn Fn(&mut RelayedMulticastHeader)| {
            let mut spread = spread.clone();
            change(&mut spread);
            spread
        };
        vec![
            with(&|spread| spread.id ^= 1),
            with(&|spread| spread.source = own),
            with(&|spread| spread.voucher = own),
            with(&|spread| spread.source = self.keys[1 - from]),
            with(&|spread| {
                for (_, seal) in &mut spread.targets {
                    *seal = later(*seal);
                }
            }),
        ]
    }
}

fn later(seal: Seal) -> Seal {
    Seal {
        counter: seal.counter + 1,
        ..seal
    }
}

fn last_byte_changed(body: &Bytes) -> Bytes {
    let mut body = BytesMut::from(&body[..]);
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    body.freeze()
}

/// Returns the body of a packet for a neighbour.
fn header(header: &UnicastHeader, content: &Bytes) -> Bytes {
    match Frame::from_bytes(content.clone(), 64 << 20) {
        Ok(frame) => header.encode(&frame),
        Err(_) => Bytes::new(),
    }
}
