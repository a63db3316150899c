use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::node::SessionId;

fn sender(n: u64) -> Sender {
    Sender::Session(SessionId(n))
}

/// Returns the group of a session: three sessions to a key, two keys to an agency.
fn group(sender: Sender) -> Group {
    let Sender::Session(SessionId(n)) = sender else {
        panic!("only sessions send here");
    };
    Group {
        agency: n / 6,
        key: n / 3,
    }
}

proptest! {
    /// In any order of steps, the bytes equal those of a plain map, and so do the members of
    /// keys and agencies and the late bytes, whenever counting starts.
    #[test]
    fn it_counts_as_maps_do(
        steps in proptest::collection::vec((0..12u64, 0..9u8, 1..5usize, any::<bool>()), 0..96),
    ) {
        let mut waiting = WaitingBytes::default();
        // The bytes, and how many of them were late.
        let mut map = BTreeMap::<u64, (usize, usize)>::new();
        for (n, what, bytes, late) in steps {
            let held = map.entry(n).or_default();
            match what {
                0 if !waiting.is_counted() => waiting.count(group),
                0 | 1 => {
                    waiting.uncount();
                    map.values_mut().for_each(|(_, late)| *late = 0);
                }
                2..6 => {
                    let late = if late && waiting.is_counted() { bytes } else { 0 };
                    waiting.add(sender(n), bytes);
                    waiting.count_added(sender(n), group(sender(n)), late);
                    *held = (held.0 + bytes, held.1 + late);
                }
                _ => {
                    waiting.take(sender(n), bytes);
                    held.0 = held.0.saturating_sub(bytes);
                    held.1 = held.1.min(held.0);
                }
            }
            map.retain(|_, held| held.0 > 0);
            for n in 0..12 {
                let own = map.get(&n).copied().unwrap_or_default();
                prop_assert_eq!(waiting.of(sender(n)), own.0);
                if !waiting.is_counted() {
                    continue;
                }
                let of = group(sender(n));
                let sum = |wanted: &dyn Fn(Group) -> bool| -> usize {
                    let all = map.iter().filter(|(n, _)| wanted(group(sender(**n))));
                    all.map(|(_, (_, late))| late).sum()
                };
                let mut all: BTreeSet<u64> = map.keys().copied().collect();
                all.insert(n);
                let groups = all.iter().map(|&n| group(sender(n)));
                let of_key = groups.clone().filter(|&other| other == of);
                let of_agency = groups.clone().filter(|other| other.agency == of.agency);
                let held = SenderBytes {
                    sender: own.0,
                    sender_late: own.1,
                    key_late: sum(&|other| other == of),
                    agency_late: sum(&|other| other.agency == of.agency),
                    senders: of_key.count(),
                    keys: of_agency.map(|group| group.key).collect::<BTreeSet<_>>().len(),
                    agencies: groups.map(|group| group.agency).collect::<BTreeSet<_>>().len(),
                };
                prop_assert_eq!(waiting.held(sender(n), of), held);
            }
        }
        for (&n, &(bytes, _)) in &map {
            waiting.take(sender(n), bytes);
        }
        if let Some(groups) = &waiting.groups {
            prop_assert!(groups.senders.is_empty() && groups.keys.is_empty());
            prop_assert!(groups.agencies.is_empty());
        }
    }
}
