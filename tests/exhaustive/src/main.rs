//! Searches; see the library's documentation.
#![forbid(unsafe_code)]

use std::{process::ExitCode, time::Duration};

use amop_exhaustive::{Bound, Report, Scenario, replay, search};
use clap::Parser;

/// Every order of events in a small network of AMOP nodes.
#[derive(Debug, Parser)]
struct Args {
    /// Search this scenario only.
    #[arg(long, value_parser = scenario)]
    scenario: Option<Scenario>,
    /// Print the names of the scenarios.
    #[arg(long)]
    list: bool,
    /// Try at most this number of steps in each scenario.
    #[arg(long, default_value_t = 20_000_000)]
    steps: usize,
    /// Search each scenario for at most this number of seconds.
    #[arg(long, default_value_t = 24 * 3600)]
    seconds: u64,
    /// Search with this number of threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Seeds the nodes' random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make these steps, as printed by a failed search, and print what happens.
    #[arg(long, value_delimiter = ',', requires = "scenario")]
    path: Option<Vec<usize>>,
}

fn scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name)
        .ok_or_else(|| "there is no such scenario; --list shows the names".to_owned())
}

fn show(scenario: &Scenario, report: &Report) {
    let Report {
        states,
        steps,
        depth,
        ends,
        ..
    } = report;
    println!(
        "{:18} {states:>10} states {steps:>11} steps {depth:>4} deep {ends:>9} ends {:>8.1} s  {}",
        scenario.name,
        report.time.as_secs_f64(),
        if report.complete { "all" } else { "in part" },
    );
    if let Some(failure) = &report.failure {
        let path: Vec<String> = failure.path.iter().map(usize::to_string).collect();
        let (name, seed, path) = (scenario.name, scenario.seed, path.join(","));
        println!("  {}", failure.text);
        println!("  replay: --scenario {name} --seed {seed} --path {path}");
    }
}

fn show_path(scenario: &Scenario, path: &[usize]) -> bool {
    let (steps, state) = replay(scenario, path);
    for step in &steps {
        println!("{step:?}");
    }
    let wrong = state.wrong().map(str::to_owned);
    let wrong = wrong.or_else(|| state.is_end().then(|| state.ends_well().err()).flatten());
    match &wrong {
        Some(wrong) => println!("{wrong}"),
        None => println!("nothing is wrong; next: {:?}", state.steps()),
    }
    wrong.is_none()
}

fn main() -> ExitCode {
    let args = Args::parse();
    let bound = Bound {
        steps: args.steps,
        threads: args.threads,
        time: Duration::from_secs(args.seconds),
    };
    let scenarios = args.scenario.map_or_else(Scenario::all, |only| vec![only]);
    let mut good = true;
    for mut scenario in scenarios {
        scenario.seed = args.seed;
        if args.list {
            println!("{}", scenario.name);
        } else if let Some(path) = &args.path {
            good &= show_path(&scenario, path);
        } else {
            let report = search(&scenario, bound);
            show(&scenario, &report);
            good &= report.failure.is_none();
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
