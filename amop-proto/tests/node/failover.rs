//! Links that are lost and restored while messages are in transit: if there is still a path, a
//! message is answered at once, without waiting for a timer, and is delivered once.

use std::{collections::BTreeMap, time::Duration};

use crate::support::{Net, Sdk, config, reply, unicast};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const TOPIC: &str = "hello";
const RING: usize = 6;

/// Returns a ring. In an old ring the connections are too old for a race of two dials; in a young
/// one each is of the kind that is closed when both sides have dialled.
fn ring(young: bool) -> Net {
    let mut net = Net::new(RING);
    for node in 0..RING {
        connect(&mut net, node, young);
    }
    if !young {
        net.secs(20);
    }
    net
}

/// Makes the connection of the ring that begins at this node.
fn connect(net: &mut Net, link: usize, by_higher: bool) {
    let (a, b) = ends(link);
    let (low, high) = (a.min(b), a.max(b));
    if by_higher {
        net.connect(high, low);
    } else {
        net.connect(low, high);
    }
}

fn ends(link: usize) -> (usize, usize) {
    (link, (link + 1) % RING)
}

/// Sends a message and its answer step by step; before step number `at` an event happens. Returns
/// the number of steps.
fn exchange(
    net: &mut Net,
    to: usize,
    at: usize,
    event: impl FnOnce(&mut Net),
    context: &str,
) -> usize {
    let subscriber = net.subscriber(to, &[TOPIC]);
    let publisher = net.sdk(0);
    let start = net.elapsed();
    net.wire_held = true;
    net.send(publisher, unicast(1, TOPIC, ""));
    let answer = reply(&unicast(1, TOPIC, ""), "here");
    let (mut event, mut pushes, mut steps) = (Some(event), 0, 0);
    loop {
        if steps >= at
            && let Some(event) = event.take()
        {
            event(net);
        }
        steps += 1;
        for push in net.inbox(subscriber) {
            pushes += 1;
            net.send(subscriber, reply(&push, "here"));
        }
        if !net.deliver_one() && net.end(subscriber).inbox.is_empty() {
            break;
        }
    }
    net.wire_held = false;
    if let Some(event) = event {
        event(net);
    }
    assert_eq!(net.inbox(publisher), [answer], "{context}");
    assert_eq!(pushes, 1, "{context}");
    assert_eq!(net.elapsed(), start, "{context}");
    assert_eq!(net.in_flight(), 0, "{context}");
    steps
}

/// Repeats an exchange with the event at every possible step.
fn at_every_point(mut exchange: impl FnMut(usize) -> usize) {
    let mut at = 0;
    while exchange(at) > at + 1 {
        at += 1;
    }
    assert!(at > 1);
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    ByBoth,
    FirstByLower,
    FirstByHigher,
}

#[test]
fn a_cut_at_any_point_of_a_message_costs_no_time() {
    for (to, link) in (1..=3).flat_map(|to| (0..RING).map(move |link| (to, link))) {
        for seen in [Seen::ByBoth, Seen::FirstByLower, Seen::FirstByHigher] {
            for young in [false, true] {
                at_every_point(|at| {
                    let context = format!("to {to}, link {link}, {seen:?}, young {young}, at {at}");
                    let mut net = ring(young);
                    let (a, b) = ends(link);
                    let [one, other] = net.between(a, b);
                    let cut = |net: &mut Net| match seen {
                        Seen::ByBoth => net.cut(one),
                        Seen::FirstByLower => net.cut_end(one),
                        Seen::FirstByHigher => net.cut_end(other),
                    };
                    exchange(&mut net, to, at, cut, &context)
                });
            }
        }
    }
}

#[test]
fn a_link_that_comes_up_at_any_point_of_a_message_costs_no_time() {
    for (to, link) in (1..=3).flat_map(|to| (0..RING).map(move |link| (to, link))) {
        at_every_point(|at| {
            let context = format!("to {to}, link {link}, at {at}");
            let mut net = ring(false);
            let (a, b) = ends(link);
            net.cut_between(a, b);
            exchange(&mut net, to, at, |net| connect(net, link, false), &context)
        });
    }
}

