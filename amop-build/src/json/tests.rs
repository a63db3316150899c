use super::*;

#[test]
fn paths_match_as_prost_build_matches_them() {
    for (path, name, expected) in [
        (".", "a.b.C", true),
        (".a", "a.b.C", true),
        (".a.b.C", "a.b.C", true),
        (".a.b.C", "a.b.C.D", true),
        (".a.b", "a.bc.D", false),
        ("C", "a.b.C", true),
        ("b.C", "a.b.C.D", true),
        ("C", "a.b.AC", false),
    ] {
        assert_eq!(is_match(path, name), expected, "{path} {name}");
    }
}
