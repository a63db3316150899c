//! When pings are sent, and when the other side counts as dead (ws-v3 section 4.1).

use std::time::{Duration, Instant};

use crate::ws::liveness::{Due, PingTimer};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn an_idle_side_is_pinged_and_a_silent_one_is_dead() {
    let began = Instant::now();
    let mut pings = PingTimer::new(seconds(5), seconds(10), began);
    assert_eq!(pings.next_timeout(), began + seconds(5));
    assert_eq!(pings.poll(began + seconds(4)), Due::Nothing);
    assert_eq!(pings.poll(began + seconds(5)), Due::Ping);
    assert_eq!(pings.poll(began + seconds(5)), Due::Nothing);

    // The pong is a sign of life, but does not delay the next ping.
    pings.alive(began + seconds(6));
    assert_eq!(pings.next_timeout(), began + seconds(10));
    assert_eq!(pings.poll(began + seconds(10)), Due::Ping);
    assert_eq!(pings.poll(began + seconds(15)), Due::Ping);
    assert_eq!(pings.next_timeout(), began + seconds(16));
    let after = seconds(10);
    assert_eq!(pings.poll(began + seconds(16)), Due::Silent { after });
}

#[test]
fn a_side_that_gets_data_often_sees_no_pings() {
    let mut now = Instant::now();
    let mut pings = PingTimer::new(seconds(5), seconds(10), now);
    for _ in 0..10 {
        now += seconds(4);
        assert_eq!(pings.poll(now), Due::Nothing);
        pings.message(now);
    }
    // A report that is late changes nothing.
    pings.message(now - seconds(3));
    pings.alive(now - seconds(3));
    assert_eq!(pings.next_timeout(), now + seconds(5));
}

/// A program that stood still for a minute has sent no pings, so silence means nothing.
#[test]
fn the_other_side_always_has_time_to_answer_a_ping() {
    let began = Instant::now();
    let mut pings = PingTimer::new(seconds(5), seconds(10), began);
    assert_eq!(pings.poll(began + seconds(60)), Due::Ping);
    assert_eq!(pings.poll(began + seconds(64)), Due::Nothing);
    let after = seconds(65);
    assert_eq!(pings.poll(began + seconds(65)), Due::Silent { after });
}

#[test]
fn odd_settings_make_no_busy_loop() {
    let now = Instant::now();
    let zero = Duration::ZERO;
    let mut pings = PingTimer::new(zero, zero, now);
    assert!(pings.next_timeout() > now);
    assert_eq!(pings.poll(pings.next_timeout()), Due::Ping);
    // With a longer silence, there is one ping for each interval.
    let mut pings = PingTimer::new(seconds(1), seconds(4), now);
    for second in 1..4 {
        assert_eq!(pings.next_timeout(), now + seconds(second));
        assert_eq!(pings.poll(now + seconds(second)), Due::Ping);
    }
    assert!(matches!(pings.poll(now + seconds(4)), Due::Silent { .. }));
}
