use std::error::Error as _;

use super::*;
use crate::{KeyId, ReplayRefusal};

const NOW: u64 = 1_700_000_000_000;

fn open(path: &std::path::Path, now: u64) -> (ReplayWindow, Box<dyn ReplayStore>) {
    let (window, store) = ReplayGuard::file(path).unwrap().start(now).unwrap();
    (window, store.unwrap())
}

fn take(
    window: &mut ReplayWindow,
    store: &mut dyn ReplayStore,
    n: u8,
    time: u64,
) -> Result<(), ReplayRefusal> {
    let (key, id) = (KeyId::from_bytes([1; 16]), [n; 16]);
    window.check(key, time, &id, time)?;
    if window.needs_mark(time) {
        let mark = window.next_mark(time, time);
        store.save(mark.state()).unwrap();
        window.saved(&mark);
    }
    window.accept(key, time, id, time)
}

#[test]
fn a_file_remembers_over_ends_and_crashes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.replay");
    let (mut window, mut store) = open(&path, NOW);
    take(&mut window, &mut *store, 1, NOW).unwrap();
    store.save(&window.closed_state()).unwrap();
    drop(store);

    let (mut window, mut store) = open(&path, NOW + 1);
    let again = take(&mut window, &mut *store, 1, NOW).unwrap_err();
    assert_eq!(again, ReplayRefusal::Replayed);
    take(&mut window, &mut *store, 2, NOW + 1).unwrap();
    // Ends without a clean-up, as after a crash.
    drop(store);

    let (mut window, mut store) = open(&path, NOW + 2);
    for (n, time) in [(1, NOW), (2, NOW + 1), (3, NOW + 2)] {
        let refused = take(&mut window, &mut *store, n, time).unwrap_err();
        assert_eq!(refused, ReplayRefusal::Forgotten);
    }
    take(&mut window, &mut *store, 4, NOW + 10_000).unwrap();
}

#[test]
fn a_file_has_one_guard_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.replay");
    let guard = ReplayGuard::file(&path).unwrap();
    let error = ReplayGuard::file(&path).unwrap_err();
    let cause = error.source().unwrap();
    let error = format!("{error}: {cause}");
    assert!(
        error.contains("bank.replay") && error.contains("another reader uses it"),
        "{error}"
    );
    drop(guard);
    ReplayGuard::file(&path).unwrap();
}

#[test]
fn what_is_no_state_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.replay");
    std::fs::write(&path, "something else").unwrap();
    let error = ReplayGuard::file(&path).unwrap_err();
    assert!(matches!(error, GuardError::State { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    let missing = ReplayGuard::file(folder.path().join("none").join("x"));
    assert!(matches!(missing, Err(GuardError::Store { .. })));
}
