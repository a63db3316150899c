use super::{account::level, *};

const LONG: Duration = Duration::from_millis(20);

/// A simulated node whose time advances in ticks. Tasks wait while more is used than there is.
struct Ticks {
    efforts: Arc<Efforts>,
    waiting: TaskLag,
    now: u64,
}

/// A user of up to `wants` nanoseconds per tick, and what it used in the last tick.
struct User {
    session: Effort,
    wants: u64,
    free_at: u64,
    used: u64,
}

impl Ticks {
    fn new() -> Self {
        Self {
            efforts: Efforts::new(Duration::from_millis(3), 1),
            waiting: TaskLag::default(),
            now: 0,
        }
    }

    fn user(&self, agency: u8, key: u8, wants: u64) -> User {
        User {
            session: self.efforts.session_of([agency; 32], [key; 32]),
            wants,
            free_at: 0,
            used: 0,
        }
    }

    fn run(&mut self, ticks: u32, capacity: u64, users: &mut [User]) {
        for _ in 0..ticks {
            let mut all = 0;
            for user in &mut *users {
                user.used = 0;
                // In pieces, like reads.
                let piece = (user.wants / 20).max(1);
                for step in 0..20 {
                    let now = self.now + step * nanos(TICK) / 20;
                    if user.free_at <= now && user.used < user.wants {
                        let pause = user.session.spend_at(now, piece);
                        user.free_at = now + nanos(pause);
                        user.used += piece;
                    }
                }
                all += user.used;
            }
            let lag = if all > capacity { LONG } else { Duration::ZERO };
            self.efforts.look(&mut self.waiting, lag, TICK);
            self.now += nanos(TICK);
        }
    }
}

fn rate(user: &User) -> u64 {
    user.session.key_account.rate.load(Ordering::Relaxed)
}

#[test]
fn a_level_takes_from_those_who_use_most() {
    assert_eq!(level(&[10, 100, 1], 80), 69);
    assert_eq!(level(&[50, 50], 70), 35);
    assert_eq!(level(&[1, 2], 10), u64::MAX);
    assert_eq!(level(&[], 10), u64::MAX);
}

#[test]
fn one_who_uses_all_gives_way_and_gets_it_back() {
    let mut ticks = Ticks::new();
    let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
    ticks.run(300, 10_000_000, &mut users);
    assert!(users[0].used <= 10_000_000, "{}", users[0].used);
    assert!(users[0].used >= 1_000_000, "{}", users[0].used);
    assert_eq!((users[1].used, rate(&users[1])), (100_000, 0));
    // From here there is enough for both again.
    ticks.run(3000, 100_000_000, &mut users);
    assert_eq!((users[0].used, rate(&users[0])), (20_000_000, 0));
}

#[test]
fn one_who_is_alone_uses_not_too_much() {
    let mut ticks = Ticks::new();
    let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
    ticks.run(3, 100_000_000, &mut users[..1]);
    assert!(!users[0].session.is_much());
    ticks.run(3, 100_000_000, &mut users);
    assert!(users[0].session.is_much() && !users[1].session.is_much());
    // The others may come back in a moment.
    ticks.run(ALONE, 100_000_000, &mut users[..1]);
    assert!(users[0].session.is_much());
    ticks.run(100, 100_000_000, &mut users[..1]);
    assert!(!users[0].session.is_much());
}

#[test]
fn nobody_gives_way_to_nobody() {
    let mut ticks = Ticks::new();
    // Another key is connected, and silent.
    let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 0)];
    ticks.run(300, 10_000_000, &mut users[..1]);
    assert_eq!((users[0].used, rate(&users[0])), (20_000_000, 0));
}

#[test]
fn many_keys_of_an_agency_do_not_outweigh_another_agency() {
    let mut ticks = Ticks::new();
    let mut users: Vec<User> = (0..20).map(|key| ticks.user(1, key, 1_000_000)).collect();
    users.push(ticks.user(2, 100, 1_000_000));
    ticks.run(300, 10_000_000, &mut users);
    let (honest, hogs) = users.split_last().unwrap();
    assert_eq!((honest.used, rate(honest)), (1_000_000, 0));
    let all: u64 = hogs.iter().map(|hog| hog.used).sum();
    assert!(all <= 11_000_000, "{all}");
}

#[test]
fn the_lowest_rate_is_not_nothing_however_long_tasks_wait() {
    let mut ticks = Ticks::new();
    let mut users = [ticks.user(1, 1, 5_000_000), ticks.user(1, 2, 100_000)];
    ticks.run(300, 0, &mut users);
    assert_eq!(rate(&users[0]), KEY_FLOOR);
    // There is enough for those who use little.
    assert_eq!(users[1].used, 100_000);
}

#[test]
fn accounts_go_with_their_sessions_and_rates_stay() {
    let mut ticks = Ticks::new();
    let mut users = [ticks.user(1, 1, 20_000_000), ticks.user(1, 2, 100_000)];
    ticks.run(100, 10_000_000, &mut users);
    let before = rate(&users[0]);
    assert!(before > 0);
    drop(users);
    let again = ticks.user(1, 1, 0);
    assert_eq!(rate(&again), before);
    drop(again);
    ticks.run(3000, 10_000_000, &mut []);
    assert!(ticks.efforts.agencies().is_empty());
}
