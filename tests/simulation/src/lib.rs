//! Deterministic simulation of networks of AMOP nodes.
//!
//! The nodes are the machines of `amop-proto`, the SDKs are the client's: the very same code that
//! `amop-node` and `amop` run, not copies. Everything around them is made up here: time, lines
//! with latency, rate and order, TLS that takes its time, programs that publish and subscribe.
//! Nothing is left to the operating system, so a run is a function of its configuration: the
//! same seed gives the same events, byte for byte, and the same SHA-256 over the log of all of them.
//!
//! ```text
//! cargo run -p amop-sim --release -- --seed 7                 one run, as the seed has it
//! cargo run -p amop-sim --release -- --seed 7 --trace         with every step
//! cargo run -p amop-sim --release -- --seeds 0..10000         many, on all cores
//! cargo run -p amop-sim --release -- --scale 1000             a large network
//! cargo run -p amop-sim --release -- --hostile --seeds 0..5000  with hosts that lie
//! ```
//!
//! # What is simulated
//!
//! Frames are encoded by the real codecs and cross a line in parts, cut at random places. Order is
//! kept within a connection, not across connections. A line may have a rate; what it has not taken
//! counts as unwritten. A cut loses what is under way from a random point on, and either tells both
//! sides at random times or tells nobody, so that the machines' own signs of life have to find out.
//! Nodes die with all they know and start again with a higher epoch. Of two nodes one or both dial,
//! at random times, again after a pause. Programs answer at once, late, never, or refuse.
//!
//! # What must hold
//!
//! After every step:
//!
//! * [`BoundedMemory`](Invariant::BoundedMemory): unicasts in flight and known nodes stay within
//!   [`Limits`](amop_proto::node::Limits), and what waits for one connection below twice its limit (or its
//!   longest frame).
//! * [`NoDuplicate`](Invariant::NoDuplicate): no program gets a message twice, however often and
//!   by whatever ways it was sent; a session gets a multicast at most as often as the client sent it.
//! * [`OneOutcome`](Invariant::OneOutcome): each published message has exactly one outcome, by its
//!   deadline.
//! * [`WellFormed`](Invariant::WellFormed): no node finds a packet of another malformed or over a limit.
//!
//! Once all outcomes are known:
//!
//! * [`TrueAnswers`](Invariant::TrueAnswers): a unicast is acknowledged only if the program that
//!   its answer names has it.
//! * [`UnicastsArrive`](Invariant::UnicastsArrive): a unicast is answered if, from 2 s before it was
//!   published until its outcome, one of the publisher's connections, one connection of a
//!   subscriber that answers, and links that join their nodes all carried bytes without a break, and no
//!   queue was over its limit. Other links, nodes and subscribers may do as they like meanwhile; where
//!   links fail, subscribers that never answer may take 6 s each of its time.
//! * [`MulticastsArrive`](Invariant::MulticastsArrive): a multicast reaches every subscriber that is connected
//!   from 2 s before to 15 s after, if from 5 s before on links that join its node and the publisher's carried
//!   bytes without a break, no queue was over its limit, and no node crashed. Other links may do as they like
//!   meanwhile. It is never delivered twice.
//! * [`NoLoop`](Invariant::NoLoop): each copy of a message between nodes crosses at most 32 links,
//!   and exactly the fewest possible if nothing changed in the 5 s before. Each version of a node's
//!   record goes over a connection at most 8 times each way.
//! * [`Convergence`](Invariant::Convergence): within [`BOUND`] of the last fault every node sees exactly
//!   the nodes it can reach, how far they are and how many subscribers each has for each topic.
//! * [`NothingLeft`](Invariant::NothingLeft): when all SDKs have left and all links are gone, no
//!   node holds a session, a peer, a record or anything else.
//!
//! # Hostile hosts
//!
//! With `--hostile` one node, sometimes two, and up to two SDKs lie for 20 s and then leave. A hostile
//! node is let in like any other, runs the real machine and has a key of its own; it bends what its
//! machine writes and makes up frames: forged, replayed and odd records, stubs, messages in others'
//! names and messages sent again, answers that nobody gave, content changed on the way; it is mute or
//! deaf, sends things round, floods ([`Wile`]). A rogue SDK changes its topics all the time, floods, and
//! answers what it was not asked. Then this must hold, too, with narrow limits:
//!
//! * [`NoForgery`](Invariant::NoForgery): no program gets a message made in another's name or altered on
//!   its way, no honest node believes of another one what that has not stated, or closes a connection to it
//!   for a forgery; publishers are told of no answer that nobody gave.
//! * [`UnicastsArrive`](Invariant::UnicastsArrive) and
//!   [`MulticastsArrive`](Invariant::MulticastsArrive) where the ways that lead over hostile nodes are
//!   longer than the honest ones: a node on the shortest way may drop what it is to pass on. Of multicasts
//!   only where no connection of a node in the publisher's part of the network changed: a hostile node
//!   confirms what it drops.
//! * [`BoundedMemory`](Invariant::BoundedMemory): what neighbours tell of nodes stays within its budget.
//! * [`BoundedWork`](Invariant::BoundedWork): honest nodes write frames in proportion to those that
//!   hostile hosts made up.
//! * [`Convergence`](Invariant::Convergence) within [`BOUND`] of their leaving, without a restart.
//!
//! What a hostile node claims for itself costs a share: topics of its own are not looked at.
#![forbid(unsafe_code)]

mod bulk;
mod checks;
mod config;
mod graph;
mod hostile;
mod ledger;
mod log;
mod net;
mod reach;
mod scale;
mod scenario;
mod summary;
mod traffic;
mod truth;
mod violation;
mod world;

pub use bulk::{run_each, run_many};
pub use config::{Config, Profile, Sabotage};
pub use graph::{Edge, Topology, distances};
pub use hostile::{HostilePlan, WILES, Wile, run_hostile, run_late};
pub use ledger::{MessageId, Verdict};
pub use reach::Reach;
pub use scale::{Scale, scale};
pub use scenario::{BOUND, Plan, run};
pub use summary::Summary;
pub use traffic::Volume;
pub use violation::{Invariant, Violation};
pub use world::World;
