use super::*;

#[test]
fn a_node_that_comes_again_and_again_has_to_wait_and_others_do_not() {
    let mut visits = Visits::default();
    let now = Instant::now();
    let (one, other) = (NodeId([1; 64]), NodeId([2; 64]));
    let admitted = (0..100).filter(|_| visits.admit(now, one)).count();
    assert_eq!(admitted, BURST as usize);
    assert!(visits.admit(now, other));
    assert!(!visits.admit(now + EACH - Duration::from_millis(1), one));
    assert!(visits.admit(now + EACH, one));
    assert!(!visits.admit(now + EACH, one));
}

#[test]
fn so_many_nodes_are_remembered() {
    let mut visits = Visits::default();
    let now = Instant::now();
    for n in 0..2 * MAX as u64 {
        let mut node = NodeId([0; 64]);
        node.0[..8].copy_from_slice(&n.to_be_bytes());
        assert!(visits.admit(now, node));
        assert!(visits.0.len() <= MAX);
    }
    assert!(visits.admit(now + EACH, NodeId([9; 64])));
    assert!(visits.0.len() <= MAX);
}
