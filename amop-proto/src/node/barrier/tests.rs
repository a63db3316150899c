use super::*;

#[test]
fn one_session_throws_out_nothing_of_others() {
    let now = Instant::now();
    let until = now + Duration::from_secs(1);
    let mut barriers = Barriers::default();
    let answer = || {
        Frame::new(
            crate::channel::FrameType::HEARTBEAT,
            crate::channel::Seq([0; 32]),
            "1",
        )
    };
    let innocent = SessionId(1);
    assert_eq!(barriers.push((now, until), innocent, 5, answer()), None);
    for _ in 0..100_000 {
        assert_eq!(barriers.push((now, until), SessionId(2), 5, answer()), None);
    }
    assert_eq!(barriers.held.len(), 1 + MAX_OF_SESSION);
    assert_eq!(barriers.take_known(4), []);
    let known = barriers
        .take_known(5)
        .into_iter()
        .map(|(session, _)| session);
    let known: Vec<_> = known.collect();
    assert_eq!(known[0], innocent);
    assert_eq!(known.len(), 1 + MAX_OF_SESSION);
    // After that the session may have more answers held.
    assert_eq!(barriers.push((now, until), SessionId(2), 6, answer()), None);
    assert_eq!(barriers.take_due(until).len(), 1);
    assert!(barriers.of.is_empty());
}

#[test]
fn a_peer_that_goes_on_is_not_waited_for_ever_longer() {
    let mut now = Instant::now();
    let node = NodeId([1; 64]);
    let mut mutes = Mutes::default();
    for time in [10, 20, 40, 80] {
        assert!(!mutes.contains(now, &node));
        mutes.insert(now, node);
        now += Duration::from_secs(time) - Duration::from_millis(1);
        assert!(mutes.contains(now, &node));
        now += Duration::from_millis(1);
    }
    now += Duration::from_secs(80);
    mutes.insert(now, node);
    assert!(!mutes.contains(now + MUTE, &node), "it is forgiven");
    for n in 0..2 * MAX_MUTES as u64 {
        let mut node = [2; 64];
        node[..8].copy_from_slice(&n.to_be_bytes());
        mutes.insert(now, NodeId(node));
    }
    assert!(mutes.mutes.len() <= MAX_MUTES);
}
#[test]
fn a_peer_that_is_late_again_and_again_is_not_waited_for() {
    let ms = Duration::from_millis;
    let start = Instant::now();
    let node = NodeId([1; 64]);
    let mut mutes = Mutes::default();
    // A peer that confirms in time is waited for any number of times.
    for n in 0..1000 {
        let at = start + n * ms(100);
        mutes.waited(at, node, at - NOT_LATE);
    }
    let mut now = start + ms(200_000);
    assert!(!mutes.contains(now, &node));
    // Several answers that wait at once count as one delay.
    for n in 0..10 {
        mutes.waited(now, node, now - ms(500 - n));
    }
    assert!(!mutes.contains(now, &node));
    now += ms(900);
    mutes.waited(now, node, now - ms(800));
    assert!(mutes.contains(now + MINUTE - ms(1), &node));
    assert!(!mutes.contains(now + MINUTE, &node));
    // After the minute the whole allowance is available again, and rare delays are forgiven.
    now += MINUTE;
    for _ in 0..100 {
        mutes.waited(now, node, now - ms(900));
        assert!(!mutes.contains(now, &node));
        now += MINUTE;
    }
    for n in 0..2 * MAX_MUTES as u64 {
        let mut node = [2; 64];
        node[..8].copy_from_slice(&n.to_be_bytes());
        mutes.waited(now, NodeId(node), now - ms(900));
    }
    assert!(mutes.late.len() <= MAX_MUTES);
}
