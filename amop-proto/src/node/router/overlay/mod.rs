//! Messages from and to other nodes: those of FISCO nodes, and those of the overlay.
//!
//! A message that comes from a neighbour for this node, or for a FISCO node behind it, is believed
//! to be the neighbour's, because TLS proves who it is. A message that comes from further away
//! carries a seal that only its source can have made. Nothing else is checked: a message with a bad
//! seal does not use up its id, and is accepted when it comes again with a good one.

mod borders;
mod headers;
mod multicast;
mod news;
mod packets;
mod relay;
mod unicast;

pub(super) use self::headers::{again_after, carrying};
