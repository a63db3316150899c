use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use amop_proto::ws::WsMessage;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Sleep, sleep, timeout},
};

use super::{BridgeStream, Plain, frame, masked, message, next, node};
use crate::{WsBudget, WsLimits, WsSide};

/// After each message nothing is admitted for a while, and long messages are not admitted at all.
struct Pauses {
    pause: Duration,
    sleeping: Option<Pin<Box<Sleep>>>,
    admits_up_to: usize,
    most_held: Arc<AtomicUsize>,
}

impl WsBudget for Pauses {
    fn hold(&mut self, len: usize) -> bool {
        self.most_held.fetch_max(len, Ordering::Relaxed);
        true
    }

    fn poll_admit(&mut self, cx: &mut Context<'_>, message: Option<&WsMessage>) -> Poll<()> {
        if let Some(sleeping) = &mut self.sleeping {
            ready!(sleeping.as_mut().poll(cx));
            self.sleeping = None;
        }
        match message.is_some_and(|message| message.payload.len() > self.admits_up_to) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn handled(&mut self) {
        self.sleeping = Some(Box::pin(sleep(self.pause)));
    }
}

fn pausing(
    pause: Duration,
    admits_up_to: usize,
) -> (
    BridgeStream<DuplexStream, Plain, Pauses>,
    DuplexStream,
    Arc<AtomicUsize>,
) {
    let (ours, raw) = duplex(16 * 1024);
    let most_held = Arc::new(AtomicUsize::new(0));
    let pauses = Pauses {
        pause,
        sleeping: None,
        admits_up_to,
        most_held: most_held.clone(),
    };
    let limits = (WsLimits::default(), pauses);
    let stream = BridgeStream::with_budget(ours, WsSide::Server, Plain::default(), b"", limits);
    (stream, raw, most_held)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_the_budget_pauses_and_nothing_is_lost() {
    const PAUSE: Duration = Duration::from_secs(60);
    let (mut stream, mut raw, most_held) = pausing(PAUSE, usize::MAX);
    let writing = tokio::spawn(async move {
        for n in 0..10 {
            let whole = masked(0x82, &message(&[n; 60_000]));
            raw.write_all(&whole).await.unwrap();
        }
        raw
    });
    let start = tokio::time::Instant::now();
    for n in 0..10 {
        // A message whose beginning waited is not late.
        assert_eq!(next(&mut stream).await.unwrap(), Some(vec![n; 60_000]));
        assert!(start.elapsed() >= PAUSE * u32::from(n));
    }
    writing.await.unwrap();
    // One message, and what was read with its end.
    assert!(most_held.load(Ordering::Relaxed) < 150_000);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_counts_as_held_and_the_bridge_gets_its_time() {
    let (mut stream, mut raw, most_held) = pausing(Duration::ZERO, 1000);
    stream.bridge_mut().ping = Some(Instant::now());
    raw.write_all(&masked(0x82, &message(&[7; 1001])))
        .await
        .unwrap();
    let waited = timeout(Duration::from_secs(60), next(&mut stream)).await;
    assert!(waited.is_err());
    assert!(most_held.load(Ordering::Relaxed) > 1001);
    let mut ping = [0; 2];
    raw.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping, [0x89, 0]);
}

/// The reader of this side may have reasons of its own not to read.
#[tokio::test(start_paused = true)]
async fn the_time_in_which_nobody_reads_does_not_count_as_silence() {
    let (mut stream, mut raw) = node(WsLimits::default());
    raw.write_all(&masked(0x82, &message(b"x"))).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), Some(b"x".to_vec()));
    stream.bridge_mut().when_alive = Some(frame(b"alive".to_vec()));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(next(&mut stream).await.unwrap(), Some(b"alive".to_vec()));
}
