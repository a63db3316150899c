use super::*;

fn names(set: &TopicSet) -> Vec<&str> {
    (0..set.len()).filter_map(|at| set.get(at)).collect()
}

#[test]
fn a_set_is_sorted_and_found_in() {
    let body = r#"["b","话","a","b","c"]"#;
    let read = ReadTopics::read(body.as_bytes(), 10).unwrap();
    assert_eq!(names(&read.set), ["a", "b", "c", "话"]);
    assert_eq!(read.ignored, None);
    assert_eq!(read.set.find(b"c"), Ok(2));
    assert_eq!(read.set.find(b"bb"), Err(2));
    assert_eq!(read.set.find("话".as_bytes()), Ok(3));
    assert_eq!(read.set.get(4), None);
}

#[test]
fn more_is_read_than_a_session_may_hold_and_what_is_far_over_is_not() {
    let read = ReadTopics::read(br#"["z","y","","x"]"#, 2).unwrap();
    assert_eq!(names(&read.set), ["x", "y", "z"]);
    let ignored = read.ignored.unwrap();
    assert_eq!((ignored.first.as_str(), ignored.others), ("", 0));
    // Reading stops before the end of the text, which is not valid JSON.
    let most = 2 * 100 + MAX_BEYOND;
    let many: Vec<String> = (0..most).map(|n| format!("\"{n}\"")).collect();
    let body = format!("[{}, and no JSON", many.join(","));
    let read = ReadTopics::read(body.as_bytes(), 100).unwrap();
    assert_eq!(read.set.len(), most);
    assert_eq!(ReadTopics::read(body.as_bytes(), 101), None);
    // Invalid topics end the reading sooner.
    let none: Vec<String> = (0..300).map(|_| "\"\"".to_owned()).collect();
    let body = format!("[{}, and no JSON", none.join(","));
    let read = ReadTopics::read(body.as_bytes(), 100).unwrap();
    assert_eq!(read.ignored.unwrap().others, MAX_IGNORED - 1);
}

#[test]
fn the_names_that_are_told_are_bounded() {
    let mut ignored = None;
    for n in 0..1000 {
        Ignored::add(&mut ignored, &format!("{n:0250}"));
    }
    let ignored = ignored.unwrap();
    assert_eq!((ignored.names.len(), ignored.others), (16, 999));
    let read = ReadTopics::read(br#"["a","bc"]"#, 10).unwrap();
    assert_eq!(read.set.bytes(), size_of::<TopicSet>() + 3 + 8);
}

#[test]
fn repetitions_end_too() {
    let body = format!("[{}\"a\", and no JSON", "\"a\",".repeat(5000));
    let read = ReadTopics::read(body.as_bytes(), 10).unwrap();
    assert_eq!(names(&read.set), ["a"]);
}
