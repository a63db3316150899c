use super::*;

#[test]
fn length_is_counted_in_bytes() {
    assert!(TopicName::new(&"t".repeat(254)).is_ok());
    assert!(matches!(
        TopicName::new(&"t".repeat(255)),
        Err(TopicError::TooLong { len: 255, .. })
    ));
    // 85 characters of three bytes each are 255 bytes.
    assert!(matches!(
        TopicName::new(&"话".repeat(85)),
        Err(TopicError::TooLong { len: 255, .. })
    ));
}

#[test]
fn names_that_break_topic_lists_are_refused() {
    assert_eq!(TopicName::new(""), Err(TopicError::Empty));
    assert!(matches!(TopicName::new("a\tb"), Err(TopicError::Tab(_))));
}
