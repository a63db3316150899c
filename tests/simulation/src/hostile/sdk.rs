//! SDKs that do things no honest program does.

use std::time::Duration;

use amop_proto::{
    channel::{Frame, FrameType, Seq, result_code},
    node::SessionId,
};
use bytes::{BufMut, BytesMut};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{FORGER, OWN, forge::channel_frame};
use crate::{
    net::{Conn, ConnId, Line, Owner},
    world::{Event, World},
};

/// Frames of others that are remembered.
const MAX_CAPTURED: usize = 64;

/// An SDK that lies.
#[derive(Debug)]
pub(crate) struct Rogue {
    host: usize,
    conn: Option<ConnId>,
    open: bool,
    captured: Vec<Frame>,
    refusals: Vec<Frame>,
    /// The number of frames that it wrote.
    pub(crate) injected: u64,
    rng: StdRng,
    pub(crate) active: bool,
}

impl World {
    /// Adds a rogue SDK to a node. It connects at once.
    pub(crate) fn add_rogue(&mut self, host: usize) {
        let rng = StdRng::from_seed(self.rng.random());
        self.rogues.push(Rogue {
            host,
            conn: None,
            open: false,
            captured: Vec::new(),
            refusals: Vec::new(),
            injected: 0,
            rng,
            active: true,
        });
        let rogue = self.rogues.len() - 1;
        self.plan_in(Duration::from_millis(10), Event::Rogue(rogue));
    }

    /// Lets a rogue SDK leave.
    pub(crate) fn rogue_leaves(&mut self, rogue: usize) {
        self.rogues[rogue].active = false;
        self.rogues[rogue].open = false;
        if let Some(conn) = self.rogues[rogue].conn.take() {
            self.close_end(conn, 0);
        }
    }

    pub(crate) fn rogue_connected(&mut self, rogue: usize, conn: ConnId) {
        if self.rogues[rogue].conn == Some(conn) {
            self.rogues[rogue].open = true;
        }
    }

    pub(crate) fn rogue_lost(&mut self, rogue: usize, conn: ConnId) {
        if self.rogues[rogue].conn == Some(conn) {
            self.rogues[rogue].conn = None;
            self.rogues[rogue].open = false;
        }
    }

    pub(crate) fn rogue_read(&mut self, rogue: usize, frames: Vec<Frame>) {
        let conn = self.rogues[rogue].conn;
        let state = &mut self.rogues[rogue];
        for frame in frames {
            if frame.kind == FrameType::UNICAST {
                // It refuses the messages that it draws, so that they have another chance.
                let refusal = frame.respond(result_code::NO_SESSION, frame.body.clone());
                state.refusals.push(refusal);
                continue;
            }
            if state.captured.len() >= MAX_CAPTURED {
                let at = state.rng.random_range(0..MAX_CAPTURED);
                state.captured.swap_remove(at);
            }
            state.captured.push(frame);
        }
        let refusals = std::mem::take(&mut state.refusals);
        if let Some(conn) = conn {
            for refusal in refusals {
                refusal.encode(&mut self.conns[conn.0].pipes[0].out);
            }
            self.pump(conn, 0);
        }
    }

    fn rogue_dials(&mut self, rogue: usize) {
        let host = self.rogues[rogue].host;
        if self.hosts[host].node.is_none() {
            return;
        }
        let owners = [
            Owner::Rogue { rogue },
            Owner::Session {
                host,
                life: self.hosts[host].life,
                id: SessionId(self.fresh_id()),
            },
        ];
        let line = Line {
            latency: Duration::from_micros(200),
            jitter: Duration::from_micros(50),
            rate: None,
        };
        let id = ConnId(self.conns.len());
        self.conns.push(Conn::new(self.now, owners, line, None));
        self.rogues[rogue].conn = Some(id);
        for side in 0..2 {
            self.plan_in(line.latency * 3, Event::Opened(id, side));
        }
    }

    /// Lets a rogue SDK do something, and plans the next action.
    pub(crate) fn rogue_acts(&mut self, rogue: usize) {
        if !self.rogues[rogue].active {
            return;
        }
        let later = self.rogues[rogue].rng.random_range(1_000..40_000);
        self.plan_in(Duration::from_micros(later), Event::Rogue(rogue));
        let Some(conn) = self.rogues[rogue].conn else {
            return self.rogue_dials(rogue);
        };
        if !self.rogues[rogue].open {
            return;
        }
        let topics: Vec<Vec<u8>> = self
            .topics
            .iter()
            .map(|topic| topic.as_bytes().to_vec())
            .collect();
        let frames = self.rogues[rogue].frames(&topics);
        self.rogues[rogue].injected += frames.len() as u64;
        for frame in frames {
            frame.encode(&mut self.conns[conn.0].pipes[0].out);
        }
        self.pump(conn, 0);
    }
}

impl Rogue {
    fn frames(&mut self, topics: &[Vec<u8>]) -> Vec<Frame> {
        let rng = &mut self.rng;
        let topic = &topics[rng.random_range(0..topics.len())];
        let fresh = Seq::random(rng);
        let captured = (!self.captured.is_empty())
            .then(|| self.captured[rng.random_range(0..self.captured.len())].clone());
        let seq = captured.as_ref().map_or(fresh, |frame| frame.seq);
        match rng.random_range(0..12) {
            0 | 1 => vec![set_topics(rng, topics, fresh)],
            2 => vec![channel_frame(FrameType::MULTICAST, seq, topic, OWN)],
            3 => vec![channel_frame(FrameType::UNICAST, fresh, topic, OWN)],
            4 => (0..50)
                .map(|_| channel_frame(FrameType::UNICAST, Seq::random(rng), topic, OWN))
                .collect(),
            // Answers to messages that it was never asked.
            5 => vec![
                Frame::amop(FrameType::RESPONSE, seq, topic, &FORGER.to_be_bytes()),
                Frame::amop(FrameType::VERIFY_RESULT, fresh, topic, b"{}"),
            ],
            // Frames that it got are sent back unchanged, or as another kind.
            6 => captured.into_iter().collect(),
            7 => (0..50)
                .map(|_| Frame::new(FrameType::HEARTBEAT, fresh, &b"0"[..]))
                .collect(),
            8 => vec![Frame::new(FrameType(rng.random()), seq, garbage(rng))],
            9 => vec![Frame::new(FrameType::RPC, fresh, garbage(rng))],
            // A topic that is longer than the body, and one without a length.
            10 => vec![Frame::new(FrameType::UNICAST, fresh, &b"\xfft"[..])],
            _ => vec![Frame::new(FrameType::MULTICAST, fresh, garbage(rng))],
        }
    }
}

fn garbage(rng: &mut StdRng) -> Vec<u8> {
    let mut body = vec![0; rng.random_range(0..200)];
    rng.fill(&mut body[..]);
    body
}

fn set_topics(rng: &mut StdRng, topics: &[Vec<u8>], seq: Seq) -> Frame {
    let mut names: Vec<String> = (0..rng.random_range(0..200))
        .map(|n| format!("\"rogue{n}\""))
        .collect();
    for topic in topics {
        if rng.random_range(0..10) == 0 {
            names.push(format!("\"{}\"", String::from_utf8_lossy(topic)));
        }
    }
    let mut body = BytesMut::new();
    let broken = rng.random_range(0..5) == 0;
    body.put_slice(format!("[{}", names.join(",")).as_bytes());
    body.put_slice(if broken { b"," } else { b"]" });
    Frame::new(FrameType::SET_TOPICS, seq, body)
}
