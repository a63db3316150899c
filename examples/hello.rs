//! Both demos on a network of two nodes in this process.
//!
//! ```sh
//! cargo run --example hello
//! ```
//!
//! The publisher is connected to node 0, the subscriber to node 1. Between them are the same
//! protocols as on a real network, and TLS with certificates that are generated at the start.

use std::{
    io::{self, Write},
    time::Duration,
};

use amop::Client;
use amop_examples::{Hello, timestamp};
use amop_node::Network;
use anyhow::Context;
use clap::Parser;
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let network = Network::start(2).await?;
    let publisher = connect(&network, 0).await?;
    let subscriber = connect(&network, 1).await?;

    for demo in [Demo::Unicast, Demo::Multicast] {
        writeln!(io::stdout(), "--- {demo:?} from node 0 to node 1")?;
        demo.run(&publisher, &subscriber, &options).await?;
    }

    publisher.close().await;
    subscriber.close().await;
    network.shutdown().await;
    Ok(())
}

async fn connect(network: &Network, node: usize) -> anyhow::Result<Client> {
    Ok(Client::connect_with(network.access(node)).await?)
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
