//! Each attack of `amop_testkit::attack::PROGRAMS`, together with members that keep exchanging
//! messages.

use std::time::Duration;

use amop_node::{Network, Stats};
use amop_testkit::{
    attack::{Field, PROGRAMS, Size, program},
    log, network, within,
};
use tokio::time::{Instant, sleep};

use super::innocents::Innocents;

/// The maximum number of lines logged for each kind of line that others cause, per period.
const LINES: usize = 50;
const WINDOW: Duration = Duration::from_secs(10);

/// The kinds of lines that one node causes at another: it connected, it left, it was disconnected,
/// it misbehaved, it sent invalid data, it stated a node that is not accepted, and a summary of
/// each.
const KINDS: usize = 12;

/// The attack by a node that claims to have subscribers to all topics. In the other attacks the
/// attacker is given no messages.
const CLAIMS: &str = "invented-nodes";

fn count(network: &Network, counter: &str) -> u64 {
    let of = |stats: Stats| {
        let mut all = stats.entries();
        all.find(|&(name, _)| name == counter)
    };
    let counts = network.running().map(|node| of(node.stats()));
    counts.map(|found| found.expect(counter).1).sum()
}

/// Waits until the memory held for the attacker is given back.
async fn memory_is_given_back(network: &Network, name: &str) {
    within(&format!("{name}: memory given back"), async {
        for node in network.running() {
            while node.receiving_bytes() + node.session_bytes() + node.peer_bytes() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
}

/// Checks that refusals are logged, with the name of the neighbour that they came from, and only up
/// to a limit.
fn is_logged(field: &Field, nodes: usize, time: Duration) {
    let lines = log().find_all(&[&field.attacker().short().to_string()]);
    assert!(!lines.is_empty(), "nothing was logged of the attacker");
    let windows = 2 + time.as_secs() / WINDOW.as_secs();
    let most = LINES * KINDS * nodes * windows as usize;
    assert!(lines.len() <= most, "{} lines", lines.len());
}

/// Lets an attack do `enough` on a network of three nodes. Meanwhile no message of the innocents is
/// lost, every node stays up, the attack is counted, and memory held because of it is given back.
/// Afterwards a new member can connect and exchange messages.
async fn beside(name: &str, enough: u64, counted: &[&str]) {
    let program = program(name);
    let network = network(3).await;
    let mut innocents = Innocents::start(&network).await;
    let reachable: Vec<usize> = network.running().map(|node| node.reachable()).collect();
    let field = Field::of(&network);
    let start = Instant::now();
    let attack = (program.start)(&field, Size::Test);
    let mut rounds = 0;
    // Each message is first offered to all subscribers that the liar claims to have, which refuse
    // it one by one.
    let most = if name == CLAIMS { 3 } else { 10 };
    while attack.count() + attack.refusals() < enough || rounds < most {
        innocents.go_on().await;
        rounds += 1;
    }
    println!(
        "{name}: done {} times, stopped {} times; the innocents were looked at {rounds} times",
        attack.count(),
        attack.refusals(),
    );
    for counter in counted {
        within(counter, async {
            while count(&network, counter) == 0 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    let seen = attack.stop().await;
    assert!(name == CLAIMS || seen == 0, "{seen} were given to it");
    innocents.stop().await;
    if program.what.starts_with("node") {
        is_logged(&field, reachable.len(), start.elapsed());
    }
    let newcomers = Innocents::start(&network).await;
    newcomers.stop().await;
    memory_is_given_back(&network, name).await;
    // The nodes that the attacker invented are gone with it.
    within("the attacker to be forgotten", async {
        for (node, &before) in network.running().zip(&reachable) {
            while node.reachable() != before {
                sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
    network.shutdown().await;
}

macro_rules! attacks {
    ($($name:ident: $program:literal $enough:literal $($counter:literal)*;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                beside($program, $enough, &[$($counter),*]).await;
            }
        )*

        /// Every new attack needs a test.
        #[test]
        fn every_attack_is_tested() {
            let tested = [$($program),*];
            for program in PROGRAMS {
                assert!(tested.contains(&program.name), "{} is not tested", program.name);
            }
        }
    };
}

attacks! {
    json_of_two_megabytes: "json" 10;
    thousands_of_topics_replaced: "flips" 50 "topic_sets_passed_over";
    topics_replaced_by_many: "many-flips" 200 "topic_sets_passed_over";
    many_connections_with_one_key: "sessions" 100;
    frames_that_never_end: "half-frames" 12;
    unicasts_that_are_never_answered: "in-flight" 200;
    tiny_unicasts_that_are_never_answered: "in-flight-small" 5000;
    subscribers_that_never_read: "unread" 100;
    large_messages_without_end: "big" 20;
    lines_for_the_log: "logs" 10000;
    handshakes_that_never_end: "half-open" 600;
    handshakes_begun_without_end: "hellos" 200;
    long_chains_of_strangers: "chains" 200;
    records_that_are_forged: "forged-records" 45 "records_refused";
    records_of_the_far_future: "future-records" 60 "records_refused";
    records_that_are_old: "old-records" 500;
    records_of_nodes_nobody_lets_in: "unwanted-records" 100 "records_refused";
    nodes_that_are_invented: "invented-nodes" 100 "records_refused" "over_budget" "claims_capped";
    nodes_that_are_issued: "issued-nodes" 60;
    links_that_one_end_states: "one-sided-links" 1;
    more_than_a_node_can_hold: "too-much" 200 "over_budget";
    messages_that_go_in_circles: "circles" 1000 "undeliverable" "unproven";
    origins_that_are_forged: "forged-origins" 2000 "unproven";
    answers_that_nobody_asked_for: "false-answers" 5000 "unproven";
    seals_that_are_wrong: "wrong-seals" 500 "unproven";
    fragments_that_never_end: "fragments" 1000 "frames_without_room";
    fragments_out_of_place: "bad-fragments" 15 "bad_frames";
    questions_without_end: "questions" 200 "questions_refused";
    chatter_without_end: "chatter" 2000;
    a_node_that_acknowledges_nothing: "mute" 3;
    odd_numbers_of_a_fisco_node: "fisco-numbers" 100 "peer_messages_ignored";
    changing_lists_of_a_fisco_node: "fisco-lists" 300;
    questions_of_a_fisco_node: "fisco-questions" 20000 "questions_refused";
    false_messages_of_a_fisco_node: "fisco-messages" 500 "peer_messages_ignored";
}
