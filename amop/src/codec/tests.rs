use std::error::Error as _;

use super::*;

/// Text of other programs cannot break a log, along the whole chain of sources.
#[test]
fn foreign_text_is_on_one_line_in_every_form() {
    let text = "a\nb\r\u{1b}[31m\u{202e}\u{85}";
    let error = CodecError::new("text", text);
    assert_eq!(error.get_ref().to_string(), text);
    let source = error.source().expect("what went wrong");
    assert!(source.source().is_none());
    for shown in [
        with_causes(&error).to_string(),
        source.to_string(),
        format!("{source:?}"),
        format!("{error:?}"),
    ] {
        assert!(shown.contains("\\n"), "{shown:?}");
        let does_something = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!shown.chars().any(does_something), "{shown:?}");
    }
}
