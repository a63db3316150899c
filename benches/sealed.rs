//! The cost of sealing a message for its publisher, and of opening it for a recipient, by the
//! number of recipients and by length: `cargo bench -p amop-benches --bench sealed`.

use amop_seal::{
    Recipients, ReplaySettings, ReplayWindow, Sealed, SealedKind, SealedReader, SealingKey, seal,
};
use divan::{AllocProfiler, counter::BytesCount};

/// Counts allocations.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NOW: u64 = 1_700_000_000_000;
const TOPIC: &str = "settlement";

fn main() {
    divan::main();
}

/// Returns a publisher and this number of recipients.
fn people(recipients: usize) -> (SealingKey, Vec<SealingKey>, Recipients) {
    let keys: Vec<SealingKey> = (0..recipients).map(|_| SealingKey::generate()).collect();
    let public: Vec<_> = keys.iter().map(SealingKey::public_key).collect();
    let recipients = Recipients::new(&public).expect("they are neither too many nor none");
    (SealingKey::generate(), keys, recipients)
}

/// Seals a multicast with this content.
fn seal_one(publisher: &SealingKey, recipients: &Recipients, content: &[u8]) -> Sealed {
    let (kind, rng) = (SealedKind::Multicast, &mut rand::rng());
    let sealed = seal(publisher, recipients, TOPIC, kind, NOW, content, rng);
    sealed.expect("the content is not too long")
}

#[divan::bench(args = [1, 16, 256])]
fn seal_1_kib(bencher: divan::Bencher<'_, '_>, recipients: usize) {
    let (publisher, _, recipients) = people(recipients);
    let content = [7; 1024];
    bencher.bench_local(|| seal_one(&publisher, &recipients, &content));
}

#[divan::bench(args = [1024, 65_536, 1_048_576])]
fn seal_for_one(bencher: divan::Bencher<'_, '_>, len: usize) {
    let (publisher, _, recipients) = people(1);
    let content = vec![7; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| seal_one(&publisher, &recipients, &content));
}

#[divan::bench(args = [1024, 65_536, 1_048_576])]
fn open(bencher: divan::Bencher<'_, '_>, len: usize) {
    let (publisher, mut keys, recipients) = people(1);
    let message = seal_one(&publisher, &recipients, &vec![7; len]).bytes;
    let window = ReplayWindow::first(ReplaySettings::default(), NOW);
    let publishers = [publisher.public_key()];
    let reader =
        SealedReader::new(TOPIC, &[keys.remove(0)], &publishers, window).expect("a reader");
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| reader.open(&message, SealedKind::Multicast, NOW));
}
