use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::MAX_TOPIC_LEN;

#[test]
fn the_longest_name_has_a_route_and_a_longer_one_is_refused() {
    assert_eq!(MAX_PRIVATE_LEN, 185);
    let longest = PrivateName::new(&"t".repeat(185)).unwrap();
    let route = longest.route(&mut StdRng::seed_from_u64(1));
    assert_eq!(route.as_str().len(), MAX_TOPIC_LEN);
    assert!(longest.has_route(route.as_str()));
    assert_eq!(PrivateName::of_topic(longest.topic()), Some(longest));
    assert!(matches!(
        PrivateName::new(&"t".repeat(186)),
        Err(TopicError::PrivateTooLong { len: 186, .. })
    ));
    assert_eq!(PrivateName::new(""), Err(TopicError::Empty));
}

#[test]
fn routes_differ() {
    let name = PrivateName::new("hello").unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let (one, other) = (name.route(&mut rng), name.route(&mut rng));
    assert!(one != other && is_route(&one));
    assert!(!is_route(name.topic()) && !is_route(name.push_topic()));
    assert_eq!(PrivateName::shown(name.topic()), "hello");
    assert_eq!(PrivateName::shown(name.push_topic()), "hello");
    assert_eq!(PrivateName::shown(&one), one.as_str());
}
