use super::*;

const KEY: RoutingKey = RoutingKey(7);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn a_link_that_comes_and_goes_is_held_down_longer_and_longer_up_to_seconds() {
    let mut now = Instant::now();
    let mut damping = Damping::default();
    for _ in 0..FREE {
        damping.lost(now, KEY);
        assert_eq!(damping.held(now, KEY), None);
    }
    for hold in [1, 2] {
        damping.lost(now, KEY);
        let until = now + secs(hold);
        assert_eq!(damping.held(now, KEY), Some(until));
        now = until;
        assert_eq!(damping.held(now, KEY), None);
    }
    for _ in 0..1000 {
        for _ in 0..3 {
            damping.lost(now, KEY);
        }
        let until = damping.held(now, KEY).unwrap();
        assert!(until <= now + MAX_HOLD);
        now = until;
    }
    // A link that is lost now and then is not held down.
    now += secs(60);
    for _ in 0..1000 {
        damping.lost(now, KEY);
        assert_eq!(damping.held(now, KEY), None);
        now += EACH;
    }
}

#[test]
fn so_many_are_remembered() {
    let now = Instant::now();
    let mut damping = Damping::default();
    for n in 0..3 * MAX as u64 {
        damping.lost(now, RoutingKey(n));
        assert!(damping.0.len() <= MAX);
    }
}