/// Its neighbours still have its previous state, with which it can already relay messages.
#[test]
fn a_node_that_starts_again_at_any_point_of_a_message_costs_no_time() {
    for (to, node) in (1..=3).flat_map(|to| (1..RING).map(move |node| (to, node))) {
        if node == to {
            continue;
        }
        at_every_point(|at| {
            let context = format!("to {to}, node {node}, at {at}");
            let mut net = ring(false);
            let mut again = config(node);
            again.epoch += 1_000_000;
            net.restart(node, again);
            let start = |net: &mut Net| {
                connect(net, node - 1, false);
                connect(net, node, false);
            };
            exchange(&mut net, to, at, start, &context)
        });
    }
}

/// Every message gets its answer as soon as its subscriber gives it, however links are lost and
/// restored meanwhile, as long as the ring is never cut in two.
#[test]
fn links_that_come_and_go_under_load_cost_no_time() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut net = ring(false);
        let topics: Vec<String> = (0..RING).map(|node| format!("of{node}")).collect();
        let subscribers: Vec<Sdk> = (0..RING)
            .map(|node| net.subscriber(node, &[&topics[node]]))
            .collect();
        let publishers: Vec<Sdk> = (0..RING).map(|node| net.sdk(node)).collect();
        let start = net.elapsed();
        let mut taken = BTreeMap::new();
        let mut asked = BTreeMap::new();
        let mut unanswered = Vec::new();
        let mut down = None;
        net.wire_held = true;
        for n in 0..600 {
            match rng.random_range(0..100) {
                0..3 => match down.take() {
                    None => {
                        let link = rng.random_range(0..RING);
                        let (a, b) = ends(link);
                        net.cut_between(a, b);
                        down = Some(link);
                    }
                    Some(link) => {
                        connect(&mut net, link, rng.random());
                        // Another link may be cut only after this one is known everywhere.
                        while net.deliver_one() {}
                    }
                },
                3..20 => {
                    let (from, to) = (rng.random_range(0..RING), rng.random_range(0..RING));
                    net.send(publishers[from], unicast(n, &topics[to], ""));
                    asked.insert(unicast(n, "", "").seq, from);
                }
                20..30 if !unanswered.is_empty() => {
                    let at = rng.random_range(0..unanswered.len());
                    let (subscriber, push) = unanswered.swap_remove(at);
                    net.send(subscriber, reply(&push, "here"));
                }
                _ => net.deliver_one_of(rng.random_range(0..RING)),
            }
            for &subscriber in &subscribers {
                for push in net.inbox(subscriber) {
                    *taken.entry(push.seq).or_insert(0) += 1;
                    unanswered.push((subscriber, push));
                }
            }
        }
        net.wire_held = false;
        net.settle();
        for &subscriber in &subscribers {
            for push in net.inbox(subscriber) {
                *taken.entry(push.seq).or_insert(0) += 1;
                unanswered.push((subscriber, push));
            }
        }
        for (subscriber, push) in unanswered {
            net.send(subscriber, reply(&push, "here"));
        }
        for seq in asked.keys() {
            assert_eq!(taken.get(seq), Some(&1), "seed {seed}, {seq:?}");
        }
        let mut answers = BTreeMap::new();
        for (from, &publisher) in publishers.iter().enumerate() {
            for answer in net.inbox(publisher) {
                assert_eq!(answer.result, 0, "seed {seed}: {answer:?}");
                assert_eq!(answers.insert(answer.seq, from), None, "seed {seed}");
            }
        }
        assert_eq!(answers, asked, "seed {seed}");
        assert_eq!((net.elapsed(), net.in_flight()), (start, 0), "seed {seed}");
    }
}

#[test]
fn a_link_that_takes_everything_and_delivers_nothing_costs_3_s_at_most() {
    for (to, link) in (1..=3).flat_map(|to| (0..RING).map(move |link| (to, link))) {
        let mut net = ring(false);
        let subscriber = net.subscriber(to, &[TOPIC]);
        let publisher = net.sdk(0);
        let (a, b) = ends(link);
        net.swallow_between(a, b);
        for n in 0..4 {
            net.send(publisher, unicast(n, TOPIC, ""));
        }
        let mut pushes = Vec::new();
        for _ in 0..31 {
            for push in net.inbox(subscriber) {
                net.send(subscriber, reply(&push, "here"));
                pushes.push(push.seq);
            }
            net.advance(Duration::from_millis(100));
        }
        let answers = net.inbox(publisher);
        assert!(answers.iter().all(|answer| answer.result == 0));
        assert_eq!(
            (answers.len(), pushes.len()),
            (4, 4),
            "to {to}, link {link}"
        );
    }
}
