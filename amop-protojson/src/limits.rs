//! Limits of messages and of their JSON.

/// The maximum nesting depth of messages, as in Google's libraries and in prost. An entry of a map
/// counts.
pub const MAX_DEPTH: u32 = 100;
