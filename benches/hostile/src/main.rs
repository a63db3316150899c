//! Measures the effect of attackers on the messages of others: see `benches/hostile/run.sh`.
//!
//! Three nodes run as separate processes, as operators run them. The innocents are in this process.
//! The attacker is a separate process with the lowest priority, so that its work takes no time from
//! the nodes: outside of this test it would use its own machines.
#![forbid(unsafe_code)]

mod innocents;
mod network;
mod report;
mod trial;

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use amop_testkit::attack;
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures all attacks, or some of them.
    Run(Run),
    /// Attacks until standard input ends.
    Attack(Attack),
}

#[derive(Debug, Args)]
struct Run {
    /// The program `amop-node`.
    #[arg(long)]
    node_binary: PathBuf,
    /// Run only these attacks.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long each attack lasts, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The file for the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// List the attacks, and stop.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Args)]
struct Attack {
    name: String,
    /// The folder of the network.
    #[arg(long)]
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Run(run) => run.run().await,
        Command::Attack(attack) => attack.run().await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("amop-hostile: {error:#}");
            ExitCode::from(2)
        }
    }
}

impl Run {
    /// Returns whether all targets are met.
    async fn run(self) -> Result<bool> {
        let all = attack::PROGRAMS;
        if self.list {
            for program in all {
                println!("{:16} {}", program.name, program.what);
            }
            return Ok(true);
        }
        for name in &self.only {
            if !all.iter().any(|program| program.name == name) {
                bail!("there is no attack {name:?}; --list shows the names");
            }
        }
        let chosen = all
            .iter()
            .filter(|program| self.only.is_empty() || self.only.iter().any(|n| n == program.name));
        let mut trials = Vec::new();
        report::print_head();
        for program in chosen {
            let length = Duration::from_secs(self.seconds);
            let trial = trial::run(program, &self.node_binary, length)
                .await
                .with_context(|| format!("measuring {}", program.name))?;
            report::print(&trial);
            trials.push(trial);
        }
        if let Some(file) = &self.json {
            let text = serde_json::to_string_pretty(&trials)?;
            std::fs::write(file, text).with_context(|| file.display().to_string())?;
        }
        Ok(trials.iter().all(trial::Trial::holds))
    }
}

impl Attack {
    async fn run(self) -> Result<()> {
        let Some(program) = attack::PROGRAMS.iter().find(|p| p.name == self.name) else {
            bail!("there is no attack {:?}", self.name);
        };
        let field = network::field(&self.dir)?;
        let running = (program.start)(&field, attack::Size::Whole);
        // This process must not outlive its parent, so it ends when standard input ends.
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin().lock(), &mut io::sink()))
            .await??;
        println!("{} {}", running.count(), running.refusals());
        running.stop().await;
        Ok(())
    }
}
