//! Clients with several endpoints, while nodes stop and come back on their ports.
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use amop::{
    Client, ClientBuilder, Connections, Event, Events, Offline, Overflow, PublishError, TopicName,
};
use amop_node::Node;
use amop_tests::{PATIENCE, free_ports, identity, log, patient, within};
use amop_tls::{
    Identity,
    pki::{Agency, Authority, Leaf},
};
use futures::StreamExt;
use tokio::{sync::watch, task::JoinHandle};

#[amop::topic("number")]
#[derive(Debug, Clone, PartialEq)]
struct Number(String);

/// Nodes that keep their certificates and ports.
struct Chain {
    agency: Agency,
    identities: Vec<Identity>,
    nodes: Vec<Option<Node>>,
    /// The channel and the P2P port of each.
    ports: Vec<(SocketAddr, SocketAddr)>,
}

impl Chain {
    async fn start(nodes: usize) -> Self {
        log();
        let agency = Authority::new_ec("chain")
            .unwrap()
            .agency("agency")
            .unwrap();
        let identities = (0..nodes).map(|n| identity(&agency, Leaf::Node, &format!("node{n}")));
        let mut chain = Self {
            identities: identities.collect(),
            agency,
            nodes: Vec::new(),
            ports: Vec::new(),
        };
        // Not ports that the system gives to others while a node is stopped.
        let base = free_ports(nodes as u16);
        for index in 0..nodes {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port + index as u16));
            let ports = (at(base), at(base + 10_100));
            let node = chain.run(index, ports).await;
            chain.ports.push(ports);
            chain.nodes.push(Some(node));
        }
        chain.meshed().await;
        chain
    }

    async fn run(&self, index: usize, (channel, p2p): (SocketAddr, SocketAddr)) -> Node {
        let builder = Node::builder()
            .identity(self.identities[index].clone())
            .channel_listen(channel)
            .p2p_listen(p2p)
            .timeouts(patient());
        // Each dials those before it.
        let others = self.ports.iter().take(index);
        let builder = others.fold(builder, |builder, (_, p2p)| {
            builder.peer(p2p.to_string().parse().unwrap())
        });
        builder.start().await.unwrap()
    }

    async fn meshed(&self) {
        let others = self.nodes.iter().flatten().count() - 1;
        for node in self.nodes.iter().flatten() {
            node.wait_for_peers(others, PATIENCE).await.unwrap();
        }
    }

    async fn stop(&mut self, index: usize) {
        within("a node's end", self.nodes[index].take().unwrap().shutdown()).await;
    }

    async fn resume(&mut self, index: usize) {
        self.nodes[index] = Some(self.run(index, self.ports[index]).await);
    }

    fn endpoint(&self, index: usize) -> String {
        self.ports[index].0.to_string()
    }

    fn builder(&self, endpoints: &[usize]) -> ClientBuilder {
        Client::builder()
            .endpoints(endpoints.iter().map(|&index| self.endpoint(index)))
            .identity(identity(&self.agency, Leaf::Sdk, "sdk"))
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE)
    }

    /// A client that is connected to all of these nodes.
    async fn client(&self, endpoints: &[usize]) -> Client {
        let client = self.builder(endpoints).connect().await.unwrap();
        let mut events = client.events();
        for _ in endpoints {
            next_event(&mut events, |event| {
                matches!(event, Event::Connected { .. })
            })
            .await;
        }
        client
    }

    async fn end(self, clients: impl IntoIterator<Item = Client>) {
        for client in clients {
            within("a client's end", client.close()).await;
        }
        for node in self.nodes.into_iter().flatten() {
            within("a node's end", node.shutdown()).await;
        }
    }
}

/// The next event of a kind; others are skipped.
async fn next_event(events: &mut Events, is_it: impl Fn(&Event) -> bool) -> Event {
    within("an event", async {
        loop {
            let event = events.next().await.expect("the client is closed");
            if is_it(&event) {
                return event;
            }
        }
    })
    .await
}

/// How often each number was taken from a subscription.
type Taken = JoinHandle<BTreeMap<u32, u32>>;

