use serde_json::Value;

use super::*;

fn replace(topics: &[&str]) -> SetTopics {
    SetTopics::Replace(topics.iter().map(|t| (*t).to_owned()).collect())
}

#[test]
fn bodies_are_read_as_a_fisco_node_reads_them() {
    let cases = [
        (r#"["a","b"]"#, replace(&["a", "b"])),
        (
            r#"["\u8bdd",1,true,null]"#,
            replace(&["话", "1", "true", ""]),
        ),
        (
            "[-1,1.0,1e3,18446744073709551616]",
            replace(&["-1", "1.0", "1000.0", "1.8446744073709552e+19"]),
        ),
        ("[]", replace(&[])),
        ("null", replace(&[])),
        (r#""text""#, replace(&[])),
        ("{}", replace(&[])),
        (r#"["a"] and more"#, replace(&["a"])),
        (r#"{"a":"b"}"#, SetTopics::Keep),
        (r#"["a",]"#, SetTopics::Keep),
        (r#"["a",["b"]]"#, SetTopics::Keep),
        (r#"["a",{}]"#, SetTopics::Keep),
        ("", SetTopics::Keep),
    ];
    for (body, expected) in cases {
        assert_eq!(SetTopics::parse(body.as_bytes()), expected, "{body}");
    }
}

/// Reading piece by piece gives the same result as reading the whole body at once.
#[test]
fn numbers_are_written_as_the_whole_body_would_have_them() {
    for number in [
        "0",
        "-0",
        "-0.0",
        "12.50",
        "1e300",
        "1E-7",
        "9007199254740993",
    ] {
        let Value::Number(whole) = serde_json::from_str(number).unwrap() else {
            panic!("{number} is none");
        };
        let read = SetTopics::parse(format!("[{number}]").as_bytes());
        assert_eq!(read, replace(&[&whole.to_string()]));
    }
}

#[test]
fn bodies_too_long_to_read_are_not_understood() {
    let mut body = b"[\"a\"]".to_vec();
    body.resize(MAX_BODY, b' ');
    assert_eq!(SetTopics::parse(&body), replace(&["a"]));
    body.push(b' ');
    assert_eq!(SetTopics::parse(&body), SetTopics::Keep);
}

#[test]
fn what_follows_the_last_name_wanted_is_not_read() {
    let mut names = Vec::new();
    let read = read_names(br#"["a","b","c", no JSON at all"#, |name| {
        names.push(name.into_owned());
        match names.len() {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!((read, names), (Some(()), vec!["a".into(), "b".into()]));
}

#[test]
fn encoding_is_compact_and_keeps_utf8() {
    assert_eq!(
        &encode_topics(["话题", "a\"b"])[..],
        "[\"话题\",\"a\\\"b\"]".as_bytes()
    );
}
