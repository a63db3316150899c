//! Whether this thread has a node that others wait for, so that tests see what should not be done then:
//! reading texts, hashing long messages, writing log lines. In builds without debug assertions all of it is
//! nothing.

#[cfg(debug_assertions)]
use std::cell::Cell;

#[cfg(debug_assertions)]
thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LONG: Cell<u64> = const { Cell::new(0) };
}

/// Marks the time in which a thread has a node to itself. [`Node::handle`](super::Node::handle) makes one,
/// and a shell makes one together with its lock.
#[derive(Debug)]
pub struct Held(());

impl Held {
    /// From now on.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(debug_assertions)]
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        Self(())
    }

    /// Whether this thread has a node just now. Always `false` without debug assertions.
    #[must_use]
    pub fn is_held() -> bool {
        #[cfg(debug_assertions)]
        return DEPTH.with(Cell::get) > 0;
        #[cfg(not(debug_assertions))]
        false
    }

    /// How many long messages this thread has hashed while it had a node. Always 0 without debug
    /// assertions.
    #[must_use]
    pub fn long_digests() -> u64 {
        #[cfg(debug_assertions)]
        return LONG.with(Cell::get);
        #[cfg(not(debug_assertions))]
        0
    }
}

impl Default for Held {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

/// A long message is hashed.
pub(super) fn count_long() {
    #[cfg(debug_assertions)]
    if Held::is_held() {
        LONG.with(|long| long.set(long.get() + 1));
    }
}

/// A text is read: nobody does that while others wait.
pub(super) fn reads_text() {
    debug_assert!(!Held::is_held(), "a text is read while the node is held");
}
