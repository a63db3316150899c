//! The job of a load generator, and its result.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::meter::Cpu;

/// The systems that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    Amop,
    /// AMOP over the protocols of FISCO BCOS 3.x, between clients and nodes and between the nodes.
    Amop3,
    Nats,
    Mqtt,
    Raw,
}

impl System {
    pub const ALL: [Self; 5] = [Self::Amop, Self::Amop3, Self::Nats, Self::Mqtt, Self::Raw];
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Amop => "amop",
            Self::Amop3 => "amop3",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
            Self::Raw => "raw",
        })
    }
}

/// The kinds of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// One publisher, subscribers on the other server: deliveries/s.
    Spread { size: usize, subscribers: usize },
    /// Requests and their replies: requests/s and latencies.
    Ask { size: usize, in_flight: usize },
    /// Clients that do nothing: memory and CPU time of the server.
    Idle { clients: usize },
    /// The time from subscribing on one server until a message of the other one arrives.
    Interest { times: usize },
}

/// The servers of a system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    pub system: System,
    /// `host:port` of the publishers' server and of the subscribers' server.
    pub endpoints: [String; 2],
    /// `ca.crt` and the client's certificate and key.
    pub certs: PathBuf,
    /// The servers' processes; empty if they run elsewhere.
    pub pids: Vec<u32>,
}

/// One measurement of one system.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub target: Target,
    pub work: Work,
    pub warm_up: Duration,
    pub time: Duration,
}

/// The result of a measurement. Units are per second and nanoseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of deliveries, requests, clients or subscriptions.
    pub count: u64,
    /// The time that they took.
    pub seconds: f64,
    pub cpu: Cpu,
    /// Quantiles at 0, 1/1000, ... 1; empty if no latency is measured.
    #[serde(default)]
    pub latency_ns: Vec<u64>,
    /// Resident bytes of the publishers' server before and with the idle clients.
    #[serde(default)]
    pub rss: Option<(u64, u64)>,
}

impl Outcome {
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Returns the latency that the fraction `share` of all do not exceed.
    pub fn latency(&self, share: f64) -> Option<f64> {
        let at = (self.latency_ns.len().checked_sub(1)? as f64 * share).round();
        Some(self.latency_ns[at as usize] as f64)
    }
}

/// Returns quantiles at 0, 1/1000, ... 1.
pub fn quantiles(mut times: Vec<u64>) -> Vec<u64> {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else {
        return times;
    };
    (0..=1000).map(|i| times[last * i / 1000]).collect()
}
