use der::asn1::{Any, ObjectIdentifier, SetOfVec};
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
