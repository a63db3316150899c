//! The memory of messages that have arrived in part.

/// Decides how much memory the incomplete message of a connection may take.
pub trait HeldBytes {
    /// Asks whether the connection may hold `len` bytes of an incomplete message. The amount replaces
    /// the one asked for before, and 0 gives everything back. If the answer is no, the connection is
    /// closed with the code 1013 (try again later).
    fn hold(&mut self, len: usize) -> bool;
}

/// Allows everything: the longest message is the only limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl HeldBytes for Unlimited {
    fn hold(&mut self, _len: usize) -> bool {
        true
    }
}
