use super::*;

fn party(agency: u64, key: u64, one: u64) -> Party {
    Party { agency, key, one }
}

/// Takes and finishes up to `count` turns, each of this cost. Returns the agencies in order.
fn turns(turns: &mut Turns<usize>, count: usize, cost: usize) -> Vec<u64> {
    (0..count)
        .map_while(|_| {
            let (party, _) = turns.pop()?;
            turns.done(party, cost);
            Some(party.agency)
        })
        .collect()
}

#[test]
fn however_many_connections_one_agency_has_another_one_is_next() {
    let mut waiting = Turns::default();
    for n in 0..5000 {
        waiting.push(party(1, n % 7, n), 0);
    }
    assert_eq!(turns(&mut waiting, 10, 1), [1; 10]);
    waiting.push(party(2, 0, 0), 0);
    waiting.push(party(3, 0, 0), 0);
    let next = turns(&mut waiting, 3, 1);
    assert!(next.contains(&2) && next.contains(&3), "{next:?}");
}

#[test]
fn keys_of_an_agency_and_connections_of_a_key_take_turns() {
    let mut waiting = Turns::default();
    for n in 0..100 {
        waiting.push(party(1, 1, 1), n);
    }
    waiting.push(party(1, 1, 2), 1000);
    waiting.push(party(1, 2, 3), 2000);
    let mut first = Vec::new();
    for _ in 0..5 {
        let (party, item) = waiting.pop().unwrap();
        first.push(item);
        waiting.done(party, 1);
    }
    assert!(first.contains(&1000) && first.contains(&2000), "{first:?}");
}

#[test]
fn what_has_cost_more_waits_until_the_others_have_cost_as_much() {
    let mut waiting = Turns::default();
    for _ in 0..100 {
        waiting.push(party(1, 1, 1), 0);
        waiting.push(party(2, 1, 1), 0);
    }
    let mut done = [0; 3];
    for _ in 0..60 {
        let (party, _) = waiting.pop().unwrap();
        done[party.agency as usize] += 1;
        waiting.done(party, if party.agency == 1 { 9 } else { 1 });
    }
    assert!((5..=7).contains(&done[1]), "{done:?}");
}

#[test]
fn one_that_comes_back_has_still_cost_what_it_did() {
    let mut waiting = Turns::default();
    waiting.push(party(1, 1, 1), 0);
    for _ in 0..200 {
        waiting.push(party(2, 1, 1), 0);
    }
    let (dear, _) = waiting.pop().unwrap();
    assert_eq!(dear.agency, 1);
    waiting.done(dear, 100);
    waiting.push(party(1, 1, 1), 0);
    assert_eq!(turns(&mut waiting, 100, 1), [2; 100]);
    assert!(turns(&mut waiting, 2, 1).contains(&1));
}

#[test]
fn what_goes_on_is_put_back_and_others_have_their_turn_between() {
    let mut waiting = Turns::default();
    waiting.push(party(1, 1, 1), 3);
    let (first, left) = waiting.pop().unwrap();
    waiting.push(party(2, 1, 1), 1);
    waiting.push(first, left - 1);
    waiting.done(first, 5);
    assert_eq!(turns(&mut waiting, 3, 1), [2, 1]);
}

#[test]
fn nothing_is_kept_of_those_who_are_gone() {
    let mut waiting = Turns::default();
    waiting.push(party(9, 9, 9), 0);
    let kept = waiting.pop().unwrap().0;
    for n in 0..3 * OWING as u64 {
        waiting.push(party(n, 0, 0), 0);
        let (party, _) = waiting.pop().unwrap();
        waiting.done(party, 1_000_000);
    }
    assert!(waiting.0.parts.len() <= OWING + 2);
    waiting.done(kept, 1);
    assert!(waiting.0.parts.is_empty() && waiting.0.owing.is_empty());
    assert!(waiting.pop().is_none());
}
