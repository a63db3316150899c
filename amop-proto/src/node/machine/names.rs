//! Which changes of topic names FISCO nodes have not been told of.

use std::time::Instant;

use crate::node::bucket::RateBucket;

/// FISCO nodes are told of changed names at once, and then only this often per second, because each
/// of them fetches the whole list each time.
const NAMES_RATE: (usize, usize) = (5, 1);

/// How often per second, and how often at once, the node looks up which topics participating FISCO
/// nodes must be told of.
const LOOKS_RATE: (usize, usize) = (20, 64);

/// The news for FISCO nodes.
#[derive(Debug, Clone)]
pub(super) struct NameNews {
    /// Whether the names of this node's topics changed.
    pub(super) renamed: bool,
    /// Whether the names of topics of other overlay nodes may have changed as well.
    pub(super) border_changed: bool,
    pub(super) rate: RateBucket,
    /// Limits how often changed names are looked for.
    pub(super) looks: RateBucket,
    /// When FISCO nodes are told.
    pub(super) at: Option<Instant>,
}

impl Default for NameNews {
    fn default() -> Self {
        Self {
            renamed: false,
            border_changed: false,
            rate: RateBucket::new(NAMES_RATE.0, NAMES_RATE.1),
            looks: RateBucket::new(LOOKS_RATE.0, LOOKS_RATE.1),
            at: None,
        }
    }
}
