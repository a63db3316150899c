//! A node as a process runs it: from its start until it is told to stop.

use std::{future::Future, path::Path, pin::pin};

use crate::{AccessLists, Node, NodeBuilder, ReloadError, Reloaded, StartError, signal::Hangups};

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

/// As [`serve`], and at each hang-up reloads the lists that the node's `config.ini` names. A file that
/// cannot be used changes nothing and is logged.
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
            Err(error) => tracing::error!("{error}"),
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
