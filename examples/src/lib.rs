//! Shared code of the examples: the nodes, and the demos' topic, command line and clock.
#![forbid(unsafe_code)]

mod nodes;

use std::time::Duration;

use clap::Parser;

pub use nodes::Nodes;

/// The demo's message: plain text, so that programs in other languages can read it.
#[amop::topic("hello")]
#[derive(Debug, Clone)]
pub struct Hello(pub String);

/// The command line of the publishers.
#[derive(Debug, Parser)]
pub struct PublisherOptions {
    /// The node to connect to.
    #[arg(default_value = "127.0.0.1:20200")]
    pub endpoint: String,
    /// The topic to publish to.
    #[arg(default_value = Hello::TOPIC)]
    pub topic: String,
    /// Seconds between two messages.
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub interval: Duration,
    /// How many messages to publish; without it, until Ctrl-C.
    #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
    pub count: u64,
}

/// The command line of the subscriber.
#[derive(Debug, Parser)]
pub struct SubscriberOptions {
    /// The node to connect to.
    #[arg(default_value = "127.0.0.1:20201")]
    pub endpoint: String,
    /// The topic to subscribe to.
    #[arg(default_value = Hello::TOPIC)]
    pub topic: String,
    /// How many messages to take; without it, until Ctrl-C.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    pub count: usize,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|interval| !interval.is_zero())
        .ok_or_else(|| "expected a number of seconds, such as 0.5".to_owned())
}

/// Returns the current local time as the demos print it: `2020/08/11 21:21:50`.
pub fn timestamp() -> String {
    chrono::Local::now().format("%Y/%m/%d %H:%M:%S").to_string()
}

/// The pages whose Rust is compiled: a name for each, so that errors name the page.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/migration.md")]
    struct Migration;
    #[doc = include_str!("../../docs/sealed-topics.md")]
    struct SealedTopics;
}

#[cfg(test)]
mod tests;
