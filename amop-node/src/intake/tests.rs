use super::*;

/// Takes room for frames of this length until there is no more.
fn fill(share: &IntakeShare, len: usize) -> Vec<IntakeRoom> {
    std::iter::from_fn(|| share.admit(len)).collect()
}

#[test]
fn a_key_gets_a_third_an_agency_half_and_others_find_room() {
    let intake = Intake::new(1200);
    let hog = fill(&intake.share_of("a", 1), 10);
    assert_eq!(hog.len(), 40);
    // Another key of the agency has a fair part of the agency's half.
    let second = fill(&intake.share_of("a", 2), 10);
    assert!((10..=20).contains(&second.len()), "{}", second.len());
    let many: Vec<IntakeRoom> = (3..50)
        .flat_map(|key| fill(&intake.share_of("a", key), 10))
        .collect();
    assert!(intake.bytes() <= 600, "{}", intake.bytes());
    // Another agency gets a long frame at once.
    let other = intake.share_of("b", 1).admit(200);
    assert!(other.is_some());
    drop((hog, second, many, other));
    assert_eq!(intake.bytes(), 0);
    assert!(intake.held().by_owner.is_empty());
}

#[test]
fn room_is_given_back_and_a_frame_over_the_budget_has_none() {
    let intake = Intake::new(100);
    let share = intake.share_of("a", 1);
    assert!(share.admit(101).is_none());
    let room = share.admit(100);
    assert!(room.is_some() && share.admit(1).is_none());
    drop(room);
    assert!(share.admit(1).is_some());
    assert_eq!(intake.bytes(), 0);
}

#[test]
fn many_hogs_leave_room_for_a_newcomer() {
    let intake = Intake::new(512 << 20);
    let mut rooms = Vec::new();
    for agency in 0..10 {
        rooms.extend(fill(&intake.share_of(agency, 1), 32 << 20));
    }
    assert!(intake.share_of("newcomer", 1).admit(32 << 20).is_some());
}
