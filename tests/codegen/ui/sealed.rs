//! Messages of a sealed topic cannot be sent or received unsealed.

use amop::{Client, SealingKey};

#[amop::topic("settlement", sealed, reply = bool)]
struct Settlement {
    amount: u64,
}

#[amop::topic("price")]
struct Price {
    cents: u64,
}

async fn plain(client: &Client) {
    let settlement = Settlement { amount: 100 };
    let _ = client.publish_unicast(&settlement).await;
    let _ = client.publisher::<Settlement>();
    let _ = client.request(&settlement).await;
    let _ = client.subscribe::<Settlement>().await;
    let _ = client.subscription::<Settlement>();
    let _ = Settlement::subscribe(client).await;
    let _ = settlement.publish_multicast(client).await;
}

fn seal(client: &Client, key: &SealingKey) {
    let _ = client.seal_for::<Price>(key, &[key.public_key()]);
}

#[amop::topic("settlement", private, sealed)]
struct Both {
    amount: u64,
}

#[amop::topic("settlement", sealed = true)]
struct Valued {
    amount: u64,
}

fn main() {}
