use super::*;

#[test]
fn values_are_put_in_as_they_are() {
    let filled = fill("a {{b}} {{{c}}} {{d}}", &[("b", "{{c}}"), ("c", "x")]);
    assert_eq!(filled, "a {{c}} {x} {{d}}");
}
