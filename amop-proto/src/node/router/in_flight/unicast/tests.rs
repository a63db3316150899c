use super::*;

#[test]
fn all_that_were_tried_are_known() {
    let mut tried = TriedTargets::default();
    let target = |n| UnicastTarget::Session(SessionId(n));
    assert!(!tried.contains(target(1)));
    for n in [1, 2, 1, 3, 2] {
        tried.insert(target(n));
    }
    for n in 0..5 {
        assert_eq!(tried.contains(target(n)), (1..4).contains(&n), "{n}");
    }
    assert!(!tried.contains(UnicastTarget::Fisco(PeerId(1))));
}
