use std::time::Duration;

use super::*;

fn source(n: u8) -> Source {
    Source::of(IpAddr::from([10, 0, 0, n]))
}

/// Lets in a connection that must be welcome.
fn enter(admission: &mut Admission, now: Instant, n: u8) -> (Ticket, Option<Ticket>) {
    match admission.arrive(now, source(n)) {
        Arrival::Welcome {
            ticket, instead_of, ..
        } => (ticket, instead_of),
        Arrival::Refused => panic!("{n} is refused"),
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn sources_are_addresses_or_networks() {
    let of = |text: &str| Source::of(text.parse().unwrap());
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
    assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
}

#[test]
fn there_is_room_for_all_while_there_is_room() {
    let (mut admission, now) = (Admission::new(8, 8), Instant::now());
    for _ in 0..8 {
        assert_eq!(enter(&mut admission, now, 1).1, None);
    }
    assert_eq!(admission.len(), 8);
}

#[test]
fn whoever_said_nothing_longest_goes_first() {
    let (mut admission, start) = (Admission::new(3, 3), Instant::now());
    let mut at = |n| {
        let now = start + millis(n);
        enter(&mut admission, now, 1)
    };
    let (first, second, third) = (at(0).0, at(1).0, at(2).0);
    admission.spoke(start + millis(3), first);
    let (fourth, gone) = enter(&mut admission, start + millis(4), 1);
    assert_eq!(gone, Some(second));
    let gone = [5, 6, 7].map(|n| enter(&mut admission, start + millis(n), 1).1.unwrap());
    assert_eq!(gone, [third, first, fourth]);
    assert_eq!(admission.len(), 3);
}

#[test]
fn one_source_takes_places_from_itself_and_not_from_others() {
    let (mut admission, now) = (Admission::new(10, 10), Instant::now());
    let innocent = [2, 2, 3].map(|n| enter(&mut admission, now, n).0);
    for n in 0..1000 {
        // These are always younger than the innocent ones.
        let (_, gone) = enter(&mut admission, now + millis(n), 1);
        assert!(gone.is_none_or(|gone| !innocent.contains(&gone)));
    }
    assert_eq!(admission.len(), 10);
    // Another newcomer takes the place of one of those.
    let (_, gone) = enter(&mut admission, now + millis(1000), 4);
    assert!(gone.is_some_and(|gone| !innocent.contains(&gone)));
}

#[test]
fn many_sources_with_a_place_each_give_up_the_longest_waiting_one() {
    let (mut admission, now) = (Admission::new(100, 100), Instant::now());
    let all: Vec<Ticket> = (0..100)
        .map(|n| enter(&mut admission, now + millis(n.into()), n).0)
        .collect();
    for n in 0..50u8 {
        let (_, gone) = enter(&mut admission, now + millis(200), 100 + n);
        assert_eq!(gone, Some(all[usize::from(n)]));
    }
}

#[test]
fn time_in_which_the_node_is_busy_does_not_count() {
    let (mut admission, start) = (Admission::new(2, 2), Instant::now());
    let (first, _) = enter(&mut admission, start, 1);
    admission.queued(start + millis(1), first);
    let (second, _) = enter(&mut admission, start + millis(50), 1);
    admission.waiting(start + millis(100), first);
    // The first one has kept the node waiting from 99 ms on, the second from 50 ms.
    let (_, gone) = enter(&mut admission, start + millis(101), 1);
    assert_eq!(gone, Some(second));
}

#[test]
fn those_the_node_is_busy_with_stay_unless_another_source_has_less() {
    let (mut admission, now) = (Admission::new(4, 4), Instant::now());
    let flood = [0, 1, 2, 3].map(|n| {
        let (ticket, _) = enter(&mut admission, now + millis(n), 1);
        admission.queued(now + millis(n), ticket);
        ticket
    });
    assert_eq!(admission.arrive(now, source(1)), Arrival::Refused);
    let (other, gone) = enter(&mut admission, now, 2);
    assert_eq!(gone, Some(flood[3]));
    admission.queued(now, other);
    let (_, gone) = enter(&mut admission, now, 2);
    assert_eq!(gone, Some(flood[2]));
    // Both sources have two places.
    assert_eq!(admission.arrive(now, source(1)), Arrival::Refused);
}

#[test]
fn a_source_may_have_a_limit_of_its_own() {
    let (mut admission, now) = (Admission::new(100, 2), Instant::now());
    let (first, _) = enter(&mut admission, now, 1);
    let (second, _) = enter(&mut admission, now, 1);
    assert_eq!(enter(&mut admission, now, 1).1, Some(first));
    admission.queued(now, second);
    assert!(
        enter(&mut admission, now, 1)
            .1
            .is_some_and(|gone| gone != second)
    );
    assert_eq!(enter(&mut admission, now, 2).1, None);
}

#[test]
fn expected_sources_have_places_that_nobody_takes() {
    let (mut admission, now) = (Admission::new(4, 4), Instant::now());
    admission.expect([source(9)].into());
    let kept: Vec<Ticket> = (0..KEPT).map(|_| enter(&mut admission, now, 9).0).collect();
    for n in 0..200 {
        let (_, gone) = enter(&mut admission, now + millis(n), (n % 7) as u8);
        assert!(gone.is_none_or(|gone| !kept.contains(&gone)));
    }
    assert_eq!(admission.len(), 4 + KEPT);
    // More connections from there are treated like others.
    let (_, gone) = enter(&mut admission, now + millis(300), 9);
    assert!(gone.is_some_and(|gone| !kept.contains(&gone)));
    // A place that became free is kept again.
    admission.leave(kept[0]);
    assert_eq!(enter(&mut admission, now + millis(301), 9).1, None);
}

#[test]
fn somebody_gives_way_when_the_system_is_out_of_something() {
    let (mut admission, now) = (Admission::new(100, 100), Instant::now());
    assert_eq!(admission.relieve(), None);
    let (innocent, _) = enter(&mut admission, now, 2);
    let flood = [1, 2].map(|n| enter(&mut admission, now + millis(n), 1).0);
    assert_eq!(admission.relieve(), Some(flood[0]));
    assert_eq!(admission.relieve(), Some(innocent));
    assert_eq!(admission.relieve(), Some(flood[1]));
    assert_eq!(admission.len(), 0);
}

/// In any order of events, there are never more connections than places, and every count stays
/// right.
#[test]
fn counts_hold_whatever_happens() {
    let (mut admission, start) = (Admission::new(20, 12), Instant::now());
    admission.expect([source(0), source(1)].into());
    let mut tickets = Vec::new();
    // A linear congruential generator, so that a failure is reproducible.
    let mut state = 7u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for n in 0..20_000 {
        let now = start + millis(n);
        let pick = random(tickets.len().max(1) as u64) as usize;
        match (random(6), tickets.get(pick)) {
            (0, Some(&ticket)) => {
                admission.leave(ticket);
                tickets.swap_remove(pick);
            }
            (1, Some(&ticket)) => admission.queued(now, ticket),
            (2, Some(&ticket)) => admission.waiting(now, ticket),
            (3, Some(&ticket)) => admission.spoke(now, ticket),
            _ => {
                if let Arrival::Welcome {
                    ticket, instead_of, ..
                } = admission.arrive(now, source(random(6) as u8))
                {
                    tickets.retain(|held| Some(*held) != instead_of);
                    tickets.push(ticket);
                }
            }
        }
        assert_eq!(admission.len(), tickets.len());
        assert!(admission.taken <= 20);
        let shared = admission.held.values().map(|held| held.shared);
        assert!(shared.clone().all(|shared| shared <= 12));
        assert_eq!(shared.sum::<usize>(), admission.taken);
        let kept: usize = admission.held.values().map(|held| held.kept).sum();
        assert_eq!(kept + admission.taken, admission.len());
    }
    for ticket in tickets {
        admission.leave(ticket);
    }
    assert!(admission.held.is_empty());
}
