//! How to test a program: the nodes are in the test, and the program under test gets a client of one of them. No chain,
//! no configuration and no fixed port is needed.
//!
//! ```sh
//! cargo test -p amop-examples embedded_network
//! ```

use std::error::Error;

use amop::{Client, Deliveries, PublishErrorKind};
use amop_node::Network;

#[amop::topic("invoice", reply = bool)]
struct Invoice {
    cents: u64,
}

/// The code under test: pays invoices of up to 100.
async fn pay(mut invoices: Deliveries<Invoice>) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some(invoice) = invoices.next().await {
        let invoice = invoice?;
        let pays = invoice.cents <= 10_000;
        invoice.reply(pays)?;
    }
    Ok(())
}

async fn connect(network: &Network, node: usize) -> Client {
    Client::connect_with(network.access(node)).await.unwrap()
}

#[tokio::test]
async fn small_invoices_are_paid() {
    let network = Network::start(2).await.unwrap();
    let (biller, payer) = (connect(&network, 0).await, connect(&network, 1).await);

    // Nobody pays yet.
    let error = Invoice { cents: 1 }.request(&biller).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error}"
    );

    let paying = tokio::spawn(pay(Invoice::deliveries(&payer).await.unwrap()));
    assert!(Invoice { cents: 10_000 }.request(&biller).await.unwrap());
    assert!(!Invoice { cents: 10_001 }.request(&biller).await.unwrap());

    // The stream ends when its client is drained.
    payer.drain().await.unwrap();
    paying.await.unwrap().unwrap();
    biller.close().await;
    network.shutdown().await;
}