fn take_all(mut numbers: amop::Subscription<Number>) -> Taken {
    tokio::spawn(async move {
        let mut taken = BTreeMap::new();
        while let Some(Number(number)) = numbers.next().await {
            *taken.entry(number.parse().unwrap()).or_default() += 1;
        }
        taken
    })
}

/// Publishes numbers as unicasts, several at a time. Returns those that were acknowledged and the
/// errors of the others; `done` counts both.
async fn publish_all(
    publisher: &Client,
    count: u32,
    done: &watch::Sender<u32>,
) -> (Vec<u32>, Vec<PublishError>) {
    let publishing = futures::stream::iter(0..count).map(|number| async move {
        let result = Number(number.to_string()).publish_unicast(publisher).await;
        done.send_modify(|done| *done += 1);
        result.map(|()| number)
    });
    let results: Vec<_> = publishing.buffer_unordered(32).collect().await;
    let mut errors = Vec::new();
    let acknowledged = results.into_iter().filter_map(|result| match result {
        Ok(number) => Some(number),
        Err(error) => {
            errors.push(error);
            None
        }
    });
    (acknowledged.collect(), errors)
}

/// Whether a node said that nobody took a message.
fn is_verdict(error: &PublishError) -> bool {
    matches!(
        error,
        PublishError::NoSubscriber { .. } | PublishError::Unanswered { .. }
    )
}

/// Nothing that was acknowledged is lost, nothing was taken twice.
fn judge(acknowledged: &[u32], taken: &BTreeMap<u32, u32>) {
    let twice: Vec<_> = taken.iter().filter(|&(_, &times)| times > 1).collect();
    assert!(twice.is_empty(), "taken twice: {twice:?}");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|number| !taken.contains_key(number))
        .collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unicasts_survive_restarts_and_arrive_once() {
    const NUMBERS: u32 = 10_000;
    let mut chain = Chain::start(3).await;
    let publisher = chain.client(&[0, 1]).await;
    let subscriber = chain.client(&[1, 2]).await;
    let taken = take_all(Number::subscribe(&subscriber).await.unwrap());

    let (done, mut progress) = watch::channel(0);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publish_all(&publisher, NUMBERS, &done).await }
    });
    // The publisher's node, then one that both are connected to, then again.
    for (round, index) in [0, 1, 0, 1].into_iter().enumerate() {
        let mut restarts = publisher.events();
        let reached = progress.wait_for(|&done| done >= 1500 * (round as u32 + 1));
        within("progress", reached).await.unwrap();
        chain.stop(index).await;
        chain.resume(index).await;
        let endpoint = chain.endpoint(index);
        for up in [false, true] {
            next_event(&mut restarts, |event| match event {
                Event::Disconnected { endpoint: at, .. } => !up && *at == endpoint,
                Event::Connected { endpoint: at, .. } => up && *at == endpoint,
                _ => false,
            })
            .await;
        }
    }
    let (acknowledged, errors) = within("the publisher", publishing).await.unwrap();
    // Another node took over what one that stopped had. Only where that one said at its end that
    // nobody takes a message, and another still waited for the same subscriber, nobody knows.
    assert!(
        errors.len() <= 32 * 4,
        "{}: {:?}",
        errors.len(),
        errors.first()
    );
    for error in &errors {
        assert!(
            matches!(error, PublishError::Unanswered { .. }),
            "{error:?}"
        );
    }
    chain.end([publisher, subscriber]).await;
    judge(
        &acknowledged,
        &within("the subscriber", taken).await.unwrap(),
    );
}

