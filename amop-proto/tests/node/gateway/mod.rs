//! Node machines that are joined by gateways of 3.x: a bridge between each machine and its
//! connections with other nodes of one 3.x chain.

mod chain;
mod liars;
mod messages;
mod storm;
