use super::*;

fn digest(n: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&n.to_be_bytes());
    digest
}

#[test]
fn the_latest_are_remembered_until_the_rules_change() {
    let mut latest = Latest::new(10);
    for n in 0..25 {
        latest.note(digest(n), n, 0);
        latest.note(digest(n), n, 0);
    }
    assert_eq!((latest.found.len(), latest.order.len()), (10, 10));
    assert_eq!(latest.get(&digest(14)), None);
    assert_eq!(latest.get(&digest(15)), Some(15));
    latest.forget();
    assert_eq!(latest.get(&digest(15)), None);
    latest.note(digest(1), 1, 0);
    assert_eq!(latest.get(&digest(1)), None, "by rules that are gone");
    latest.note(digest(1), 1, latest.rules());
    assert_eq!(latest.get(&digest(1)), Some(1));
}
