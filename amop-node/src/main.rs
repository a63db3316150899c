//! The `amop-node` command: runs one node from a `config.ini`.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use amop_node::{NodeBuilder, StartError, config::ChainVersion, signal};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Gives memory back to the system soon after a flood, and costs less for each message than that of most
/// systems does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An AMOP node that speaks the protocols of FISCO BCOS 2.x and keeps no chain.
///
/// It reads the chain's own config.ini, so it can be started in a folder made by build_chain.sh.
/// SIGHUP lets it read the white, black, allow and revocation lists again; connections that they refuse
/// are closed.
/// The log goes to standard error; RUST_LOG chooses what it says (default: info).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The configuration file; relative paths in it start from its folder.
    #[arg(short, long, default_value = "config.ini")]
    config: PathBuf,
    /// The chain id told to SDKs, instead of chain.id.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    chain_id: Option<u64>,
    /// The version told to SDKs, instead of compatibility.supported_version; 2.11.1 for example.
    #[arg(long)]
    fisco_version: Option<ChainVersion>,
}

impl Options {
    fn builder(&self) -> Result<NodeBuilder, StartError> {
        let mut builder = NodeBuilder::from_config_file(&self.config)?;
        if let Some(id) = self.chain_id {
            builder = builder.chain_id(id);
        }
        if let Some(version) = &self.fisco_version {
            builder = builder.fisco_version(version.clone());
        }
        Ok(builder)
    }
}

/// Every connection takes a file descriptor: the process may have as many as the system lets it.
fn more_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let most = Rlimit {
            current: limit.maximum,
            ..limit
        };
        if let Err(error) = setrlimit(Resource::Nofile, most) {
            tracing::debug!("the limit of file descriptors stays: {error}");
        }
    }
}

/// Tasks that run before it is looked whether something has come for others, or their time has. What one SDK
/// sends may keep a task busy for a millisecond, and the 61 that is usual would be a long time then.
const EVENT_INTERVAL: u32 = 8;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(Options::parse())),
        Err(error) => {
            eprintln!("amop-node: cannot start threads: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();

    more_descriptors();
    // Before the node says that it serves: whoever waits for that may stop it at once.
    let signals = signal::stop().and_then(|stopped| Ok((stopped, signal::hangups()?)));
    let (stopped, hangups) = match signals {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("amop-node: cannot wait for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = match options.builder() {
        Ok(builder) => {
            amop_node::serve_reloading(builder, &options.config, hangups, || {}, stopped).await
        }
        Err(error) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("amop-node: {error}");
            ExitCode::FAILURE
        }
    }
}
