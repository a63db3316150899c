//! Sealed topics over complete nodes: members that were granted a key can read, named publishers
//! are accepted, and an attacker who sees, copies, changes or answers messages achieves nothing.

mod attacker;
mod lasting;
mod members;

use std::time::Duration;

use amop::{
    Event, MessageKind, PublishError, PublishErrorKind, ReplayGuard, ReplayRefusal,
    SealedDeliveryError, TopicName,
};
use amop_testkit::{client, network, within};
use attacker::{Attacker, RawDelivery};
use members::{Member, Settlement, Wire, receive};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_its_recipients_and_says_nothing_to_others() {
    let network = network(3).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let auditor = Member::new(&network, 2).await;
    let excluded = Member::new(&network, 2).await;
    let mut attacker = Attacker::new(&network, 1).await;
    let mut at_custodian = custodian.subscribe(&[&bank]).await;
    let mut at_auditor = auditor.subscribe(&[&bank]).await;
    let mut at_excluded = excluded.subscribe(&[&bank]).await;

    let sealer = bank.sealer(&[&custodian, &auditor]);
    let message = Settlement::new(1, "secret-of-the-bank");
    within("publishing", message.publish_multicast(&sealer))
        .await
        .unwrap();
    receive(&mut at_custodian, 1).await;
    receive(&mut at_auditor, 1).await;
    let seen = attacker.next().await;
    assert!(!contains(&seen, b"secret-of-the-bank") && !contains(&seen, b"amount"));

    // One message to all three: the excluded one has refused the first message when it takes the
    // second.
    let sealer = bank.sealer(&[&custodian, &auditor, &excluded]);
    let message = Settlement::new(2, "");
    within("publishing", message.publish_multicast(&sealer))
        .await
        .unwrap();
    receive(&mut at_excluded, 2).await;
    let refused = at_excluded.refused();
    assert_eq!((refused.not_recipient, refused.total()), (1, 1));
    receive(&mut at_custodian, 2).await;
    assert_eq!(at_custodian.refused().total(), 0);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_changes_on_the_way_are_refused_and_told() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let mut attacker = Attacker::new(&network, 0).await;
    let mut events = custodian.client.events();
    let mut settlements = custodian.subscribe(&[&bank]).await;
    let sealer = bank.sealer(&[&custodian]);

    within(
        "publishing",
        Settlement::new(1, "").publish_multicast(&sealer),
    )
    .await
    .unwrap();
    receive(&mut settlements, 1).await;
    let copy = attacker.next().await;
    // Each copy in its own message, as a node would create it.
    attacker.multicast(copy.clone()).await;
    for at in 0..copy.len() {
        let mut changed = copy.clone();
        changed[at] ^= 0x20;
        attacker.multicast(changed).await;
    }
    for cut in [0, 1, 113, copy.len() - 1] {
        attacker.multicast(copy[..cut].to_vec()).await;
    }
    attacker
        .multicast(b"{\"amount\":1000000,\"note\":\"\"}".to_vec())
        .await;
    // A copy sent as a unicast is refused, too, so that no subscriber takes it.
    let error = attacker.unicast(copy.clone(), async {
        receive_nothing_until_told(&mut settlements).await
    });
    let error = within("a unicast", error).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Undecodable),
        "{error:?}"
    );

    within(
        "publishing",
        Settlement::new(2, "").publish_multicast(&sealer),
    )
    .await
    .unwrap();
    // The next message that is taken, whatever came in between.
    receive(&mut settlements, 2).await;
    let refused = settlements.refused();
    assert_eq!(
        refused.total(),
        1 + copy.len() as u64 + 4 + 1 + 1,
        "{refused:?}"
    );
    // Most changed copies are recognised by their time and number, before the signature is checked.
    assert!(refused.replayed > 200, "{refused:?}");
    assert!(refused.bad_signature >= 16, "{refused:?}");
    let told = async {
        loop {
            if let Event::SealedRefused { topic, refused, .. } = events.next().await.unwrap() {
                return (topic, refused);
            }
        }
    };
    let (topic, count) = within("an event", told).await;
    assert_eq!(topic, "settlement");
    assert!(count >= 1);
    network.shutdown().await;
}

