//! One run of the comparison: starts the servers, hands out jobs in turn, and reports.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::{io::AsyncWriteExt, process::Command, signal::unix, time::timeout};

use crate::{
    job::{Job, Outcome, System, Target, Work},
    report::{self, Measured, Report},
    servers::Servers,
};

/// The time that a job may take in addition to its measurement, for example while thousands of
/// clients connect.
const SLACK: Duration = Duration::from_secs(400);

#[derive(Debug, Args)]
pub struct Options {
    /// Run fewer and shorter rounds, and no test with 10,000 clients.
    #[arg(long)]
    quick: bool,
    /// Use AMOP nodes that already run: the publishers' node, and the subscribers' node if it is
    /// another one (give this twice).
    #[arg(long, requires = "certs")]
    endpoint: Vec<String>,
    /// The folder of the SDK's certificates for --endpoint.
    #[arg(long, requires = "endpoint")]
    certs: Option<PathBuf>,
    /// The folder for the results.
    #[arg(long, default_value = "compare-results", overrides_with = "out")]
    out: PathBuf,
    /// The `amop-node` program.
    #[arg(long, default_value = "amop-node")]
    node_binary: PathBuf,
    /// Measure only these works, w1 to w7.
    #[arg(long, value_delimiter = ',')]
    works: Vec<String>,
    /// The number of rounds; each round measures each work once with each system. Default 5, quick
    /// 3.
    #[arg(long)]
    rounds: Option<usize>,
}

/// One case to measure.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub id: &'static str,
    pub title: &'static str,
    pub work: Work,
}

const SMALL: usize = 256;
const MIB: usize = 1 << 20;

#[rustfmt::skip]
const CASES: [Case; 14] = [
    case("w1", "multicast, 256 B", Work::Spread { size: SMALL, subscribers: 1 }),
    case("w1-16", "multicast, 16 B", Work::Spread { size: 16, subscribers: 1 }),
    case("w1-1k", "multicast, 1 KiB", Work::Spread { size: 1024, subscribers: 1 }),
    case("w1-16k", "multicast, 16 KiB", Work::Spread { size: 16 << 10, subscribers: 1 }),
    case("w2", "request and reply, 256 B, one in flight", Work::Ask { size: SMALL, in_flight: 1 }),
    case("w3", "request and reply, 256 B, 256 in flight", Work::Ask { size: SMALL, in_flight: 256 }),
    case("w4-10", "multicast to 10, 256 B", Work::Spread { size: SMALL, subscribers: 10 }),
    case("w4-100", "multicast to 100, 256 B", Work::Spread { size: SMALL, subscribers: 100 }),
    case("w4-1000", "multicast to 1000, 256 B", Work::Spread { size: SMALL, subscribers: 1000 }),
    case("w5", "multicast, 1 MiB", Work::Spread { size: MIB, subscribers: 1 }),
    case("w6-1", "1 idle client", Work::Idle { clients: 1 }),
    case("w6-1000", "1000 idle clients", Work::Idle { clients: 1000 }),
    case("w6-10000", "10,000 idle clients", Work::Idle { clients: 10_000 }),
    case("w7", "from subscribing to a message of the other server", Work::Interest { times: 20 }),
];

const fn case(id: &'static str, title: &'static str, work: Work) -> Case {
    Case { id, title, work }
}

impl Case {
    pub fn has(&self, system: System) -> bool {
        match (self.work, system) {
            (_, System::Amop | System::Amop3 | System::Nats) => true,
            (Work::Spread { .. } | Work::Idle { .. }, System::Mqtt) => true,
            (Work::Spread { subscribers, .. }, System::Raw) => subscribers == 1,
            (Work::Ask { .. }, System::Raw) => true,
            _ => false,
        }
    }

    fn is_idle(&self) -> bool {
        matches!(self.work, Work::Idle { .. })
    }

    /// The number of files that the clients of one job have open.
    fn files(&self) -> u64 {
        let clients = match self.work {
            Work::Idle { clients } => clients,
            Work::Spread { subscribers, .. } => subscribers,
            _ => 1,
        };
        clients as u64 + 100
    }
}

