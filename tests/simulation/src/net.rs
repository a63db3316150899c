//! Connections: two pipes of bytes, each with its latency, its rate and the packets in transit.

use std::{collections::VecDeque, time::Duration};

use amop_proto::{
    node::{Lane, LinkQueue, PeerId, SessionId},
    p2p::{FragmentAssembler, PeerCodec, PeerMessage},
};
use bytes::{Bytes, BytesMut};

/// Virtual time since the start of the run.
pub(crate) type At = Duration;

/// The number of a connection. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnId(pub(crate) usize);

/// The owner of one end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A node's end of a connection to another node.
    Peer { host: usize, life: u32, id: PeerId },
    /// A node's end of a connection to an SDK.
    Session {
        host: usize,
        life: u32,
        id: SessionId,
    },
    /// The end of a node's gateway.
    Gateway { host: usize, life: u32 },
    /// An SDK's end.
    Client { client: usize, endpoint: usize },
    /// The end of an SDK that lies.
    Rogue { rogue: usize },
}

/// The properties of a line that carries bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) latency: Duration,
    /// Random additional latency; the order of packets is still kept.
    pub(crate) jitter: Duration,
    /// Bytes per second, if this is limited.
    pub(crate) rate: Option<u64>,
}

/// Something in transit.
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
    /// No side is told: bytes are lost, and once the sender's socket is full they wait there.
    Silent,
}

/// The bytes that a sender's socket accepts after the line was severed silently.
const SOCKET: usize = 64 * 1024;

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// Bytes written by the sender and not yet taken by the line.
    pub(crate) out: BytesMut,
    /// Messages written by a node to another node that are not in `out` yet, with their length.
    queue: LinkQueue,
    queued: usize,
    /// For the messages in `out`: the bytes that have not left yet, and the lane and length that
    /// they count for when they have.
    leaving: VecDeque<(usize, Lane, usize)>,
    /// Puts frames together that arrived at a node in fragments.
    pub(crate) assembler: FragmentAssembler<()>,
    /// Whether to close after that.
    pub(crate) fin: bool,
    /// Whether a part of `out` is leaving: an event will say when it has left.
    pub(crate) busy: bool,
    pub(crate) in_flight: VecDeque<Packet>,
    pub(crate) last_arrival: At,
    pub(crate) line: Line,
    /// Nothing leaves before this time.
    pub(crate) stalled_until: At,
    /// Bytes accepted since the line was severed.
    swallowed: usize,
    /// The longest frame written to it.
    pub(crate) longest: usize,
    /// Bytes that arrived and are not decoded yet.
    pub(crate) read: BytesMut,
}

impl Pipe {
    fn new(line: Line) -> Self {
        Self {
            out: BytesMut::new(),
            queue: LinkQueue::default(),
            queued: 0,
            leaving: VecDeque::new(),
            assembler: FragmentAssembler::new(usize::MAX, Duration::MAX),
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

    /// Queues something that a node writes to another one.
    pub(crate) fn push(&mut self, lane: Lane, message: PeerMessage) {
        self.queued += message.wire_len();
        self.queue.push(lane, message);
    }

    pub(crate) fn allow_fragments(&mut self) {
        self.queue.allow_fragments();
    }

    /// Moves the next bytes to send into `out`.
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

    /// Records that `len` bytes of `out` have left; returns what to tell the node about this.
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

    /// Returns the number of bytes that have not left.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len() + self.queued
    }

    /// Drops everything that has not left.
    pub(crate) fn drop_unsent(&mut self) {
        self.out.clear();
        self.queue = LinkQueue::default();
        self.queued = 0;
        self.leaving.clear();
    }

    /// Returns how many bytes leave at once, and how long this takes.
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
        self.assembler = FragmentAssembler::new(usize::MAX, Duration::MAX);
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
    /// The link between nodes that it belongs to.
    pub(crate) edge: Option<usize>,
    /// Whether its bytes are messages of 3.x, with a translator at each end.
    pub(crate) v3: bool,
    /// For each end, whether TLS is complete.
    pub(crate) open: [bool; 2],
    /// For each end, whether it is closed or knows that the connection ended.
    pub(crate) gone: [bool; 2],
    /// For each end, whether it does not read for now.
    pub(crate) paused: [bool; 2],
    pub(crate) severed: Option<Severed>,
    /// When both ends had it, and until when it carried bytes.
    pub(crate) established: Option<At>,
    pub(crate) ended: Option<At>,
    /// The times at which anything about it changed.
    pub(crate) changes: Vec<At>,
    /// The periods in which it stood still.
    pub(crate) stalls: Vec<(At, At)>,
}

impl Conn {
    pub(crate) fn new(now: At, owners: [Owner; 2], line: Line, edge: Option<usize>) -> Self {
        Self {
            owners,
            pipes: [Pipe::new(line), Pipe::new(line)],
            edge,
            v3: false,
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

    /// Returns whether both ends have it and bytes pass.
    pub(crate) fn is_live(&self) -> bool {
        self.established.is_some() && self.ended.is_none()
    }

    /// Returns whether it carried bytes from `from` to `until` without a break.
    pub(crate) fn is_undisturbed(&self, from: At, until: At) -> bool {
        self.established.is_some_and(|since| since <= from)
            && self.ended.is_none_or(|ended| ended > until)
            && !self.stands_still(from, until)
    }

    /// Returns whether it carried nothing for a time between `from` and `until`.
    pub(crate) fn stands_still(&self, from: At, until: At) -> bool {
        let overlaps = |&(start, end): &(At, At)| start <= until && from <= end;
        self.stalls.iter().any(overlaps)
    }

    /// Returns whether nothing about it changed during this time.
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

    /// Records that bytes no longer pass from here on.
    pub(crate) fn ends(&mut self, now: At) {
        self.changes.push(now);
        self.ended.get_or_insert(now);
    }

    /// Records that one end closed it or learned that it ended.
    pub(crate) fn left(&mut self, now: At, side: usize) {
        self.gone[side] = true;
        self.ends(now);
        if self.gone == [true; 2] {
            self.pipes.iter_mut().for_each(Pipe::clear);
        }
    }

    /// Returns whether the line accepts more bytes from this side now.
    pub(crate) fn takes(&self, side: usize) -> bool {
        match self.severed {
            None => true,
            Some(Severed::Known) => false,
            Some(Severed::Silent) => self.pipes[side].swallowed < SOCKET,
        }
    }

    /// Takes the bytes that leave; nothing if the line is severed.
    pub(crate) fn take_part(&mut self, side: usize) -> (usize, Option<Bytes>) {
        let pipe = &mut self.pipes[side];
        let (len, _) = pipe.next_part();
        // Unused capacity is not kept: a large network has thousands of pipes.
        let rest = pipe.out.split_off(len);
        let part = std::mem::replace(&mut pipe.out, rest).freeze();
        if self.severed.is_some() {
            pipe.swallowed += len;
            return (len, None);
        }
        (len, Some(part))
    }
}
