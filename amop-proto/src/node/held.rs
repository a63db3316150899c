//! Records whether this thread holds a node that others wait for, so that tests notice what must
//! not be done then: reading texts, hashing long messages, writing log lines. In builds without
//! debug assertions this does nothing.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LONG: Cell<u64> = const { Cell::new(0) };
}

/// Marks the time in which a thread holds a node.
/// [`NodeMachine::handle`](super::NodeMachine::handle) creates one, and a shell creates one
/// together with its lock.
#[derive(Debug)]
pub struct LockHeld(());

impl LockHeld {
    /// Marks the node as held from now on, until the value is dropped.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(debug_assertions)]
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self(())
    }

    /// Returns whether this thread holds a node now. Always `false` without debug assertions.
    #[must_use]
    pub fn is_held() -> bool {
        #[cfg(debug_assertions)]
        return DEPTH.with(Cell::get) > 0;
        #[cfg(not(debug_assertions))]
        false
    }

    /// Returns how many long messages this thread has hashed while it held a node. Always 0 without
    /// debug assertions.
    #[must_use]
    pub fn long_digests() -> u64 {
        #[cfg(debug_assertions)]
        return LONG.with(Cell::get);
        #[cfg(not(debug_assertions))]
        0
    }
}

impl Default for LockHeld {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LockHeld {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// Records that a long message is hashed.
pub(super) fn count_long() {
    #[cfg(debug_assertions)]
    if LockHeld::is_held() {
        LONG.with(|long| long.set(long.get() + 1));
    }
}

/// Records that a text is read, which must not happen while the node is held.
pub(super) fn reads_text() {
    debug_assert!(
        !LockHeld::is_held(),
        "a text is read while the node is held"
    );
}
