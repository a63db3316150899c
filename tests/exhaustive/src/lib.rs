//! Every order of events in a small network of AMOP nodes.
//!
//! The simulation (`amop-sim`) draws orders of events at random. Here all of them are tried, in
//! networks of three nodes: the nodes are the machines of `amop-proto` themselves, copied for every
//! branch of the search, not models of them. `stateright` does the searching, depth first.
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
//! A frame under way between two nodes arrives (order is kept within a connection and direction, as
//! TCP does); TLS is complete at one end; one end finds out that a connection is gone; a link fails,
//! and its dialling end dials again, too early perhaps; a subscriber comes or goes; its answer
//! arrives; the publisher sends a message. See [`Step`]. What a node writes after a link failed goes
//! nowhere; what was under way before arrives, or does not, up to any point.
//!
//! In some scenarios one node lies. It runs the real machine, sees what passes anywhere, has no key but
//! its own, and uses each of the scenario's [`Wile`]s once, whenever it likes: it forges, replays and
//! loses records and messages, answers what others were asked, states versions that leave no room.
//!
//! Time stands still while something is under way, save for [`Scenario::early`] jumps to the next
//! timer. When nothing is under way, timers that are due within 200 ms fire. Timers are part of a
//! state as their distance from now, so states that differ only in when they happen are one.
//!
//! # What must hold
//!
//! In every state: nobody gets what was not published, nor what he did not subscribe to, nor anything
//! twice; every message has one outcome at most; an answer is of one who has the message; a unicast
//! is answered if a subscriber that the publisher's node knew when it was sent stays, and links that
//! never failed join their nodes; a subscriber is told that its topic is known only when its node's
//! neighbours know it; no node finds another's frames malformed or closes an SDK; no message crosses
//! links more than a few times. With a node that lies this holds for the honest ones; no honest node
//! takes another one for a forger; a unicast is answered, and a multicast arrives, where an honest link
//! joins the nodes.
//!
//! At the end of every path, when nothing more happens: within 10 s all nodes see all that can be
//! reached, at the true distance, with its true topics; every message has its outcome; multicasts
//! have reached whom they had to; no node holds a message any more; and a new unicast and a new
//! multicast go where they should, within a second. A node that lies leaves before, and comes back as an
//! honest one after; both times the same must hold.
//!
//! # Two states or one?
//!
//! A state's fingerprint is made from the machine's `Debug` text ([`digest`]), so that a new
//! field counts without anybody thinking of it.
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
