use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;
const AGE: u64 = 300_000;
const AHEAD: u64 = 5_000;
const LEASE: u64 = 2_000;

fn key(n: u8) -> KeyId {
    KeyId::from_bytes([n; 16])
}

fn id(n: u64) -> MessageId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    id
}

fn first() -> ReplayWindow {
    ReplayWindow::first(ReplaySettings::default(), NOW)
}

/// Accepts a message, and saves a mark if one is due. Returns the last state that was saved.
fn take(
    window: &mut ReplayWindow,
    sender: u8,
    time: u64,
    n: u64,
    now: u64,
) -> Result<Option<Vec<u8>>, ReplayRefusal> {
    window.check(key(sender), time, &id(n), now)?;
    let mark = window.needs_mark(time).then(|| window.next_mark(time, now));
    if let Some(mark) = &mark {
        window.saved(mark);
    }
    window.accept(key(sender), time, id(n), now)?;
    Ok(mark.map(|mark| mark.state))
}

fn restored(state: &[u8]) -> ReplayWindow {
    ReplayWindow::restored(ReplaySettings::default(), state).unwrap()
}

#[test]
fn a_message_is_taken_once() {
    let mut window = first();
    take(&mut window, 1, NOW, 1, NOW).unwrap();
    assert_eq!(
        take(&mut window, 1, NOW, 1, NOW).unwrap_err(),
        ReplayRefusal::Replayed
    );
    // Another message with the same time, and another publisher's message with the same number, are
    // different messages.
    take(&mut window, 1, NOW, 2, NOW).unwrap();
    take(&mut window, 2, NOW, 1, NOW).unwrap();
}

#[test]
fn times_have_limits_on_both_sides() {
    let mut window = first();
    let now = NOW + AGE + 10;
    let check = |time| window.check(key(1), time, &id(1), now);
    assert_eq!(check(now - AGE), Ok(()));
    let too_old = ReplayRefusal::TooOld {
        age_ms: AGE + 1,
        max_ms: AGE,
    };
    assert_eq!(check(now - AGE - 1), Err(too_old));
    assert_eq!(check(now + AHEAD), Ok(()));
    let ahead = ReplayRefusal::ClockAhead {
        by_ms: AHEAD + 1,
        max_ms: AHEAD,
    };
    assert_eq!(check(now + AHEAD + 1), Err(ahead));
    assert!(matches!(
        check(u64::MAX),
        Err(ReplayRefusal::ClockAhead { .. })
    ));
    assert!(matches!(check(0), Err(ReplayRefusal::TooOld { .. })));
    let clock_at_zero = window.check(key(1), 0, &id(1), 0);
    assert_eq!(clock_at_zero, Err(ReplayRefusal::Forgotten));
    // No calculation overflows at the extreme values of clocks.
    let _ = take(&mut window, 1, u64::MAX, 1, u64::MAX);
    let _ = take(&mut window, 1, u64::MAX, 2, 0);
}

#[test]
fn a_reader_that_is_new_takes_nothing_from_before_it() {
    let window = first();
    assert_eq!(
        window.check(key(1), NOW - 1, &id(1), NOW),
        Err(ReplayRefusal::Forgotten)
    );
    assert_eq!(window.check(key(1), NOW, &id(1), NOW), Ok(()));
}

#[test]
fn nothing_is_taken_before_it_is_saved() {
    let mut window = first();
    assert!(window.needs_mark(NOW));
    assert_eq!(
        window.accept(key(1), NOW, id(1), NOW),
        Err(ReplayRefusal::NotSaved)
    );
    let mark = window.next_mark(NOW, NOW);
    window.saved(&mark);
    window.accept(key(1), NOW, id(1), NOW).unwrap();
    assert!(!window.needs_mark(NOW + LEASE));
    assert!(window.needs_mark(NOW + LEASE + 1));
}

#[test]
fn after_a_crash_everything_up_to_the_mark_is_refused() {
    let mut window = first();
    let state = take(&mut window, 1, NOW + AHEAD, 1, NOW).unwrap().unwrap();
    // This message needed no second save.
    assert_eq!(take(&mut window, 1, NOW + 1, 2, NOW + 1), Ok(None));

    let mut window = restored(&state);
    for (time, n) in [(NOW + AHEAD, 1), (NOW + 1, 2), (NOW + AHEAD + LEASE, 3)] {
        let refused = take(&mut window, 1, time, n, NOW + AHEAD).unwrap_err();
        assert_eq!(refused, ReplayRefusal::Forgotten);
    }
    let later = NOW + AHEAD + LEASE + 1;
    take(&mut window, 1, later, 4, later).unwrap();
}

#[test]
fn a_window_that_ends_well_forgets_nothing_and_refuses_nothing_new() {
    let mut window = first();
    take(&mut window, 1, NOW + 10, 1, NOW + 10).unwrap();
    let state = window.closed_state();

    let mut window = restored(&state);
    let again = take(&mut window, 1, NOW + 10, 1, NOW + 11).unwrap_err();
    assert_eq!(again, ReplayRefusal::Replayed);
    // A message that was published before the end and arrives after it.
    let state = take(&mut window, 1, NOW + 5, 2, NOW + 11).unwrap().unwrap();
    // The first message after an end is saved; otherwise a crash would restore a state without it.
    let window = restored(&state);
    assert_eq!(
        window.check(key(1), NOW + 5, &id(2), NOW + 12),
        Err(ReplayRefusal::Forgotten)
    );
    assert_eq!(
        window.check(key(1), NOW + 10, &id(1), NOW + 12),
        Err(ReplayRefusal::Forgotten)
    );
}

