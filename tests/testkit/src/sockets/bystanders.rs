//! A pair of clients that keeps exchanging messages while something else goes wrong.

use amop::{Client, PublishError, TopicName};
use amop_node::Network;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinHandle},
};

use crate::{client, once_known, within};

/// A publisher on the first node of a network and a subscriber on the last.
#[derive(Debug)]
pub struct Bystanders {
    publisher: JoinHandle<Result<(), PublishError>>,
    subscriber: AbortHandle,
    clients: [Client; 2],
    rounds: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
}

impl Bystanders {
    /// Connects both clients and lets them exchange unicasts.
    ///
    /// # Panics
    ///
    /// If a client cannot connect.
    pub async fn start(network: &Network) -> Self {
        let publisher = client(network, 0).await;
        let subscriber = client(network, network.running().count() - 1).await;
        Self::between(publisher, subscriber).await
    }

    /// Lets two clients exchange unicasts, as soon as they know of each other.
    ///
    /// # Panics
    ///
    /// If they cannot exchange messages.
    pub async fn between(publisher: Client, subscriber: Client) -> Self {
        let topic = TopicName::new("bystanders").unwrap();
        let mut subscription = subscriber.subscribe_raw(&topic).await.unwrap();
        let reading = tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                let payload = delivery.to_vec();
                delivery.reply_bytes(payload).unwrap();
            }
        });
        let found = once_known(|| publisher.publish_unicast_raw(&topic, "first".into())).await;
        assert_eq!(found.unwrap().payload, "first");
        let (counted, rounds) = watch::channel(0);
        let (stop, stopped) = watch::channel(false);
        let clients = [publisher.clone(), subscriber];
        let publishing = tokio::spawn(async move {
            while !*stopped.borrow() {
                let text = counted.borrow().to_string();
                let reply = publisher
                    .publish_unicast_raw(&topic, text.clone().into())
                    .await?;
                assert_eq!(reply.payload, text);
                counted.send_modify(|count| *count += 1);
                // Other tasks have work to do, too.
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        let mut this = Self {
            publisher: publishing,
            subscriber: reading.abort_handle(),
            clients,
            rounds,
            stop,
        };
        this.go_on().await;
        this
    }

    /// Waits until more messages have been exchanged.
    ///
    /// # Panics
    ///
    /// If this does not happen in time.
    pub async fn go_on(&mut self) {
        let enough = *self.rounds.borrow_and_update() + 3;
        let reached = self.rounds.wait_for(|&rounds| rounds >= enough);
        let outcome = within("more messages", reached).await.is_ok();
        assert!(outcome, "the bystanders failed; see their panic above");
    }

    /// Stops both clients.
    ///
    /// # Panics
    ///
    /// If a single message failed since they started.
    pub async fn stop(mut self) {
        self.go_on().await;
        self.stop.send_replace(true);
        within("the last message", &mut self.publisher)
            .await
            .unwrap()
            .unwrap();
        self.subscriber.abort();
        for client in self.clients {
            client.close().await;
        }
    }
}
