//! A private topic cannot be subscribed to as a public one.

#[amop::topic("settlement", private)]
struct Settlement {
    amount: u64,
}

async fn plain(client: &amop::Client) {
    let _ = Settlement::subscribe(client).await;
    let _ = Settlement::deliveries(client).await;
}

#[amop::topic("settlement", private = true)]
struct Valued {
    amount: u64,
}

fn main() {}
