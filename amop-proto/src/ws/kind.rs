//! The types of messages (ws-v3 section 6).

/// The type of a message. The list is open: a value without a name here is carried like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WsType(pub u16);

impl WsType {
    /// The type of a node's own answers: an error with its text, or, from 3.1.0 on, the answer to a
    /// JSON-RPC request.
    pub const NODE_ANSWER: Self = Self(0x0000);
    /// Version handshake, and its answer.
    pub const HANDSHAKE: Self = Self(0x0100);
    /// A new block.
    pub const BLOCK_NOTIFY: Self = Self(0x0101);
    /// JSON-RPC request. Nodes 3.0.x answer with this type, too.
    pub const RPC: Self = Self(0x0102);
    /// A change of a group.
    pub const GROUP_NOTIFY: Self = Self(0x0103);
    /// The topics of a session. It is never answered.
    pub const SET_TOPICS: Self = Self(0x0110);
    /// AMOP unicast ("request").
    pub const UNICAST: Self = Self(0x0111);
    /// AMOP multicast ("broadcast"). It is never answered.
    pub const MULTICAST: Self = Self(0x0112);
    /// A subscriber's answer to a unicast.
    pub const RESPONSE: Self = Self(0x0113);
    /// Registers an event-log filter.
    pub const EVENT_REGISTER: Self = Self(0x0120);
    /// Unregisters an event-log filter.
    pub const EVENT_UNREGISTER: Self = Self(0x0121);
    /// Event-log push.
    pub const EVENT_PUSH: Self = Self(0x0122);

    /// Returns whether messages of this type have an [`AmopRequest`](super::AmopRequest) as payload.
    pub fn has_request(self) -> bool {
        matches!(self, Self::UNICAST | Self::MULTICAST)
    }
}
