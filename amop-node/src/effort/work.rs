//! Work done for a session, and its estimated time.

/// Nanoseconds for a byte that was read over TLS.
const BYTE: u64 = 1;

/// Nanoseconds for a byte of text that was read or written.
const TEXT_BYTE: u64 = 20;

/// Nanoseconds for a step of the machine.
const STEP: u64 = 200;

/// Work done for a session in one step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkDone {
    /// Bytes that were read.
    pub(crate) bytes: usize,
    /// Bytes of text that were read or written.
    pub(crate) text: usize,
    /// Steps of the machine.
    pub(crate) steps: usize,
}

impl WorkDone {
    pub(super) fn nanos(self) -> u64 {
        let of = |count: usize, each: u64| (count as u64).saturating_mul(each);
        of(self.bytes, BYTE)
            .saturating_add(of(self.text, TEXT_BYTE))
            .saturating_add(of(self.steps, STEP))
    }
}
