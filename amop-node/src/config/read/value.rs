//! Parses values.

use std::collections::BTreeSet;

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

/// Parses names with commas between, and returns them without duplicates.
pub(super) fn words(value: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    for word in value.split(',').map(str::trim) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if word.is_empty() || word.len() > 64 || !word.bytes().all(plain) {
            return None;
        }
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    Some(words)
}

/// Parses the id of a node of a 3.x chain, and returns it in upper case, as its
/// own nodes compare it: the digits of its RSA key.
pub(super) fn node_id_text(value: &str) -> Option<String> {
    let digits = value.bytes().all(|digit| digit.is_ascii_hexdigit());
    (!value.is_empty() && value.len() <= 4096 && digits).then(|| value.to_ascii_uppercase())
}
