//! What all connections of a gateway need.

use std::sync::Arc;

use amop_proto::gateway::GatewayCodec;
use amop_tls::PeerVerifier;

use super::{lists::GatewayLists, room::GatewayRoom};
use crate::context::NodeContext;

/// What all connections of a gateway need.
#[derive(Debug, Clone)]
pub(super) struct Gateway {
    pub(super) context: NodeContext,
    pub(super) room: Arc<GatewayRoom>,
    pub(super) codec: GatewayCodec,
    pub(super) verifier: PeerVerifier,
    pub(super) lists: Arc<GatewayLists>,
}
