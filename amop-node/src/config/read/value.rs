//! Parses values.

use std::collections::BTreeSet;

use super::super::NodeIdBytes;

pub(super) fn parse<T: std::str::FromStr>(value: &str) -> Option<T> {
    value.parse().ok()
}

/// Parses a boolean as FISCO nodes do.
pub(super) fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Parses group ids and returns them without duplicates, in ascending order, as a FISCO node lists
/// them.
pub(super) fn groups(value: &str) -> Option<BTreeSet<u16>> {
    let group = |text: &str| {
        text.trim()
            .parse()
            .ok()
            .filter(|id| (1..=0x7fff).contains(id))
    };
    value.split(',').map(group).collect()
}

pub(super) fn non_empty(value: &str) -> Option<&str> {
    (!value.is_empty()).then_some(value)
}

pub(super) fn node_id(value: &str) -> Option<NodeIdBytes> {
    let mut id = [0; 64];
    hex::decode_to_slice(value, &mut id).ok()?;
    Some(id)
}
