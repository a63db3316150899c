//! Which messages are recognised, for how long, and the cost in memory.

use super::*;

fn seq(n: usize) -> Seq {
    let mut seq = [0; Seq::LEN];
    seq[..8].copy_from_slice(&n.to_be_bytes());
    Seq(seq)
}

fn window(config: WindowConfig) -> DedupWindow<char> {
    DedupWindow::new(config)
}

fn answered(payload: &'static str) -> UnicastArrival {
    UnicastArrival::Answered {
        result: 0,
        payload: payload.into(),
    }
}

#[test]
fn copies_of_a_multicast_are_recognised_for_a_while() {
    let mut window = window(WindowConfig::default());
    let (a, b) = (topic("a"), topic("b"));
    let now = Instant::now();
    assert!(!window.knows_multicast(&a, seq(1), now));
    assert!(window.multicast(&a, seq(1), now));
    assert!(window.knows_multicast(&a, seq(1), now));
    assert!(!window.multicast(&a, seq(1), now));
    assert!(window.multicast(&b, seq(1), now));
    assert!(window.multicast(&a, seq(2), now));
    // A unicast with the same seq is another message.
    assert_eq!(window.unicast(&a, seq(1), &'x', now), UnicastArrival::New);
    let time = WindowConfig::default().time;
    assert!(!window.multicast(&a, seq(1), now + time));
    assert!(!window.multicast(&a, seq(1), now + 2 * time - Duration::from_nanos(1)));
    assert!(window.multicast(&a, seq(1), now + 2 * time));
    // A multicast that was not taken may come again.
    window.forget_multicast(&a, seq(1));
    assert!(window.multicast(&a, seq(1), now + 2 * time));
}

#[test]
fn multicasts_are_forgotten_half_of_them_at_a_time() {
    let config = WindowConfig {
        messages: 100,
        ..WindowConfig::default()
    };
    let (hello, now) = (hello(), Instant::now());
    let mut window = window(config);
    for n in 0..1000 {
        assert!(window.multicast(&hello, seq(n), now));
        let known = |window: &mut DedupWindow<char>, n| window.knows_multicast(&hello, seq(n), now);
        assert!(known(&mut window, n.saturating_sub(49)), "{n}");
        if let Some(long_ago) = n.checked_sub(100) {
            assert!(!known(&mut window, long_ago), "{n}");
        }
    }
    // After a long time without messages all are forgotten.
    let later = now + 2 * WindowConfig::default().time;
    for n in 0..1000 {
        assert!(!window.knows_multicast(&hello, seq(n), later), "{n}");
    }
}

#[test]
fn a_unicast_is_taken_once_and_its_reply_repeated() {
    let mut window = window(WindowConfig::default());
    let (hello, now) = (hello(), Instant::now());
    assert_eq!(
        window.unicast(&hello, seq(1), &'x', now),
        UnicastArrival::New
    );
    window.taken(&hello, seq(1), 'x');
    assert_eq!(window.pending(), 1);
    // Copies wait for the same answer. Each return path is listed once.
    for way in ['y', 'x', 'y'] {
        assert_eq!(
            window.unicast(&hello, seq(1), &way, now),
            UnicastArrival::Pending
        );
    }
    assert_eq!(window.last_copy(&hello, seq(1)), Some(now));
    let reply = (0, Bytes::from("reply"));
    assert_eq!(window.answered(&hello, seq(1), reply, now), ['x', 'y']);
    assert_eq!(window.last_copy(&hello, seq(1)), None);
    assert_eq!(window.pending(), 0);
    assert_eq!(window.unicast(&hello, seq(1), &'z', now), answered("reply"));
    let later = now + WindowConfig::default().time;
    assert_eq!(
        window.unicast(&hello, seq(1), &'z', later),
        UnicastArrival::New
    );
}

#[test]
fn a_pending_unicast_is_not_forgotten() {
    let mut window = window(WindowConfig {
        messages: 2,
        ..WindowConfig::default()
    });
    let (hello, now) = (hello(), Instant::now());
    window.taken(&hello, seq(1), 'x');
    for n in 2..10 {
        window.multicast(&hello, seq(n), now);
    }
    let much_later = now + seconds(100_000);
    assert_eq!(
        window.unicast(&hello, seq(1), &'y', much_later),
        UnicastArrival::Pending
    );
}

