use super::*;

#[test]
fn what_breaks_lines_or_steers_terminals_is_escaped() {
    for (text, shown) in [
        (
            "plain, 'quoted' \"text\" \\ C:\\",
            "plain, 'quoted' \"text\" \\ C:\\",
        ),
        ("话题 é", "话题 é"),
        ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
        ("\u{1b}[31mred\u{7f}\0", "\\u{1b}[31mred\\u{7f}\\0"),
        // C1 controls, a right-to-left override, an isolate, a zero-width space, a byte order mark.
        (
            "\u{9b}\u{202e}\u{2066}\u{200b}\u{feff}",
            "\\u{9b}\\u{202e}\\u{2066}\\u{200b}\\u{feff}",
        ),
        // Line and paragraph separators, a next-line character, a tag.
        (
            "\u{2028}\u{2029}\u{85}\u{e0041}",
            "\\u{2028}\\u{2029}\\u{85}\\u{e0041}",
        ),
        ("", ""),
    ] {
        let once = OneLine::new(text).to_string();
        assert_eq!(once, shown);
        assert_eq!(OneLine::new(&once).to_string(), once);
    }
}

#[test]
fn every_character_is_either_seen_or_escaped_to_plain_ascii() {
    for c in '\0'..=char::MAX {
        let shown = OneLine::new(c).to_string();
        let harmless = shown.chars().all(|c| !c.is_control());
        assert!(
            harmless && (shown == c.to_string() || shown.is_ascii()),
            "{c:?}"
        );
    }
}

#[test]
fn a_long_text_is_cut_between_characters_and_escapes() {
    let cut = |text, max| OneLine::new(text).max(max).to_string();
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abcd", 3), "abc...");
    assert_eq!(cut("话题", 1), "话...");
    assert_eq!(cut("a\u{1b}b", 4), "a...");
    assert_eq!(cut("a\u{1b}b", 7), "a\\u{1b}...");
    let long = "x".repeat(1 << 20);
    assert_eq!(
        OneLine::new(&long).to_string().len(),
        OneLine::<&str>::MAX + 3
    );
}
