use super::*;

#[test]
fn both_ends_get_the_same_key_and_nobody_else_does() {
    let id = |n| NodeId([n; 64]);
    let ends = [1, 2, 3].map(|n| Agreement::new(id(n), &[n; 32], 7));
    let ab = ends[0].with(&id(2), &ends[1].public()).unwrap();
    assert_eq!(ends[1].with(&id(1), &ends[0].public()), Some(ab.clone()));
    assert_ne!(ends[2].with(&id(1), &ends[0].public()), Some(ab.clone()));
    // The IDs are part of the key: a node that states another node's public half shares no key
    // with anyone.
    assert_ne!(ends[1].with(&id(3), &ends[0].public()), Some(ab));
    assert_eq!(ends[0].with(&id(2), &[0; 32]), None, "a point of low order");
    let again = Agreement::new(id(1), &[1; 32], 8);
    assert_ne!(again.public(), ends[0].public(), "each start has its own");
}

#[test]
fn a_seal_is_for_one_message() {
    let key = PairKey::from_bytes([9; 32]);
    let statement = Statement {
        purpose: MacPurpose::Unicast,
        voucher: RoutingKey(1),
        source: RoutingKey(1),
        target: RoutingKey(2),
        id: 3,
        content: [4; 32],
    };
    let seal = key.seal(&statement, 5);
    assert!(key.is_sealed(&statement, &seal));
    let purpose = MacPurpose::Answer;
    let (one, two) = (RoutingKey(8), RoutingKey(9));
    for other in [
        Statement {
            purpose,
            ..statement
        },
        Statement {
            voucher: one,
            ..statement
        },
        Statement {
            source: one,
            ..statement
        },
        Statement {
            target: two,
            ..statement
        },
        Statement { id: 4, ..statement },
        Statement {
            content: [5; 32],
            ..statement
        },
    ] {
        assert!(!key.is_sealed(&other, &seal), "{other:?}");
    }
    let counter = 6;
    assert!(!key.is_sealed(&statement, &Seal { counter, ..seal }));
    let mac = [0; 16];
    assert!(!key.is_sealed(&statement, &Seal { mac, ..seal }));
    assert!(!PairKey::from_bytes([8; 32]).is_sealed(&statement, &seal));
}
