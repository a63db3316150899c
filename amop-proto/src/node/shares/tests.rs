use super::*;

fn identity(agency: u8, key: u8) -> SessionIdentity {
    SessionIdentity {
        key: [key; 32],
        agency: [agency; 32],
    }
}

fn shares(limit: usize) -> Shares {
    Shares::new([limit; POOLS])
}

/// Takes one at a time until this is refused or would be at another holder's cost.
fn fill(shares: &mut Shares, id: HolderId) -> usize {
    let mut taken = 0;
    while shares.may(id, Resource::Topics, 1) == Permission::Take {
        shares.take(id, Resource::Topics, 1);
        taken += 1;
    }
    taken
}

#[test]
fn alone_one_has_everything() {
    let mut shares = shares(100);
    let alone = shares.holder(identity(1, 1));
    assert_eq!(fill(&mut shares, alone), 100);
    assert_eq!(shares.may(alone, Resource::Topics, 1), Permission::Not);
    assert_eq!(
        shares.may(alone, Resource::Sessions, 1),
        Permission::Take,
        "each by itself"
    );
}

#[test]
fn above_half_there_are_shares_and_whoever_has_more_gives_way() {
    let mut shares = shares(100);
    let (greedy, modest) = (identity(1, 1), identity(2, 1));
    let (greedy, modest) = (shares.holder(greedy), shares.holder(modest));
    fill(&mut shares, greedy);
    assert_eq!(shares.excess(greedy, Resource::Topics, None), 0);
    assert_eq!(shares.excess(greedy, Resource::Topics, Some(modest)), 50);
    for n in 0..50 {
        assert_eq!(
            shares.may(modest, Resource::Topics, 1),
            Permission::TakeFromOthers,
            "{n}"
        );
        shares.take(modest, Resource::Topics, 1);
        assert_eq!(
            shares.most_over(Resource::Topics, Some(modest)),
            Some(greedy)
        );
        shares.give(greedy, Resource::Topics, 1);
    }
    // Both have their share: neither may take more.
    for id in [greedy, modest] {
        assert_eq!(shares.may(id, Resource::Topics, 1), Permission::Not);
        assert_eq!(shares.excess(id, Resource::Topics, None), 0);
    }
    assert_eq!(shares.most_over(Resource::Topics, None), None);
}

#[test]
fn an_agency_with_many_keys_is_one_agency() {
    let mut shares = shares(120);
    let many: Vec<HolderId> = (0..60).map(|key| shares.holder(identity(1, key))).collect();
    for &id in &many {
        shares.take(id, Resource::Topics, 1);
    }
    let other = shares.holder(identity(2, 0));
    // Half is in use. The other agency may have half of everything; the keys of the first one
    // share their half.
    assert_eq!(fill(&mut shares, other), 60);
    assert_eq!(shares.may(many[0], Resource::Topics, 1), Permission::Not);
    assert_eq!(shares.may(other, Resource::Topics, 1), Permission::Not);
}

#[test]
fn whoever_has_nothing_gets_one_thing_of_any_size() {
    let mut shares = shares(100);
    let ids: Vec<HolderId> = (0..20).map(|key| shares.holder(identity(1, key))).collect();
    for &id in &ids[1..] {
        shares.take(id, Resource::Queued, 3);
    }
    assert_eq!(shares.may(ids[0], Resource::Queued, 40), Permission::Take);
    assert_eq!(shares.may(ids[1], Resource::Queued, 40), Permission::Not);
    shares.take(ids[0], Resource::Queued, 40);
    assert_eq!(shares.may(ids[0], Resource::Queued, 1), Permission::Not);
}

#[test]
fn nothing_is_kept_of_those_that_hold_nothing() {
    let mut shares = shares(100);
    let stays = shares.join(identity(7, 7));
    for n in 0..100_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let id = shares.holder(SessionIdentity { key, agency: key });
        shares.take(id, Resource::InFlight, 2);
        shares.give(id, Resource::InFlight, 2);
        assert!(shares.holders.len() <= 2 * IDLE + 2);
    }
    assert_eq!(shares.identity(stays), identity(7, 7));
    assert!(!shares.is_empty());
    shares.leave(stays);
    assert!(shares.is_empty());
    assert!(shares.agencies.len() <= 2 * IDLE + 2);
    let free = shares.free_agencies.len();
    assert_eq!(shares.agencies.len() - free, shares.by_agency.len());
    assert_eq!(shares.active, [0; POOLS]);
}
