//! The attacks by name, in the sizes in which they are tested and measured.

use std::{fmt, sync::Arc};

use amop_proto::p2p::NodeId;
use amop_tls::{Identity, pki::Agency};

use super::{
    Attack, FiscoLie, Lie, Target, big_messages, change_topics, fisco_liars, half_frames,
    half_open, hellos, hold_answers, json, leave_unread, liars, long_chains, sessions, write_logs,
};

/// The network that an attacker finds, and the certificates that it holds.
#[derive(Debug, Clone)]
pub struct Field {
    /// The nodes of a network. The first is attacked.
    pub targets: Vec<Target>,
    /// Their IDs.
    pub members: Vec<NodeId>,
    /// The identity of a node of the same chain.
    pub node: Identity,
    /// Identities of other nodes that the attacker holds, too.
    pub others: Vec<Identity>,
    /// The attacker's own agency.
    pub agency: Arc<Agency>,
    /// Certificates of another chain; see [`stranger`](super::stranger).
    pub stranger: Identity,
}

impl Field {
    fn first(&self) -> &Target {
        &self.targets[0]
    }

    fn last(&self) -> &Target {
        &self.targets[self.targets.len() - 1]
    }
}

/// The size of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A size that a test on a busy machine can handle.
    Test,
    /// The size that was observed to do harm.
    Whole,
}

impl Size {
    fn of(self, test: usize, whole: usize) -> usize {
        match self {
            Self::Test => test,
            Self::Whole => whole,
        }
    }
}

/// An attack with a name.
#[derive(Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The certificates that the attacker holds, and its actions.
    pub what: &'static str,
    /// Starts it.
    pub start: fn(&Field, Size) -> Attack,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns the attack with this name.
///
/// # Panics
///
/// If there is no attack with this name.
pub fn program(name: &str) -> &'static Program {
    let found = PROGRAMS.iter().find(|program| program.name == name);
    found.unwrap_or_else(|| panic!("no attack is called {name}"))
}

const MIB: usize = 1 << 20;

