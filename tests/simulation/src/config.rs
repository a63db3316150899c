//! What a run is made from.

use std::time::Duration;

use amop_proto::node::{Limits, Timeouts};
use clap::ValueEnum;

use crate::graph::Topology;

/// What goes wrong in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Nothing.
    Calm,
    /// Single links fail and come back.
    Faults,
    /// The network falls apart and grows together.
    Partitions,
    /// Nodes crash and start again.
    Crashes,
    /// Links and SDKs are slow, or stand still for a while.
    Slow,
    /// All of it.
    Storm,
}

impl Profile {
    /// Whether links fail alone.
    pub(crate) fn cuts(self) -> bool {
        matches!(self, Self::Faults | Self::Storm)
    }

    /// Whether groups of nodes lose sight of each other.
    pub(crate) fn parts(self) -> bool {
        matches!(self, Self::Partitions | Self::Storm)
    }

    /// Whether nodes crash.
    pub(crate) fn crashes(self) -> bool {
        matches!(self, Self::Crashes | Self::Storm)
    }

    /// Whether lines are slow.
    pub(crate) fn slows(self) -> bool {
        matches!(self, Self::Slow | Self::Storm)
    }
}

/// A wrong the harness does on purpose, so that tests see the checks find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A message crosses a link again and again.
    Loop,
    /// Records cross a link again and again.
    FloodAgain,
    /// A frame between nodes loses its last byte.
    Garble,
    /// A client's program gets a message twice.
    ProgramTwice,
    /// A node's multicast reaches a session twice.
    SessionTwice,
    /// A publisher is answered though nobody got the message.
    FalseAnswer,
    /// A unicast vanishes wherever it goes.
    LoseUnicasts,
    /// Nodes say that they speak the version before the one that confirms multicasts.
    ConfirmNothing,
    /// One subscriber's copy of a multicast vanishes.
    LoseMulticast,
    /// The answer to a publisher comes twice, and the program hears of both.
    AnswerTwice,
    /// A publisher's program never hears what became of its message.
    NoOutcome,
    /// One node is told nothing of the others any more.
    Deafen,
    /// What waits to be written is not held against a limit; and messages are long.
    HideQueue,
    /// One SDK does not leave with the others.
    Stays,
    /// Nodes believe every signature.
    BelieveSignatures,
    /// Nodes believe a neighbour's message to be of the node that it names.
    BelieveNames,
    /// Nodes have no limits.
    NoLimits,
    /// Nodes believe every seal of a message from afar.
    BelieveSeals,
    /// A message uses up its id though it does not prove where it comes from.
    UseIds,
    /// Nodes take old records of others for new ones.
    BelieveOld,
    /// Nodes believe a link that one of its ends states.
    BelieveLinks,
    /// Nodes send what they pass on hundreds of times, as if it went round.
    Echo,
    /// Nodes answer every question of a neighbour, at length.
    AnswerAll,
    /// Nodes believe an answer of any node.
    BelieveAnswers,
    /// Nodes take what a relay hands over once more.
    TakeAgain,
}

/// What a run is made from. The same configuration and seed make the same run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// How they are linked.
    pub topology: Topology,
    /// What goes wrong.
    pub profile: Profile,
    /// Whether to print every step.
    pub trace: bool,
    /// What the harness does wrong on purpose.
    pub sabotage: Option<Sabotage>,
    /// The bounds of the nodes.
    pub limits: Limits,
    /// The patience of the nodes.
    pub timeouts: Timeouts,
}

impl Config {
    /// A run without faults.
    pub fn new(seed: u64, nodes: usize, topology: Topology) -> Self {
        Self {
            seed,
            nodes,
            topology,
            profile: Profile::Calm,
            trace: false,
            sabotage: None,
            limits: Limits::default(),
            timeouts: Timeouts {
                // Half-open sessions are to be found within a run. Our clients send a heartbeat
                // every 3 s here.
                session_idle: Duration::from_secs(10),
                ..Timeouts::default()
            },
        }
    }
}
