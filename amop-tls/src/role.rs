//! [`Role`]: the kind of owner that the subject of a certificate names.

use x509_cert::name::Name;

use crate::oids::ORGANIZATIONAL_UNIT;

/// The OUs that the chain's scripts write into a node's certificate, on 2.x and on 3.x guomi
/// chains. Guomi chains have a second certificate for encryption.
const NODES: [&str; 4] = ["node", "ennode", "ssl", "enssl"];

/// The text that an OU of an SDK's certificate contains: in `sdk`, and in `ensdk` on guomi chains.
const SDK: &str = "sdk";

/// The kind of a certificate's owner, according to the OUs of its subject.
///
/// All certificates of a chain have the same form, for every kind of owner. Only the OU
/// distinguishes them, and not on every chain: `docs/security.md` has a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// An OU is `node`, `ssl`, or one of these with the prefix `en`; none contains `sdk`.
    ///
    /// SDKs of chains that were created before 2.1 have certificates of this kind, too.
    Node,
    /// An OU contains `sdk`, in any spelling, whatever the other OUs are.
    Sdk,
    /// The OUs are neither, as on 3.x chains with RSA.
    Unknown,
}

/// Returns the role of a subject. It reads all OUs: a certificate may have several, in one part of
/// the name or in many.
pub(crate) fn role_of(subject: &Name) -> Role {
    let mut role = Role::Unknown;
    let units = subject
        .iter()
        .filter(|part| part.oid == ORGANIZATIONAL_UNIT);
    for text in units.flat_map(|unit| readings(unit.value.value())) {
        if text.contains(SDK) {
            return Role::Sdk;
        }
        if NODES.contains(&text.as_str()) {
            role = Role::Node;
        }
    }
    role
}

/// Returns the text in every way in which its bytes can be read: as characters of one, two or four
/// bytes. The string type says which one is meant, but the result must not depend on it.
fn readings(bytes: &[u8]) -> [String; 3] {
    let two = bytes.chunks(2).map(|pair| number(pair, 2) as u16);
    let four = bytes.chunks(4).map(|quad| number(quad, 4));
    [
        letters(String::from_utf8_lossy(bytes).chars()),
        letters(char::decode_utf16(two).filter_map(Result::ok)),
        letters(four.filter_map(char::from_u32)),
    ]
}

/// Returns a number; missing bytes at the end count as zeros.
fn number(bytes: &[u8], len: usize) -> u32 {
    let byte = |i| u32::from(bytes.get(i).copied().unwrap_or(0));
    (0..len).fold(0, |number, i| number << 8 | byte(i))
}

/// Returns only letters and digits, in lower case and of usual width, so that words that look the
/// same are the same.
fn letters(text: impl Iterator<Item = char>) -> String {
    text.map(usual_width)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Converts full-width characters, which East Asian keyboards produce.
fn usual_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        other => other,
    }
}

#[cfg(test)]
mod tests;
