use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

#[test]
fn every_point_falls_to_its_member() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut weighted = Weighted::<u32>::default();
    for step in 0..4000 {
        // Sometimes only a few members, so that there are none, one and two of them again and
        // again.
        let members = if step < 2000 { 40 } else { 3 };
        if step == 2000 {
            weighted = Weighted::default();
        }
        weighted.set(rng.random_range(0..members), rng.random_range(0..5_u64));
        assert_eq!(weighted.len(), weighted.iter().count());
        assert_eq!(weighted.is_empty(), weighted.iter().next().is_none());
        assert_eq!(
            weighted.total(),
            weighted.iter().map(|(_, weight)| weight).sum::<u64>()
        );
        let mut point = 0;
        for (member, weight) in weighted.iter() {
            for _ in 0..weight {
                assert_eq!(weighted.at(point), Some(member));
                point += 1;
            }
        }
        assert_eq!(weighted.at(point), None);
    }
}
