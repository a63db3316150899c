//! The cost that a lying node with a certificate causes for others, counted.

use std::time::{Duration, Instant};

use amop_node::{AccessLists, Limits, Node};
use amop_testkit::{
    Graph,
    attack::{Field, Lie, Size, liars, program, relay},
    client, log, network, network_with, once_known, until, within,
};

use super::innocents::Innocents;

fn relayed<'a>(nodes: impl Iterator<Item = &'a Node>) -> u64 {
    nodes.map(|node| node.stats().messages.relayed).sum()
}

/// A message that may cross four thousand million links crosses at most as many links as there are
/// nodes.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_goes_in_circles() {
    let network = network(3).await;
    let mut innocents = Innocents::start(&network).await;
    let attack = (program("circles").start)(&Field::of(&network), Size::Test);
    attack.has_done(1000).await;
    innocents.go_on().await;
    let (done, relayed) = (attack.count(), relayed(network.running()));
    println!("{done} messages, passed on {relayed} times");
    // Two packets each, to three nodes at most.
    assert!(
        relayed <= 6 * (done + 1000),
        "{done} messages were passed on {relayed} times"
    );
    attack.stop().await;
    innocents.stop().await;
    network.shutdown().await;
}

/// The only connection between two nodes is a relay that alters, renames, redirects, repeats and
/// reflects everything. Every message arrives, once, in order and unchanged.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lies_about_everything_changes_nothing() {
    let graph = Graph::apart(2).await;
    let attack = relay(&graph.field([0, 1]));
    until("a way through the relay", || {
        graph.running().all(|node| node.reachable() == 2)
    })
    .await;
    let mut innocents = Innocents::between(async |end| graph.client(end).await).await;
    let start = attack.count();
    while attack.count() < start + 300 {
        innocents.go_on().await;
    }
    innocents.stop().await;
    for index in [0, 1] {
        let stats = graph.node(index).stats().messages;
        println!("node {index}: {} lies not taken", stats.unproven);
        assert!(stats.unproven > 300, "{}", stats.unproven);
        // It was sent messages for other nodes, and relayed none of them.
        assert_eq!(stats.relayed, 0);
    }
    assert_eq!(attack.refusals(), 0, "an honest relay would be thrown out");
    attack.stop().await;
    graph.end([]).await;
}

/// A node that greets and acknowledges nothing does not delay the subscriptions of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_mute_node_delays_no_subscription() {
    const COUNT: u32 = 30;
    let network = network(2).await;
    let attack = (program("mute").start)(&Field::of(&network), Size::Test);
    attack.has_done(2).await;
    let client = client(&network, 0).await;
    let start = Instant::now();
    for n in 0..COUNT {
        let topic = format!("topic-{n}").parse().unwrap();
        drop(client.subscribe_raw(&topic).await.unwrap());
    }
    let each = start.elapsed() / COUNT;
    println!("{each:?} for each subscription");
    // Waiting for the mute node would take a second each.
    assert!(each < Duration::from_millis(500), "{each:?}");
    attack.stop().await;
    client.close().await;
    network.shutdown().await;
}

/// Old records of a node are repeated after it has started again: its new records are still
/// accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_again_is_believed_whatever_is_repeated_of_it() {
    let mut graph = Graph::row(3).await;
    let mut innocents = Innocents::between(async |end| graph.client(end * 2).await).await;
    innocents.go_on().await;
    let field = graph.field([0, 1]);
    let attack = liars(&field, Lie::Replay);
    attack.has_done(50).await;
    innocents.stop().await;
    for _ in 0..2 {
        graph.stop(2).await;
        let done = attack.count();
        attack.has_done(done + 50).await;
        graph.start_again(2).await;
        let mut innocents = Innocents::between(async |end| graph.client(end * 2).await).await;
        innocents.go_on().await;
        innocents.stop().await;
    }
    attack.stop().await;
    graph.end([]).await;
}

/// Reloaded lists disconnect a liar, and remove the nodes that it has invented.
#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_reloaded_end_the_attack() {
    let network = network(3).await;
    let mut innocents = Innocents::start(&network).await;
    let field = Field::of(&network).with_others(8);
    let attack = liars(&field, Lie::Populate);
    let nodes = || network.running();
    until("the invented nodes", || {
        nodes().all(|node| node.reachable() == 2 + 1 + 8)
    })
    .await;
    innocents.go_on().await;
    for node in nodes() {
        let mut lists = AccessLists::default();
        lists.blacklist.insert(field.attacker());
        let reloaded = node.reload(lists).await.unwrap();
        assert_eq!(reloaded.peers_closed, 1);
    }
    // The nodes behind it still have certificates, but no links to any other node.
    until("the invented nodes gone", || {
        nodes().all(|node| node.reachable() == 2 && node.peers().len() == 2)
    })
    .await;
    until("it is turned away", || {
        nodes().all(|node| node.stats().unlisted > 0)
    })
    .await;
    innocents.go_on().await;
    attack.stop().await;
    innocents.stop().await;
    network.shutdown().await;
}