#[test]
fn what_was_refused_may_come_again() {
    let mut window = window(WindowConfig::default());
    let (hello, now) = (hello(), Instant::now());
    window.taken(&hello, seq(1), 'x');
    window.unicast(&hello, seq(1), &'y', now);
    assert_eq!(window.refused(&hello, seq(1)), ['x', 'y']);
    assert_eq!(window.refused(&hello, seq(1)), []);
    assert_eq!(window.pending(), 0);
    assert_eq!(
        window.unicast(&hello, seq(1), &'x', now),
        UnicastArrival::New
    );
    // A refusal after the answer changes nothing.
    window.taken(&hello, seq(1), 'x');
    window.answered(&hello, seq(1), (7, Bytes::new()), now);
    assert_eq!(window.refused(&hello, seq(1)), []);
    let again = window.unicast(&hello, seq(1), &'x', now);
    assert!(matches!(again, UnicastArrival::Answered { result: 7, .. }));
}

#[test]
fn ways_that_are_gone_are_not_answered() {
    let mut window = window(WindowConfig::default());
    let (hello, now) = (hello(), Instant::now());
    window.taken(&hello, seq(1), 'x');
    window.unicast(&hello, seq(1), &'y', now);
    window.forget_way(&'x', None);
    assert!(window.is_wanted(&hello, seq(1)));
    window.forget_way(&'y', None);
    assert!(!window.is_wanted(&hello, seq(1)));
    assert_eq!(window.answered(&hello, seq(1), (0, "r".into()), now), []);
    // The reply is kept for later copies.
    assert_eq!(window.unicast(&hello, seq(1), &'z', now), answered("r"));
}

/// A reply that ends the connections by which it is sent is not sent by a third one.
#[test]
fn a_reply_that_costs_two_connections_is_not_sent_again() {
    let (hello, now) = (hello(), Instant::now());
    let long = Bytes::from(vec![7; 100_000]);
    for (suspect, costs) in [(Some(65_536), true), (Some(100_000), false), (None, false)] {
        let mut window = window(WindowConfig::default());
        window.taken(&hello, seq(1), 'x');
        window.answered(&hello, seq(1), (0, long.clone()), now);
        let sent = UnicastArrival::Answered {
            result: 0,
            payload: long.clone(),
        };
        window.forget_way(&'x', suspect);
        assert_eq!(window.unicast(&hello, seq(1), &'y', now), sent);
        // A connection that did not carry the reply does not count.
        window.forget_way(&'z', suspect);
        assert_eq!(window.unicast(&hello, seq(1), &'y', now), sent);
        window.forget_way(&'y', suspect);
        let cut_off = UnicastArrival::CutOff { len: long.len() };
        let expected = if costs { cut_off } else { sent };
        assert_eq!(window.unicast(&hello, seq(1), &'z', now), expected);
    }
}

#[test]
fn ways_back_are_bounded() {
    let mut window = window(WindowConfig::default());
    let (hello, now) = (hello(), Instant::now());
    window.taken(&hello, seq(1), 'a');
    for way in 'b'..='z' {
        window.unicast(&hello, seq(1), &way, now);
    }
    let ways = window.answered(&hello, seq(1), (0, Bytes::new()), now);
    assert_eq!(ways, ('a'..='p').collect::<Vec<_>>());
}

#[test]
fn messages_and_bytes_are_bounded() {
    let config = WindowConfig {
        messages: 10,
        bytes: 100,
        ..WindowConfig::default()
    };
    let (hello, now) = (hello(), Instant::now());
    let is_known = |window: &mut DedupWindow<char>, n| {
        window.unicast(&hello, seq(n), &'x', now) != UnicastArrival::New
    };
    let mut window = window(config);
    for n in 0..100 {
        window.answered(&hello, seq(n), (0, "r".into()), now);
    }
    assert!(!is_known(&mut window, 89) && is_known(&mut window, 90));
    // Each of these pushes out everything older than the last two.
    for n in 100..110 {
        window.answered(&hello, seq(n), (0, vec![0; 50].into()), now);
    }
    assert!(!is_known(&mut window, 107) && is_known(&mut window, 108));
    // The last one stays, however long it is.
    window.answered(&hello, seq(200), (0, vec![0; 1000].into()), now);
    assert!(!is_known(&mut window, 109) && is_known(&mut window, 200));
}
