use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_task_that_panics_is_started_again_until_it_ends() {
    let starts = AtomicUsize::new(0);
    let task = || async {
        if starts.fetch_add(1, Ordering::Relaxed) < 2 {
            panic!("a fault in the task");
        }
    };
    keep("a task", CancellationToken::new(), task).await;
    assert_eq!(starts.into_inner(), 3);
}

#[tokio::test]
async fn the_end_of_the_node_is_the_end_of_a_task_that_panics() {
    let stop = CancellationToken::new();
    stop.cancel();
    keep("a task", stop, || async { panic!("a fault in the task") }).await;
}

#[tokio::test]
async fn a_panic_says_what_it_was_given_also_while_it_is_cleaned_up() {
    struct Untidy;
    impl Drop for Untidy {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("a fault in the drop");
            }
        }
    }
    async fn fails() {
        panic!("a fault\nof {}", 7)
    }
    let fault = caught(fails()).await.unwrap_err().to_string();
    assert!(fault.ends_with("a fault\\nof 7"), "{fault}");
    let untidy = Untidy;
    let fault = caught(async move {
        let _untidy = &untidy;
    })
    .await;
    assert!(fault.unwrap_err().to_string().contains("in the drop"));
    assert_eq!(caught(async { 7 }).await.unwrap(), 7);
}

#[test]
fn a_thread_goes_on_after_a_panic() {
    let mut runs = 0;
    keep_thread("a thread", || {
        runs += 1;
        assert!(runs > 2, "a fault in the thread");
    });
    assert_eq!(runs, 3);
}