/// An agency can issue certificates for as many nodes as it likes; a white list protects against
/// this.
#[tokio::test(flavor = "multi_thread")]
async fn a_white_list_lets_no_issued_node_in() {
    let network = network(3).await;
    let mut innocents = Innocents::start(&network).await;
    // The attacker is a member with one node on the list.
    let field = Field::of(&network).with_others(20);
    let listed = field.members.iter().copied();
    let listed = listed.chain([field.attacker()]).collect();
    let mut lists = AccessLists::default();
    lists.whitelist = Some(listed);
    for node in network.running() {
        let reloaded = node.reload(lists.clone()).await.unwrap();
        assert_eq!(reloaded.peers_closed, 0);
    }
    let attack = liars(&field, Lie::Populate);
    attack.has_done(60).await;
    innocents.go_on().await;
    for node in network.running() {
        assert!(node.reachable() <= 3, "{}", node.reachable());
        assert!(node.stats().messages.records_refused > 0);
    }
    // The line names the node that sent the record, and the setting that helps.
    let attacker = format!("node {}", field.attacker().short());
    log()
        .wait_for(&[&attacker, "sent a record of node", "lists"])
        .await;
    attack.stop().await;
    innocents.stop().await;
    network.shutdown().await;
}

/// The memory that one neighbour makes a node hold is limited, others find room, and when the
/// neighbour is gone, so are its statements.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_neighbour_makes_a_node_hold_is_bounded() {
    const LIMIT: usize = 4 << 20;
    let network = network_with(3, |_, builder| {
        builder.limits(Limits::default().with(|limits| {
            limits.records_bytes = LIMIT;
            limits.record_bytes = LIMIT / 2;
        }))
    })
    .await;
    let mut innocents = Innocents::start(&network).await;
    let field = Field::of(&network).with_others(10);
    let attack = liars(&field, Lie::Fill);
    let mut most = 0;
    while attack.count() < 200 {
        innocents.go_on().await;
        most = network
            .running()
            .map(|node| node.records_bytes())
            .fold(most, usize::max);
    }
    println!("{most} bytes held at most");
    assert!((LIMIT / 4..=LIMIT).contains(&most), "{most}");
    // Meanwhile there is room for the records of others.
    let (asker, answerer) = (client(&network, 0).await, client(&network, 2).await);
    let topic = "of a newcomer".parse().unwrap();
    let mut questions = answerer.subscribe_raw(&topic).await.unwrap();
    let (asked, came) = tokio::join!(
        once_known(|| asker.publish_unicast_raw(&topic, "known?".into())),
        async { within("the question", questions.next()).await.is_some() }
    );
    assert!(asked.is_ok() && came, "{asked:?}");
    for client in [asker, answerer] {
        client.close().await;
    }
    attack.stop().await;
    innocents.stop().await;
    network.shutdown().await;
}

/// Repeated records cost no signature checks; a forged one costs one check, and the liar loses its
/// connection.
#[tokio::test(flavor = "multi_thread")]
async fn lies_cost_few_signatures() {
    let network = network(2).await;
    let mut innocents = Innocents::start(&network).await;
    let verified = || {
        network
            .running()
            .map(|node| node.signatures_verified())
            .sum::<u64>()
    };
    let field = Field::of(&network);
    let before = verified();
    let attack = liars(&field, Lie::Replay);
    attack.has_done(1000).await;
    attack.stop().await;
    let repeated = verified() - before;
    let before = verified();
    let attack = liars(&field, Lie::Forge);
    attack.has_done(24).await;
    let forged_packets = attack.count();
    attack.stop().await;
    let forged = verified() - before;
    println!(
        "{repeated} signatures for records repeated, {forged} for {forged_packets} forged packets"
    );
    // Each node checks a new record of the liar and its certificates at each connection.
    assert!(repeated < 500, "{repeated}");
    assert!(forged <= 8 * forged_packets + 50, "{forged}");
    innocents.go_on().await;
    innocents.stop().await;
    network.shutdown().await;
}
