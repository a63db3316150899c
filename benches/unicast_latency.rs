//! Time from publishing a unicast to its answer, across two nodes, TLS on every hop:
//! `cargo bench -p amop-benches --bench unicast_latency`.
//!
//! Publisher, both nodes and subscriber share this process; the sockets between them are real.

use std::time::{Duration, Instant};

use amop::Client;
use amop_node::Network;
use clap::Parser;

/// Measures unicast round trips, one in flight.
#[derive(Debug, Parser)]
struct Options {
    /// Round trips measured, after a tenth as many to warm up.
    #[arg(long, default_value_t = 20_000)]
    count: usize,
    /// Bytes of payload.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Passed by `cargo bench`; has no effect.
    #[arg(long, hide = true)]
    bench: bool,
}

#[amop::topic("latency", codec = "bytes")]
struct Message(Vec<u8>);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let network = Network::start(2).await?;
    let publisher = connect(&network, 0).await?;
    let subscriber = connect(&network, 1).await?;
    let mut messages = Message::subscribe(&subscriber).await?;
    let taking = tokio::spawn(async move { while messages.next().await.is_some() {} });

    let message = Message(vec![7; options.size]);
    let mut times = Vec::with_capacity(options.count);
    for n in 0..options.count + options.count / 10 {
        let start = Instant::now();
        message.publish_unicast(&publisher).await?;
        if n >= options.count / 10 {
            times.push(start.elapsed());
        }
    }
    report(&mut times, options.size);

    publisher.close().await;
    subscriber.close().await;
    taking.await?;
    network.shutdown().await;
    Ok(())
}

async fn connect(network: &Network, node: usize) -> anyhow::Result<Client> {
    let client = Client::builder()
        .endpoint(network.endpoint(node))
        .identity(network.sdk())
        .connect()
        .await?;
    Ok(client)
}

fn report(times: &mut [Duration], size: usize) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros();
    println!(
        "unicast, two nodes, {size} B, one in flight, {} round trips: p50 {} us, p99 {} us, p99.9 {} us, max {} us",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
