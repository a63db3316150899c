use super::*;

#[track_caller]
fn becomes(lines: &[&str], expected: &[&str]) {
    assert_eq!(text_only(lines), expected);
}

#[test]
fn prose_stays_as_it_is() {
    let lines = [
        "",
        " Plain words.",
        "",
        " - a list",
        "   that goes on",
        " 1. one",
        " `code`",
    ];
    becomes(&lines, &lines);
}

#[test]
fn code_is_text() {
    becomes(&[" ```", " x", " ```"], &[" ```text", " x", " ```"]);
    becomes(&[" ```rust", " x"], &[" ```text", " x", " ```"]);
    becomes(
        &["   ~~~~ json", " ```", " ~~~~"],
        &[" ~~~~text", " ```", " ~~~~"],
    );
    becomes(&["", "     let x;"], &["", "   let x;"]);
    becomes(&["\tlet x;"], &["   let x;"]);
    becomes(
        &[" -      let x;", " > ```", " 1.     x"],
        &[" - let x;", " > ``", " 1. x"],
    );
    becomes(&[" <div> <b>"], &[" \\<div> \\<b>"]);
}