#[test]
fn a_window_that_is_never_saved_refuses_what_may_have_been_taken_before() {
    let mut window = ReplayWindow::unsaved(ReplaySettings::default(), NOW);
    // A publisher whose clock is ahead may have stamped the message before the start.
    let ahead = window.check(key(1), NOW + AHEAD, &id(1), NOW);
    assert_eq!(ahead, Err(ReplayRefusal::Forgotten));
    assert!(!window.needs_mark(u64::MAX));
    take(&mut window, 1, NOW + AHEAD + 1, 1, NOW + AHEAD + 1).unwrap();
}

#[test]
fn a_publisher_fills_its_own_share_and_no_other() {
    let mut window = first();
    window.share(MAX_REMEMBERED / 4);
    take(&mut window, 2, NOW, 0, NOW).unwrap();
    for n in 0..100 {
        take(&mut window, 1, NOW + n, n, NOW + n).unwrap();
    }
    assert_eq!(window.remembered(), 4 + 1);
    // Forgotten messages are refused, and remembered ones, too.
    for n in 0..100 {
        let refused = take(&mut window, 1, NOW + n, n, NOW + 100).unwrap_err();
        let expected = if n < 96 {
            ReplayRefusal::Forgotten
        } else {
            ReplayRefusal::Replayed
        };
        assert_eq!(refused, expected, "{n}");
    }
    // A late message of the other publisher is not affected.
    take(&mut window, 2, NOW + 1, 1, NOW + 100).unwrap();
}

#[test]
fn damaged_states_are_refused() {
    let mut window = first();
    take(&mut window, 1, NOW, 1, NOW).unwrap();
    let state = window.closed_state();
    for cut in 0..state.len() {
        assert!(
            ReplayWindow::restored(ReplaySettings::default(), &state[..cut]).is_err(),
            "{cut}"
        );
    }
    for at in 0..state.len() {
        let mut state = state.clone();
        state[at] ^= 1;
        assert!(
            ReplayWindow::restored(ReplaySettings::default(), &state).is_err(),
            "{at}"
        );
    }
}

/// An event in the life of a reader.
#[derive(Debug, Clone)]
enum Step {
    /// A publisher stamps a message; its clock differs from the reader's by this many milliseconds.
    Publish {
        sender: u8,
        off: i64,
    },
    /// A message arrives, for the first time or again.
    Deliver(usize),
    Wait(u64),
    /// The clock is set to another time.
    Jump(i64),
    End,
    Crash,
    /// A message arrives while the store fails.
    DeliverUnsaved(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_u8, -6_000..6_000_i64).prop_map(|(sender, off)| Step::Publish { sender, off }),
        8 => any::<prop::sample::Index>().prop_map(|index| Step::Deliver(index.index(64))),
        3 => (0..3_000_u64).prop_map(Step::Wait),
        1 => (-400_000..400_000_i64).prop_map(Step::Jump),
        1 => Just(Step::End),
        1 => Just(Step::Crash),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::DeliverUnsaved(index.index(64))),
    ]
}

/// Runs the steps. `forget` is the sabotage: after a crash an old state is restored.
fn run(steps: &[Step], forget: bool) -> Result<(), String> {
    let settings = ReplaySettings {
        max_age: Duration::from_secs(20),
        ..ReplaySettings::default()
    };
    let mut window = ReplayWindow::first(settings, NOW);
    window.share(MAX_REMEMBERED / 8);
    let mut now = NOW;
    let mut saved: Option<Vec<u8>> = None;
    let mut messages: Vec<(u8, u64)> = Vec::new();
    let mut taken = std::collections::HashSet::new();
    for step in steps {
        match *step {
            Step::Publish { sender, off } => {
                messages.push((sender, now.saturating_add_signed(off)));
            }
            Step::Wait(time) => now += time,
            Step::Jump(by) => now = now.saturating_add_signed(by),
            Step::End | Step::Crash => {
                if matches!(step, Step::End) {
                    saved = Some(window.closed_state());
                } else if forget {
                    saved = None;
                }
                window = match &saved {
                    Some(state) => ReplayWindow::restored(settings, state).unwrap(),
                    None if forget => ReplayWindow::first(settings, NOW),
                    None => ReplayWindow::first(settings, now),
                };
                window.share(MAX_REMEMBERED / 8);
            }
            Step::Deliver(n) | Step::DeliverUnsaved(n) => {
                let Some(&(sender, time)) = messages.get(n % messages.len().max(1)) else {
                    continue;
                };
                let n = n % messages.len();
                if window.check(key(sender), time, &id(n as u64), now).is_err() {
                    continue;
                }
                if window.needs_mark(time) {
                    if matches!(step, Step::DeliverUnsaved(_)) {
                        continue;
                    }
                    let mark = window.next_mark(time, now);
                    saved = Some(mark.state().to_vec());
                    window.saved(&mark);
                }
                if window.accept(key(sender), time, id(n as u64), now).is_ok() && !taken.insert(n) {
                    return Err(format!("message {n} was taken twice"));
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_is_ever_taken_twice(steps in prop::collection::vec(step(), 0..200)) {
        run(&steps, false).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn the_search_finds_a_reader_that_forgets() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = prop::collection::vec(step(), 0..200);
    let found = runner.run(&steps, |steps| {
        run(&steps, true).map_err(TestCaseError::fail)
    });
    assert!(found.is_err());
}
