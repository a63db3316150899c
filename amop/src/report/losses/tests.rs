use super::*;

/// The reports so far: the counts in events, and the totals in log lines.
type Told = Arc<Mutex<(Vec<u64>, Vec<u64>)>>;

fn losses(later: &Arc<Later>) -> (Arc<Losses<()>>, Told) {
    let told = Told::default();
    let (by_event, by_line) = (Arc::clone(&told), Arc::clone(&told));
    let losses = Losses::new(
        later,
        move |count, ()| by_event.lock().unwrap().0.push(count),
        move |total, ()| by_line.lock().unwrap().1.push(total),
    );
    (losses, told)
}

#[tokio::test(start_paused = true)]
async fn the_tail_of_a_burst_is_told_though_nothing_follows() {
    let later = Arc::new(Later::default());
    let (losses, told) = losses(&later);
    for _ in 0..3976 {
        losses.count(());
    }
    assert_eq!(*told.lock().unwrap(), (vec![1], vec![1]));
    let run = async { later.run().await };
    assert!(tokio::time::timeout(EVENTS * 2, run).await.is_err());
    assert_eq!(*told.lock().unwrap(), (vec![1, 3975], vec![1]));
    let run = async { later.run().await };
    assert!(tokio::time::timeout(LINES, run).await.is_err());
    assert_eq!(*told.lock().unwrap(), (vec![1, 3975], vec![1, 3976]));
    assert!(later.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn losses_without_end_are_told_of_once_a_second() {
    let later = Arc::new(Later::default());
    let (losses, told) = losses(&later);
    let lose = async {
        for _ in 0..100 {
            losses.count(());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        _ = later.run() => {}
        () = lose => {}
    }
    later.finish();
    let (events, lines) = told.lock().unwrap().clone();
    assert_eq!(events.iter().sum::<u64>(), 100);
    assert!((10..=12).contains(&events.len()), "{events:?}");
    assert!((2..=3).contains(&lines.len()), "{lines:?}");
    assert_eq!(lines.last(), Some(&100));
}

#[tokio::test(start_paused = true)]
async fn the_end_tells_everything_and_who_is_gone_is_forgotten() {
    let later = Arc::new(Later::default());
    let (losses, told) = losses(&later);
    for _ in 0..5 {
        losses.count(());
    }
    losses.finish();
    assert_eq!(*told.lock().unwrap(), (vec![1, 4], vec![1, 5]));
    drop(losses);
    later.finish();
    assert_eq!(*told.lock().unwrap(), (vec![1, 4], vec![1, 5]));
    assert!(later.lock().is_empty());
}
