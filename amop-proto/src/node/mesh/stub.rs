//! A FISCO node behind this one.

use super::speaker::Speaker;
use crate::node::PeerId;

/// A FISCO node behind this one.
#[derive(Debug, Clone)]
pub(super) struct Stub {
    pub(super) peer: PeerId,
    pub(super) speaker: Speaker,
}
