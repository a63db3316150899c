use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique() {
    let names = names();
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn checks_are_chosen_by_name_or_beginning() {
    let chosen = |only: &[&str]| {
        let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
        select(&only).map(|plans| plans.iter().map(PlannedCheck::name).collect::<Vec<_>>())
    };
    assert_eq!(chosen(&[]).unwrap(), names());
    assert_eq!(
        chosen(&["across/unicast-reply"]).unwrap(),
        ["across/unicast-reply"]
    );
    let heartbeats = chosen(&["heartbeat-*"]).unwrap();
    assert!(heartbeats.len() > 2, "{heartbeats:?}");
    assert!(heartbeats.iter().all(|name| name.starts_with("heartbeat-")));
    let error = chosen(&["handshake"]).unwrap_err().to_string();
    assert!(error.contains("\"handshake\""), "{error}");
    assert!(error.contains("handshake-versions"), "{error}");
}
