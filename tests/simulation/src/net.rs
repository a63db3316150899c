//! Connections: two pipes of bytes, each with its latency, its rate and what is under way in it.

use std::{collections::VecDeque, time::Duration};

use amop_proto::{
    node::{Lane, LinkQueue, PeerId, SessionId},
    p2p::{Assembler, PeerCodec, PeerMessage},
};
use bytes::{Bytes, BytesMut};

/// Virtual time since the start of the run.
pub(crate) type At = Duration;

/// Names a connection. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) usize);

/// Whose end of a connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A node, connected to another node.
    Peer { host: usize, life: u32, id: PeerId },
    /// A node, connected to an SDK.
    Session {
        host: usize,
        life: u32,
        id: SessionId,
    },
    /// An SDK.
    Client { client: usize, endpoint: usize },
    /// An SDK that lies.
    Rogue { rogue: usize },
}

/// How a line carries bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) latency: Duration,
    /// Added at random; order is kept all the same.
    pub(crate) jitter: Duration,
    /// Bytes a second, if that is limited.
    pub(crate) rate: Option<u64>,
}

/// What is under way.
#[derive(Debug)]
pub(crate) enum Packet {
    Data(Bytes),
    /// The sender closed.
    Fin,
}

/// How a line ended before its connection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severed {
    /// Both sides will be told.
    Known,
    /// Nobody is told: bytes vanish, and once the sender's socket is full they stay.
    Silent,
}

/// What a sender's socket takes after the line was severed without a word, in bytes.
const SOCKET: usize = 64 * 1024;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Written by the sender and not taken by the line.
    pub(crate) out: BytesMut,
    /// Written by a node to another, and not in `out`, with its length.
    queue: LinkQueue,
    queued: usize,
    /// Of what is in `out` of that: the bytes that have yet to leave, and what they count for then.
    leaving: VecDeque<(usize, Lane, usize)>,
    /// Puts together what has arrived at a node.
    pub(crate) assembler: Assembler<()>,
    /// Close after that.
    pub(crate) fin: bool,
    /// A part of `out` is leaving: a step will say when it has left.
    pub(crate) busy: bool,
    pub(crate) in_flight: VecDeque<Packet>,
    pub(crate) last_arrival: At,
    pub(crate) line: Line,
    /// Nothing leaves before.
    pub(crate) stalled_until: At,
    /// Bytes taken since the line was severed.
    swallowed: usize,
    /// The longest frame written to it.
    pub(crate) longest: usize,
    /// Arrived and not decoded.
    pub(crate) read: BytesMut,
}

impl Pipe {
    fn new(line: Line) -> Self {
        Self {
            out: BytesMut::new(),
            queue: LinkQueue::default(),
            queued: 0,
            leaving: VecDeque::new(),
            assembler: Assembler::new(usize::MAX, Duration::MAX),
            fin: false,
            busy: false,
            in_flight: VecDeque::new(),
            last_arrival: At::ZERO,
            line,
            stalled_until: At::ZERO,
            swallowed: 0,
            longest: 0,
            read: BytesMut::new(),
        }
    }

    /// A node writes something to another one.
    pub(crate) fn push(&mut self, lane: Lane, message: PeerMessage) {
        self.queued += message.wire_len();
        self.queue.push(lane, message);
    }

    pub(crate) fn allow_fragments(&mut self) {
        self.queue.allow_fragments();
    }

    /// Puts into `out` what is to leave next.
    pub(crate) fn fill(&mut self) {
        if !self.out.is_empty() {
            return;
        }
        for piece in self.queue.take() {
            let before = self.out.len();
            let rest = PeerCodec::default().encode_message(&piece.message, &mut self.out);
            self.out.extend_from_slice(&rest);
            let len = self.out.len() - before;
            self.leaving.push_back((len, piece.lane, piece.counts));
            self.queued -= piece.counts;
        }
    }

    /// So many bytes of `out` have left; what a node is told of that.
    pub(crate) fn left(&mut self, mut len: usize) -> Vec<(Lane, usize)> {
        let mut told = Vec::new();
        while len > 0
            && let Some((bytes, lane, counts)) = self.leaving.front_mut()
        {
            let part = len.min(*bytes);
            (len, *bytes) = (len - part, *bytes - part);
            if *bytes == 0 {
                told.push((*lane, *counts));
                self.leaving.pop_front();
            }
        }
        told
    }

