//! The `amop-node` command: runs one node from a `config.ini`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use amop_node::NodeBuilder;
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// An AMOP node that speaks the protocols of FISCO BCOS 2.x and keeps no chain.
///
/// It reads the chain's own config.ini, so it can be started in a folder made by build_chain.sh.
/// The log goes to standard error; RUST_LOG chooses what it says (default: info).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The configuration file; relative paths in it start from its folder.
    #[arg(short, long, default_value = "config.ini")]
    config: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let builder = NodeBuilder::from_config_file(&options.config);
    let node = match builder {
        Ok(builder) => builder.start().await,
        Err(error) => Err(error),
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => {
            eprintln!("amop-node: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = stop_signal().await {
        eprintln!("amop-node: cannot wait for signals: {error}");
        return ExitCode::FAILURE;
    }
    tracing::info!("stopping");
    node.shutdown().await;
    ExitCode::SUCCESS
}

/// Waits for Ctrl-C or, on Unix, SIGTERM.
async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
