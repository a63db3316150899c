//! The vectors of the protocol between overlay nodes, produced by another implementation of its
//! document.

use amop_proto::{
    channel::Frame,
    p2p::{
        NodeId,
        mesh::{
            self, Agreement, FrameContent, MacPurpose, PairKey, Record, RelayedMulticastHeader,
            RelayedUnicastHeader, RoutingKey, SharedSecret, SignedRecord, Statement,
            StatementSigner, Subject, UnicastHeader, Whole,
        },
    },
};
use bytes::Bytes;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/mesh-vectors.json")).unwrap()
}

fn bytes(value: &Value) -> Bytes {
    hex::decode(value.as_str().unwrap()).unwrap().into()
}

fn id(n: u8) -> NodeId {
    NodeId([n; 64])
}

fn key(n: u8) -> RoutingKey {
    (&id(n)).into()
}

fn key_of(value: &Value) -> RoutingKey {
    RoutingKey(u64::from_be_bytes(bytes(value)[..].try_into().unwrap()))
}

fn agreement(vectors: &Value, n: u8) -> Agreement {
    Agreement::new(id(n), &[n; 32], vectors["start"].as_u64().unwrap())
}

fn pair(vectors: &Value) -> PairKey {
    PairKey::from_bytes(bytes(&vectors["pair_1_2"])[..].try_into().unwrap())
}

#[test]
fn names_and_keys() {
    let vectors = vectors();
    assert_eq!(mesh::encode_hello(), bytes(&vectors["hello"]));
    for n in 1..=3 {
        assert_eq!(key(n), key_of(&vectors["keys"][n.to_string()]));
    }
    let stub = RoutingKey::stub(&id(3), &id(1));
    assert_eq!(stub, key_of(&vectors["stub_3_behind_1"]));
    let [one, two] = [1, 2].map(|n| agreement(&vectors, n));
    for (n, own) in [("1", &one), ("2", &two)] {
        assert_eq!(own.public()[..], bytes(&vectors["agreement"][n])[..]);
    }
    assert_eq!(one.with(&id(2), &two.public()), Some(pair(&vectors)));
    assert_eq!(two.with(&id(1), &one.public()), Some(pair(&vectors)));
}

#[test]
fn records() {
    let vectors = vectors();
    let start = vectors["start"].as_u64().unwrap();
    let topics = |topics: &[(&'static str, u32)]| {
        let topics = topics.iter();
        topics.map(|&(topic, n)| (Bytes::from(topic), n)).collect()
    };
    let whole = Record {
        subject: Subject::Node(id(1)),
        version: start,
        base: 0,
        whole: Some(Whole {
            agreement: agreement(&vectors, 1).public(),
            chain: SharedSecret::new(id(1)).chain(),
        }),
        neighbours: Some(vec![key(2), RoutingKey::stub(&id(3), &id(1))]),
        topics: topics(&[("a", 2), ("b", 1)]),
    };
    let change = Record {
        version: start + 7,
        base: start,
        whole: None,
        neighbours: None,
        topics: topics(&[("a", 0), ("c", 3)]),
        ..whole.clone()
    };
    let links = Record {
        version: start + 8,
        base: start + 7,
        neighbours: Some(vec![key(2)]),
        topics: Vec::new(),
        ..change.clone()
    };
    let stub = Record {
        subject: Subject::Stub {
            fisco: id(3),
            border: id(1),
        },
        version: start,
        base: 0,
        topics: topics(&[("f", 1)]),
        ..change.clone()
    };
    for (name, record) in [
        ("whole", whole),
        ("change", change),
        ("links", links),
        ("stub", stub),
    ] {
        let vector = bytes(&vectors["records"][name]);
        let signed = record.clone().sign(&SharedSecret::new(id(1))).unwrap();
        assert_eq!(signed.bytes(), &vector, "{name}");
        let read = SignedRecord::decode_all(vector, 2).unwrap();
        assert_eq!(read[0].record(), &record, "{name}");
        assert!(read[0].is_signed(&SharedSecret::new(id(9))), "{name}");
    }
}

#[test]
fn relayed_messages() {
    let vectors = vectors();
    let frame = |name: &str| {
        let bytes = bytes(&vectors["frames"][name]);
        Frame::from_bytes(bytes, usize::MAX).unwrap()
    };
    let counter = vectors["counter"].as_u64().unwrap();
    for (name, purpose, from, to) in [
        ("unicast", MacPurpose::Unicast, 1, 2),
        ("answer", MacPurpose::Answer, 2, 1),
    ] {
        let frame = frame(name);
        let statement = Statement {
            purpose,
            voucher: key(from),
            source: key(from),
            target: key(to),
            id: 7,
            content: frame.digest(),
        };
        let header = UnicastHeader {
            source: key(from),
            target: key(to),
            id: 7,
        };
        let seal = pair(&vectors).seal(&statement, counter);
        let vector = bytes(&vectors[format!("relayed_{name}")]);
        let relayed = RelayedUnicastHeader { header, seal };
        assert_eq!(relayed.encode(&frame), vector, "{name}");
        assert_eq!(
            RelayedUnicastHeader::decode(vector),
            Some((relayed, frame.to_bytes()))
        );
    }
    let frame = frame("multicast");
    let digest = frame.digest();
    let name = u64::from_be_bytes(digest[..8].try_into().unwrap()) | 1 << 63;
    assert_eq!(vectors["multicast_name"].as_u64(), Some(name));
    let statement = Statement {
        purpose: MacPurpose::Multicast,
        voucher: key(1),
        source: key(3),
        target: key(2),
        id: name,
        content: digest,
    };
    let spread = RelayedMulticastHeader {
        voucher: key(1),
        source: key(3),
        id: name,
        targets: vec![(key(2), pair(&vectors).seal(&statement, counter + 1))],
    };
    assert_eq!(spread.encode(&frame), bytes(&vectors["relayed_multicast"]));
}
