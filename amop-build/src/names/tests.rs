use super::*;

fn modules(path: &str) -> Vec<String> {
    path.split_terminator("::").map(str::to_owned).collect()
}

#[test]
fn types_are_named_from_other_modules() {
    let path = RustPath::new(&modules("a::b"), "T".to_owned());
    for (from, expected) in [
        ("a::b", "T"),
        ("a", "b::T"),
        ("", "a::b::T"),
        ("a::c", "super::b::T"),
        ("a::b::c", "super::T"),
        ("x::y::z", "super::super::super::a::b::T"),
    ] {
        assert_eq!(path.relative_to(&modules(from)), expected, "from {from}");
    }
}

#[test]
fn the_longest_extern_path_counts() {
    let mut paths = ExternPaths::default();
    paths.add(".a".to_owned(), "::a_crate".to_owned());
    paths.add(".a.b.T".to_owned(), "::other::U".to_owned());
    assert_eq!(paths.resolve("a.b.T").as_deref(), Some("::other::U"));
    assert_eq!(
        paths.resolve("a.b.My_HTTPType").as_deref(),
        Some("::a_crate::b::MyHttpType")
    );
    assert_eq!(paths.resolve("ab.T"), None);
}
