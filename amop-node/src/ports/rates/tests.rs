use std::net::IpAddr;

use super::*;

fn source(n: u16) -> Source {
    let [a, b] = n.to_be_bytes();
    Source::of(IpAddr::from([10, 0, a, b]))
}

/// Sends `times` requests at once, and returns how many are answered.
fn answered(rates: &mut Rates, now: Instant, n: u16, times: usize) -> usize {
    (0..times)
        .filter(|_| rates.ask(now, source(n)).is_ok())
        .count()
}

#[test]
fn one_alone_has_all_and_the_rest_is_told_how_long_to_wait() {
    let (mut rates, start) = (Rates::new(10), Instant::now());
    assert_eq!(answered(&mut rates, start, 1, 100), 40);
    let wait = rates.ask(start, source(1)).unwrap_err();
    assert_eq!(wait, Duration::from_millis(100));
    assert_eq!(answered(&mut rates, start + wait, 1, 100), 1);
    // Refused requests are sent again, and the rate is still reached.
    let mut count = 0;
    for n in 1..=1000 {
        count += answered(
            &mut rates,
            start + wait + Duration::from_millis(10 * n),
            1,
            5,
        );
    }
    assert!((99..=101).contains(&count), "{count} in 10 s");
}

#[test]
fn one_that_floods_takes_nothing_from_others() {
    let (mut rates, start) = (Rates::new(10), Instant::now());
    answered(&mut rates, start, 1, 1000);
    for second in 0..20 {
        let now = start + Duration::from_secs(second);
        answered(&mut rates, now, 1, 1000);
        assert_eq!(answered(&mut rates, now, 2, 3), 3, "after {second} s");
    }
}

#[test]
fn long_questions_and_answers_count_as_several() {
    let (mut rates, start) = (Rates::new(10), Instant::now());
    assert!(rates.ask(start, source(1)).is_ok());
    rates.spend(source(1), 16 << 20);
    let wait = rates.ask(start, source(1)).unwrap_err();
    assert!(wait > Duration::from_secs(20), "{wait:?}");
    assert!(rates.ask(start + wait, source(1)).is_ok());
}

#[test]
fn it_is_bounded_and_forgets() {
    let (mut rates, start) = (Rates::new(10), Instant::now());
    for n in 0..2 * SOURCES as u16 {
        let _ = rates.ask(start, source(n));
    }
    assert_eq!(rates.sources.len(), SOURCES);
    assert_eq!(rates.ask(start, source(60_000)), Err(LATELY));
    let later = start + LATELY;
    assert!(rates.ask(later, source(60_000)).is_ok());
    assert_eq!(rates.sources.len(), 1);
}
