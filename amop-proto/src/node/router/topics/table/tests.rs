use super::*;

#[test]
fn counts_change_only_when_they_end_up_different() {
    let mut table = SubscriberTable::default();
    let topic = Bytes::from_static(b"hello");
    table.add_session(&topic, SessionId(1));
    assert_eq!(table.take_changes(), [(topic.clone(), 0, 1)]);
    table.add_session(&topic, SessionId(2));
    assert_eq!(table.remove_session(&topic, SessionId(2), 0), None);
    assert_eq!(table.remove_session(&topic, SessionId(1), 0), Some(()));
    assert_eq!(table.take_changes(), []);
    assert_eq!(table.remove_session(&topic, SessionId(2), 0), Some(()));
    assert_eq!(table.take_changes(), [(topic.clone(), 1, 0)]);
    assert!(table.get(&topic).is_none());
}

#[test]
fn block_notifications_are_no_amop_topics() {
    let mut table = SubscriberTable::default();
    let topic = Bytes::from_static(b"_block_notify_1");
    table.add_session(&topic, SessionId(1));
    table.set_peer(&topic, PeerId(1), true);
    table.set_node(&topic, RoutingKey(1), 1);
    assert!(table.get(&topic).is_none());
    assert_eq!(table.take_changes(), []);
}