    /// What has not left.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len() + self.queued
    }

    /// What has not left goes nowhere.
    pub(crate) fn drop_unsent(&mut self) {
        self.out.clear();
        self.queue = LinkQueue::default();
        self.queued = 0;
        self.leaving.clear();
    }

    /// How much leaves at once, and how long that takes.
    pub(crate) fn next_part(&self) -> (usize, Duration) {
        match self.line.rate {
            None => (self.out.len(), Duration::ZERO),
            Some(rate) => {
                let part = self.out.len().min(1 + rate as usize / 20);
                let nanos = part as u64 * 1_000_000_000 / rate.max(1);
                (part, Duration::from_nanos(nanos))
            }
        }
    }

    fn clear(&mut self) {
        self.drop_unsent();
        self.assembler = Assembler::new(usize::MAX, Duration::MAX);
        self.out = BytesMut::new();
        self.in_flight = VecDeque::new();
        self.read = BytesMut::new();
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) owners: [Owner; 2],
    /// `pipes[side]` is written by `owners[side]`.
    pub(crate) pipes: [Pipe; 2],
    /// The link between nodes it goes over.
    pub(crate) edge: Option<usize>,
    /// TLS is complete.
    pub(crate) open: [bool; 2],
    /// The end is closed, or knows that the connection is gone.
    pub(crate) gone: [bool; 2],
    /// The end does not read for now.
    pub(crate) paused: [bool; 2],
    pub(crate) severed: Option<Severed>,
    /// Since when both ends have it, and until when it carried bytes.
    pub(crate) established: Option<At>,
    pub(crate) ended: Option<At>,
    /// When anything about it changed.
    pub(crate) changes: Vec<At>,
    /// When it stood still.
    pub(crate) stalls: Vec<(At, At)>,
}

impl Conn {
    pub(crate) fn new(now: At, owners: [Owner; 2], line: Line, edge: Option<usize>) -> Self {
        Self {
            owners,
            pipes: [Pipe::new(line), Pipe::new(line)],
            edge,
            open: [false; 2],
            gone: [false; 2],
            paused: [false; 2],
            severed: None,
            established: None,
            ended: None,
            changes: vec![now],
            stalls: Vec::new(),
        }
    }

    /// Both ends have it and bytes pass.
    pub(crate) fn is_live(&self) -> bool {
        self.established.is_some() && self.ended.is_none()
    }

    /// Whether it carried bytes from `from` to `until` without a break.
    pub(crate) fn is_undisturbed(&self, from: At, until: At) -> bool {
        self.established.is_some_and(|since| since <= from)
            && self.ended.is_none_or(|ended| ended > until)
            && !self.stands_still(from, until)
    }

    fn stands_still(&self, from: At, until: At) -> bool {
        let overlaps = |&(start, end): &(At, At)| start <= until && from <= end;
        self.stalls.iter().any(overlaps)
    }

    /// Whether nothing about it changed in that time.
    pub(crate) fn is_quiet(&self, from: At, until: At) -> bool {
        let within = |&at: &At| from <= at && at <= until;
        !self.changes.iter().any(within) && !self.stands_still(from, until)
    }

    pub(crate) fn opened(&mut self, now: At, side: usize) {
        self.open[side] = true;
        self.changes.push(now);
        if self.open == [true; 2] && self.ended.is_none() {
            self.established = Some(now);
        }
    }

    /// Bytes no longer pass from here on.
    pub(crate) fn ends(&mut self, now: At) {
        self.changes.push(now);
        self.ended.get_or_insert(now);
    }

    /// One end closed, or learnt that the connection is gone.
    pub(crate) fn left(&mut self, now: At, side: usize) {
        self.gone[side] = true;
        self.ends(now);
        if self.gone == [true; 2] {
            self.pipes.iter_mut().for_each(Pipe::clear);
        }
    }

    /// Whether the line takes more from this side just now.
    pub(crate) fn takes(&self, side: usize) -> bool {
        match self.severed {
            None => true,
            Some(Severed::Known) => false,
            Some(Severed::Silent) => self.pipes[side].swallowed < SOCKET,
        }
    }

    /// Takes what leaves; nothing if the line is severed.
    pub(crate) fn take_part(&mut self, side: usize) -> (usize, Option<Bytes>) {
        let pipe = &mut self.pipes[side];
        let (len, _) = pipe.next_part();
        // Room it no longer needs is not kept: a large network has thousands of pipes.
        let rest = pipe.out.split_off(len);
        let part = std::mem::replace(&mut pipe.out, rest).freeze();
        if self.severed.is_some() {
            pipe.swallowed += len;
            return (len, None);
        }
        (len, Some(part))
    }
}
