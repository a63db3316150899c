use std::time::Duration;

use super::*;

fn ended<T>(token: T) -> Ended<T> {
    Ended { token, len: 42 }
}

fn seq(number: u8) -> Seq {
    Seq([number; Seq::LEN])
}

#[test]
fn what_expires_leaves_in_its_order_and_the_next_time_is_found_anew() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let topic = TopicName::new("topic").unwrap();
    let mut requests = Requests::new();
    for (number, seconds) in [(3, 9), (1, 5), (2, 5), (0, 7), (4, 6)] {
        requests.insert(seq(number), topic.clone(), at(seconds), ended(number));
    }
    assert_eq!(requests.next_deadline(), Some(at(5)));
    assert!(requests.take(&seq(4)).is_some());
    assert!(requests.take_expired(at(4)).is_empty());
    assert_eq!(requests.take_expired(at(7)), [1, 2, 0]);
    assert_eq!((requests.next_deadline(), requests.len()), (Some(at(9)), 1));
    requests.insert(seq(5), topic, at(8), ended(5));
    let all: Vec<_> = requests.take_all().into_iter().map(|e| e.token).collect();
    assert_eq!(all, [5, 3]);
    assert_eq!((requests.next_deadline(), requests.len()), (None, 0));
}

#[test]
fn without_requests_no_time_is_waited_for() {
    let mut requests = Requests::new();
    let topic = TopicName::new("topic").unwrap();
    requests.insert(seq(0), topic.clone(), Instant::now(), ended(()));
    let (of, ended) = requests.take(&seq(0)).unwrap();
    assert_eq!((of, ended.len), (topic, 42));
    assert_eq!(requests.next_deadline(), None);
}
