//! The state that the tasks of a node share.

use std::sync::Arc;

use amop_proto::{
    channel::FrameDecoder,
    node::{Checker, Limits},
    p2p::{NodeId, PeerCodec},
    ws::bridge::SdkBridgeConfig,
};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    access::Access,
    checking::Checking,
    core::Core,
    effort::Efforts,
    intake::Intake,
    limits::ListenLimits,
    pace::Paces,
    ports::{Door, Ports},
    receive::Patience,
};

/// The state that the tasks of a node share.
#[derive(Debug, Clone)]
pub(crate) struct NodeContext {
    pub(crate) node_id: NodeId,
    pub(crate) core: Arc<Core>,
    pub(crate) access: Arc<Access>,
    pub(crate) stop: CancellationToken,
    /// The tasks of authenticated connections, and the runtime they run on.
    pub(crate) tasks: TaskTracker,
    pub(crate) runtime: Handle,
    /// The thread for connections that are not authenticated yet.
    pub(crate) ports: Ports,
    pub(crate) p2p_door: Arc<Door>,
    pub(crate) decoder: FrameDecoder,
    pub(crate) codec: PeerCodec,
    pub(crate) checker: Arc<Checker>,
    pub(crate) checking: Checking,
    pub(crate) limits: ListenLimits,
    /// The machine's limits.
    pub(crate) machine_limits: Limits,
    pub(crate) intake: Arc<Intake>,
    pub(crate) efforts: Arc<Efforts>,
    /// How fast texts are read for all connections with the same key.
    pub(crate) paces: Arc<Paces>,
    /// The settings of sessions of 3.x.
    pub(crate) sessions_v3: SdkBridgeConfig,
}

impl NodeContext {
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            grace: self.limits.frame_time,
            rate: self.limits.frame_rate,
        }
    }
}
