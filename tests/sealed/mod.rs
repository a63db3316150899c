//! Sealed topics over complete nodes: members that were granted a key can read, named publishers
//! are accepted, and an attacker who sees, copies, changes or answers messages achieves nothing.

mod attacker;
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

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_refused_over_restarts_and_crashes() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let mut custodian = Member::new(&network, 1).await;
    let mut attacker = Attacker::new(&network, 0).await;
    let sealer = bank.sealer(&[&custodian]);
    let mut copies = Vec::new();

    let mut settlements = custodian.subscribe(&[&bank]).await;
    for amount in 1..4 {
        within(
            "publishing",
            Settlement::new(amount, "").publish_multicast(&sealer),
        )
        .await
        .unwrap();
        receive(&mut settlements, amount).await;
        copies.push(attacker.next().await);
    }
    // The file that a process leaves behind if it is killed now.
    let crashed = custodian.folder.path().join("crashed.replay");
    std::fs::copy(custodian.guard_file(), &crashed).unwrap();

    // A clean end, and a new client: every copy is recognised, and nothing new is lost.
    drop(settlements);
    custodian.reconnect(&network, 1).await;
    let mut settlements = custodian.subscribe(&[&bank]).await;
    for copy in &copies {
        attacker.multicast(copy.clone()).await;
    }
    within(
        "publishing",
        Settlement::new(4, "").publish_multicast(&sealer),
    )
    .await
    .unwrap();
    receive(&mut settlements, 4).await;
    assert_eq!(settlements.refused().replayed, 3);
    assert_eq!(settlements.refused().total(), 3);
    drop(settlements);

    // After a crash everything that is not after the mark is refused, including copies.
    let guard = ReplayGuard::file(&crashed).unwrap();
    let mut settlements = custodian.deliveries_with(&[&bank], guard).await;
    for copy in &copies {
        attacker.multicast(copy.clone()).await;
        let refused = within("a copy", settlements.next())
            .await
            .unwrap()
            .unwrap_err();
        let SealedDeliveryError::Refused { source, .. } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(source, amop::OpenError::Refused(ReplayRefusal::Forgotten));
    }
    // Until it is accepted, 2 s later at most.
    let publish = async {
        loop {
            Settlement::new(5, "")
                .publish_multicast(&sealer)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let taken = async {
        loop {
            if let Ok(delivery) = settlements.next().await.unwrap() {
                return delivery.amount;
            }
        }
    };
    let taken = within("a message after the mark", async {
        tokio::select! { () = publish => unreachable!(), amount = taken => amount }
    });
    assert_eq!(taken.await, 5);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_messages_flow() {
    let network = network(2).await;
    let old_bank = Member::new(&network, 0).await;
    let new_bank = Member::new(&network, 0).await;
    let old = Member::new(&network, 1).await;
    let new = Member::new(&network, 1).await;
    let keys = [new.key.clone(), old.key.clone()];
    let publishers = [old_bank.key.public_key(), new_bank.key.public_key()];
    let guard = ReplayGuard::file(old.guard_file()).unwrap();
    let settlements = Settlement::subscribe_sealed(&old.client, keys, &publishers, guard);
    let mut settlements = within("subscribing", settlements).await.unwrap();
    let sealers = [
        old_bank.sealer(&[&old]),
        old_bank.sealer(&[&old, &new]),
        new_bank.sealer(&[&old, &new]),
        new_bank.sealer(&[&new]),
    ];
    for (sealer, amount) in sealers.iter().zip(1..) {
        let message = Settlement::new(amount, "");
        let publish = within("publishing", message.publish_unicast(sealer));
        let (published, ()) = tokio::join!(publish, receive(&mut settlements, amount));
        published.unwrap();
    }
    assert_eq!(settlements.refused().total(), 0);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_are_published_without_waiting_and_come_in_order() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let mut settlements = custodian.subscribe(&[&bank]).await;
    let mut publisher = bank.sealer(&[&custodian]).publisher();
    for amount in 0..500 {
        let message = Settlement::new(amount, "");
        within("publishing", publisher.publish(&message))
            .await
            .unwrap();
    }
    within("flushing", publisher.flush()).await.unwrap();
    for amount in 0..500 {
        receive(&mut settlements, amount).await;
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_as_it_is_by_way_of_a_client_that_knows_better() {
    let network = network(1).await;
    let bank = Member::new(&network, 0).await;
    let topic = TopicName::new("settlement").unwrap();
    let plain = "{\"amount\":1}";
    // It does not know yet that the topic is sealed.
    bank.client
        .publish_multicast_raw(&topic, plain.into())
        .await
        .unwrap();
    let _sealer = bank.sealer(&[&bank]);
    let refused = |error: PublishError| {
        assert!(
            matches!(error.kind(), PublishErrorKind::NotSealed),
            "{error:?}"
        )
    };
    refused(
        bank.client
            .publish_multicast_raw(&topic, plain.into())
            .await
            .unwrap_err(),
    );
    refused(
        bank.client
            .publish_unicast_raw(&topic, plain.into())
            .await
            .unwrap_err(),
    );
    // The first bytes of a sealed message do not make a message sealed.
    let begun = bank
        .client
        .publish_multicast_raw(&topic, "AMPS{\"amount\":1}".into());
    refused(begun.await.unwrap_err());
    let mut publisher = bank.client.publisher_raw(&topic);
    refused(publisher.publish(plain.into()).await.unwrap_err());
    // Another type that uses the same topic and was not declared as sealed.
    refused(
        Wire { amount: 1 }
            .publish_multicast(&bank.client)
            .await
            .unwrap_err(),
    );
    let other = TopicName::new("other").unwrap();
    bank.client
        .publish_multicast_raw(&other, plain.into())
        .await
        .unwrap();
    // A client that only subscribes does not send it either.
    let reader = Member::new(&network, 0).await;
    let _settlements = reader.subscribe(&[&bank]).await;
    refused(
        reader
            .client
            .publish_multicast_raw(&topic, plain.into())
            .await
            .unwrap_err(),
    );
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_remembered_is_refused() {
    let network = network(2).await;
    let bank = Member::new(&network, 0).await;
    let custodian = Member::new(&network, 1).await;
    let guard = ReplayGuard::store(members::FullDisk).unwrap();
    let mut deliveries = custodian.deliveries_with(&[&bank], guard).await;
    let sealer = bank.sealer(&[&custodian]);
    let message = Settlement::new(1, "");
    let (published, refused) = tokio::join!(
        message.publish_unicast(&sealer),
        within("a message", deliveries.next())
    );
    let refused = refused.unwrap().unwrap_err();
    let SealedDeliveryError::Refused { source, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source, amop::OpenError::Refused(ReplayRefusal::NotSaved));
    assert!(
        matches!(
            published.as_ref().map_err(PublishError::kind),
            Err(PublishErrorKind::Unanswered)
        ),
        "{published:?}"
    );
    assert_eq!(deliveries.refused().not_saved, 1);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_missing_are_told_before_anything_is_sent() {
    let network = network(1).await;
    let bank = Member::new(&network, 0).await;
    let error = bank
        .client
        .seal_for::<Settlement>(&bank.key, &[])
        .unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::Seal { .. }),
        "{error:?}"
    );
    let none: [amop::SealingKey; 0] = [];
    let own = bank.key.public_key();
    let guard = ReplayGuard::without_store;
    let error = Settlement::subscribe_sealed(&bank.client, none, &[own], guard())
        .await
        .unwrap_err();
    assert!(
        matches!(error, amop::SubscribeError::Sealed { .. }),
        "{error:?}"
    );
    let error = Settlement::subscribe_sealed(&bank.client, &bank.key, &[], guard())
        .await
        .unwrap_err();
    assert!(
        matches!(error, amop::SubscribeError::Sealed { .. }),
        "{error:?}"
    );
    let client = client(&network, 0).await;
    client.close().await;
    network.shutdown().await;
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
