//! The `amop-node` command: runs one node from a `config.ini`.

use std::{
    io::{self, Write},
    path::PathBuf,
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use amop_node::{NodeBuilder, StartError, config::ChainVersion, program::Log, signal};
use amop_proto::log::with_causes;
use clap::Parser;
use tokio::task;

/// Returns memory to the system within seconds of a flood, and reuses the memory of short-lived
/// buffers while it is still in the processor's cache.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An AMOP node that speaks the protocols of FISCO BCOS 2.x and keeps no chain.
///
/// It reads the chain's own config.ini, so it can be started in a folder made by build_chain.sh.
/// SIGHUP makes it read the white, black, allow and revocation lists again; connections that they
/// refuse
/// are closed.
/// The log goes to standard error; RUST_LOG selects what is logged (default: info).
#[derive(Debug, Parser)]
#[command(version)]
struct NodeCommandLine {
    /// The configuration file; relative paths in it start from its folder.
    #[arg(short, long, default_value = "config.ini")]
    config: PathBuf,
    /// The chain id reported to SDKs, instead of chain.id.
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    chain_id: Option<u64>,
    /// The version reported to SDKs, instead of compatibility.supported_version; 2.11.1 for
    /// example.
    #[arg(long)]
    fisco_version: Option<ChainVersion>,
}

impl NodeCommandLine {
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

/// Raises the limit of open files to the system's maximum, because every connection takes one.
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
            tracing::debug!("cannot raise the limit of open files: {error}");
        }
    }
}

/// The number of tasks that run before the runtime polls for I/O and timers. Frames of one SDK may
/// keep a task busy for a millisecond, so the default of 61 would be a long time.
const EVENT_INTERVAL: u32 = 8;

/// How long the program waits at its end for unfinished system calls: resolving a name may take
/// half a minute.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// How long the program may take to stop: the node gives its connections 10 s.
const STOP: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let options = NodeCommandLine::parse();
    let log = match Log::start("info") {
        Ok(log) => log,
        Err(error) => {
            // Standard error may be closed.
            let _ = writeln!(io::stderr(), "amop-node: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = log
        .end_after_signal(STOP)
        .map_err(ProgramError::Signals)
        .and_then(|()| run(options));
    if let Err(error) = &ended {
        log.say(format_args!("amop-node: {}", with_causes(error)));
    }
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The reason why the program ended early.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    #[error("cannot start threads")]
    Threads(#[source] io::Error),
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn run(options: NodeCommandLine) -> Result<(), ProgramError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(ProgramError::Threads)?;
    let ended = runtime.block_on(serve(options));
    runtime.shutdown_timeout(LAST_CALLS);
    ended
}

async fn serve(options: NodeCommandLine) -> Result<(), ProgramError> {
    more_descriptors();
    // Catch signals before the node says that it serves: a program that waits for this line may
    // stop the node at once.
    let stopped = signal::stop().map_err(ProgramError::Signals)?;
    let hangups = signal::hangups().map_err(ProgramError::Signals)?;
    let mut stopped = pin!(stopped);
    let config = options.config.clone();
    // On a separate thread, because a disk may not answer.
    let reading = task::spawn_blocking(move || options.builder());
    let builder = tokio::select! {
        read = reading => read.map_err(io::Error::from).map_err(ProgramError::Threads)??,
        () = &mut stopped => return Ok(()),
    };
    let serving = amop_node::serve_reloading(builder, &config, hangups, || {}, stopped);
    Ok(serving.await?)
}
