//! Each attack of `amop_tests::attack::PROGRAMS` beside members who go on talking.

use amop_tests::{
    attack::{Field, PROGRAMS, Size},
    network,
};

use crate::innocents::Innocents;

/// Lets an attack do so much on a network of three nodes. Nothing of the innocents is lost meanwhile,
/// every node lives, and a new member can connect and be heard when it is over.
async fn beside(name: &str, enough: u64) {
    let program = PROGRAMS
        .iter()
        .find(|program| program.name == name)
        .unwrap();
    let network = network(3).await;
    let mut innocents = Innocents::start(&network).await;
    let attack = (program.start)(&Field::of(&network), Size::Test);
    let mut rounds = 0;
    while attack.count() + attack.refusals() < enough || rounds < 10 {
        innocents.go_on().await;
        rounds += 1;
    }
    println!(
        "{name}: done {} times, stopped {} times; the innocents were looked at {rounds} times",
        attack.count(),
        attack.refusals()
    );
    attack.stop().await;
    innocents.stop().await;
    let newcomers = Innocents::start(&network).await;
    newcomers.stop().await;
    network.shutdown().await;
}

macro_rules! attacks {
    ($($name:ident: $program:literal $enough:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                beside($program, $enough).await;
            }
        )*

        /// A new attack needs a test.
        #[test]
        fn every_attack_is_tested() {
            let tested = [$($program),*];
            for program in PROGRAMS {
                assert!(tested.contains(&program.name), "{} is not tested", program.name);
            }
        }
    };
}

attacks! {
    json_of_two_megabytes: "json" 10;
    thousands_of_topics_replaced: "flips" 50;
    topics_replaced_by_many: "many-flips" 200;
    many_connections_with_one_key: "sessions" 100;
    frames_that_never_end: "half-frames" 12;
    unicasts_that_are_never_answered: "in-flight" 200;
    tiny_unicasts_that_are_never_answered: "in-flight-small" 5000;
    subscribers_that_never_read: "unread" 100;
    large_messages_without_end: "big" 20;
    lines_for_the_log: "logs" 10000;
    handshakes_that_never_end: "half-open" 600;
    handshakes_begun_without_end: "hellos" 200;
    long_chains_of_strangers: "chains" 200;
}
