//! What sealing a message costs its publisher, and opening it a recipient, by recipients and by length:
//! `cargo bench -p amop-benches --bench sealed`.

use amop_seal::{Kind, Reader, Recipients, SealingKey, Settings, Window, seal};
use divan::{AllocProfiler, counter::BytesCount};

/// Counts allocations.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NOW: u64 = 1_700_000_000_000;
const TOPIC: &str = "settlement";

fn main() {
    divan::main();
}

/// A publisher and so many recipients.
fn people(recipients: usize) -> (SealingKey, Vec<SealingKey>, Recipients) {
    let keys: Vec<SealingKey> = (0..recipients).map(|_| SealingKey::generate()).collect();
    let public: Vec<_> = keys.iter().map(SealingKey::public_key).collect();
    let recipients = Recipients::new(&public).expect("they are neither too many nor none");
    (SealingKey::generate(), keys, recipients)
}

#[divan::bench(args = [1, 16, 256])]
fn seal_1_kib(bencher: divan::Bencher<'_, '_>, recipients: usize) {
    let (publisher, _, recipients) = people(recipients);
    let content = [7; 1024];
    bencher.bench_local(|| {
        let rng = &mut rand::rng();
        seal(
            &publisher,
            &recipients,
            TOPIC,
            Kind::Multicast,
            NOW,
            &content,
            rng,
        )
    });
}

#[divan::bench(args = [1024, 65_536, 1_048_576])]
fn seal_for_one(bencher: divan::Bencher<'_, '_>, len: usize) {
    let (publisher, _, recipients) = people(1);
    let content = vec![7; len];
    bencher.counter(BytesCount::new(len)).bench_local(|| {
        let rng = &mut rand::rng();
        seal(
            &publisher,
            &recipients,
            TOPIC,
            Kind::Multicast,
            NOW,
            &content,
            rng,
        )
    });
}

#[divan::bench(args = [1024, 65_536, 1_048_576])]
fn open(bencher: divan::Bencher<'_, '_>, len: usize) {
    let (publisher, mut keys, recipients) = people(1);
    let (content, rng) = (vec![7; len], &mut rand::rng());
    let kind = Kind::Multicast;
    let message = seal(&publisher, &recipients, TOPIC, kind, NOW, &content, rng);
    let message = message.expect("it is sealed").bytes;
    let window = Window::first(Settings::default(), NOW);
    let publishers = [publisher.public_key()];
    let reader = Reader::new(TOPIC, &[keys.remove(0)], &publishers, window).expect("a reader");
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| reader.open(&message, kind, NOW));
}
