//! The load generator: publishers and subscribers of one measurement of one system.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    gate::Gate,
    job::{Job, Outcome, System, Work, quantiles},
    meter::{CpuMeter, rss},
    systems::{AmopClient, Asking, Client, MqttClient, NatsClient, RawClient},
};

/// The number of messages that may be in transit to one subscriber. Below every library's default
/// queue.
const WINDOW: usize = 1000;
/// The number of bytes that may be in transit.
const WINDOW_BYTES: usize = 16 << 20;
/// The number of messages that may be in transit to several subscribers.
const WINDOW_OF_MANY: usize = 64;
/// How long it may take until messages arrive.
const READY: Duration = Duration::from_secs(60);
/// How long a reply may take.
const REPLY: Duration = Duration::from_secs(20);
/// The number of clients that connect at the same time.
const CONNECTING: usize = 64;

/// Does the job read from standard input.
pub async fn main() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let job: Job = serde_json::from_str(&text).context("standard input is not a job")?;
    let outcome = match job.target.system {
        System::Amop | System::Amop3 => asking::<AmopClient>(&job).await,
        System::Nats => asking::<NatsClient>(&job).await,
        System::Raw => asking::<RawClient>(&job).await,
        System::Mqtt => publishing::<MqttClient>(&job).await,
    }?;
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &outcome)?;
    Ok(out.flush()?)
}

async fn asking<C: Asking>(job: &Job) -> Result<Outcome> {
    match job.work {
        Work::Ask { size, in_flight } => ask::<C>(job, size, in_flight).await,
        Work::Interest { times } => interest::<C>(job, times).await,
        _ => publishing::<C>(job).await,
    }
}

async fn publishing<C: Client>(job: &Job) -> Result<Outcome> {
    match job.work {
        Work::Spread { size, subscribers } => spread::<C>(job, size, subscribers).await,
        Work::Idle { clients } => idle::<C>(job, clients).await,
        work => bail!("{} has no equivalent of {work:?}", job.target.system),
    }
}

/// Returns a topic that only this process uses.
fn topic() -> String {
    format!("compare-{}", std::process::id())
}

async fn connect<C: Client>(job: &Job, server: usize, count: usize) -> Result<Vec<C>> {
    stream::iter(0..count)
        .map(|_| C::connect(&job.target, server))
        .buffer_unordered(CONNECTING)
        .try_collect()
        .await
        .context("cannot connect")
}

// ---- messages to one or many subscribers ----

