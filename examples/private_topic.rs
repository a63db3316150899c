//! A private topic on a network of three nodes in this process.
//!
//! ```sh
//! cargo run --example private_topic
//! ```
//!
//! The publisher at node 0 grants the topic to one of the two subscribers, at nodes 1 and 2. Only
//! this subscriber gets the message.

use std::{
    io::{self, Write},
    time::Duration,
};

use amop::{Client, Event, TopicKey};
use amop_node::Network;
use anyhow::Context;
use tokio::time::timeout;

#[amop::topic("settlement", private)]
#[derive(Debug)]
struct Settlement {
    amount: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let network = Network::start(3).await?;
    let publisher = connect(&network, 0).await?;
    let custodian = connect(&network, 1).await?;
    let stranger = connect(&network, 2).await?;

    // In production, keys come from `get_account.sh`, and the publisher gets only the public keys.
    let (key, other) = (TopicKey::generate(), TopicKey::generate());
    let mut settlements = Settlement::subscribe_private(&custodian, &key).await?;
    let mut nothing = Settlement::subscribe_private(&stranger, &other).await?;

    let mut events = publisher.events();
    publisher.grant::<Settlement>(&[key.public_key()]).await?;
    // A unicast waits for a verified subscriber anyway; this shows both verifications.
    for _ in 0..2 {
        writeln!(io::stdout(), "{}", next_verification(&mut events).await?)?;
    }

    Settlement { amount: 100 }
        .publish_multicast(&publisher)
        .await?;
    let patience = Duration::from_secs(30);
    let settlement = timeout(patience, settlements.next()).await?;
    writeln!(
        io::stdout(),
        "the custodian got {:?}",
        settlement.context("closed")?
    )?;
    let second = Duration::from_secs(1);
    match timeout(second, nothing.next()).await {
        Err(_) => writeln!(io::stdout(), "the stranger got nothing")?,
        Ok(settlement) => anyhow::bail!("the stranger got {settlement:?}"),
    }

    for client in [publisher, custodian, stranger] {
        client.close().await;
    }
    network.shutdown().await;
    Ok(())
}

async fn next_verification(events: &mut amop::Events) -> anyhow::Result<String> {
    loop {
        match events.next().await.context("the client is closed")? {
            Event::SubscriberVerified { topic, .. } => {
                return Ok(format!("verified a subscriber of {topic}"));
            }
            Event::VerificationFailed { topic, failure, .. } => {
                return Ok(format!("did not verify a subscriber of {topic}: {failure}"));
            }
            _ => {}
        }
    }
}

async fn connect(network: &Network, node: usize) -> anyhow::Result<Client> {
    Ok(Client::connect_with(network.access(node)).await?)
}
