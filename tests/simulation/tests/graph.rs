//! Shapes of networks.

use amop_sim::{Topology, distances};
use clap::ValueEnum;
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn every_shape_is_connected() {
    let mut rng = StdRng::seed_from_u64(1);
    for topology in Topology::value_variants() {
        for nodes in 1..20 {
            let edges = topology.edges(nodes, &mut rng);
            let distances = distances(nodes, &edges, 0);
            assert!(
                distances.iter().all(Option::is_some),
                "{topology:?} of {nodes}"
            );
        }
    }
}

#[test]
fn distances_are_the_fewest_links() {
    let mut rng = StdRng::seed_from_u64(1);
    let far = |topology: Topology| {
        let edges = topology.edges(16, &mut rng);
        distances(16, &edges, 0).into_iter().flatten().max()
    };
    let shapes = [
        Topology::Line,
        Topology::Ring,
        Topology::Star,
        Topology::Grid,
    ];
    assert_eq!(shapes.map(far), [Some(15), Some(8), Some(1), Some(6)]);
    assert_eq!(distances(3, &[(0, 1)], 0), [Some(0), Some(1), None]);
}
