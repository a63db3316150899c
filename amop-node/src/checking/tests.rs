use std::sync::mpsc;

use super::*;

fn party(agency: u64, one: u64) -> Party {
    Party {
        agency,
        key: 1,
        one,
    }
}

/// Does work that takes `turns` turns, and notes whose they were.
async fn note(checking: Checking, turns: usize, party: Party, notes: mpsc::Sender<u64>) {
    let mut left = turns;
    let turn = move || {
        notes.send(party.agency).unwrap();
        left -= 1;
        match left {
            0 => Progress::Done(1, ()),
            _ => Progress::More(1),
        }
    };
    checking.run(party, turn).await.unwrap();
}

#[tokio::test]
async fn long_packets_of_one_agency_leave_every_second_turn_to_another() {
    let (checking, thread) = Checking::start().unwrap();
    // Keeps the thread busy until all of them wait.
    let (begin, begun) = mpsc::channel::<()>();
    let first = checking.run(party(9, 0), move || {
        begun.recv().unwrap();
        Progress::Done(1, ())
    });
    let (notes, noted) = mpsc::channel();
    let mut tasks = tokio::task::JoinSet::new();
    for one in 0..20 {
        tasks.spawn(note(checking.clone(), 100, party(1, one), notes.clone()));
    }
    tasks.spawn(note(checking.clone(), 10, party(2, 0), notes));
    let all = async {
        // Each of them is polled once before this test goes on.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        begin.send(()).unwrap();
        while tasks.join_next().await.is_some() {}
    };
    let (first, ()) = tokio::join!(first, all);
    first.unwrap();
    let order: Vec<u64> = noted.iter().collect();
    assert_eq!(order.len(), 20 * 100 + 10);
    let last = order.iter().rposition(|&agency| agency == 2).unwrap();
    assert!(last < 25, "{last}");
    drop(checking);
    thread.join().await;
}

#[tokio::test]
async fn a_panic_is_its_caller_s_and_the_thread_goes_on() {
    let (checking, thread) = Checking::start().unwrap();
    let other = checking.clone();
    let broken = tokio::spawn(async move {
        let turn = || -> Progress<()> { panic!("a fault in the check") };
        other.run(party(1, 1), turn).await
    });
    assert!(broken.await.unwrap_err().is_panic());
    let done = checking.run(party(1, 1), || Progress::Done(1, 7)).await;
    assert_eq!(done.unwrap(), 7);
    drop(checking);
    thread.join().await;
}

#[tokio::test]
async fn nothing_more_is_done_for_one_that_is_gone() {
    let (checking, thread) = Checking::start().unwrap();
    let (notes, noted) = mpsc::channel();
    let endless = tokio::spawn({
        let checking = checking.clone();
        async move {
            let turn = move || -> Progress<()> {
                let _ = notes.send(());
                Progress::More(1)
            };
            checking.run(party(1, 1), turn).await
        }
    });
    tokio::task::yield_now().await;
    endless.abort();
    assert!(endless.await.unwrap_err().is_cancelled());
    drop(checking);
    thread.join().await;
    // The thread has ended, although the work was never finished.
    drop(noted);
}
