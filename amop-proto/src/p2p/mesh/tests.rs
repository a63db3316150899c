mod messages;

use super::*;

#[test]
fn the_highest_common_version_is_spoken() {
    assert_eq!(common_version(&encode_hello()), Some(VERSION));
    for (hello, version) in [
        (&[1][..], None),
        (&[2], Some(2)),
        (&[1, 2], Some(2)),
        (&[2, 9], Some(3)),
        (&[3, 9], Some(3)),
        (&[4, 9], None),
        (&[1, 1], None),
        (&[9, 2], None),
        (&[2, 3, 77, 77], Some(3)),
        (&[], None),
    ] {
        assert_eq!(common_version(hello), version, "{hello:?}");
    }
}

#[test]
fn keys_follow_from_all_of_an_id() {
    let mut id = NodeId([7; 64]);
    let key = RoutingKey::from(&id);
    id.0[63] = 8;
    assert_ne!(RoutingKey::from(&id), key, "IDs that begin alike");
    let (a, b) = (NodeId([1; 64]), NodeId([2; 64]));
    assert_ne!(RoutingKey::stub(&a, &b), RoutingKey::stub(&b, &a));
    assert_ne!(RoutingKey::stub(&a, &b), RoutingKey::from(&a));
}

#[test]
fn lists_of_keys_and_versions_are_bounded() {
    let known = [(RoutingKey(1), 2), (RoutingKey(3), 4)];
    assert_eq!(decode_known(encode_known(known), 2), Some(known.to_vec()));
    assert_eq!(decode_known(encode_known(known), 1), None);
    assert_eq!(decode_known(encode_known(known).slice(1..), 2), None);
    let keys = [RoutingKey(1), RoutingKey(3)];
    assert_eq!(decode_keys(encode_keys(keys), 2), Some(keys.to_vec()));
    assert_eq!(decode_keys(encode_keys(keys), 1), None);
    assert_eq!(decode_keys(encode_keys(keys).slice(1..), 2), None);
}

#[test]
fn numbers_go_round_and_leave_room_for_hops() {
    for (number, hops_left) in [(0, 32), (1, 1), (0xff_ffff, 255)] {
        let numbered = Numbered { number, hops_left };
        assert_eq!(Numbered::of(numbered.seq()), numbered);
    }
    let last = Numbered::NUMBERS - 1;
    assert_eq!((Numbered::after(1), Numbered::after(last)), (2, 1));
    for first in [1, 2, last - 1, last] {
        let mut number = first;
        for behind in 0..5 {
            assert_eq!(Numbered::behind(first, number), behind, "{first}");
            number = Numbered::after(number);
        }
    }
}

#[test]
fn runs_of_numbers_are_bounded() {
    let runs = [(1, 5), (9, 1), (Numbered::NUMBERS - 1, 3)];
    assert_eq!(
        decode_confirmed(encode_confirmed(&runs), 9),
        Some(runs.to_vec())
    );
    assert_eq!(decode_confirmed(encode_confirmed(&runs), 8), None);
    for bad in [(0, 1), (Numbered::NUMBERS, 1), (5, 0), (5, u32::MAX)] {
        assert_eq!(
            decode_confirmed(encode_confirmed(&[(1, 1), bad]), 100),
            None
        );
    }
    assert_eq!(
        decode_confirmed(encode_confirmed(&runs).slice(1..), 9),
        None
    );
}
