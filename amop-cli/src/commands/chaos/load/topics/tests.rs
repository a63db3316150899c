use super::{
    super::messages::{is_answer, write_answer},
    *,
};

#[test]
fn unicasts_reach_every_topic_and_answers_are_held_to_it() {
    let topics = LoadTopics::new(6).unwrap();
    let mut names = BTreeSet::new();
    for message in 0..1000 {
        let (topic, subscribers) = topics.of(7, message);
        names.insert(topic.to_string());
        for subscriber in 0..6 {
            let answer = write_answer(subscriber, message);
            let may = subscribers.contains(&subscriber);
            assert_eq!(is_answer(answer.as_bytes(), message, &subscribers), may);
            assert!(!is_answer(answer.as_bytes(), message + 1, &subscribers));
        }
    }
    assert_eq!(names.len(), 6 + 2);
}
