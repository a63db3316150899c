use super::*;

const NODE: RoutingKey = RoutingKey(7);
const AGENCY: u64 = 70;

/// The credit, and the unicasts that nodes of one agency have.
#[derive(Default)]
struct AllUsed {
    credits: Credits,
    out: Vec<UsedCredit>,
}

impl AllUsed {
    fn of(&self, now: Instant, node: RoutingKey) -> Allowance {
        self.credits.of(now, node, || AGENCY)
    }

    fn give(&mut self, node: RoutingKey) {
        self.out.push(self.credits.give(node, || AGENCY));
    }

    /// Ends the oldest.
    fn take(&mut self, outcome: CreditOutcome) {
        self.credits.take(self.out.remove(0), outcome);
    }

    fn fail(&mut self, now: Instant, count: usize) {
        for _ in 0..count {
            self.give(NODE);
            self.take(CreditOutcome::Failed(now));
        }
    }

    /// Gives as many as allowed.
    fn fill(&mut self, now: Instant, node: RoutingKey) -> usize {
        let before = self.out.len();
        while self.of(now, node).more && self.out.len() < before + 1000 {
            self.give(node);
        }
        self.out.len() - before
    }
}

#[test]
fn who_answers_is_given_more_and_who_does_not_gets_few() {
    let (now, mut given) = (Instant::now(), AllUsed::default());
    assert_eq!(given.fill(now, NODE), 4);
    for _ in 0..4 {
        given.take(CreditOutcome::Answered);
    }
    assert_eq!(given.fill(now, NODE), 8);
    for _ in 0..8 {
        given.take(CreditOutcome::Answered);
    }
    assert_eq!(given.fill(now, NODE), 16);
    given.take(CreditOutcome::Ended);
    assert_eq!(given.fill(now, NODE), 1);
    given.take(CreditOutcome::Failed(now));
    for _ in 0..15 {
        given.take(CreditOutcome::Ended);
    }
    assert_eq!(given.fill(now, NODE), 8);
}

#[test]
fn who_fails_again_and_again_pauses_for_longer_and_longer() {
    let (start, mut given) = (Instant::now(), AllUsed::default());
    given.fail(start, 2);
    assert!(given.of(start, NODE).more);
    let mut now = start;
    for pause in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        // Any number of failures at once counts as one.
        given.fail(now, 3);
        let before = now + Duration::from_millis(pause - 1);
        assert!(!given.of(before, NODE).more, "{pause}");
        now += Duration::from_millis(pause);
        assert!(given.of(now, NODE).more, "{pause}");
    }
    given.give(NODE);
    given.fail(now, 1);
    assert!(!given.of(now, NODE).more);
    // After one answer the node is trusted again.
    given.take(CreditOutcome::Answered);
    assert!(given.of(now, NODE).more);
}

#[test]
fn nodes_of_an_agency_that_have_proved_nothing_have_no_more_than_one() {
    let (start, mut given) = (Instant::now(), AllUsed::default());
    let nodes = || (0..50).map(RoutingKey);
    let all = |given: &mut AllUsed, now| nodes().map(|node| given.fill(now, node)).sum::<usize>();
    assert_eq!(all(&mut given, start), 4);
    let other = given.credits.of(start, RoutingKey(99), || AGENCY + 1);
    assert!(other.more);
    // One node answers, and has credit of its own.
    given.take(CreditOutcome::Answered);
    assert_eq!(all(&mut given, start), 2 + 1);
    given.out.retain(|one| one.agency.is_some());
    assert_eq!(given.out.len(), 4);
    // The others fail, and pause together, whichever fails.
    let mut now = start;
    while !given.out.is_empty() {
        given.take(CreditOutcome::Failed(now));
    }
    for pause in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        assert!(nodes().skip(1).all(|node| !given.of(now, node).more));
        now += Duration::from_millis(pause);
        assert_eq!(given.fill(now, RoutingKey(10 + pause % 40)), 1, "{pause}");
        given.take(CreditOutcome::Failed(now));
    }
}

#[test]
fn who_fails_after_it_has_answered_has_proved_nothing() {
    let (now, mut given) = (Instant::now(), AllUsed::default());
    given.give(NODE);
    given.take(CreditOutcome::Answered);
    assert_eq!(given.of(now, NODE).shared, None);
    given.fail(now, 2);
    assert_eq!(given.of(now, NODE).shared, None);
    given.fail(now, 1);
    assert_eq!(given.of(now, NODE).shared, Some(AGENCY));
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut credits = Credits::default();
    for node in 0..3 * NODES as u64 {
        let given = credits.give(RoutingKey(node), || node);
        credits.take(given, CreditOutcome::Ended);
    }
    assert!(credits.nodes.len() <= NODES);
    assert!(credits.agencies.len() <= NODES);
}
