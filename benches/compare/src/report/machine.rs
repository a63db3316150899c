//! The machine and the programs of a run.

use std::{fmt, fs, process::Command};

use serde::Serialize;

/// The machine and the versions of what runs on it.
#[derive(Debug, Serialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    /// The load over 1, 5 and 15 minutes before the run, of all processes.
    load_before: String,
    versions: Vec<String>,
}

impl Machine {
    pub fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let model = model.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
        let load = read("/proc/loadavg");
        let mut versions = vec![format!("amop {}", amop_version())];
        versions.push(first_line("nats-server", "--version"));
        versions.push(first_line("mosquitto", "-h"));
        versions.push(first_line("rustc", "--version"));
        Self {
            cpu: model.unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load.split(' ').take(3).collect::<Vec<_>>().join(" "),
            versions,
        }
    }
}

/// Returns the commit, if git knows it.
fn amop_version() -> String {
    let git = Command::new("git")
        .args([
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "describe",
            "--always",
            "--dirty",
        ])
        .output();
    match git {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "of an unknown commit".to_owned(),
    }
}

fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.as_ref().ok().and_then(|text| text.lines().next());
    line.map_or_else(|| format!("{program}: unknown"), str::to_owned)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cpu,
            cores,
            kernel,
            load_before,
            versions,
        } = self;
        writeln!(
            f,
            "{cpu}, {cores} cores, Linux {kernel}, load before the run {load_before}"
        )?;
        writeln!(f, "{}", versions.join("; "))
    }
}
