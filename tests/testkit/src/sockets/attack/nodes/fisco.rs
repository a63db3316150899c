//! Attacks by a FISCO node with the protocol that it speaks.

use std::{io, time::Duration};

use amop_proto::{
    channel::{Frame, FrameType, frame_topic},
    p2p::{TopicList, packet, protocol},
};
use bytes::Bytes;

use super::{
    super::Tally,
    liar::Liar,
    messages::{amop, seq},
};

impl Liar {
    /// Sends numbers of topic lists that are at the end of their range, or invalid.
    pub(super) async fn number_oddly(&mut self, tally: &Tally) -> io::Result<()> {
        let long = "9".repeat(100_000);
        let numbers = [
            "2147483647",
            "2147483648",
            "4294967295",
            "4294967296",
            "0",
            "-1",
            "",
            "1e9",
            "\u{663}",
            &long,
        ];
        for number in numbers {
            let body = Bytes::copy_from_slice(number.as_bytes());
            self.list = body.clone();
            self.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, body.clone())
                .await?;
            // A list that was not asked for.
            self.send(-protocol::TOPIC, packet::TOPICS, 77, body)
                .await?;
            tally.done();
        }
        self.listen(Duration::from_millis(5)).await
    }

    /// Announces lists of `topics` topics, and sends a different one each time it is asked.
    pub(super) async fn change_lists(&mut self, topics: usize, tally: &Tally) -> io::Result<()> {
        for number in 1.. {
            let topic = |n: usize| Bytes::from(format!("fisco-{}-{n}", number % 2));
            let list = TopicList {
                seq: number,
                topics: (0..topics).map(topic).collect(),
            };
            self.list = list.encode();
            for _ in 0..10 {
                let number = number.to_string().into();
                self.send(protocol::TOPIC, packet::TOPIC_SEQ, 0, number)
                    .await?;
            }
            tally.done();
            self.listen(Duration::from_millis(2)).await?;
        }
        Ok(())
    }

    /// Asks for all topics, again and again.
    pub(super) async fn ask_for_topics(&mut self, tally: &Tally) -> io::Result<()> {
        for seq in 0.. {
            self.send(protocol::TOPIC, packet::REQUEST_TOPICS, seq, Bytes::new())
                .await?;
            tally.done();
        }
        Ok(())
    }

    /// Sends answers that were not asked for, invalid messages, and multicasts and unicasts with
    /// the seqs of others.
    pub(super) async fn pretend(&mut self, tally: &Tally) -> io::Result<()> {
        for n in 0..500_u32 {
            let number = u64::from(n);
            let answer = amop(FrameType::RESPONSE, number, b"bystanders").to_bytes();
            for kind in [packet::UNICAST, packet::MULTICAST] {
                for seq in [n, u32::MAX - n] {
                    self.send(-protocol::AMOP, kind, seq, answer.clone())
                        .await?;
                }
            }
            for body in [&b"\x00\x00"[..], b"", &[0xff; 42]] {
                self.send(protocol::AMOP, packet::UNICAST, n, Bytes::from_static(body))
                    .await?;
            }
            for topic in [&b"nobody has it"[..], b"x\x00y"] {
                let body = frame_topic(topic, b"");
                for (kind, packet) in [
                    (FrameType::UNICAST, packet::UNICAST),
                    (FrameType::MULTICAST, packet::MULTICAST),
                ] {
                    let frame = Frame::new(kind, seq(number), body.clone());
                    self.send(protocol::AMOP, packet, n, frame.to_bytes())
                        .await?;
                }
            }
            tally.done();
        }
        self.listen(Duration::from_millis(5)).await
    }
}
