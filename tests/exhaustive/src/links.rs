//! Links between the nodes and the connections over them.

use std::collections::VecDeque;

use amop_proto::p2p::PeerFrame;

/// How far one end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// TLS is not complete.
    Opening,
    Open,
    /// It has closed the connection, or was told that it is gone.
    Gone,
}

/// One connection between two nodes.
#[derive(Debug, Clone)]
pub(crate) struct Conn {
    /// Its name at both ends.
    pub(crate) id: u64,
    pub(crate) ends: [End; 2],
    /// Frames under way, by the end they come from.
    pub(crate) wires: [VecDeque<PeerFrame>; 2],
    /// What is sent from now on goes nowhere.
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

/// The line between two nodes. The first of its ends dials.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) ends: [usize; 2],
    pub(crate) conns: Vec<Conn>,
    /// It has failed once.
    pub(crate) broken: bool,
    /// How many connections there have been.
    pub(crate) made: u64,
    /// How often the dialling end may still dial before all is quiet.
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

    /// Whether the dialling end knows of no connection.
    pub(crate) fn may_dial(&self) -> bool {
        self.broken && self.conns.iter().all(|conn| conn.ends[0] == End::Gone)
    }

    /// Whether both ends know the same of every connection.
    pub(crate) fn is_settled(&self) -> bool {
        self.conns
            .iter()
            .all(|conn| conn.is_live() || conn.is_over())
    }
}
