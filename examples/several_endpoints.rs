//! A client with two nodes, one of which stops: events say so, and messages take the other one.
//!
//! ```sh
//! cargo run --example several_endpoints
//! ```
//!
//! The network is in this process, because this program stops a node of it.

use amop::{Client, Event, Events, with_causes};
use amop_node::Network;
use anyhow::Context;

#[amop::topic("price")]
struct Price {
    cents: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut network = Network::start(2).await?;
    let names = [
        network.endpoint(0).to_owned(),
        network.endpoint(1).to_owned(),
    ];
    let name = |endpoint: &str| names.iter().position(|name| name == endpoint);

    // In production: `Client::builder().endpoints([...])`. This returns after the first connection.
    let client = Client::connect_with(network.access_to_all()).await?;
    let mut events = client.events();
    for _ in &names {
        connected(&mut events).await?;
    }
    println!("connected to {} nodes", client.nodes().len());

    let mut prices = Price::subscribe(&client).await?;
    network.stop(0).await;
    let (endpoint, reason) = disconnected(&mut events).await?;
    let reason = with_causes(&reason);
    println!("lost node {:?}: {reason}", name(&endpoint));

    Price { cents: 4200 }.publish_multicast(&client).await?;
    let price = prices.next().await.context("the client is closed")?;
    println!(
        "{} cents, through node {:?}",
        price.cents,
        name(&client.nodes()[0].endpoint)
    );

    client.close().await;
    network.shutdown().await;
    Ok(())
}

async fn connected(events: &mut Events) -> anyhow::Result<()> {
    loop {
        match events.next().await.context("the client is closed")? {
            Event::Connected { .. } => return Ok(()),
            other => println!("{other:?}"),
        }
    }
}

async fn disconnected(events: &mut Events) -> anyhow::Result<(String, amop::CloseReason)> {
    loop {
        match events.next().await.context("the client is closed")? {
            Event::Disconnected {
                endpoint, reason, ..
            } => return Ok((endpoint, reason)),
            other => println!("{other:?}"),
        }
    }
}
