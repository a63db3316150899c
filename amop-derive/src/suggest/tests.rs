use super::*;

#[test]
fn close_names_are_suggested_and_far_ones_are_not() {
    let known = ["text", "json"];
    assert_eq!(hint("JSON", &known, &[]), " (did you mean \"json\"?)");
    assert_eq!(hint("tekst", &known, &[]), " (did you mean \"text\"?)");
    assert_eq!(hint("xml", &known, &[]), "");
    assert_eq!(hint("", &known, &[]), "");
    assert_eq!(
        hint("raw", &known, &[("raw", "bytes")]),
        " (did you mean \"bytes\"?)"
    );
}
