//! Line, ring, star, grid and random networks of 16 nodes: connected hosts reach each other, and no
//! others do.

use amop_sim::{Reach, Topology};

const NODES: usize = 16;

fn connected_is_reachable(topology: Topology) {
    let mut reach = Reach::new(1, NODES, topology);
    assert_eq!(reach.check(0..NODES), NODES * NODES, "{topology:?}");
    // Remove links one by one, at random, until none is left.
    let mut from = 0;
    let links = reach.links();
    while reach.links() > 0 {
        reach.turn_one(false);
        from = (from + 7) % NODES;
        reach.check([from]);
    }
    assert_eq!(reach.check(0..NODES), NODES, "each itself");
    // Then all come back.
    while reach.links() < links {
        reach.turn_one(true);
        from = (from + 7) % NODES;
        reach.check([from]);
    }
    assert_eq!(reach.check(0..NODES), NODES * NODES, "{topology:?}");
    assert_eq!(reach.finish(), [], "{topology:?}");
}

#[test]
fn a_line() {
    connected_is_reachable(Topology::Line);
}

#[test]
fn a_ring() {
    connected_is_reachable(Topology::Ring);
}

#[test]
fn a_star() {
    connected_is_reachable(Topology::Star);
}

#[test]
fn a_grid() {
    connected_is_reachable(Topology::Grid);
}

#[test]
fn a_random_network() {
    connected_is_reachable(Topology::Random);
}
