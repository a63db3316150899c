//! A node as a process runs it: from its start until it is told to stop.

use std::future::Future;

use crate::{NodeBuilder, StartError};

/// Runs a node until `stopped` is over, and then stops it in order. `serving` is
/// called once both ports are open.
///
/// # Errors
///
/// [`StartError`] if the node cannot be started.
pub async fn serve(
    node: NodeBuilder,
    serving: impl FnOnce(),
    stopped: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let node = node.start().await?;
    serving();
    stopped.await;
    tracing::info!("stopping");
    node.shutdown().await;
    Ok(())
}
