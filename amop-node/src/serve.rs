//! Runs a node in a process, from its start until it is told to stop.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
};

use amop_proto::log::with_causes;

use crate::{
    AccessLists, Node, NodeBuilder, ReloadError, Reloaded, StartError, apart::aside,
    signal::Hangups,
};

/// Runs a node until `stopped` completes, and then stops it in order. Calls `serving` once both
/// ports are open.
///
/// # Errors
///
/// [`StartError`] if the node cannot be started.
///
/// # Cancel safety
///
/// If the future is dropped, the node stops in the background.
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
///
/// # Cancel safety
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
    let mut stopped = pin!(stopped);
    let node = tokio::select! {
        node = node.start() => node?,
        () = &mut stopped => return Ok(()),
    };
    serving();
    loop {
        let reloaded = tokio::select! {
            () = &mut stopped => break,
            // A disk may not answer, which must not keep the program from stopping.
            reloaded = next_reload(&mut hangups, &node, config) => reloaded,
        };
        match reloaded {
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

async fn next_reload(
    hangups: &mut Hangups,
    node: &Node,
    config: &Path,
) -> Result<Reloaded, ReloadError> {
    hangups.next().await;
    reload(node, config.to_owned()).await
}

async fn reload(node: &Node, config: PathBuf) -> Result<Reloaded, ReloadError> {
    let (lists, warnings) = aside(move || AccessLists::from_config_file(config)).await?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    node.reload(lists).await
}
