//! Runs a node in a process, from its start until it is told to stop.

use std::{future::Future, path::Path, pin::pin};

use crate::{AccessLists, Node, NodeBuilder, ReloadError, Reloaded, StartError, signal::Hangups};
use amop_proto::log::with_causes;

/// Runs a node until `stopped` completes, and then stops it in order. Calls `serving` once both
/// ports are open.
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

/// Like [`serve`], and at each hang-up signal reloads the lists that the node's `config.ini` names.
/// If a file cannot be used, nothing changes and the error is logged.
///
/// # Errors
///
/// As [`serve`].
pub async fn serve_reloading(
    node: NodeBuilder,
    config: impl AsRef<Path>,
    mut hangups: Hangups,
    serving: impl FnOnce(),
    stopped: impl Future<Output = ()>,
) -> Result<(), StartError> {
    let config = config.as_ref();
    let node = node.start().await?;
    serving();
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            () = hangups.next() => {}
        }
        match reload(&node, config).await {
            Ok(reloaded) => tracing::info!(
                "reloaded the lists of {}: they closed {} sessions and {} connections to nodes",
                config.display(),
                reloaded.sessions_closed,
                reloaded.peers_closed
            ),
            Err(error) => tracing::error!("{}", with_causes(&error)),
        }
    }
    tracing::info!("stopping");
    node.shutdown().await;
    Ok(())
}

async fn reload(node: &Node, config: &Path) -> Result<Reloaded, ReloadError> {
    let (lists, warnings) = AccessLists::from_config_file(config)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    node.reload(lists).await
}
