use super::*;

fn traffic() -> Traffic {
    Traffic {
        seed: 1,
        unicasts: 1001,
        multicasts: 17,
        publishers: 4,
        subscribers: 6,
        in_flight: 1,
        rate: None,
    }
}

#[test]
fn shares_are_everything_once() {
    let traffic = traffic();
    let (mut unicasts, mut multicasts) = (Vec::new(), Vec::new());
    for number in 0..traffic.publishers {
        let share = PublisherShare::new(number, &traffic);
        while let Some((kind, message)) = share.take() {
            match kind {
                MessageKind::Unicast => unicasts.push(message),
                MessageKind::Multicast => multicasts.push(message),
            }
        }
    }
    unicasts.sort_unstable();
    multicasts.sort_unstable();
    assert!(unicasts.into_iter().eq(0..traffic.unicasts));
    assert!(multicasts.into_iter().eq(0..traffic.multicasts));
}
