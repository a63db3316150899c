use rand::SeedableRng;

use super::*;

fn topology(shape: NetworkShape, nodes: usize) -> Topology {
    Topology::new(shape, nodes, &mut StdRng::seed_from_u64(1))
}

#[test]
fn shapes_have_their_links() {
    for (shape, links) in [
        (NetworkShape::Ring, 6),
        (NetworkShape::Line, 5),
        (NetworkShape::Star, 5),
        (NetworkShape::Full, 15),
        (NetworkShape::Random, 9),
    ] {
        let topology = topology(shape, 6);
        assert_eq!(topology.links.len(), links, "{shape:?}");
        assert!(topology.is_connected(|_| true, |_| true), "{shape:?}");
    }
    assert_eq!(topology(NetworkShape::Ring, 2).links, [(0, 1)]);
    assert_eq!(topology(NetworkShape::Random, 3).links.len(), 3);
}

#[test]
fn a_ring_bears_one_loss_and_not_two() {
    let ring = topology(NetworkShape::Ring, 6);
    assert!(ring.is_connected(|_| true, |link| link != 2));
    assert!(!ring.is_connected(|_| true, |link| link != 2 && link != 4));
    assert!(ring.is_connected(|node| node != 3, |_| true));
    assert!(!ring.is_connected(|node| node != 3, |link| link != 0));
    // Without two neighbours the ring is connected; without two other nodes it is not.
    assert!(ring.is_connected(|node| node != 3 && node != 4, |_| true));
    assert!(!ring.is_connected(|node| node != 3 && node != 5, |_| true));
}

#[test]
fn a_star_lives_by_its_centre() {
    let star = topology(NetworkShape::Star, 4);
    assert!(!star.is_connected(|node| node != 0, |_| true));
    assert!(star.is_connected(|node| node != 2, |_| true));
}
