use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

#[test]
fn it_holds_what_any_map_does() {
    let mut rng = StdRng::seed_from_u64(1);
    let (mut shards, mut model) = (Shards::default(), BTreeMap::new());
    for step in 0..50_000_u32 {
        let key = rng.random_range(0..4000_u32);
        match rng.random_range(0..5) {
            0 | 1 => assert_eq!(shards.insert(key, step), model.insert(key, step)),
            2 | 3 => assert_eq!(shards.remove(&key), model.remove(&key)),
            _ => {
                *shards.or_default(key) += 1;
                *model.entry(key).or_default() += 1;
            }
        }
        assert_eq!(shards.get(&key), model.get(&key));
        assert_eq!(shards.contains_key(&key), model.contains_key(&key));
        assert_eq!(shards.len(), model.len());
    }
    for (key, value) in &mut model {
        assert_eq!(shards.get_mut(key), Some(value));
        shards.remove(key);
    }
    assert!(shards.is_empty());
}

#[test]
fn its_parts_grow_at_different_times_and_give_memory_back() {
    let mut shards = Shards::default();
    let (mut grown, mut most) = (0, 0);
    for key in 0..200_000_u32 {
        let before: usize = shards.parts.iter().map(HashTable::capacity).sum();
        shards.insert(key, [0_u8; 32]);
        let after: usize = shards.parts.iter().map(HashTable::capacity).sum();
        if key > 50_000 && after > before {
            grown += 1;
            most = most.max(after - before);
        }
    }
    assert!(grown >= 64, "{grown}");
    assert!(most < 200_000 / 16, "{most}");
    for key in 0..200_000 {
        shards.remove(&key);
    }
    let left: usize = shards.parts.iter().map(HashTable::capacity).sum();
    assert!(left <= KEPT << BITS, "{left}");
}