async fn spread<C: Client>(job: &Job, size: usize, subscribers: usize) -> Result<Outcome> {
    let topic = topic();
    let window = match subscribers {
        1 => WINDOW.min(WINDOW_BYTES / size),
        _ => WINDOW_OF_MANY,
    };
    let gate = Arc::new(Gate::new(window, subscribers));
    let ready = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    let mut clients = Vec::with_capacity(subscribers);
    for client in connect::<C>(job, 1, subscribers).await? {
        let mut messages = client.subscribe(&topic).await?;
        clients.push(client);
        let (gate, ready) = (Arc::clone(&gate), Arc::clone(&ready));
        tasks.spawn(async move {
            let mut seen = false;
            while let Some(message) = messages.next().await {
                if message.len() == size {
                    gate.delivered();
                } else if !std::mem::replace(&mut seen, true) {
                    ready.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    let publisher = C::connect(&job.target, 0).await?;
    until_ready(&publisher, &topic, &ready, subscribers).await?;

    let payload = Bytes::from(vec![0x5a; size]);
    let publishing = {
        let (gate, publisher) = (Arc::clone(&gate), publisher.clone());
        tokio::spawn(async move { publisher.publish_all(&topic, payload, &gate).await })
    };
    sleep(job.warm_up).await;
    let (start, before) = (Instant::now(), gate.count());
    let cpu = CpuMeter::start(&job.target.pids)?;
    sleep(job.time).await;
    let (elapsed, after) = (start.elapsed(), gate.count());
    let cpu = cpu.stop()?;
    gate.close();
    publishing.await??;
    // Waits until everything has arrived: nothing may be lost.
    gate.settle().await?;
    Ok(Outcome {
        count: after - before,
        seconds: elapsed.as_secs_f64(),
        cpu,
        ..Outcome::default()
    })
}

/// Publishes until every subscriber has received something.
async fn until_ready<C: Client>(
    publisher: &C,
    topic: &str,
    ready: &AtomicUsize,
    subscribers: usize,
) -> Result<()> {
    let probe = async {
        let mut pause = interval(Duration::from_millis(20));
        while ready.load(Ordering::SeqCst) < subscribers {
            pause.tick().await;
            publisher.publish(topic, Bytes::from_static(b"?")).await?;
        }
        anyhow::Ok(())
    };
    let probed = timeout(READY, probe).await;
    probed.with_context(|| {
        let ready = ready.load(Ordering::SeqCst);
        format!("{ready} of {subscribers} subscribers are reached")
    })?
}

// ---- requests ----

/// The stages of a measurement of requests.
const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

async fn ask<C: Asking>(job: &Job, size: usize, in_flight: usize) -> Result<Outcome> {
    let topic = topic();
    let subscriber = C::connect(&job.target, 1).await?;
    let answering = subscriber.answer(&topic).await?;
    let publisher = C::connect(&job.target, 0).await?;
    let payload = Bytes::from(vec![0x5a; size]);
    until_answered(&publisher, &topic, &payload).await?;

    let stage = Arc::new(AtomicU8::new(WARMING_UP));
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let (publisher, topic, payload) = (publisher.clone(), topic.clone(), payload.clone());
        let stage = Arc::clone(&stage);
        tasks.spawn(async move {
            let mut times = Vec::new();
            while stage.load(Ordering::Relaxed) != OVER {
                let start = Instant::now();
                let reply = timeout(REPLY, publisher.ask(&topic, payload.clone())).await??;
                if reply.len() != payload.len() {
                    bail!("a reply of {} bytes to {}", reply.len(), payload.len());
                }
                if stage.load(Ordering::Relaxed) == MEASURING {
                    times.push(start.elapsed().as_nanos() as u64);
                }
            }
            Ok(times)
        });
    }
    sleep(job.warm_up).await;
    let (start, cpu) = (Instant::now(), CpuMeter::start(&job.target.pids)?);
    stage.store(MEASURING, Ordering::Relaxed);
    sleep(job.time).await;
    stage.store(OVER, Ordering::Relaxed);
    let (elapsed, cpu) = (start.elapsed(), cpu.stop()?);
    let mut times = Vec::new();
    while let Some(task) = tasks.join_next().await {
        times.append(&mut task??);
    }
    answering.abort();
    Ok(Outcome {
        count: times.len() as u64,
        seconds: elapsed.as_secs_f64(),
        cpu,
        latency_ns: quantiles(times),
        ..Outcome::default()
    })
}

/// Sends requests until there is a reply: the servers may not know the subscriber yet.
async fn until_answered<C: Asking>(publisher: &C, topic: &str, payload: &Bytes) -> Result<()> {
    let probe = async {
        let mut pause = interval(Duration::from_millis(20));
        loop {
            pause.tick().await;
            let asked = timeout(REPLY, publisher.ask(topic, payload.clone())).await;
            if matches!(asked, Ok(Ok(_))) {
                return;
            }
        }
    };
    timeout(READY, probe).await.context("no subscriber replies")
}

// ---- subscribing ----

async fn interest<C: Asking>(job: &Job, times: usize) -> Result<Outcome> {
    let topic = topic();
    let subscriber = C::connect(&job.target, 1).await?;
    let publisher = C::connect(&job.target, 0).await?;
    let payload = Bytes::from_static(b"?");
    // Servers that have just started may not be connected yet.
    let answering = subscriber.answer(&topic).await?;
    until_answered(&publisher, &topic, &payload).await?;
    answering.abort();

    let cpu = CpuMeter::start(&job.target.pids)?;
    let mut taken = Vec::with_capacity(times);
    for number in 0..times {
        let topic = format!("{topic}-{number}");
        let start = Instant::now();
        let arrives = async {
            let mut messages = subscriber.subscribe(&topic).await?;
            messages.next().await.context("the subscription ended")?;
            anyhow::Ok(start.elapsed())
        };
        let asking = async {
            loop {
                // This is an error as long as there is no subscriber; once there is one, a message
                // arrives and this future is dropped.
                let _ = publisher.ask(&topic, payload.clone()).await;
            }
        };
        let arrived = tokio::select! {
            arrived = timeout(READY, arrives) => arrived,
            () = asking => unreachable!("it never ends"),
        };
        taken.push(arrived.context("no message arrives")??.as_nanos() as u64);
    }
    Ok(Outcome {
        count: times as u64,
        seconds: taken.iter().sum::<u64>() as f64 / 1e9,
        cpu: cpu.stop()?,
        latency_ns: quantiles(taken),
        ..Outcome::default()
    })
}

// ---- clients that do nothing ----

async fn idle<C: Client>(job: &Job, clients: usize) -> Result<Outcome> {
    let server = job.target.pids.first().copied();
    let resident = || server.map(rss).transpose();
    let before = resident()?;
    let clients = connect::<C>(job, 0, clients).await?;
    sleep(job.warm_up).await;
    let (start, cpu) = (Instant::now(), CpuMeter::start(&job.target.pids)?);
    sleep(job.time).await;
    let cpu = cpu.stop()?;
    Ok(Outcome {
        count: clients.len() as u64,
        seconds: start.elapsed().as_secs_f64(),
        cpu,
        rss: before.zip(resident()?),
        ..Outcome::default()
    })
}
