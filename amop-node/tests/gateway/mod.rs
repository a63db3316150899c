//! Nodes that are joined by the gateways of a 3.x chain, over sockets, with native clients of 2.x
//! at each.

mod attacks;
mod chain;
mod messages;
