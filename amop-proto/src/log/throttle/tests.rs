use super::*;

const LIMITS: LogLimits = LogLimits {
    window: Duration::from_secs(10),
    per_source: 3,
    per_kind: 5,
    bytes_per_kind: 100,
    sources: 8,
};

fn throttle() -> (LogThrottle<&'static str, u64>, Instant) {
    (LogThrottle::new(LIMITS), Instant::now())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_first_lines_are_shown_and_the_others_summed_up() {
    let (mut log, start) = throttle();
    let mut shown = Vec::new();
    for n in 0..1000 {
        let now = start + Duration::from_millis(n);
        assert_eq!(log.summary(now, &"refused"), None);
        shown.extend(log.line(now, "refused", 1, format_args!("refused {n}\n")));
    }
    assert_eq!(shown, ["refused 0\\n", "refused 1\\n", "refused 2\\n"]);
    assert_eq!(log.summaries(start + seconds(9)), []);
    let summaries = log.summaries(start + seconds(10));
    let [(kind, summary)] = &summaries[..] else {
        panic!("{summaries:?}");
    };
    assert_eq!(*kind, "refused");
    assert_eq!(
        summary.to_string(),
        "997 more lines like this within 10 s, the last: refused 999\\n"
    );
    // It is reported once.
    assert_eq!(log.summaries(start + seconds(100)), []);
}

#[test]
fn every_line_is_shown_or_counted() {
    let (mut log, start) = throttle();
    let (mut shown, mut counted) = (0, 0);
    for n in 0..10_000 {
        let now = start + Duration::from_millis(n * 7);
        counted += log
            .summary(now, &"kind")
            .map_or(0, |summary| summary.hidden);
        shown += log.line(now, "kind", n % 5, n).map_or(0, |_| 1);
    }
    let end = start + seconds(1_000_000);
    counted += log
        .summaries(end)
        .iter()
        .map(|(_, s)| s.hidden)
        .sum::<u64>();
    assert_eq!(shown + counted, 10_000);
    // 70 s are 7 windows and a bit, with 5 lines each.
    assert!((35..=40).contains(&shown), "{shown}");
}

#[test]
fn lines_that_come_slowly_are_all_shown() {
    let (mut log, start) = throttle();
    for n in 0..100 {
        let now = start + seconds(n * 4);
        assert_eq!(log.summary(now, &"kind"), None);
        assert_eq!(log.line(now, "kind", 1, n), Some(n.to_string()));
    }
}

#[test]
fn a_summary_tells_of_its_own_window_only() {
    let (mut log, start) = throttle();
    log.line(start, "kind", 1, "first");
    let later = start + seconds(3600);
    for n in 0..4 {
        log.line(later, "kind", 1, n);
    }
    assert_eq!(log.summaries(later), []);
    let (_, summary) = log.summaries(later + seconds(12)).remove(0);
    assert_eq!((summary.hidden, summary.within), (1, seconds(12)));
    assert_eq!(log.finish(later + seconds(12)), []);
}

#[test]
fn one_source_does_not_silence_another_and_one_kind_no_other() {
    let (mut log, now) = throttle();
    for n in 0..100 {
        log.line(now, "refused", 1, n);
    }
    assert!(log.line(now, "refused", 2, "other").is_some());
    assert!(log.line(now, "opened", 1, "session").is_some());
}

#[test]
fn many_sources_share_what_a_kind_may_log_and_are_forgotten() {
    let (mut log, now) = throttle();
    let shown = (0..100_000)
        .filter_map(|n| log.line(now, "refused", n, n))
        .count();
    assert_eq!(shown, LIMITS.per_kind as usize);
    assert!(log.remembered() <= LIMITS.sources, "{}", log.remembered());
    let (_, summary) = log.summaries(now + seconds(10)).remove(0);
    assert_eq!(summary.hidden, 100_000 - 5);
}

#[test]
fn long_lines_are_fewer_and_one_is_always_shown() {
    let (mut log, start) = throttle();
    let mut shown = 0;
    for n in 0..20 {
        let line = log.line(start, "kind", n, "x".repeat(30));
        shown += line.map_or(0, |line| line.len());
    }
    assert_eq!(shown, 90);
    let later = start + seconds(10);
    let (_, summary) = log.summaries(later).remove(0);
    assert_eq!(summary.hidden, 17);
    let line = log.line(later, "kind", 1, "x".repeat(200));
    assert_eq!(line.map(|line| line.len()), Some(200));
    assert_eq!(log.line(later, "kind", 2, "x"), None);
    // The same in the window after one in which nothing was held back.
    for window in 2..5 {
        let now = later + seconds(20 * window);
        log.summary(now, &"kind");
        assert!(log.line(now, "kind", 1, "x".repeat(99)).is_some());
    }
}

#[test]
fn a_source_in_use_is_not_forgotten_for_others() {
    let (mut log, now) = throttle();
    let mut shown = 0;
    for n in 0..100 {
        shown += log.line(now, "a", 0, "again").map_or(0, |_| 1);
        log.line(now, "b", n, "others");
    }
    assert_eq!(shown, LIMITS.per_source);
}

#[test]
fn the_next_summary_is_known_while_something_is_hidden() {
    let (mut log, now) = throttle();
    for _ in 0..=LIMITS.per_source {
        assert_eq!(log.next_summary(), None);
        log.line(now, "kind", 1, "text");
    }
    assert_eq!(log.next_summary(), Some(now + seconds(10)));
    assert_eq!(log.summaries(now + seconds(10)).len(), 1);
    assert_eq!(log.next_summary(), None);
}

#[test]
fn lines_hidden_from_the_start_are_told_of_a_window_later() {
    let limits = LogLimits {
        per_kind: 0,
        ..LIMITS
    };
    let (mut log, now) = (LogThrottle::new(limits), Instant::now());
    assert_eq!(log.line(now, "kind", 1, "text"), None);
    assert_eq!(log.summary(now + seconds(9), &"kind"), None);
    assert_eq!(log.summary(now + seconds(10), &"kind").unwrap().hidden, 1);
}