/// With one node for everybody there are gaps, in which publishers wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_delivered_once_though_its_only_node_restarts() {
    const NUMBERS: u32 = 2000;
    let mut chain = Chain::start(1).await;
    let publisher = chain.client(&[0]).await;
    let subscriber = chain.client(&[0]).await;
    let taken = take_all(Number::subscribe(&subscriber).await.unwrap());
    let (done, mut progress) = watch::channel(0);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publish_all(&publisher, NUMBERS, &done).await }
    });
    let mut events = publisher.events();
    let reached = progress.wait_for(|&done| done >= NUMBERS / 2);
    within("progress", reached).await.unwrap();
    chain.stop(0).await;
    chain.resume(0).await;
    next_event(&mut events, |event| {
        matches!(event, Event::Disconnected { .. })
    })
    .await;
    let (acknowledged, errors) = within("the publisher", publishing).await.unwrap();
    for error in errors {
        // The node said so as it stopped, or before the subscriber was back.
        assert!(is_verdict(&error), "{error:?}");
    }
    assert!(acknowledged.len() >= (NUMBERS / 2) as usize);
    chain.end([publisher, subscriber]).await;
    judge(
        &acknowledged,
        &within("the subscriber", taken).await.unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multicast_arrives_once_by_two_nodes() {
    let chain = Chain::start(2).await;
    let publisher = chain.client(&[0, 1]).await;
    let subscriber = chain.client(&[0, 1]).await;
    let mut numbers = Number::subscribe(&subscriber).await.unwrap();
    for number in 0..300 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
        let received = within("a multicast", numbers.next()).await;
        assert_eq!(received, Some(message));
    }
    // A unicast behind them has nothing before it.
    let last = Number("last".to_owned());
    let (published, received) = tokio::join!(
        last.publish_unicast(&publisher),
        within("the last", numbers.next())
    );
    published.unwrap();
    assert_eq!(received, Some(last));
    assert_eq!(numbers.stats().received, 301);
    chain.end([publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_is_reached_by_the_node_that_is_left_and_by_the_one_that_came_back() {
    let mut chain = Chain::start(2).await;
    let subscriber = chain.client(&[0, 1]).await;
    let mut numbers = Number::subscribe(&subscriber).await.unwrap();
    let mut events = subscriber.events();
    let message = Number("1".to_owned());
    for stopped in [0, 1, 0] {
        let endpoint = chain.endpoint(stopped);
        chain.stop(stopped).await;
        next_event(
            &mut events,
            |event| matches!(event, Event::Disconnected { endpoint: at, .. } if *at == endpoint),
        )
        .await;
        assert!(subscriber.is_connected());
        let nodes: Vec<String> = subscriber
            .nodes()
            .into_iter()
            .map(|node| node.endpoint)
            .collect();
        assert_eq!(nodes, [chain.endpoint(1 - stopped)]);
        let publisher = chain.client(&[1 - stopped]).await;
        let (published, received) = tokio::join!(
            message.publish_unicast(&publisher),
            within("a unicast", numbers.next())
        );
        published.unwrap();
        assert_eq!(received.as_ref(), Some(&message));
        within("a client's end", publisher.close()).await;

        chain.resume(stopped).await;
        next_event(
            &mut events,
            |event| matches!(event, Event::Connected { endpoint: at, .. } if *at == endpoint),
        )
        .await;
        // Its topics were there before it was said to be.
        let publisher = chain.client(&[stopped]).await;
        let (published, received) = tokio::join!(
            message.publish_unicast(&publisher),
            within("a unicast", numbers.next())
        );
        published.unwrap();
        assert_eq!(received.as_ref(), Some(&message));
        within("a client's end", publisher.close()).await;
        chain.meshed().await;
    }
    within("a client's end", subscriber.close()).await;
    next_event(&mut events, |event| matches!(event, Event::Closed { .. })).await;
    assert!(events.next().await.is_none());
    chain.end([]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_node_publishers_wait_or_fail_as_told() {
    let mut chain = Chain::start(1).await;
    let waiting = chain.client(&[0]).await;
    let hasty = chain.builder(&[0]).offline(Offline::FailFast);
    let hasty = hasty.connect().await.unwrap();
    let mut of_waiting = waiting.events();
    let mut of_hasty = hasty.events();
    chain.stop(0).await;
    for events in [&mut of_waiting, &mut of_hasty] {
        next_event(events, |event| matches!(event, Event::Disconnected { .. })).await;
    }
    let message = Number("1".to_owned());
    let error = message.publish_multicast(&hasty).await.unwrap_err();
    assert!(matches!(error, PublishError::Offline { .. }), "{error:?}");
    assert!(error.to_string().contains(&chain.endpoint(0)), "{error}");
    let publishing = tokio::spawn({
        let client = waiting.clone();
        async move { message.publish_multicast(&client).await }
    });
    // It finds nobody once, at least.
    next_event(&mut of_waiting, |event| {
        matches!(event, Event::ConnectFailed { .. })
    })
    .await;
    assert!(!publishing.is_finished());
    chain.resume(0).await;
    within("the message", publishing).await.unwrap().unwrap();
    chain.end([waiting, hasty]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_takes_over() {
    let mut chain = Chain::start(3).await;
    let builder = chain.builder(&[0, 1]).connections(Connections::AtMost(1));
    let client = builder.connect().await.unwrap();
    let mut events = client.events();
    let subscriber = chain.client(&[2]).await;
    let taken = take_all(Number::subscribe(&subscriber).await.unwrap());
    let (done, mut progress) = watch::channel(0);
    let publishing = tokio::spawn({
        let client = client.clone();
        async move { publish_all(&client, 500, &done).await }
    });
    within("progress", progress.wait_for(|&done| done >= 100))
        .await
        .unwrap();
    assert_eq!(chain.nodes[1].as_ref().unwrap().session_count(), 0);
    chain.stop(0).await;
    let spare = chain.endpoint(1);
    next_event(
        &mut events,
        |event| matches!(event, Event::Connected { endpoint, .. } if *endpoint == spare),
    )
    .await;
    let last = Number("500".to_owned());
    last.publish_unicast(&client).await.unwrap();
    let (mut acknowledged, errors) = within("the publisher", publishing).await.unwrap();
    acknowledged.push(500);
    for error in errors {
        // The first node said so as it stopped, while there was no other to ask.
        assert!(is_verdict(&error), "{error:?}");
    }
    chain.end([client, subscriber]).await;
    judge(
        &acknowledged,
        &within("the subscriber", taken).await.unwrap(),
    );
}

/// Sends 100 numbers to a subscription that is not read and holds 8.
async fn flood(overflow: Overflow) -> (Chain, [Client; 2], amop::Subscription<Number>) {
    let chain = Chain::start(1).await;
    let (publisher, slow) = (chain.client(&[0]).await, chain.client(&[0]).await);
    let numbers = slow
        .subscription::<Number>()
        .queue(8)
        .overflow(overflow)
        .subscribe()
        .await
        .unwrap();
    for number in 0..100 {
        let message = Number(number.to_string());
        message.publish_multicast(&publisher).await.unwrap();
    }
    (chain, [publisher, slow], numbers)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_loses_the_newest_or_the_oldest() {
    for (overflow, first) in [(Overflow::DropNewest, 0), (Overflow::DropOldest, 92)] {
        let (chain, [publisher, slow], mut numbers) = flood(overflow).await;
        // What follows on the same connection arrives behind them.
        let mut marks = Number::subscribe_to(&slow, "mark").await.unwrap();
        let mark = Number("mark".to_owned());
        let (published, received) = tokio::join!(
            mark.publish_unicast_to(&publisher, "mark"),
            within("the mark", marks.next())
        );
        published.unwrap();
        assert_eq!(received, Some(mark));
        let stats = numbers.stats();
        assert_eq!((stats.dropped, stats.refused, stats.waiting), (92, 0, 8));
        for number in first..first + 8 {
            assert_eq!(numbers.next().await, Some(Number(number.to_string())));
        }
        chain.end([publisher, slow]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_that_blocks_loses_nothing_and_holds_up_nobody_else() {
    let (chain, [publisher, slow], mut numbers) = flood(Overflow::Block).await;
    within("the block", async {
        while numbers.stats().blocked == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let other = chain.client(&[0]).await;
    let mut elsewhere = Number::subscribe_to(&other, "elsewhere").await.unwrap();
    let message = Number("elsewhere".to_owned());
    let (published, received) = tokio::join!(
        message.publish_unicast_to(&publisher, "elsewhere"),
        within("a unicast", elsewhere.next())
    );
    published.unwrap();
    assert_eq!(received, Some(message));
    assert_eq!(numbers.stats().waiting, 8);
    for number in 0..100 {
        let received = within("a number", numbers.next()).await;
        assert_eq!(received, Some(Number(number.to_string())));
    }
    let stats = numbers.stats();
    assert_eq!((stats.received, stats.dropped, stats.refused), (100, 0, 0));
    chain.end([publisher, slow, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_drains_loses_nothing() {
    const NUMBERS: u32 = 2000;
    let chain = Chain::start(2).await;
    let publisher = chain.client(&[0]).await;
    let (leaving, staying) = (chain.client(&[0, 1]).await, chain.client(&[1]).await);
    let taken_by_leaving = Arc::new(AtomicUsize::new(0));
    let mut deliveries = Number::deliveries(&leaving).await.unwrap();
    let of_leaving = tokio::spawn({
        let count = Arc::clone(&taken_by_leaving);
        async move {
            let mut taken = Vec::new();
            while let Some(delivery) = deliveries.next().await {
                // Some work, while more arrives.
                tokio::task::yield_now().await;
                taken.push(delivery.unwrap().into_inner().0.parse::<u32>().unwrap());
                count.fetch_add(1, Ordering::SeqCst);
            }
            taken
        }
    });
    let of_staying = take_all(Number::subscribe(&staying).await.unwrap());
    let (done, mut progress) = watch::channel(0);
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publish_all(&publisher, NUMBERS, &done).await }
    });
    within("progress", progress.wait_for(|&done| done >= NUMBERS / 4))
        .await
        .unwrap();
    within("draining", leaving.drain()).await.unwrap();
    let before = taken_by_leaving.load(Ordering::SeqCst);
    assert!(before > 0);
    let of_leaving = within("the leaving subscriber", of_leaving).await.unwrap();
    let (acknowledged, errors) = within("the publisher", publishing).await.unwrap();
    assert_eq!(acknowledged.len(), NUMBERS as usize, "{:?}", errors.first());
    chain.end([publisher, staying]).await;
    let mut taken = within("the staying subscriber", of_staying).await.unwrap();
    for number in of_leaving {
        *taken.entry(number).or_default() += 1;
    }
    judge(&acknowledged, &taken);
    assert_eq!(taken.len(), NUMBERS as usize);
}

/// A client made from another SDK's file, over the file's own certificates.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_connects_as_a_java_or_go_sdks_file_says() {
    let chain = Chain::start(2).await;
    let folder = tempfile::tempdir().unwrap();
    let issued = chain.agency.issue(Leaf::Sdk, "sdk").unwrap();
    let files = [
        ("ca.crt", chain.agency.root_pem()),
        ("sdk.crt", &issued.cert_pem),
        ("sdk.key", &issued.key_pem),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let at = folder.path().display();
    let (first, second) = (chain.endpoint(0), chain.endpoint(1));
    let java = format!(
        "[cryptoMaterial]\ncertPath = \"{at}\"\n[network]\npeers = [\"{first}\", \"{second}\"]\n"
    );
    let go = format!(
        "[Network]\nType=\"channel\"\nCAFile=\"ca.crt\"\nCert=\"sdk.crt\"\nKey=\"sdk.key\"\n\
         [[Network.Connection]]\nNodeURL=\"{first}\"\nGroupID=1\n\
         [[Network.Connection]]\nNodeURL=\"{second}\"\nGroupID=1\n"
    );
    let topic = TopicName::new("hello").unwrap();
    for text in [java, go] {
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let client = within("connecting", Client::from_config(&path))
            .await
            .unwrap();
        assert_eq!(client.endpoints().collect::<Vec<_>>(), [&first, &second]);
        client.multicast(&topic, "hi".into()).await.unwrap();
        within("a client's end", client.close()).await;
    }
    chain.end([]).await;
}
