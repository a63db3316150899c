use super::*;

#[test]
fn only_what_changed_is_told() {
    let before = Stats::default();
    let mut now = before;
    assert_eq!(now.changes_since(&before), "");
    now.messages.unicasts = 3;
    now.revoked = 2;
    let mut later = now;
    later.revoked = 7;
    assert_eq!(
        now.changes_since(&before),
        "unicasts 3 (+3), revoked 2 (+2)"
    );
    assert_eq!(later.changes_since(&now), "revoked 7 (+5)");
}
