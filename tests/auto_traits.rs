//! Every public future is `Send`, so that it can be spawned, and every handle is `Send` and `Sync`. The compiler checks
//! this: nothing here runs.
#![allow(dead_code)]

use std::{fmt, future::Future, path::Path, time::Duration};

use amop::{
    Client, ClientBuilder, Codec, Deliveries, Delivery, Events, PrivateName, Publisher,
    RawPublisher, RawSubscription, ReplayGuard, Request, SealedDeliveries, SealedDelivery,
    SealedPublisher, SealedSubscription, SealedSubscriptionBuilder, Sealer, SealingKey,
    SealingPublicKey, Server, Subscription, SubscriptionBuilder, Topic, TopicKey, TopicName,
    TopicPublicKey,
};
use amop_node::{AccessLists, Network, Node, NodeBuilder, signal::Hangups};

/// A message that is `Send` and not `Sync`: futures must not borrow it.
#[amop::topic("questions", reply = u64)]
struct Question {
    cell: std::cell::Cell<u8>,
}

#[amop::topic("secrets", sealed, reply = u64)]
struct Secret {
    cell: std::cell::Cell<u8>,
}

fn send<T>(future: impl Future<Output = T> + Send) {
    drop(future);
}

fn spawnable<T>(future: impl Future<Output = T> + Send + 'static) {
    drop(future);
}

fn handle<T: fmt::Debug + Send + Sync + Unpin + 'static>() {}

fn publishing(client: &Client, question: &Question, topic: &TopicName) {
    send(client.publish_unicast(question));
    send(client.publish_unicast_to("a", question));
    send(client.publish_multicast(question));
    send(client.publish_multicast_to("a", question));
    send(client.request(question));
    send(client.request_to("a", question));
    send(client.publish_unicast_raw(topic, "a".into()));
    send(client.publish_multicast_raw(topic, "a".into()));
    send(question.publish_unicast(client));
    send(question.publish_multicast(client));
    send(question.request(client));
}

fn publishers(publisher: &mut Publisher<Question>, raw: &mut RawPublisher, question: &Question) {
    send(publisher.publish(question));
    send(publisher.flush());
    send(raw.publish("a".into()));
    send(raw.flush());
}

fn subscribing(client: &Client, topic: &TopicName, builder: &SubscriptionBuilder<Question>) {
    send(client.subscribe::<Question>());
    send(client.subscribe_to::<Question>("a"));
    send(client.deliveries::<Question>());
    send(client.deliveries_to::<Question>("a"));
    send(client.subscribe_raw(topic));
    spawnable(builder.clone().subscribe());
    spawnable(builder.clone().deliveries());
    spawnable(builder.clone().raw());
}

fn subscriptions(
    subscription: &mut Subscription<Question>,
    deliveries: &mut Deliveries<Question>,
    raw: &mut RawSubscription,
    events: &mut Events,
) {
    send(subscription.next());
    send(subscription.unsubscribe());
    send(deliveries.next());
    send(deliveries.unsubscribe());
    send(raw.next());
    send(raw.unsubscribe());
    send(events.next());
}

fn serving(client: &Client, deliveries: Deliveries<Question>) {
    async fn reply(_: Question) -> u64 {
        1
    }
    send(client.serve(1, reply));
    send(client.try_serve(1, async |question: Question| Ok(reply(question).await)));
    let own = String::new();
    let server = deliveries.serve(1, async move |question| {
        own.len() as u64 + reply(question).await
    });
    spawnable(server.run());
}

fn stopping(server: Server<Question, fn(Question) -> std::future::Ready<u64>>) {
    spawnable(server.run_until(std::future::ready(())));
}

fn private_topics(client: &Client, name: &PrivateName, key: &TopicKey, keys: &[TopicPublicKey]) {
    send(client.grant::<Question>(keys));
    send(client.grant_to(name, keys));
    send(client.revoke::<Question>());
    send(client.revoke_to(name));
    send(client.subscribe_private::<Question>(key));
    send(client.deliveries_private::<Question>(key));
    send(client.subscribe_private_raw(name, key));
}

fn sealed_topics(
    client: &Client,
    key: &SealingKey,
    publishers: &[SealingPublicKey],
    guards: [ReplayGuard; 4],
) {
    let [a, b, c, d] = guards;
    send(client.subscribe_sealed::<Secret>(key, publishers, a));
    send(client.deliveries_sealed::<Secret>(key, publishers, b));
    let builder: SealedSubscriptionBuilder<Secret> = client.sealed_subscription();
    send(builder.clone().subscribe(key, publishers, c));
    send(builder.deliveries(key, publishers, d));
}

fn sealed(
    sealer: &Sealer<Secret>,
    publisher: &mut SealedPublisher<Secret>,
    subscription: &mut SealedSubscription<Secret>,
    deliveries: &mut SealedDeliveries<Secret>,
    secret: &Secret,
) {
    send(sealer.publish_unicast(secret));
    send(sealer.publish_multicast(secret));
    send(sealer.request(secret));
    send(publisher.publish(secret));
    send(publisher.flush());
    send(subscription.next());
    send(subscription.unsubscribe());
    send(deliveries.next());
    send(deliveries.unsubscribe());
}

fn clients(client: &Client, builder: &ClientBuilder, network: &Network) {
    send(Client::connect("a"));
    spawnable(Client::connect_with(network.access(0)));
    spawnable(Client::from_config(Path::new("a")));
    spawnable(builder.clone().connect());
    send(client.closed());
    send(client.close());
    send(client.drain());
}

fn nodes(node: Node, builder: [NodeBuilder; 3], hangups: Hangups, lists: AccessLists) {
    send(node.wait_for_peers(1, Duration::ZERO));
    send(node.reload(lists));
    spawnable(node.shutdown());
    let [a, b, c] = builder;
    spawnable(a.start());
    spawnable(amop_node::serve(b, || {}, std::future::pending()));
    let stop = std::future::pending();
    spawnable(amop_node::serve_reloading(c, "a", hangups, || {}, stop));
}

fn networks(mut networks: [Network; 2], mut hangups: Hangups) {
    spawnable(Network::start(1));
    spawnable(Network::start_with(1, |_, builder| builder));
    send(networks[0].stop(0));
    let [network, _] = networks;
    spawnable(network.shutdown());
    send(hangups.next());
    if let Ok(stop) = amop_node::signal::stop() {
        spawnable(stop);
    }
}

fn handles() {
    handle::<Client>();
    handle::<ClientBuilder>();
    handle::<SubscriptionBuilder<Question>>();
    handle::<Subscription<Question>>();
    handle::<Deliveries<Question>>();
    handle::<RawSubscription>();
    handle::<Publisher<Question>>();
    handle::<RawPublisher>();
    handle::<Events>();
    handle::<Delivery<u8>>();
    handle::<SealedSubscriptionBuilder<Secret>>();
    handle::<Sealer<Secret>>();
    handle::<SealedPublisher<Secret>>();
    handle::<SealedDelivery<u8>>();
    handle::<Server<Question, fn(Question) -> std::future::Ready<u64>>>();
    handle::<Node>();
    handle::<NodeBuilder>();
    handle::<Network>();
    handle::<AccessLists>();
    // What `Question` and `Secret` must be for all this.
    fn is_topic<T: Topic + Request>()
    where
        T::Codec: Codec<T>,
    {
    }
    is_topic::<Question>();
}
