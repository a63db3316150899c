use super::*;
use proptest::prelude::*;

fn accepts(text: &str) -> bool {
    let mut text = JsonText::new(text);
    text.skip().and_then(|()| text.end()).is_ok()
}

#[test]
fn it_takes_what_serde_json_takes() {
    for text in [
        "null",
        " [ ] ",
        "{}",
        "[1,2]",
        r#"{"a":{"b":[true,false,null]}}"#,
        r#""\u00e9\ud83d\ude00\n""#,
        "[1,]",
        "[,1]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{a:1}"#,
        "tru",
        "nul",
        "\"",
        "\"\\\"",
        r#""\x""#,
        r#""\ud83d""#,
        r#""\ude00""#,
        "\"\n\"",
        "[1 2]",
        "1 2",
        "",
        " ",
        "[",
        "{",
        "]",
        "}",
        "'a'",
        "[1}",
        "\u{a0}1",
        "\u{feff}1",
        "01",
        "-",
        "1e5",
        "NaN",
        "Infinity",
        "\"\\\u{e9}\"",
    ] {
        let expected = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(accepts(text), expected, "{text}");
    }
    for depth in [126, 127, 128, 129] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let expected = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        assert_eq!(accepts(&text), expected, "{depth} arrays");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_takes_what_serde_json_takes_of_anything(
        text in r#"[\[\]{},:"\\0-9eE.+\-a-fnlrstu\n é]{0,24}"#,
    ) {
        // serde_json refuses numbers beyond f64; here they are checked later.
        let expected = serde_json::from_str::<serde_json::Value>(&text);
        let large = expected.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assume!(!large);
        prop_assert_eq!(accepts(&text), expected.is_ok(), "{}", text);
    }
}
