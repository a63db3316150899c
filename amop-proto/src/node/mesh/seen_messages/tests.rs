use super::*;

fn kept(bytes: Vec<u8>) -> GivenAnswer {
    GivenAnswer {
        body: Bytes::from(bytes).into(),
        digest: FrameDigest::UNKNOWN,
    }
}

#[test]
fn a_message_is_new_once_and_its_answer_is_kept() {
    let now = Instant::now();
    let mut seen = SeenMessages::default();
    assert_eq!(
        seen.see(now, RoutingKey(1), RoutingKey(9), 7),
        SeenStatus::New
    );
    assert_eq!(
        seen.see(now, RoutingKey(1), RoutingKey(9), 7),
        SeenStatus::Before
    );
    assert_eq!(
        seen.see(now, RoutingKey(2), RoutingKey(9), 7),
        SeenStatus::New
    );
    seen.answered(RoutingKey(1), RoutingKey(9), 7, kept(b"a".to_vec()));
    let answered = SeenStatus::Answered(kept(b"a".to_vec()));
    assert_eq!(seen.see(now, RoutingKey(1), RoutingKey(9), 7), answered);
    assert_eq!(
        seen.see(now + REMEMBERED_FOR, RoutingKey(1), RoutingKey(9), 7),
        SeenStatus::New
    );
    assert_eq!(seen.bytes, 0);
}

#[test]
fn an_idle_node_forgets_all_with_few_timers() {
    let start = Instant::now();
    let mut seen = SeenMessages::default();
    assert_eq!(seen.next_forget(), None);
    for id in 0..5000 {
        seen.see(
            start + Duration::from_millis(10 * id),
            RoutingKey(1),
            RoutingKey(9),
            id,
        );
        seen.answered(RoutingKey(1), RoutingKey(9), id, kept(b"a".to_vec()));
    }
    let mut timers = 0;
    while let Some(at) = seen.next_forget() {
        seen.forget(at);
        timers += 1;
    }
    assert!(timers <= 6, "{timers} timers for 50 s of messages");
    assert!(seen.sources.is_empty() && seen.count == 0 && seen.bytes == 0);
}

#[test]
fn memory_is_bounded() {
    let now = Instant::now();
    let mut seen = SeenMessages::default();
    for id in 0..(2 * MAX as u64) {
        seen.see(now, RoutingKey(1), RoutingKey(9), id);
    }
    assert!(seen.count <= MAX);
    for id in 0..100 {
        seen.see(now, RoutingKey(2), RoutingKey(9), id);
        seen.answered(RoutingKey(2), RoutingKey(9), id, kept(vec![0; 1 << 20]));
    }
    assert!(seen.bytes <= MAX_BYTES + (2 << 20));
}

/// For any number of questions before the first answer.
#[test]
fn answers_that_come_late_are_bounded() {
    let now = Instant::now();
    let mut seen = SeenMessages::default();
    assert_eq!(
        seen.see(now, RoutingKey(2), RoutingKey(9), 7),
        SeenStatus::New
    );
    seen.answered(RoutingKey(2), RoutingKey(9), 7, kept(b"small".to_vec()));
    for id in 0..100 {
        seen.see(now, RoutingKey(1), RoutingKey(9), id);
    }
    for id in 0..100 {
        seen.answered(RoutingKey(1), RoutingKey(9), id, kept(vec![0; 1 << 20]));
        assert!(seen.bytes <= MAX_BYTES, "{} after {id}", seen.bytes);
    }
    // The last ones are there, and so are those of other sources.
    let last = SeenStatus::Answered(kept(vec![0; 1 << 20]));
    assert_eq!(seen.see(now, RoutingKey(1), RoutingKey(9), 99), last);
    let others = SeenStatus::Answered(kept(b"small".to_vec()));
    assert_eq!(seen.see(now, RoutingKey(2), RoutingKey(9), 7), others);
    seen.forget(now + REMEMBERED_FOR + SLACK);
    assert_eq!((seen.count, seen.bytes), (0, 0));
}

#[test]
fn one_that_sends_much_does_not_make_others_forgotten() {
    let now = Instant::now();
    let mut seen = SeenMessages::default();
    assert_eq!(
        seen.see(now, RoutingKey(2), RoutingKey(9), 7),
        SeenStatus::New
    );
    for id in 0..(2 * MAX as u64) {
        seen.see(now, RoutingKey(1), RoutingKey(9), id);
    }
    assert_eq!(
        seen.see(now, RoutingKey(2), RoutingKey(9), 7),
        SeenStatus::Before
    );
}
#[test]
fn an_answer_is_given_again_so_often() {
    // The length of an answer, how often it is given at once, and how often at most in the
    // minute after that.
    for (len, at_once, later) in [
        (16 << 20, 1, 31),
        (60 << 20, 1, 15),
        (100, 131_072, 2_000_000),
    ] {
        let now = Instant::now();
        let mut seen = SeenMessages::default();
        seen.see(now, RoutingKey(1), RoutingKey(9), 7);
        seen.answered(RoutingKey(1), RoutingKey(9), 7, kept(vec![0; len]));
        let mut given = |second| {
            let now = now + Duration::from_secs(second);
            let tries = if second == 0 { 140_000 } else { 40_000 };
            let tries = if len > 100 { 100 } else { tries };
            let again = (0..tries).map(|_| seen.see(now, RoutingKey(1), RoutingKey(9), 7));
            again.filter(|seen| *seen != SeenStatus::Before).count()
        };
        assert_eq!(given(0), at_once, "{len}");
        let more: usize = (1..=60).map(given).sum();
        assert!((later / 2..=later).contains(&more), "{more} of {len}");
    }
}
