//! Both demos on a network of two nodes in this process.
//!
//! ```sh
//! cargo run --example hello
//! ```
//!
//! The publisher is connected to node 0, the subscriber to node 1. Between them are the same
//! protocols as on a real network, and TLS with certificates that are generated at the start.
//!
//! With `-- --chain 3`, both use the protocol of FISCO BCOS 3.x; with `-- --chain mixed`, only the
//! subscriber does.

use std::{
    io::{self, Write},
    time::Duration,
};

use amop::{Client, NodeAccess};
use amop_examples::{Hello, timestamp};
use amop_node::{Network, StartError};
use anyhow::Context;
use clap::{Parser, ValueEnum};
use futures::StreamExt;
use tokio::time::{interval, timeout};

/// Runs the unicast and the multicast demo on an embedded network of two nodes.
#[derive(Parser)]
struct Options {
    /// How many messages each demo publishes.
    #[arg(long, default_value_t = 5)]
    count: usize,
    /// Milliseconds between two messages.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// The generation of FISCO BCOS whose protocol the clients use.
    #[arg(long, value_enum, default_value = "2")]
    chain: Chain,
}

/// The generations of the publisher and the subscriber.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Chain {
    /// Both use 2.x.
    #[value(name = "2")]
    V2,
    /// Both use 3.x.
    #[value(name = "3")]
    V3,
    /// The publisher uses 2.x, the subscriber 3.x.
    Mixed,
}

impl Chain {
    async fn start(self) -> Result<Network, StartError> {
        match self {
            Self::V2 => Network::start(2).await,
            Self::V3 | Self::Mixed => Network::start_bridged(2).await,
        }
    }

    /// Returns what the client at a node needs to connect.
    fn access(self, network: &Network, node: usize) -> NodeAccess {
        let v3 = match self {
            Self::V2 => None,
            Self::V3 => network.v3_access(node),
            Self::Mixed => network.v3_access(node).filter(|_| node == SUBSCRIBER),
        };
        v3.unwrap_or_else(|| network.access(node))
    }
}

/// The nodes of the two.
const PUBLISHER: usize = 0;
const SUBSCRIBER: usize = 1;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let network = options.chain.start().await?;
    let connect = |node| Client::connect_with(options.chain.access(&network, node));
    let (publisher, subscriber) = (connect(PUBLISHER).await?, connect(SUBSCRIBER).await?);
    let [from, to] = [&publisher, &subscriber].map(generation);

    for demo in [Demo::Unicast, Demo::Multicast] {
        writeln!(
            io::stdout(),
            "--- {demo:?} from node 0 ({from}) to node 1 ({to})"
        )?;
        demo.run(&publisher, &subscriber, &options).await?;
    }

    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
    Ok(())
}

/// Returns the generation that a client's node speaks.
fn generation(client: &Client) -> String {
    let node = client.nodes().first().cloned();
    node.map_or("?".to_owned(), |node| node.generation.to_string())
}

#[derive(Debug, Clone, Copy)]
enum Demo {
    Unicast,
    Multicast,
}

impl Demo {
    async fn run(
        self,
        publisher: &Client,
        subscriber: &Client,
        options: &Options,
    ) -> anyhow::Result<()> {
        let subscription = Hello::subscribe(subscriber).await?;
        writeln!(io::stdout(), "Subscriber success")?;
        let receive = async {
            let mut messages = subscription.take(options.count);
            while let Some(Hello(text)) = messages.next().await {
                writeln!(io::stdout(), "{} received: {text}", timestamp())?;
            }
            anyhow::Ok(())
        };
        let publish = self.publish(publisher, options);
        let patience = Duration::from_secs(30);
        let (received, published) = tokio::join!(timeout(patience, receive), publish);
        published?;
        received.context("not every message arrived")?
    }

    async fn publish(self, client: &Client, options: &Options) -> anyhow::Result<()> {
        let mut ticks = interval(Duration::from_millis(options.interval));
        for n in 0..options.count {
            ticks.tick().await;
            let who = match self {
                Self::Unicast => "unique",
                Self::Multicast => "multi",
            };
            let text = format!("hello, FISCO BCOS, I am {who} broadcast publisher! {n}");
            writeln!(io::stdout(), "{} publish message: {text}", timestamp())?;
            let message = Hello(text);
            match self {
                Self::Unicast => message.publish_unicast(client).await?,
                Self::Multicast => message.publish_multicast(client).await?,
            }
        }
        Ok(())
    }
}
