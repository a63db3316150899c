//! How much traffic a run has.

/// The traffic of a run.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) unicasts: usize,
    pub(crate) multicasts: usize,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    /// Messages in flight at a time, per publisher.
    pub(crate) in_flight: usize,
    /// Unicasts per second, by all publishers together.
    pub(crate) rate: Option<u32>,
}
