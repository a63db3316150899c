use std::collections::BTreeSet;

use super::*;

#[test]
fn every_case_runs_under_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for case in all() {
        assert!(names.insert(case.name), "{case}");
        // Each case asserts that it did its work. Cases that are not counted take long to set
        // up.
        if case.counted > 0 {
            case.start()();
        }
    }
}
