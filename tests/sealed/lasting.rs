//! What lasts: copies are refused after restarts and crashes, keys are rotated, orders are kept, and
//! what cannot be done is told.

use super::*;

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
