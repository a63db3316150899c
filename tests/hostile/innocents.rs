//! Members that exchange messages and count every one of them.

use amop::{Client, TopicName};
use amop_node::Network;
use amop_testkit::{Bystanders, client, once_known, within};
use tokio::{sync::watch, task::JoinHandle};

/// One pair that exchanges unicasts, and one pair that sends multicasts in one direction, both from
/// the first node of a network to the last.
pub(crate) struct Innocents {
    unicasts: Bystanders,
    clients: [Client; 2],
    publishing: JoinHandle<u64>,
    stop: watch::Sender<bool>,
    /// The number of multicasts that arrived, each once and in order.
    came: watch::Receiver<u64>,
    subscribed: JoinHandle<()>,
}

impl Innocents {
    pub(crate) async fn start(network: &Network) -> Self {
        let last = network.running().count() - 1;
        Self::between(async |end| client(network, end * last).await).await
    }

    /// Starts both pairs; `connect` creates the clients for one end (0) and the other (1).
    pub(crate) async fn between(connect: impl AsyncFn(usize) -> Client) -> Self {
        let unicasts = Bystanders::between(connect(0).await, connect(1).await).await;
        let (publisher, subscriber) = (connect(0).await, connect(1).await);
        let topic = TopicName::new("numbered").unwrap();
        let mut numbers = subscriber.subscribe_raw(&topic).await.unwrap();
        let (counted, came) = watch::channel(0);
        let known = publisher.clone();
        let to = topic.clone();
        let (known, first) = tokio::join!(
            once_known(|| known.publish_unicast_raw(&to, "known".into())),
            // The message is answered when it is dropped.
            async { within("the first message", numbers.next()).await.is_some() }
        );
        assert!(known.is_ok() && first, "{known:?}");
        let subscribed = tokio::spawn(async move {
            let mut next = 0_u64;
            while let Some(number) = numbers.next().await {
                assert_eq!(
                    number[..],
                    next.to_be_bytes(),
                    "one was lost, or came twice"
                );
                next += 1;
                counted.send_replace(next);
            }
        });
        let clients = [publisher.clone(), subscriber];
        let (stop, stopped) = watch::channel(false);
        let publishing = tokio::spawn(async move {
            let mut sent = 0_u64;
            while !*stopped.borrow() {
                let number = sent.to_be_bytes().to_vec();
                publisher
                    .publish_multicast_raw(&topic, number.into())
                    .await
                    .unwrap();
                sent += 1;
                tokio::task::yield_now().await;
            }
            sent
        });
        Self {
            unicasts,
            clients,
            publishing,
            stop,
            came,
            subscribed,
        }
    }

    /// Waits until more messages of both pairs have arrived.
    pub(crate) async fn go_on(&mut self) {
        self.unicasts.go_on().await;
        let enough = *self.came.borrow_and_update() + 3;
        let came = self.came.wait_for(|&came| came >= enough);
        let outcome = within("more multicasts", came).await.is_ok();
        assert!(outcome, "a multicast was lost; see the panic above");
    }

    /// Stops both pairs after everything that was sent has arrived.
    pub(crate) async fn stop(mut self) {
        self.unicasts.stop().await;
        self.stop.send_replace(true);
        let sent = within("the last multicast", self.publishing).await.unwrap();
        let came = self.came.wait_for(|&came| came >= sent);
        let outcome = within("all multicasts", came).await.is_ok();
        assert!(outcome, "a multicast was lost; see the panic above");
        for client in self.clients {
            client.close().await;
        }
        within("the subscriber's end", self.subscribed)
            .await
            .unwrap();
    }
}
