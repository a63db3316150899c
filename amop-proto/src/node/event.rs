//! What happens to a node.

use super::{
    CertificateLapse, CheckedRecords, Lane, PeerId, PeerInput, Restated, SessionId,
    SessionIdentity, SessionInput,
};
use crate::{
    channel::{Frame, SetTopics},
    p2p::{NodeId, mesh::Subject},
};

/// The identity of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The node's ID, from its certificate.
    pub node: NodeId,
    /// The node's name, from its certificate.
    pub name: String,
    /// The agency's name, from the certificate: agencies choose their own names.
    pub agency: String,
    /// A digest that identifies the agency.
    pub authority: [u8; 32],
    /// The address that the connection was made to or came from.
    pub address: String,
    /// Whether this node itself gives each message of the peer a new seq, as a gateway's bridge does.
    /// Then no other message is a copy of it, and none is looked for.
    pub new_seqs: bool,
}

/// What happens to a node.
#[derive(Debug)]
pub enum NodeEvent {
    /// An SDK completed TLS.
    SessionOpened {
        /// The number of the new session.
        session: SessionId,
        /// The key and agency of its certificate.
        identity: SessionIdentity,
    },
    /// A session sent a frame.
    SessionFrame(SessionId, SessionInput),
    /// A session sends a message for which the shell has no room; this is its header. The machine
    /// refuses the message, and the shell drops its body.
    SessionRefused(SessionId, Frame),
    /// An [`Action::Answer`](super::Action::Answer) was carried out: the frame is for the session.
    SessionReply(SessionId, Frame),
    /// Bytes came from a session that are not a whole frame yet.
    SessionActive(SessionId),
    /// This many bytes of the frames for a session have been written.
    SessionWritten(SessionId, usize),
    /// A session's connection has ended.
    SessionClosed(SessionId),
    /// A peer completed TLS.
    PeerOpened {
        /// The number of the new connection.
        peer: PeerId,
        /// The identity of the peer.
        identity: PeerIdentity,
        /// Whether this node made the connection.
        dialled: bool,
    },
    /// A peer sent a frame that does not bring records: [`Checker::event`](super::Checker::event)
    /// tells the two kinds apart, and reads what must be read.
    PeerFrame(PeerId, PeerInput),
    /// A peer sent records of nodes, which have been checked.
    PeerRecords(PeerId, CheckedRecords),
    /// These nodes are no longer believed: their statements are forgotten. The
    /// [`Checker`](super::Checker) must refuse their later statements. See
    /// [`Router::chains`](super::Router::chains).
    Disbelieve(Vec<Subject>),
    /// An [`Action::Restate`](super::Action::Restate) was carried out.
    Restated(Restated),
    /// A peer sends an AMOP message for which the shell has no room; these are its P2P seq and the
    /// header of its frame. The machine refuses the message, and the shell drops its body.
    PeerRefused(PeerId, u32, Frame),
    /// Bytes came from a peer that are not a whole frame yet.
    PeerActive(PeerId),
    /// This many bytes of a lane's frames for a peer have been written, uncompressed and without
    /// the bytes that [cutting](super::LinkQueue) adds.
    PeerWritten(PeerId, Lane, usize),
    /// A peer's connection has ended.
    PeerClosed(PeerId),
    /// A session's certificate is no longer accepted: the session is closed.
    SessionLapsed(SessionId, CertificateLapse),
    /// A peer's certificate is no longer accepted: the peer is closed.
    PeerLapsed(PeerId, CertificateLapse),
    /// The time asked for with [`NodeMachine::next_timeout`](super::NodeMachine::next_timeout) has come.
    Timeout,
    /// The node is about to stop while its peers are still connected. All sessions are closed, and
    /// none is answered any more, so that an SDK asks another node instead of concluding that its
    /// message has no subscriber.
    Stop,
}

impl NodeEvent {
    /// Reads a session's frame at once: for callers that do not share the node. Others call
    /// [`SessionInput::read`] before they lock the node.
    pub fn session_frame(session: SessionId, frame: Frame) -> Self {
        Self::SessionFrame(session, SessionInput::read(frame, SetTopics::MOST))
    }
}
