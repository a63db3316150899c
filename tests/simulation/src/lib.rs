//! Deterministic simulation of networks of overlay nodes.
//!
//! The nodes are the machines of `amop-proto`, the SDKs are the client's: the same code that
//! `amop-node` and `amop` run, not copies. Everything around them is simulated: time, lines with
//! latency, rate and order, TLS that takes time, programs that publish and subscribe. Nothing
//! depends on the operating system, so a run is a function of its configuration: the same seed
//! gives the same events, byte for byte, and the same SHA-256 over the log of all of them.
//!
//! ```text
//! cargo run -p amop-sim --release -- --seed 7                 one run, chosen by the seed
//! cargo run -p amop-sim --release -- --seed 7 --trace         with every step
//! cargo run -p amop-sim --release -- --seeds 0..10000         many, on all cores
//! cargo run -p amop-sim --release -- --gateways 0.4 --seeds 0..10000  with gateways of 3.x
//! cargo run -p amop-sim --release -- --scale 1000             a large network
//! cargo run -p amop-sim --release -- --hostile --seeds 0..5000  with hosts that lie
//! ```
//!
//! # What is simulated
//!
//! Frames are encoded by the codecs of `amop-proto` and cross a line in parts, cut at random
//! places. Order is kept within a connection, not across connections. A line may have a rate; bytes
//! that it has not taken count as unwritten. A cut loses the bytes in transit from a random point
//! on. It either tells both sides at random times or tells neither, so that the machines' own signs
//! of life have to detect it. Nodes crash with everything they know and start again with a higher
//! epoch. Of two nodes one or both dial, at random times, and again after a pause. Programs answer
//! at once, late, never, or refuse.
//!
//! Some SDKs speak 3.x with some of their nodes (`--v3 1` for all). The translators of `amop-proto`
//! stand at both ends of such a connection, as in `amop` and `amop-node`; between them pass WebSocket
//! messages, pings and pongs. The TLS and HTTP requests before them are not simulated. Both
//! generations have one topic space, so everything below holds for both, except where it says so.
//!
//! Some links may be connections between gateways of 3.x instead (`--gateways 0.4` for this share of
//! them), and a third of these are there in addition to the link. The nodes at their ends form one
//! 3.x chain: each has a [`GatewayBridge`](amop_proto::gateway::bridge::GatewayBridge) and a
//! connection with each other, as `amop-node` has them. Their packets are written and read by
//! [`GatewayCodec`](amop_proto::gateway::GatewayCodec), with versions 1 to 3, some of them compressed.
//! To each machine the chain is one FISCO node that takes part in the overlay (`transit`), so that
//! only gateways join some parts of the network; a part may be one node without links. Of the
//! gateways in one part, the one with the lowest ID carries messages, and the others stand by. A
//! gateway dials again after about 1 s instead of 10 s.
//!
//! # What must hold
//!
//! After every step:
//!
//! * [`BoundedMemory`](Invariant::BoundedMemory): unicasts in flight and known nodes stay within
//!   [`Limits`](amop_proto::node::Limits), and the queue of a connection stays below twice its
//!   limit (or its longest frame).
//! * [`NoDuplicate`](Invariant::NoDuplicate): no program gets a message twice, however often and by
//!   whatever paths it was sent; a session gets a multicast at most as often as the client sent it.
//! * [`OneOutcome`](Invariant::OneOutcome): each published message has exactly one outcome, by its
//!   deadline.
//! * [`WellFormed`](Invariant::WellFormed): no node finds a packet of another node malformed or
//!   over a limit.
//!
//! Once all outcomes are known:
//!
//! * [`TrueAnswers`](Invariant::TrueAnswers): a unicast is acknowledged only if the program that
//!   its answer names has it. A multicast over 3.x is acknowledged only if the publisher's node has
//!   read it.
//! * [`UnicastsArrive`](Invariant::UnicastsArrive): a unicast is answered under these conditions,
//!   from 2 s before it was published until its outcome: one of the publisher's connections, one
//!   connection of a subscriber that answers, and links that join their nodes all carried bytes
//!   without a break, and no queue was over its limit. Other links, nodes and subscribers may do
//!   anything meanwhile; where links fail, each subscriber that never answers may take 6 s of its
//!   time.
//! * [`MulticastsArrive`](Invariant::MulticastsArrive): a multicast reaches every subscriber that
//!   is connected from 2 s before to 15 s after, if from 5 s before links that join its node and
//!   the publisher's carried bytes without a break, no queue was over its limit, and no node
//!   crashed. Other links may do anything meanwhile. It is never delivered twice.
//! * [`HandedOnce`](Invariant::HandedOnce): a unicast that was given to an SDK of 3.x, which did not
//!   refuse it, goes to no other SDK, unless its publisher sends it again, links between nodes
//!   changed, or a queue was over its limit.
//! * What 3.x cannot keep: a unicast that such an SDK has need not be answered if its program never
//!   answers, its connection broke or stood still, or links changed meanwhile. A program may get
//!   such a unicast again each time that its node gives it to it, because each has a seq of its own.
//! * [`NoLoop`](Invariant::NoLoop): each copy of a message between nodes crosses at most 32 links,
//!   and exactly the fewest possible if nothing changed in the 5 s before. Each version of a node's
//!   record crosses a connection at most 8 times in each direction.
//! * [`Convergence`](Invariant::Convergence): within [`BOUND`] of the last fault every node sees exactly
//!   the nodes it can reach, how far they are and how many subscribers each has for each topic.
//! * [`NothingLeft`](Invariant::NothingLeft): when all SDKs have left and all links are gone, no
//!   node holds a session, a peer, a record or anything else.
//!
//! # Gateways of 3.x
//!
//! All of the above holds with gateways, too, within each part of the network that links join.
//! Across gateways holds what the documentation of
//! [`gateway::bridge`](amop_proto::gateway::bridge) promises:
//!
//! * [`WellFormed`](Invariant::WellFormed): no gateway counts a packet of another one as malformed,
//!   forged, for another node, or over a limit, and none refuses a list of topics. The node is
//!   allowed to ignore one thing: an answer of the chain to a unicast that its publisher's node has
//!   taken back.
//! * [`BoundedMemory`](Invariant::BoundedMemory): no gateway knows more nodes than the chain has. What
//!   waits for the gateway has the bound of a connection's queue.
//! * [`TrueAnswers`](Invariant::TrueAnswers) and [`OneOutcome`](Invariant::OneOutcome) without
//!   exception.
//! * [`NoDuplicate`](Invariant::NoDuplicate), except that messages between 3.x nodes have no name, and
//!   get a new one where they leave the chain. So a program may get a message once more for each
//!   node where it left the chain if one of these is true: the publisher sent it again, or a
//!   connection between nodes changed, or a gateway began or stopped to carry messages, since 5 s
//!   before. Otherwise a program gets it once in each part of the network that the program is
//!   connected to. With changes a session, too, may get a multicast more often than it was sent,
//!   once for each such node.
//! * [`NoLoop`](Invariant::NoLoop): in the life of a node, a message crosses from its gateway to each
//!   other gateway at most as often as its publisher sent it. A unicast may cross again after the
//!   gateway stopped to carry messages and began again, because the machine takes the chain for another
//!   peer then. If nothing changed for 5 s, messages enter the chain only in the part of the network
//!   where their publisher is.
//! * [`UnicastsArrive`](Invariant::UnicastsArrive) and [`MulticastsArrive`](Invariant::MulticastsArrive)
//!   for subscribers in other parts of the network, if for 12 s before these were undisturbed, too: the
//!   links from the publisher's node to a gateway that carries messages, its connection with a
//!   gateway that carries messages in the other part, the links from there, and the subscriber's
//!   connection. A unicast that a gateway sent to another one need not be answered if a connection
//!   between nodes changed meanwhile, or a gateway began or stopped to carry messages: a subscriber
//!   may have it, and it goes to no other.
//! * [`HandedOnce`](Invariant::HandedOnce), if no connection between gateways changed either, and if the
//!   nodes of the chain together answered within 6 s: after that a publisher's node takes a unicast
//!   back, as from any node.
//! * [`Convergence`](Invariant::Convergence): as above, and all nodes see which gateway carries messages
//!   for their part of the network; this one has exactly the topics of the other parts that its
//!   connections lead to. A silent cut between gateways is found only after 60 s
//!   ([`IDLE`](amop_proto::gateway::IDLE)), which is added to [`BOUND`]. No gateway begins to carry
//!   messages before another one has taken one of its connections.
//! * [`NothingLeft`](Invariant::NothingLeft): no gateway waits for anything.
//!
//! # Hostile hosts
//!
//! With `--hostile` one node, sometimes two, and up to two SDKs lie for 20 s and then leave. A
//! hostile node is admitted like any other, runs the machine of `amop-proto` and has its own key.
//! It changes the frames that its machine writes, and makes up frames: forged, replayed and odd
//! records, stubs, messages in the names of others, repeated messages, false answers, changed
//! content. It relays or acknowledges nothing, sends messages round in circles, and floods
//! ([`Wile`]). A rogue SDK changes its topics all the time, floods, and answers messages that it
//! was not asked. Then this must hold, too, with narrow limits:
//!
//! * [`NoForgery`](Invariant::NoForgery): no program gets a message that was made in another's name
//!   or altered in transit; no honest node believes something about another one that this has not
//!   stated, or closes a connection to it because of a forgery; publishers get no forged answers.
//! * [`UnicastsArrive`](Invariant::UnicastsArrive) and
//!   [`MulticastsArrive`](Invariant::MulticastsArrive) where the paths over hostile nodes are
//!   longer than the honest ones: a node on the shortest path may drop messages that it should
//!   relay. For multicasts only where no connection of a node in the publisher's part of the
//!   network changed, because a hostile node confirms messages that it drops.
//! * [`BoundedMemory`](Invariant::BoundedMemory): statements of neighbours about nodes stay within
//!   their budget.
//! * [`BoundedWork`](Invariant::BoundedWork): honest nodes write frames in proportion to those that
//!   hostile hosts made up.
//! * [`Convergence`](Invariant::Convergence) within [`BOUND`] of their leaving, without a restart.
//!
//! Claims of a hostile node about itself cost others a share: the checks ignore its own topics.
#![forbid(unsafe_code)]

mod bulk;
mod checks;
mod checks_gateways;
mod checks_v3;
mod config;
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

pub use amop_testkit::topology::{Edge, Topology, distances};
pub use bulk::{run_each, run_many};
pub use config::{Config, Profile, Sabotage};
pub use hostile::{HostilePlan, WILES, Wile, run_hostile, run_late};
pub use ledger::{MessageId, Verdict};
pub use reach::Reach;
pub use scale::{Scale, scale};
pub use scenario::{BOUND, Plan, run};
pub use summary::Summary;
pub use traffic::Volume;
pub use violation::{Invariant, Violation};
pub use world::World;