pub async fn run(options: Options) -> Result<ExitCode> {
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    // Dropping the run ends its processes.
    tokio::select! {
        result = measure(&options) => result,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

async fn measure(options: &Options) -> Result<ExitCode> {
    for work in &options.works {
        if !CASES.iter().any(|case| selects(work, case)) {
            bail!("--works {work}: there is no such work; use w1 to w7");
        }
    }
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create {}", options.out.display()))?;
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });
    let mut report = Report::new(options.quick, rounds);
    let mut servers = BTreeMap::new();
    for system in System::ALL {
        servers.insert(system, start(system, options).await?);
    }
    let files = open_files()?;
    for case in CASES {
        let wanted = &options.works;
        if !wanted.is_empty() && !wanted.iter().any(|work| selects(work, &case)) {
            continue;
        }
        if options.quick && case.id == "w6-10000" {
            report.skipped(case, "only without --quick");
        } else if case.files() > files {
            report.skipped(case, "too few open files: raise `ulimit -n`");
        } else {
            // Idle clients give the same result in every round.
            let rounds = if case.is_idle() { 1 } else { rounds };
            for round in 1..=rounds {
                for system in System::ALL.into_iter().filter(|&system| case.has(system)) {
                    let result = one(case, system, &servers[&system], options).await;
                    report::progress(&case, system, round, rounds, &result);
                    report.add(case, Measured { system, result });
                }
            }
        }
    }
    for (_, servers) in servers {
        servers.stop().await?;
    }
    report.write(&options.out)
}

fn selects(work: &str, case: &Case) -> bool {
    let rest = case.id.strip_prefix(work);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

async fn start(system: System, options: &Options) -> Result<Servers> {
    if system != System::Amop || options.endpoint.is_empty() {
        return Servers::start(system, &options.node_binary).await;
    }
    let [first, .., last] = &options.endpoint[..] else {
        let only = options.endpoint[0].clone();
        return Ok(external([only.clone(), only], options));
    };
    Ok(external([first.clone(), last.clone()], options))
}

fn external(endpoints: [String; 2], options: &Options) -> Servers {
    Servers::external(Target {
        system: System::Amop,
        endpoints,
        certs: options.certs.clone().unwrap_or_default(),
        pids: Vec::new(),
    })
}

async fn one(case: Case, system: System, servers: &Servers, options: &Options) -> Result<Outcome> {
    let seconds =
        |quick: f64, full| Duration::from_secs_f64(if options.quick { quick } else { full });
    let (warm_up, time) = if case.is_idle() {
        // Longer than the 10 s between an AMOP client's heartbeats, or idle clients would seem to
        // cost nothing.
        (seconds(1.0, 5.0), seconds(11.0, 20.0))
    } else {
        (seconds(0.3, 0.7), seconds(1.0, 2.0))
    };
    let job = |target: &Target| Job {
        target: target.clone(),
        work: case.work,
        warm_up,
        time,
    };
    if !case.is_idle() {
        return generate(&job(&servers.target)).await;
    }
    // With fresh servers, because memory left over from earlier work would distort the memory per
    // client.
    let fresh = start(system, options).await?;
    let outcome = generate(&job(&fresh.target)).await;
    fresh.stop().await?;
    outcome
}

/// Runs a load generator.
async fn generate(job: &Job) -> Result<Outcome> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child
        .stdin
        .take()
        .context("the load generator has no input")?;
    stdin.write_all(&serde_json::to_vec(job)?).await?;
    drop(stdin);
    let output = timeout(job.warm_up + job.time + SLACK, child.wait_with_output())
        .await
        .context("the load generator does not end")??;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("the load generator's outcome is not JSON")
}

/// Returns how many files a process may have open.
fn open_files() -> Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read the limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    let soft = soft.context("/proc/self/limits has no open files")?;
    Ok(soft.parse().unwrap_or(u64::MAX))
}
