//! The configuration of a run.

use std::time::Duration;

use amop_proto::node::{Limits, Timeouts};
use amop_testkit::topology::Topology;
use clap::ValueEnum;

/// The faults in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// None.
    Calm,
    /// Single links fail and come back.
    Faults,
    /// The network splits and joins again.
    Partitions,
    /// Nodes crash and start again.
    Crashes,
    /// Links and SDKs are slow, or stop for a while.
    Slow,
    /// All of these.
    Storm,
}

impl Profile {
    /// Returns whether single links fail.
    pub(crate) fn cuts(self) -> bool {
        matches!(self, Self::Faults | Self::Storm)
    }

    /// Returns whether groups of nodes are separated from each other.
    pub(crate) fn parts(self) -> bool {
        matches!(self, Self::Partitions | Self::Storm)
    }

    /// Returns whether nodes crash.
    pub(crate) fn crashes(self) -> bool {
        matches!(self, Self::Crashes | Self::Storm)
    }

    /// Returns whether lines are slow.
    pub(crate) fn slows(self) -> bool {
        matches!(self, Self::Slow | Self::Storm)
    }
}

/// A fault that the harness causes on purpose, so that tests can check that the checks find it.
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
    /// A publisher gets an answer although no subscriber got the message.
    FalseAnswer,
    /// All unicasts are lost.
    LoseUnicasts,
    /// Nodes say that they speak the version before the one that confirms multicasts.
    ConfirmNothing,
    /// One subscriber's copy of a multicast is lost.
    LoseMulticast,
    /// The answer to a publisher comes twice, and the program gets both.
    AnswerTwice,
    /// A publisher's program never gets the outcome of its message.
    NoOutcome,
    /// One node gets no more records of the others.
    Deafen,
    /// Write queues are not checked against a limit, and messages are long.
    HideQueue,
    /// One SDK does not leave with the others.
    Stays,
    /// Nodes accept every signature.
    BelieveSignatures,
    /// Nodes accept a neighbour's message as coming from the node that it names.
    BelieveNames,
    /// Nodes have no limits.
    NoLimits,
    /// Nodes accept every seal of a message from a distant node.
    BelieveSeals,
    /// A message uses up its id although it does not prove its source.
    UseIds,
    /// Nodes accept old records of others as new ones.
    BelieveOld,
    /// Nodes accept a link that only one of its ends states.
    BelieveLinks,
    /// Nodes send each relayed message hundreds of times, as if it went round in a circle.
    Echo,
    /// Nodes answer every question of a neighbour, at length.
    AnswerAll,
    /// Nodes accept an answer from any node.
    BelieveAnswers,
    /// Nodes accept messages that a relay sends again.
    TakeAgain,
    /// A node takes the silence of an SDK of 3.x for a refusal, and asks the next subscriber.
    SilenceRefuses,
    /// A client of 3.x confirms a multicast that its node has not read.
    ConfirmAtOnce,
    /// A client of 3.x takes every sign of life for the pong that it waits for.
    AnyPong,
    /// No gateway stands by while another node carries the chain's messages.
    BothCarry,
    /// A message that comes from a chain enters it again.
    EchoCrossing,
    /// Gateways take each multicast of others twice.
    CrossTwice,
    /// Messages between gateways are lost.
    LoseCrossings,
    /// A packet between gateways loses its last byte.
    GarblePacket,
    /// Gateways do not hear of topics.
    DeafGateways,
    /// A node is not told that its gateway has no connection any more.
    ForgetsToClose,
}

/// The configuration of a run. The same configuration and seed give the same run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Decides everything that is random.
    pub seed: u64,
    /// The number of nodes.
    pub nodes: usize,
    /// The shape of the network.
    pub topology: Topology,
    /// The faults.
    pub profile: Profile,
    /// The share of the SDKs' connections that speak 3.x, 0 to 1.
    pub share_of_v3: f64,
    /// The share of the network's links that are connections between gateways of 3.x, 0 to 1.
    pub share_of_gateways: f64,
    /// Whether to print every step.
    pub trace: bool,
    /// The fault that the harness causes on purpose.
    pub sabotage: Option<Sabotage>,
    /// The limits of the nodes.
    pub limits: Limits,
    /// The timeouts of the nodes.
    pub timeouts: Timeouts,
}

impl Config {
    /// Returns the configuration of a run without faults.
    pub fn new(seed: u64, nodes: usize, topology: Topology) -> Self {
        Self {
            seed,
            nodes,
            topology,
            profile: Profile::Calm,
            share_of_v3: 0.0,
            share_of_gateways: 0.0,
            trace: false,
            sabotage: None,
            limits: Limits::default(),
            timeouts: Timeouts::default().with(|timeouts| {
                // Half-open sessions must be found within a run. The simulated clients send a
                // heartbeat every 3 s.
                timeouts.session_idle = Duration::from_secs(10);
            }),
        }
    }
}
