//! A service that stops without losing a request: on SIGTERM, it drains its client.
//!
//! ```sh
//! cargo run --example drain_on_sigterm    # and press Ctrl-C, or kill it
//! ```

use std::{io, time::Duration};

use amop::{Client, Deliveries, with_causes};
use amop_examples::Nodes;

#[amop::topic("order", reply = u64)]
struct Order {
    number: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let service = nodes.client(1).connect().await?;
    let answering = tokio::spawn(answer(Order::deliveries(&service).await?));
    let customer = nodes.client(0).connect().await?;
    let ordering = tokio::spawn(order(customer.clone()));

    stop_signal().await?;
    println!("draining");
    // No node sends more orders to this client; those that it has are answered first.
    service.drain().await?;
    let answered = answering.await?;
    println!("answered {answered} orders");
    let confirmed = ordering.await?;
    println!("the customer has {confirmed} answers");

    customer.close().await;
    nodes.shutdown().await;
    Ok(())
}

/// Answers orders until the subscription ends, which it does when the client is drained.
async fn answer(mut orders: Deliveries<Order>) -> u64 {
    let mut answered = 0;
    while let Some(order) = orders.next().await {
        let Ok(order) = order else { continue };
        let number = order.number;
        if order.reply(number).is_ok() {
            answered += 1;
            println!("order {number}");
        }
    }
    answered
}

/// Orders until nobody takes orders any more. Returns the number of answers.
async fn order(customer: Client) -> u64 {
    for number in 0.. {
        if let Err(error) = (Order { number }).request(&customer).await {
            println!("order {number}: {}", with_causes(&error));
            return number;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("there are more numbers than orders")
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            pressed = tokio::signal::ctrl_c() => pressed,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
