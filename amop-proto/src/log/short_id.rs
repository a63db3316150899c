//! Node IDs and keys in log lines.

use std::fmt;

/// The short form of a node ID or a key in log lines: its first 16 hex digits. No two that a network
/// knows begin with the same ones, and nobody can make another key that does with reasonable effort.
///
/// ```
/// use amop_proto::{log::ShortId, p2p::NodeId};
///
/// let node = NodeId([0xab; 64]);
/// assert_eq!(node.short().to_string(), "abababababababab");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortId<'a>(pub &'a [u8]);

impl fmt::Display for ShortId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The number of bytes shown.
        const SHOWN: usize = 8;
        let shown = self.0.iter().take(SHOWN);
        shown
            .into_iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
