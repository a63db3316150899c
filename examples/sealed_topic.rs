//! A sealed topic on a network of three nodes in this process.
//!
//! ```sh
//! cargo run --example sealed_topic
//! ```
//!
//! The bank seals a settlement to the custodian. A stranger at the same node gets the bytes, and
//! sends them again. The custodian reads the settlement once, and its answer is signed.

use std::{
    io::{self, Write},
    time::Duration,
};

use amop::{Client, ReplayGuard, SealingKey, TopicName};
use amop_node::Network;
use anyhow::Context;
use tokio::time::timeout;

#[amop::topic("settlement", sealed, reply = Receipt)]
#[derive(Debug)]
struct Settlement {
    amount: u64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Receipt {
    number: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let network = Network::start(3).await?;
    let bank = connect(&network, 0).await?;
    let custodian = connect(&network, 1).await?;
    let stranger = connect(&network, 1).await?;

    // In production, each side makes its own key with `SealingKey::generate` and `save`, and gives
    // the public key to the other side over a channel that both trust.
    let (bank_key, custodian_key) = (SealingKey::generate(), SealingKey::generate());
    let folder = tempfile::tempdir()?;
    let guard = ReplayGuard::file(folder.path().join("custodian.replay"))?;
    let publishers = [bank_key.public_key()];
    let mut settlements =
        Settlement::deliveries_sealed(&custodian, &custodian_key, &publishers, guard).await?;
    let topic = TopicName::new("settlement")?;
    let mut seen = stranger.subscribe_raw(&topic).await?;

    let sealer = bank.seal_for::<Settlement>(&bank_key, &[custodian_key.public_key()])?;
    Settlement { amount: 100 }
        .publish_multicast(&sealer)
        .await?;
    let settlement = next(&mut settlements).await??;
    writeln!(io::stdout(), "the custodian got {:?}", *settlement)?;
    let copy = seen.next().await.context("closed")?.into_inner();
    writeln!(
        io::stdout(),
        "the stranger saw {} bytes, beginning with {:02x?}",
        copy.len(),
        &copy[..8]
    )?;

    stranger.publish_multicast_raw(&topic, copy).await?;
    seen.unsubscribe().await?;
    match next(&mut settlements).await? {
        Err(refused) => writeln!(io::stdout(), "{refused}")?,
        Ok(settlement) => anyhow::bail!("the custodian took the copy: {settlement:?}"),
    }

    let ask = Settlement { amount: 200 };
    let (receipt, answered) = tokio::join!(ask.request(&sealer), async {
        next(&mut settlements)
            .await??
            .reply(Receipt { number: 1 })?;
        anyhow::Ok(())
    });
    answered?;
    writeln!(io::stdout(), "the custodian signed {:?}", receipt?)?;

    drop(settlements);
    for client in [bank, custodian, stranger] {
        client.close().await;
    }
    network.shutdown().await;
    Ok(())
}

type Came = Result<amop::SealedDelivery<Settlement>, amop::SealedDeliveryError>;

async fn next(settlements: &mut amop::SealedDeliveries<Settlement>) -> anyhow::Result<Came> {
    timeout(Duration::from_secs(30), settlements.next())
        .await?
        .context("closed")
}

async fn connect(network: &Network, node: usize) -> anyhow::Result<Client> {
    Ok(Client::connect_with(network.access(node)).await?)
}
