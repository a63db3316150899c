use std::time::Duration;

use super::*;

/// Longer than the pause between two summaries.
const PAUSE: Duration = Duration::from_secs(20);

#[tokio::test(start_paused = true)]
async fn warnings_that_were_held_back_are_summed_up() {
    let later = Arc::new(Later::default());
    let warnings = Warnings::new(&later);
    for n in 1..=100 {
        warnings.warn(n, "again");
    }
    assert!(warnings.lock().log.next_summary().is_some());
    let run = async { later.run().await };
    assert!(tokio::time::timeout(PAUSE, run).await.is_err());
    assert!(warnings.lock().log.next_summary().is_none());
}
