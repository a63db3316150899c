//! [`Role`]: the kind of owner that the subject of a certificate names.

use der::asn1::ObjectIdentifier;
use x509_cert::name::Name;

const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

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
mod tests {
    use der::asn1::{Any, SetOfVec};
    use der::{Decode, Encode, Tag};
    use x509_cert::attr::AttributeTypeAndValue;
    use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

    use super::*;

    const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
    const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

    type Part<'a> = (ObjectIdentifier, Tag, &'a [u8]);

    /// Returns a name of these parts; several values in one part of the list become one part of the
    /// name.
    fn name(parts: &[&[Part<'_>]]) -> Name {
        let mut rdns = RdnSequence::default();
        for part in parts {
            let mut rdn = SetOfVec::new();
            for (oid, tag, value) in *part {
                let value = Any::new(*tag, *value).unwrap();
                rdn.insert(AttributeTypeAndValue { oid: *oid, value })
                    .unwrap();
            }
            rdns.push(RelativeDistinguishedName::from(rdn));
        }
        Name::from_der(&rdns.to_der().unwrap()).unwrap()
    }

    fn unit(value: &str) -> Role {
        let part = (ORGANIZATIONAL_UNIT, Tag::Utf8String, value.as_bytes());
        role_of(&name(&[&[(COMMON_NAME, Tag::Utf8String, b"x")], &[part]]))
    }

    #[test]
    fn what_scripts_write_is_told_apart() {
        for text in ["node", "ennode", "ssl", "enssl"] {
            assert_eq!(unit(text), Role::Node, "{text}");
        }
        for text in ["sdk", "ensdk"] {
            assert_eq!(unit(text), Role::Sdk, "{text}");
        }
        for text in ["agency", "chain", "", "s d", "nodes", "Operations"] {
            assert_eq!(unit(text), Role::Unknown, "{text}");
        }
        assert_eq!(role_of(&name(&[])), Role::Unknown);
    }

    #[test]
    fn an_sdk_is_one_however_it_is_spelled() {
        for text in [
            "SDK",
            "Sdk",
            " sdk",
            "sdk ",
            "s d k",
            "sdk\u{0}",
            "s\u{200b}dk",
            "s.d.k",
            "sdk,node",
            "node/sdk",
            "my-sdk-1",
            "ｓｄｋ",
            "ＳＤＫ",
            "\u{17f}d\u{212a}",
            "SDK node",
        ] {
            assert_eq!(unit(text), Role::Sdk, "{text:?}");
        }
    }

    #[test]
    fn a_node_is_one_however_it_is_spelled() {
        for text in ["Node", " node ", "SSL", "ｎｏｄｅ"] {
            assert_eq!(unit(text), Role::Node, "{text:?}");
        }
    }

    #[test]
    fn every_string_type_is_read() {
        let ou = |tag, value| role_of(&name(&[&[(ORGANIZATIONAL_UNIT, tag, value)]]));
        let types = [
            Tag::Utf8String,
            Tag::PrintableString,
            Tag::Ia5String,
            Tag::TeletexString,
            Tag::VisibleString,
            Tag::OctetString,
        ];
        for tag in types {
            assert_eq!(ou(tag, b"sdk"), Role::Sdk, "{tag}");
            assert_eq!(ou(tag, b"node"), Role::Node, "{tag}");
        }
        let wide: Vec<u8> = "ｓdk".encode_utf16().flat_map(u16::to_be_bytes).collect();
        // A string type that fits these bytes, and one that does not.
        for tag in [Tag::BmpString, Tag::Utf8String] {
            assert_eq!(ou(tag, b"\0s\0d\0k"), Role::Sdk);
            assert_eq!(ou(tag, b"\0n\0o\0d\0e"), Role::Node);
            assert_eq!(ou(tag, &wide), Role::Sdk);
            assert_eq!(ou(tag, b"\0\0\0s\0\0\0d\0\0\0k"), Role::Sdk);
        }
        // A missing or an extra byte hides nothing.
        assert_eq!(ou(Tag::BmpString, b"\0s\0d\0k\0"), Role::Sdk);
    }

    #[test]
    fn one_of_several_is_enough_wherever_it_stands() {
        let part = |oid, value| (oid, Tag::Utf8String, value);
        let (node, sdk): (&[u8], &[u8]) = (b"node", b"sdk");
        let ou = |value| part(ORGANIZATIONAL_UNIT, value);
        let o = part(ORGANIZATION, b"fisco-bcos".as_slice());
        for parts in [
            vec![[ou(node)].as_slice(), &[ou(sdk)]],
            vec![[ou(sdk)].as_slice(), &[ou(node)]],
            vec![[ou(node), ou(sdk)].as_slice()],
            vec![[o, ou(sdk)].as_slice(), &[ou(node)]],
            vec![[ou(b"x")].as_slice(), &[o], &[ou(node), ou(b"ensdk")]],
        ] {
            assert_eq!(role_of(&name(&parts)), Role::Sdk);
        }
        assert_eq!(role_of(&name(&[&[o, ou(node)]])), Role::Node);
        // Other parts of the name do not matter.
        let cn = part(COMMON_NAME, sdk);
        assert_eq!(role_of(&name(&[&[cn], &[ou(node)]])), Role::Node);
        assert_eq!(role_of(&name(&[&[cn]])), Role::Unknown);
    }
}