/// Polls the subscription while a unicast is in transit.
async fn receive_nothing_until_told(settlements: &mut amop::SealedSubscription<Settlement>) {
    let message = settlements.next().await;
    panic!("{message:?} was taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forger_without_a_named_key_is_not_believed() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let mallory = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let mut settlements = custodian.subscribe(&[&bank]).await;
    // Mallory knows all public keys and has a certificate of the chain.
    let sealer = mallory.sealer(&[&custodian]);
    within(
        "publishing",
        Settlement::new(7, "").publish_multicast(&sealer),
    )
    .await
    .unwrap();
    let message = Settlement::new(8, "");
    let published = tokio::select! {
        published = within("publishing", message.publish_unicast(&sealer)) => published,
        message = settlements.next() => panic!("{message:?} was taken"),
    };
    let error = published.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Unanswered),
        "{error:?}"
    );
    let sealer = bank.sealer(&[&custodian]);
    let message = Settlement::new(1, "");
    within("publishing", message.publish_multicast(&sealer))
        .await
        .unwrap();
    receive(&mut settlements, 1).await;
    assert_eq!(settlements.refused().unknown_publisher, 2);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_by_recipients_alone() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let hasty = Member::hasty(&network, 0).await;

    // A subscriber without a key acknowledges messages that it cannot read. This does not deceive
    // the publisher.
    let mut attacker = Attacker::new(&network, 1).await;
    let sealer = hasty.sealer(&[&custodian]);
    for answer in [&b""[..], b"AMPS"] {
        let message = Settlement::new(1, "");
        let reply = |_, delivery: RawDelivery| delivery.reply_bytes(answer).unwrap();
        let (replied, _) = attacker.answering(reply, message.request(&sealer)).await;
        let error = replied.unwrap_err();
        assert!(
            matches!(error.kind(), PublishErrorKind::UnprovenAnswer { .. }),
            "{error:?}"
        );
        let publish = message.publish_unicast(&sealer);
        let (published, drawn) = attacker.answering(reply, publish).await;
        let error = published.unwrap_err();
        assert!(
            matches!(error.kind(), PublishErrorKind::UnprovenAnswer { .. }),
            "{error:?}"
        );
        assert!(drawn > 1, "it is sent again");
    }
    attacker.leave().await;
    let sealer = bank.sealer(&[&custodian]);

    let mut deliveries = custodian.deliveries(&[&bank]).await;
    let answer = async {
        for amount in 2..20 {
            let delivery = within("a request", deliveries.next())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(delivery.amount, amount);
            assert_eq!(delivery.kind(), MessageKind::Unicast);
            assert_eq!(*delivery.publisher(), bank.key.public_key());
            if amount % 2 == 0 {
                delivery.reply(amount * 10).unwrap();
            }
        }
    };
    let ask = async {
        for amount in 2..20 {
            let message = Settlement::new(amount, "");
            if amount % 2 == 0 {
                let reply = within("asking", message.request(&sealer)).await.unwrap();
                assert_eq!(reply, amount * 10);
            } else {
                within("publishing", message.publish_unicast(&sealer))
                    .await
                    .unwrap();
            }
        }
    };
    tokio::join!(answer, ask);

    // A missing reply is not an empty reply.
    let message = Settlement::new(20, "");
    let (replied, delivery) = tokio::join!(message.request(&sealer), async {
        drop(
            within("a request", deliveries.next())
                .await
                .unwrap()
                .unwrap(),
        );
    });
    let () = delivery;
    let error = replied.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoReply),
        "{error:?}"
    );
    let message = Settlement::new(21, "");
    let (replied, ()) = tokio::join!(message.request(&sealer), async {
        let delivery = within("a request", deliveries.next())
            .await
            .unwrap()
            .unwrap();
        delivery.refuse(1234).unwrap();
    });
    let error = replied.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Rejected { code: 1234, .. }),
        "{error:?}"
    );
    network.shutdown().await;
}

/// Every subscriber draws a part of the unicasts. Whatever one without a key answers, they arrive.
#[tokio::test(flavor = "multi_thread")]
async fn false_answers_and_refusals_delay_unicasts_and_do_not_stop_them() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let mut attacker = Attacker::new(&network, 1).await;
    let mut settlements = custodian.subscribe(&[&bank]).await;
    let sealer = bank.sealer(&[&custodian]);
    let publish = async {
        for amount in 0..40 {
            let message = Settlement::new(amount, "");
            let (published, ()) = tokio::join!(
                message.publish_unicast(&sealer),
                receive(&mut settlements, amount)
            );
            published.unwrap();
        }
    };
    let answer = |drawn: usize, delivery: RawDelivery| {
        match drawn % 4 {
            0 => delivery.reply_bytes(b"true"),
            1 => delivery.refuse(105),
            2 => delivery.refuse(1234),
            _ => delivery.refuse(104),
        }
        .unwrap();
    };
    let ((), drawn) = attacker.answering(answer, publish).await;
    assert!(drawn > 0);
    // Each was taken once, and no copy came to a subscriber that had it.
    assert_eq!(settlements.refused().total(), 0);
    network.shutdown().await;
}

/// A unicast may be offered to each recipient once. A recipient that refuses it as a copy ends it:
/// it does not go on to the next recipient.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_unicast_ends_where_it_is_refused() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let members = [
        Member::new(&network, 0).await,
        Member::new(&network, 1).await,
    ];
    let mut attacker = Attacker::new(&network, 1).await;
    let mut readers = Vec::new();
    let mut ends = Vec::new();
    for member in &members {
        let mut settlements = member.subscribe(&[&bank]).await;
        let (end, mut ended) = tokio::sync::oneshot::channel::<()>();
        ends.push(end);
        readers.push(tokio::spawn(async move {
            let mut taken = 0;
            loop {
                tokio::select! {
                    message = settlements.next() => taken += u64::from(message.is_some()),
                    _ = &mut ended => return (taken, settlements.refused()),
                }
            }
        }));
    }
    let sealer = bank.sealer(&[&members[0], &members[1]]);
    let copies = std::sync::Mutex::new(Vec::new());
    let publish = async {
        for amount in 0..60 {
            let message = Settlement::new(amount, "");
            message.publish_unicast(&sealer).await.unwrap();
        }
    };
    // It keeps a copy, and lets the message go on to its recipients.
    let pass_on = |_, delivery: RawDelivery| {
        copies.lock().unwrap().push(delivery.to_vec());
        delivery.refuse(104).unwrap();
    };
    attacker.answering(pass_on, publish).await;
    attacker.leave().await;
    let copies = copies.into_inner().unwrap();
    let (mut brought, mut refused) = (0, 0);
    for copy in &copies {
        match attacker.bring(copy.clone()).await {
            Ok(_) => brought += 1,
            Err(error) if matches!(error.kind(), PublishErrorKind::Undecodable) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(refused > 0, "{} copies", copies.len());
    drop(ends);
    let mut replayed = 0;
    let mut taken = 0;
    for reader in readers {
        let (messages, refusals) = within("a reader's end", reader).await.unwrap();
        assert_eq!(refusals.total(), refusals.replayed);
        replayed += refusals.replayed;
        taken += messages;
    }
    assert_eq!((replayed, taken), (refused, 60 + brought));
    network.shutdown().await;
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
