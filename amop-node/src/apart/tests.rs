use std::{
    sync::mpsc,
    task::{Context, Waker},
};

use super::*;

fn party(agency: u64, key: u64, one: u64) -> Party {
    Party { agency, key, one }
}

#[tokio::test]
async fn strangers_and_many_sessions_of_one_key_leave_the_next_turn_to_another() {
    let apart = Apart::default();
    let (begin, begun) = mpsc::channel::<()>();
    let (notes, noted) = mpsc::channel();
    let mut tasks = tokio::task::JoinSet::new();
    let mut ask = |party: Party, cost: usize| {
        let (apart, notes) = (apart.clone(), notes.clone());
        tasks.spawn(async move {
            let work = move || notes.send(party).unwrap();
            apart.run(party, cost, work).await.unwrap();
        });
    };
    let busy = {
        let apart = apart.clone();
        async move {
            let work = move || begun.recv().unwrap();
            apart.run(party(9, 9, 9), 1, work).await.unwrap();
        }
    };
    let mut busy = std::pin::pin!(busy);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(busy.as_mut().poll(&mut cx).is_pending());
    for n in 0..300 {
        ask(party(1, 1, n), 1_000_000);
        ask(Party::stranger(n % 5), 1_000_000);
    }
    // So that all of them wait before the innocent one does.
    while apart.0.waiting() < 600 {
        tokio::task::yield_now().await;
    }
    let innocent = party(2, 1, 0);
    ask(innocent, 1000);
    ask(party(1, 2, 0), 1000);
    while apart.0.waiting() < 602 {
        tokio::task::yield_now().await;
    }
    begin.send(()).unwrap();
    busy.await;
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    drop(notes);
    let order: Vec<Party> = noted.iter().collect();
    let place = |party: Party| order.iter().position(|&other| other == party).unwrap();
    // At most one of each agency, and one more of its own, come first.
    assert!(place(innocent) <= 2, "{}", place(innocent));
    assert!(place(party(1, 2, 0)) <= 5, "{}", place(party(1, 2, 0)));
}
