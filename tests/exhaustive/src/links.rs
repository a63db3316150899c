//! Links between the nodes and the connections over them.

use std::collections::VecDeque;

use amop_proto::p2p::PeerFrame;

/// The state of one end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// TLS is not complete.
    Opening,
    Open,
    /// It has closed the connection, or learned that it ended.
    Gone,
}

/// One connection between two nodes.
#[derive(Debug, Clone)]
pub(crate) struct Conn {
    /// Its number at both ends.
    pub(crate) id: u64,
    pub(crate) ends: [End; 2],
    /// Frames in transit, by the end that sent them.
    pub(crate) wires: [VecDeque<PeerFrame>; 2],
    /// Whether everything sent from now on is lost.
    pub(crate) cut: bool,
}

impl Conn {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            ends: [End::Opening; 2],
            wires: Default::default(),
            cut: false,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.ends == [End::Open; 2] && !self.cut
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ends == [End::Gone; 2]
    }
}

/// A link between two nodes. The first of its ends dials.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) ends: [usize; 2],
    pub(crate) conns: Vec<Conn>,
    /// Whether it has failed once.
    pub(crate) broken: bool,
    /// The number of connections so far.
    pub(crate) made: u64,
    /// How often the dialling end may still dial before nothing else happens.
    pub(crate) dials: u8,
}

impl Link {
    pub(crate) fn new((a, b): (usize, usize)) -> Self {
        Self {
            ends: [a, b],
            conns: Vec::new(),
            broken: false,
            made: 0,
            dials: 0,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.conns.iter().any(Conn::is_live)
    }

    /// Returns whether the dialling end knows of no connection.
    pub(crate) fn may_dial(&self) -> bool {
        self.broken && self.conns.iter().all(|conn| conn.ends[0] == End::Gone)
    }

    /// Returns whether both ends agree about every connection.
    pub(crate) fn is_settled(&self) -> bool {
        self.conns
            .iter()
            .all(|conn| conn.is_live() || conn.is_over())
    }
}