/// All attacks.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: "json",
        what: "SDK: sets of topics, requests and handshakes of 2 MB of JSON, in 8 sessions",
        start: |field, size| json(field.first(), size.of(2, 8)),
    },
    Program {
        name: "flips",
        what: "SDK: one session replaces 4,096 topics by others without end",
        start: |field, size| change_topics(field.first(), 1, size.of(512, 4096)),
    },
    Program {
        name: "many-flips",
        what: "SDK: 20 sessions replace 200 topics each without end",
        start: |field, size| change_topics(field.first(), size.of(5, 20), 200),
    },
    Program {
        name: "sessions",
        what: "SDK: 3,000 connections with one certificate",
        start: |field, size| sessions(field.first(), size.of(100, 3000)),
    },
    Program {
        name: "half-frames",
        what: "SDK: 60 sessions send frames of 32 MiB without their last bytes",
        start: |field, size| half_frames(field.first(), size.of(12, 60)),
    },
    Program {
        name: "in-flight",
        what: "SDK: unicasts of 64 KiB without end to a subscriber that never answers",
        start: |field, size| hold_answers(field.first(), size.of(2, 20), 64 << 10),
    },
    Program {
        name: "in-flight-small",
        what: "SDK: tiny unicasts without end to a subscriber that never answers",
        start: |field, size| hold_answers(field.first(), size.of(2, 20), 10),
    },
    Program {
        name: "unread",
        what: "SDK: 60 subscribers that never read, and multicasts of 1 MiB to them",
        start: |field, size| leave_unread(field.first(), size.of(6, 60), MIB),
    },
    Program {
        name: "big",
        what: "SDK: messages of nearly 32 MiB from node to node without end, from 4 sessions",
        start: |field, size| {
            let len = size.of(4 * MIB, 32 * MIB - 1024);
            big_messages(field.first(), field.last(), size.of(1, 4), len)
        },
    },
    Program {
        name: "logs",
        what: "SDK: 4 sessions send only frames that make a node log a line",
        start: |field, size| write_logs(field.first(), size.of(1, 4)),
    },
    Program {
        name: "half-open",
        what: "stranger: 5,000 connections to each port of a node that never finish TLS",
        start: |field, size| {
            let count = size.of(300, 5000);
            let attack = half_open(&field.first().channel, count);
            attack.and(half_open(&field.first().p2p, count))
        },
    },
    Program {
        name: "hellos",
        what: "stranger: TLS handshakes begun without end on both ports of a node, 64 at a time",
        start: |field, size| {
            let count = size.of(8, 64);
            let attack = hellos(&field.first().channel, &field.stranger, count);
            attack.and(hellos(&field.first().p2p, &field.stranger, count))
        },
    },
    Program {
        name: "chains",
        what: "stranger: chains of 10 certificates of another root with the same names",
        start: |field, size| {
            let count = size.of(8, 64);
            let attack = long_chains(&field.first().channel, &field.stranger, count);
            attack.and(long_chains(&field.first().p2p, &field.stranger, count))
        },
    },
    Program {
        name: "forged-records",
        what: "node: forged records of members, with versions from now to the end of time",
        start: |field, _| liars(field, Lie::Forge),
    },
    Program {
        name: "future-records",
        what: "node: its own records from the far future",
        start: |field, _| liars(field, Lie::Future),
    },
    Program {
        name: "old-records",
        what: "node: old records of the members and of itself, again and again",
        start: |field, _| liars(field, Lie::Replay),
    },
    Program {
        name: "unwanted-records",
        what: "node: records of nodes that no node admits, each correctly signed",
        start: |field, _| liars(field, Lie::Vouch),
    },
    Program {
        name: "invented-nodes",
        what: "node: 500 invented nodes with subscribers to every topic, links to all nodes",
        start: |field, _| liars(field, Lie::Invent),
    },
    Program {
        name: "issued-nodes",
        what: "node: 500 nodes with certificates that do not exist, each with 100 topics",
        start: |field, size| liars(&field.clone().with_others(size.of(20, 500)), Lie::Populate),
    },
    Program {
        name: "one-sided-links",
        what: "node: links to all nodes, claimed by a neighbour of one node",
        start: |field, _| {
            let mut field = field.clone();
            field.targets.truncate(1);
            liars(&field, Lie::Between)
        },
    },
    Program {
        name: "too-much",
        what: "node: as many nodes with as many topics as it can sign",
        start: |field, size| liars(&field.clone().with_others(size.of(10, 200)), Lie::Fill),
    },
    Program {
        name: "circles",
        what: "node: messages that may cross any number of links",
        start: |field, _| liars(field, Lie::Circles),
    },
    Program {
        name: "forged-origins",
        what: "node: messages in the names of others, with guessed ids",
        start: |field, _| liars(field, Lie::Origins),
    },
    Program {
        name: "false-answers",
        what: "node: answers to messages that it was never asked",
        start: |field, _| liars(field, Lie::Answers),
    },
    Program {
        name: "wrong-seals",
        what: "node: messages of 16 KiB with wrong seals, as fast as they are taken",
        start: |field, _| liars(field, Lie::Seals(16 << 10)),
    },
    Program {
        name: "fragments",
        what: "node: beginnings of 1,000 messages of 16 MiB",
        start: |field, _| liars(field, Lie::Fragments),
    },
    Program {
        name: "bad-fragments",
        what: "node: fragments that are out of place",
        start: |field, _| liars(field, Lie::BadFragments),
    },
    Program {
        name: "questions",
        what: "node: questions for all records, without end",
        start: |field, _| liars(field, Lie::Ask),
    },
    Program {
        name: "chatter",
        what: "node: signs of life and acknowledgements of nothing, without end",
        start: |field, _| liars(field, Lie::Chatter),
    },
    Program {
        name: "mute",
        what: "node: reads, and acknowledges nothing",
        start: |field, _| liars(field, Lie::Mute),
    },
    Program {
        name: "fisco-numbers",
        what: "FISCO node: numbers of topic lists that are at the end of their range, or invalid",
        start: |field, _| fisco_liars(field, FiscoLie::Numbers),
    },
    Program {
        name: "fisco-lists",
        what: "FISCO node: a different list of 50,000 topics each time it is asked",
        start: |field, size| fisco_liars(field, FiscoLie::Lists(size.of(5_000, 50_000))),
    },
    Program {
        name: "fisco-questions",
        what: "FISCO node: asks for all topics, without end",
        start: |field, _| fisco_liars(field, FiscoLie::Ask),
    },
    Program {
        name: "fisco-messages",
        what: "FISCO node: answers that were not asked for, invalid messages",
        start: |field, _| fisco_liars(field, FiscoLie::Messages),
    },
];
