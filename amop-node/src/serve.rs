//! A node as a process runs it: from a `config.ini` until it is told to stop.

use std::{future::Future, path::Path};

use crate::{NodeBuilder, StartError};

/// Runs a node from a `config.ini` until `stopped` is over, and then stops it in order. `serving` is
/// called once both ports are open.
///
/// # Errors
///
/// [`StartError`] if the node cannot be started.
pub async fn serve(
    config: &Path,
    serving: impl FnOnce(),
    stopped: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let node = NodeBuilder::from_config_file(config)?.start().await?;
    serving();
    stopped.await;
    tracing::info!("stopping");
    node.shutdown().await;
    Ok(())
}
