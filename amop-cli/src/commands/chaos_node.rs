//! `amop chaos-node`: one node process of `amop chaos`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use amop_node::NodeBuilder;
use anyhow::Result;
use clap::Args;
use tokio::sync::oneshot;

/// The line that a node's process prints when it serves.
pub(super) const SERVING: &str = "serving";

/// Runs one node of `amop chaos` until standard input ends. So the node does not outlive its
/// parent, even if the parent is killed.
#[derive(Debug, Args)]
pub(crate) struct ChaosNode {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
}

impl ChaosNode {
    pub(crate) async fn run(self) -> Result<()> {
        let (end, ended) = oneshot::channel();
        // This thread ends with the process: a read of standard input cannot be cancelled.
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = end.send(());
        });
        let serving = || {
            // If the reader is gone, standard input has ended, too.
            let _ = writeln!(io::stdout(), "{SERVING}");
        };
        let stopped = async {
            let _ = ended.await;
        };
        let node = NodeBuilder::from_config_file(&self.config)?;
        Ok(amop_node::serve(node, serving, stopped).await?)
    }
}
