//! Every order of events in a small network of overlay nodes.
//!
//! The simulation (`amop-sim`) chooses orders of events at random. This crate tries all of them, in
//! networks of three nodes: the nodes are the machines of `amop-proto` themselves, copied for every
//! branch of the search, not models of them. `stateright` does the search, depth first.
//!
//! ```text
//! cargo run -p amop-exhaustive --release -- --list
//! cargo run -p amop-exhaustive --release -- --scenario break-ring
//! cargo run -p amop-exhaustive --release -- --steps 5000000         all scenarios, each so far
//! cargo run -p amop-exhaustive --release -- --scenario break-ring --path 0,3,1
//! ```
//!
//! # What may happen, in any order
//!
//! A frame in transit between two nodes arrives (order is kept within a connection and direction,
//! as TCP does); TLS is complete at one end; one end learns that a connection ended; a link fails,
//! and its dialling end dials again, perhaps too early; a subscriber connects or disconnects; its
//! answer arrives; the publisher sends a message. See [`Step`]. Frames that a node writes after a
//! link failed are lost; frames that were in transit arrive, or are lost, from any point on.
//!
//! In some scenarios one node lies. It runs the machine of `amop-proto`, sees all frames in the
//! network, has no key except its own, and uses each of the scenario's [`Wile`]s once, at any time:
//! it forges, replays and loses records and messages, answers messages that others were asked,
//! states versions that leave no room above them.
//!
//! Time stands still while something is in transit, except for [`Scenario::early`] jumps to the
//! next timer. When nothing is in transit, timers that are due within 200 ms fire. Timers are part
//! of a state as their distance from now, so states that differ only in their time are the same.
//!
//! # What must hold
//!
//! In every state:
//!
//! * No subscriber gets a message that was not published, that it did not subscribe to, or that it
//!   already got.
//! * Every message has at most one outcome, and an answer comes from a subscriber that has the
//!   message.
//! * A unicast is answered if a subscriber that the publisher's node knew when it was sent stays,
//!   and links that never failed join their nodes.
//! * A subscriber is told that its topic is known only when its node's neighbours know it.
//! * No node finds frames of another one malformed or closes an SDK, and no message crosses links
//!   more than a few times.
//!
//! With a node that lies this holds for the honest nodes. No honest node takes another honest one
//! for a forger. A unicast is answered, and a multicast arrives, where an honest link joins the
//! nodes.
//!
//! At the end of every path, when nothing more happens: within 10 s all nodes see all nodes that
//! can be reached, at the true distance, with their true topics; every message has its outcome;
//! multicasts have reached the subscribers that they had to reach; no node holds a message any
//! more; and a new unicast and a new multicast arrive where they should, within a second. A node
//! that lies leaves before this, and comes back as an honest one afterwards; both times the same
//! must hold.
//!
//! # Two states or one?
//!
//! A state's fingerprint is made from the machine's `Debug` text ([`digest`]), so that a new
//! field counts automatically.
#![forbid(unsafe_code)]

mod digest;
mod ending;
mod forge;
mod host;
mod hostile;
mod links;
mod nodes;
mod people;
mod scenario;
mod sdks;
mod search;
mod state;
mod steps;
mod wires;

pub use digest::digest;
pub use hostile::Wile;
pub use scenario::{Break, Sabotage, Scenario, Subscriber};
pub use search::{Bound, Failure, Report, replay, search};
pub use state::State;
pub use steps::Step;
