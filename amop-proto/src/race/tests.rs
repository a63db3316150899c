use super::*;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn families_take_turns() {
    let given = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(at);
    let expected = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(at);
    assert_eq!(interleave(given), expected);
    let given = ["1.1.1.1:1", "2.2.2.2:1", "[::1]:1"].map(at);
    let expected = ["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"].map(at);
    assert_eq!(interleave(given), expected);
    assert!(interleave([]).is_empty());
}

#[test]
fn every_address_gets_its_turn() {
    let addresses = ["[::1]:1", "[::2]:1", "1.1.1.1:1"].map(at);
    let mut order = AddressOrder::default();
    let mut tried = Vec::new();
    for _ in 0..6 {
        let mut race = AddressRace::new(order.sorted(addresses));
        let first = race.poll(Instant::now()).unwrap();
        tried.push(first);
        order.unusable(first);
    }
    let [a, b, c] = addresses;
    assert_eq!(tried, [a, b, c, a, b, c]);
    order.usable(b);
    assert_eq!(order.sorted(addresses), [b, a, c]);
    for port in 1..100 {
        order.unusable(([127, 0, 0, 1], port).into());
    }
    assert_eq!(order.unusable.len(), MAX_UNUSABLE);
}

#[test]
fn each_has_its_time() {
    let start = Instant::now();
    let addresses = ["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "4.4.4.4:1"].map(at);
    let mut race = AddressRace::new(addresses);
    assert_eq!(race.poll(start), Some(addresses[0]));
    assert_eq!(race.poll(start + PAUSE / 2), None);
    let due = race.next_timeout().unwrap();
    assert_eq!(due, start + PAUSE);
    assert_eq!(race.poll(due), Some(addresses[1]));
    assert_eq!(race.poll(due), None);
    // An attempt has a connection, and gets more time.
    race.connected(due);
    assert_eq!(race.next_timeout(), Some(due + CONNECTED));
    assert_eq!(race.poll(due + PAUSE), None);
    // That attempt fails.
    race.failed();
    assert_eq!(race.next_timeout(), None);
    assert_eq!(race.poll(due), Some(addresses[2]));
    let last = race.next_timeout().unwrap();
    assert_eq!(race.poll(last), Some(addresses[3]));
    assert_eq!(race.next_timeout(), None);
    assert_eq!(race.poll(last + CONNECTED), None);
}
