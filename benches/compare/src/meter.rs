//! CPU time and memory of processes, from /proc.

use std::fs;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// On Linux, /proc counts CPU time in hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds used.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Cpu {
    /// Those of the load generator.
    pub load: f64,
    /// Those of all servers; `None` if their processes cannot be read.
    pub servers: Option<f64>,
}

impl Cpu {
    pub fn total(&self) -> Option<f64> {
        Some(self.load + self.servers?)
    }
}

/// Measures the CPU time of this process and of others, from its creation on.
#[derive(Debug)]
pub struct CpuMeter {
    pids: Vec<u32>,
    before: Cpu,
}

impl CpuMeter {
    pub fn start(pids: &[u32]) -> Result<Self> {
        Ok(Self {
            pids: pids.to_vec(),
            before: read(pids)?,
        })
    }

    pub fn stop(&self) -> Result<Cpu> {
        let now = read(&self.pids)?;
        Ok(Cpu {
            load: now.load - self.before.load,
            servers: now
                .servers
                .zip(self.before.servers)
                .map(|(now, before)| now - before),
        })
    }
}

fn read(pids: &[u32]) -> Result<Cpu> {
    let servers = pids
        .iter()
        .map(|pid| seconds(&pid.to_string()))
        .sum::<Result<f64>>()?;
    Ok(Cpu {
        load: seconds("self")?,
        servers: (!pids.is_empty()).then_some(servers),
    })
}

fn seconds(pid: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name, in parentheses, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // utime and stime are fields 14 and 15, counted from 1 with the name as the second.
    let mut ticks = fields.split_ascii_whitespace().skip(11);
    match (ticks.next(), ticks.next()) {
        (Some(user), Some(system)) => {
            Ok((user.parse::<f64>()? + system.parse::<f64>()?) / TICKS_PER_SECOND)
        }
        _ => bail!("{path} is not what proc(5) says"),
    }
}

/// Returns the resident memory of a process in bytes.
pub fn rss(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    let kib = kib.with_context(|| format!("{path} has no VmRSS"))?;
    Ok(kib.parse::<u64>()? * 1024)
}
