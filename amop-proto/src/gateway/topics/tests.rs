use super::*;

fn list(topics: &[&[u8]]) -> GatewayTopicList {
    let topics = topics.iter().map(|topic| Bytes::copy_from_slice(topic));
    GatewayTopicList {
        seq: 5,
        topics: topics.collect(),
    }
}

fn parse(text: &[u8]) -> Result<GatewayTopicList, GatewayTopicListError> {
    GatewayTopicList::parse(text, 1_000_000, 10)
}

/// As jsoncpp writes it (gateway-v3 section 7.1).
#[test]
fn lists_are_written_in_ascii() {
    let list = list(&[
        "价格".as_bytes(),
        "😀".as_bytes(),
        b"a\"\\/\x08\x0c\n\r\t\x01",
    ]);
    let expected = concat!(
        r#"{"topicItems":["\u4ef7\u683c","\ud83d\ude00","a\"\\/\b\f\n\r\t\u0001"],"#,
        "\"topicSeq\":5}\n"
    );
    assert_eq!(list.encode(), expected);
    assert_eq!(parse(&list.encode()), Ok(list));
}

#[test]
fn topics_are_bytes() {
    // The two halves of a character that the Java SDK sends, and bytes that are no text.
    let halves = &b"\xed\xa0\xbd\xed\xb8\x80"[..];
    let list = list(&[halves, b"\xff\0\x80", b""]);
    assert_eq!(parse(&list.encode()), Ok(list.clone()));
    let escaped = br#"{"topicItems":["\ud83d","\ude00"],"topicSeq":5}"#;
    let read = parse(escaped).unwrap();
    assert_eq!(read.topics, [&halves[..3], &halves[3..]]);
}

#[test]
fn lists_are_read_however_they_are_written() {
    let expected = list(&[b"a", "话".as_bytes()]);
    let cases = [
        r#"{"topicItems":["a","\u8bdd"],"topicSeq":5}"#,
        r#" { "topicSeq" : 5, "x": [{}], "topicItems" : [ "a", "话" ] } and more"#,
        r#"{"topicSeq":4,"topicSeq":5,"topicItems":["b"],"topicItems":["a","话"]}"#,
    ];
    for text in cases {
        assert_eq!(parse(text.as_bytes()), Ok(expected.clone()), "{text}");
    }
}

#[test]
fn what_is_not_a_list_is_refused() {
    use GatewayTopicListError::{NoSeq, NoTopics};
    assert_eq!(parse(br#"{"topicItems":[]}"#), Err(NoSeq));
    assert_eq!(parse(br#"{"topicSeq":5}"#), Err(NoTopics));
    let malformed = [
        "",
        "[]",
        "null",
        r#"["a"]"#,
        r#"{"topicItems":["a"],"topicSeq":5"#,
        r#"{"topicItems":[1],"topicSeq":5}"#,
        r#"{"topicItems":[[97]],"topicSeq":5}"#,
        r#"{"topicItems":"a","topicSeq":5}"#,
        r#"{"topicItems":[],"topicSeq":-1}"#,
        r#"{"topicItems":[],"topicSeq":4294967296}"#,
        r#"{"topicItems":[],"topicSeq":"\u001b[2J"}"#,
    ];
    for text in malformed {
        let error = parse(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, GatewayTopicListError::Malformed(_)),
            "{text}: {error:?}"
        );
        assert!(!error.to_string().chars().any(char::is_control));
    }
}

#[test]
fn lists_over_the_limits_are_refused() {
    let eleven = list(&[&b"a"[..]; 11]).encode();
    let max = 10;
    assert_eq!(parse(&eleven), Err(GatewayTopicListError::TooMany { max }));
    let len = eleven.len();
    let refused = GatewayTopicList::parse(&eleven, len - 1, 11);
    let max = len - 1;
    assert_eq!(refused, Err(GatewayTopicListError::TooLong { len, max }));
    assert!(GatewayTopicList::parse(&eleven, len, 11).is_ok());
}

/// A FISCO node accepts such a topic of its SDK; the other topics of that node still count.
#[test]
fn topics_that_no_message_can_name_are_left_out() {
    let long = vec![b'x'; MAX_TOPIC + 1];
    let all = list(&[b"a", &long, &long[1..]]);
    assert_eq!(parse(&all.encode()).unwrap().topics, [b"a", &long[1..]]);
}

#[test]
fn what_is_announced_is_sorted_and_has_a_new_number_when_it_changes() {
    let topics = |names: &[&'static str]| names.iter().copied().map(Bytes::from).collect();
    let topics = |names| -> Vec<Bytes> { topics(names) };
    let mut announced = AnnouncedTopics::starting_at(u32::MAX);
    let none = "{\"topicItems\":[],\"topicSeq\":4294967295}\n";
    assert_eq!(announced.text(), none);
    assert_eq!(announced.replace(topics(&["b", "a", "b"])), Ok(true));
    assert_eq!(
        announced.text(),
        "{\"topicItems\":[\"a\",\"b\"],\"topicSeq\":0}\n"
    );
    assert_eq!(announced.replace(topics(&["a", "b"])), Ok(false));
    assert_eq!(announced.seq(), 0);
    assert_eq!(announced.topics(), topics(&["a", "b"]));

    // A list that no node would take is not announced.
    let before = announced.clone();
    let long = Bytes::from(vec![b'x'; MAX_ANNOUNCED]);
    let refused = announced.replace([long]);
    assert!(matches!(
        refused,
        Err(GatewayTopicListError::TooLong {
            max: MAX_ANNOUNCED,
            ..
        })
    ));
    assert_eq!(announced, before);
}
