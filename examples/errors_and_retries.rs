//! What can go wrong with a message, and what a program does about it.
//!
//! ```sh
//! cargo run --example errors_and_retries
//! ```

use std::{collections::HashSet, future::pending, sync::Mutex, time::Duration};

use amop::{Client, PublishError, PublishErrorKind, Refusal};
use amop_examples::Nodes;

/// A payment. The bank knows by its number whether it has it already, so it may be sent again.
#[amop::topic("payment", reply = bool)]
struct Payment {
    number: u64,
    cents: u64,
    purpose: String,
}

/// The topic's own code, for payments that are too high.
const TOO_HIGH: i32 = 1001;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nodes = Nodes::from_args(2).await?;
    let client = nodes.client(0).max_frame(1000).connect().await?;
    let bank = nodes.client(1).connect().await?;

    // Nothing is sent.
    let mut long = payment(1, 1);
    long.purpose = "rent, ".repeat(1000);
    show("too long", &long.request(&client).await);

    // Nobody takes payments yet. Sending it again later may help.
    show("early", &payment(2, 1).request(&client).await);
    let retrying = tokio::spawn({
        let client = client.clone();
        async move { pay(&client, payment(2, 1)).await }
    });

    let paid = Mutex::new(HashSet::new());
    let server = Payment::try_serve(&bank, 4, async move |payment| match payment.cents {
        // It never gets an answer.
        0 => pending().await,
        1..1000 => Ok(paid
            .lock()
            .is_ok_and(|mut paid| paid.insert(payment.number))),
        _ => Err(Refusal::new(TOO_HIGH).with_payload("too high")),
    });
    let serving = tokio::spawn(server.await?.run());
    show("tried again", &retrying.await?);

    // The bank refuses it, with a code and a text of its own.
    let refused = payment(3, 1000).request(&client).await;
    show("too high", &refused);
    if let Err(error) = refused
        && let PublishErrorKind::Rejected { code, payload, .. } = error.kind()
    {
        println!("code {code}: {}", String::from_utf8_lossy(payload));
    }

    // The bank has it, but does not answer in time: nobody knows whether it was paid.
    let hasty = client.with_timeout(Duration::from_millis(300));
    show("no answer", &payment(4, 0).request(&hasty).await);

    client.close().await;
    bank.close().await;
    // The handler that never answers would keep the server running.
    serving.abort();
    nodes.shutdown().await;
    Ok(())
}

/// Pays, and tries again while this can help. A program whose messages must not come twice would stop at an error after
/// which the message [may have been delivered](PublishError::may_have_been_delivered).
async fn pay(client: &Client, payment: Payment) -> Result<bool, PublishError> {
    let mut pause = Duration::from_millis(20);
    loop {
        match payment.request(client).await {
            Err(error) if error.is_retryable() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
            result => return result,
        }
    }
}

fn payment(number: u64, cents: u64) -> Payment {
    Payment {
        number,
        cents,
        purpose: "rent".to_owned(),
    }
}

fn show(what: &str, result: &Result<bool, PublishError>) {
    match result {
        Ok(new) => println!("{what}: paid, for the first time: {new}"),
        Err(error) => println!(
            "{what}: retryable: {}, may have been delivered: {}",
            error.is_retryable(),
            error.may_have_been_delivered()
        ),
    }
}
