//! The node-node protocol ("P2P"), as far as AMOP needs it.
//!
//! It has frames, topic synchronisation, and the extension with which overlay nodes tell each other
//! about the network.

mod assembler;
mod blocks;
mod body;
mod codec;
mod fragment;
mod frame;
pub mod mesh;
mod message;
mod topics;

pub use assembler::{Assembled, FragmentAssembler, FragmentError, MAX_OPEN};
pub(crate) use blocks::Blocks;
pub use body::{Body, FRAGMENT};
pub use codec::{PeerCodec, PeerFrameError};
pub(crate) use fragment::Cutting;
pub use frame::{PEER_HEADER_LEN, PeerFrame};
pub use message::PeerMessage;

pub use crate::node_id::{NodeId, NodeIdError};
pub use topics::{TopicList, TopicListError, parse_topic_seq};

/// Protocol IDs: positive in requests, negated in responses (p2p-v2 section 4.3).
pub mod protocol {
    /// AMOP messages.
    pub const AMOP: i32 = 1;
    /// Topic synchronisation.
    pub const TOPIC: i32 = 2;
    /// The extension that only overlay nodes use among themselves. Group 0, module 0x414D ("AM");
    /// FISCO nodes have no handler for it and drop it silently (p2p-v2 section 5).
    pub const EXTENSION: i32 = 0x414D;
}

/// Packet types.
pub mod packet {
    /// AMOP: a message to one subscriber.
    pub const UNICAST: u16 = 0;
    /// AMOP: a message to every subscriber.
    pub const MULTICAST: u16 = 1;
    /// Topic: announces the sender's topic sequence number.
    pub const TOPIC_SEQ: u16 = 1;
    /// Topic: requests the topics.
    pub const REQUEST_TOPICS: u16 = 2;
    /// Topic: the topics.
    pub const TOPICS: u16 = 3;
}
