use super::*;

#[test]
fn packages_have_names_that_cargo_takes() {
    assert_eq!(package(Path::new("a/Hello World")), "hello-world");
    assert_eq!(package(Path::new("a/tokio")), "tokio-programs");
    assert_eq!(package(Path::new("a/type")), "type-programs");
    assert_eq!(package(Path::new("a/2nd")), "amop-programs-2nd");
    assert_eq!(package(Path::new("a/合同")), "amop-programs");
    assert_eq!(package(Path::new("a/extern")), "extern-programs");
    assert_eq!(package(Path::new("a/con")), "con-programs");
    let long = format!("a/{}", "x".repeat(255));
    assert_eq!(package(Path::new(&long)), "x".repeat(40));
}

#[test]
fn long_names_end_with_a_word() {
    let long = |name: &str| shortened(name.to_owned(), '_');
    assert_eq!(long(&"ab_".repeat(20)), ["ab"; 13].join("_"));
    assert_eq!(long(&format!("{}_b", "a".repeat(40))), "a".repeat(40));
    assert_eq!(long(&"a".repeat(41)), "a".repeat(40));
    assert_eq!(long("short"), "short");
}

#[test]
fn names_that_come_again_are_numbered() {
    let mut taken = BTreeSet::new();
    let mut next = |name: &str| unique(name.to_owned(), &mut taken);
    assert_eq!(next("a"), "a");
    assert_eq!(next("a"), "a_2");
    assert_eq!(next("a_2"), "a_2_2");
    assert_eq!(next("a"), "a_3");
}
