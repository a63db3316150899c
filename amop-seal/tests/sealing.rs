//! Attacks of outsiders on sealed messages, and the parts of a message that are bound together.

use amop_seal::{
    MAX_RECIPIENTS, OVERHEAD, OVERHEAD_PER_RECIPIENT, OpenError, ReaderError, Recipients,
    ReplayRefusal, ReplaySettings, ReplayWindow, SealError, Sealed, SealedAnswer, SealedKind,
    SealedReader, SealingKey, SealingPublicKey, open_reply, seal, seal_reply,
};
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;
const TOPIC: &str = "settlement";

struct World {
    alice: SealingKey,
    bob: SealingKey,
    carol: SealingKey,
}

impl World {
    fn new() -> Self {
        Self {
            alice: SealingKey::generate(),
            bob: SealingKey::generate(),
            carol: SealingKey::generate(),
        }
    }

    /// Seals a message of Alice to Bob.
    fn seal(&self, kind: SealedKind, content: &[u8]) -> Sealed {
        let to = Recipients::new(&[self.bob.public_key()]).unwrap();
        seal(
            &self.alice,
            &to,
            TOPIC,
            kind,
            NOW,
            content,
            &mut rand::rng(),
        )
        .unwrap()
    }

    /// Returns Bob's reader of Alice's messages.
    fn bob(&self) -> SealedReader {
        reader(
            TOPIC,
            std::slice::from_ref(&self.bob),
            &[self.alice.public_key()],
        )
    }
}

fn reader(topic: &str, own: &[SealingKey], publishers: &[SealingPublicKey]) -> SealedReader {
    let window = ReplayWindow::first(ReplaySettings::default(), NOW);
    SealedReader::new(topic, own, publishers, window).unwrap()
}

fn take(reader: &mut SealedReader, message: &[u8], now: u64) -> Result<Vec<u8>, OpenError> {
    let opened = reader.open(message, SealedKind::Multicast, now)?;
    if reader.needs_mark(&opened) {
        let mark = reader.next_mark(&opened, now);
        reader.saved(&mark);
    }
    reader.accept(&opened, now)?;
    Ok(opened.content)
}

#[test]
fn a_message_goes_to_all_its_recipients_and_costs_what_is_stated() {
    let world = World::new();
    for count in [1, 2, 17, MAX_RECIPIENTS] {
        let mut keys: Vec<_> = (1..count)
            .map(|_| SealingKey::generate().public_key())
            .collect();
        keys.push(world.bob.public_key());
        let to = Recipients::new(&keys).unwrap();
        let kind = SealedKind::Multicast;
        let content = vec![7; 1000];
        let message = seal(
            &world.alice,
            &to,
            TOPIC,
            kind,
            NOW,
            &content,
            &mut rand::rng(),
        )
        .unwrap();
        let overhead = OVERHEAD + count * OVERHEAD_PER_RECIPIENT;
        assert_eq!(message.bytes.len(), content.len() + overhead);
        let opened = world.bob().open(&message.bytes, kind, NOW).unwrap();
        assert_eq!(opened.content, content);
        assert_eq!(opened.sender, world.alice.public_key());
        assert_eq!(opened.digest, message.digest);
    }
    // docs/sealed-topics.md states these numbers.
    assert_eq!(
        (OVERHEAD, OVERHEAD_PER_RECIPIENT, MAX_RECIPIENTS),
        (194, 96, 256)
    );
}

#[test]
fn recipients_are_counted_once_and_have_a_limit() {
    assert_eq!(Recipients::new(&[]), Err(SealError::NoRecipient));
    let key = SealingKey::generate().public_key();
    assert_eq!(Recipients::new(&[key, key]).unwrap().keys(), [key]);
    let keys: Vec<_> = (0..=MAX_RECIPIENTS)
        .map(|_| SealingKey::generate().public_key())
        .collect();
    let count = MAX_RECIPIENTS + 1;
    assert_eq!(
        Recipients::new(&keys),
        Err(SealError::TooManyRecipients { count })
    );
    Recipients::new(&keys[1..]).unwrap();
}

#[test]
fn readers_need_keys() {
    let window = || ReplayWindow::first(ReplaySettings::default(), NOW);
    let key = SealingKey::generate();
    let public = [key.public_key()];
    let none = SealedReader::new(TOPIC, &[], &public, window()).unwrap_err();
    assert_eq!(none, ReaderError::NoKey);
    let nobody = SealedReader::new(TOPIC, key.as_ref(), &[], window()).unwrap_err();
    assert_eq!(nobody, ReaderError::NoPublisher);
    let many = vec![key.clone(); 17];
    let error = SealedReader::new(TOPIC, &many, &public, window()).unwrap_err();
    assert_eq!(error, ReaderError::TooManyKeys { count: 17 });
}

#[test]
fn no_bit_can_be_changed() {
    let world = World::new();
    let message = world.seal(SealedKind::Multicast, b"100").bytes;
    let reader = world.bob();
    reader.open(&message, SealedKind::Multicast, NOW).unwrap();
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let opened = reader.open(&changed, SealedKind::Multicast, NOW);
        assert!(opened.is_err(), "bit {bit} of {}", message.len() * 8);
    }
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    let world = World::new();
    let message = world.seal(SealedKind::Multicast, b"100").bytes;
    let reader = world.bob();
    for len in 0..message.len() {
        assert!(
            reader
                .open(&message[..len], SealedKind::Multicast, NOW)
                .is_err(),
            "{len}"
        );
        assert!(
            reader
                .open(&message[len + 1..], SealedKind::Multicast, NOW)
                .is_err(),
            "{len}"
        );
    }
    for byte in [0, 1, 255] {
        let longer = [&message[..], &[byte]].concat();
        assert!(reader.open(&longer, SealedKind::Multicast, NOW).is_err());
        let longer = [&[byte], &message[..]].concat();
        assert!(reader.open(&longer, SealedKind::Multicast, NOW).is_err());
    }
}

#[test]
fn parts_of_two_messages_do_not_make_a_third() {
    let world = World::new();
    let (one, two) = (
        world.seal(SealedKind::Multicast, b"100"),
        world.seal(SealedKind::Multicast, b"200"),
    );
    let reader = world.bob();
    // Head, recipient, content, signature.
    let cuts = [0, 114, 210, 229, one.bytes.len()];
    for choice in 1_u8..15 {
        let mut mixed = Vec::new();
        for part in 0..4 {
            let from = if choice >> part & 1 == 0 { &one } else { &two };
            mixed.extend(&from.bytes[cuts[part]..cuts[part + 1]]);
        }
        assert!(
            reader.open(&mixed, SealedKind::Multicast, NOW).is_err(),
            "{choice:04b}"
        );
    }
}

#[test]
fn a_message_is_bound_to_topic_kind_sender_and_recipients() {
    let world = World::new();
    let message = world.seal(SealedKind::Multicast, b"100").bytes;
    let alice = world.alice.public_key();
    let bad = OpenError::BadSignature { sender: alice.id() };

    for topic in ["settlemen", "settlement2", "other", ""] {
        let reader = reader(topic, world.bob.as_ref(), &[alice]);
        assert_eq!(
            reader.open(&message, SealedKind::Multicast, NOW),
            Err(bad),
            "{topic}"
        );
    }
    let kind = OpenError::Kind {
        expected: SealedKind::Unicast,
        got: SealedKind::Multicast,
    };
    assert_eq!(
        world.bob().open(&message, SealedKind::Unicast, NOW),
        Err(kind)
    );

    let carol = reader(TOPIC, world.carol.as_ref(), &[alice]);
    let error = carol.open(&message, SealedKind::Multicast, NOW);
    assert_eq!(error, Err(OpenError::NotRecipient));
    let stranger = reader(TOPIC, world.bob.as_ref(), &[world.carol.public_key()]);
    let sender = alice.id();
    let error = stranger.open(&message, SealedKind::Multicast, NOW);
    assert_eq!(error, Err(OpenError::UnknownPublisher { sender }));

    // Carol's own message with Alice's name.
    let to = Recipients::new(&[world.bob.public_key()]).unwrap();
    let kind = SealedKind::Multicast;
    let forged = seal(&world.carol, &to, TOPIC, kind, NOW, b"1", &mut rand::rng()).unwrap();
    let mut forged = forged.bytes;
    forged[32..48].copy_from_slice(alice.id().as_bytes());
    assert_eq!(world.bob().open(&forged, kind, NOW), Err(bad));
}

#[test]
fn what_is_not_sealed_is_refused_as_such() {
    let world = World::new();
    let reader = world.bob();
    for plain in [
        &b""[..],
        b"AMPS",
        b"{\"amount\":100}",
        &[b'x'; 1000],
        &[0; 1000],
    ] {
        let error = reader.open(plain, SealedKind::Multicast, NOW).unwrap_err();
        assert!(matches!(error, OpenError::Malformed { .. }), "{error}");
    }
    let mut later = world.seal(SealedKind::Multicast, b"100").bytes;
    later[4] = 2;
    let error = reader.open(&later, SealedKind::Multicast, NOW).unwrap_err();
    assert_eq!(error, OpenError::Version { version: 2 });
    later[4] = 1;
    later[5] = 9;
    let error = reader.open(&later, SealedKind::Multicast, NOW).unwrap_err();
    assert_eq!(error, OpenError::Suite { suite: 9 });
}

#[test]
fn a_copy_is_refused_and_a_message_that_was_not_taken_is_not_used_up() {
    let world = World::new();
    let message = world.seal(SealedKind::Multicast, b"100").bytes;
    let mut reader = world.bob();
    // A forged copy with the same id arrives first: it does not suppress the genuine message.
    let mut forged = message.clone();
    *forged.last_mut().unwrap() ^= 1;
    take(&mut reader, &forged, NOW).unwrap_err();
    take(&mut reader, &message, NOW).unwrap();
    let error = take(&mut reader, &message, NOW + 1).unwrap_err();
    assert_eq!(error, OpenError::Refused(ReplayRefusal::Replayed));
}

#[test]
fn keys_are_rotated_without_a_gap() {
    let world = World::new();
    let (old, new) = (SealingKey::generate(), SealingKey::generate());
    // The subscriber has both keys for a time, and so do its publishers.
    let publishers = [world.alice.public_key(), world.carol.public_key()];
    let reader = reader(TOPIC, &[new.clone(), old.clone()], &publishers);
    let sealed = |by: &SealingKey, to: &[SealingPublicKey]| {
        let to = Recipients::new(to).unwrap();
        seal(
            by,
            &to,
            TOPIC,
            SealedKind::Multicast,
            NOW,
            b"100",
            &mut rand::rng(),
        )
        .unwrap()
        .bytes
    };
    let (old, new) = (old.public_key(), new.public_key());
    for (by, to, opens) in [
        (&world.alice, vec![old], old),
        (&world.alice, vec![new], new),
        (&world.carol, vec![old, new], new),
    ] {
        let opened = reader
            .open(&sealed(by, &to), SealedKind::Multicast, NOW)
            .unwrap();
        assert_eq!(opened.recipient, opens.id());
        assert_eq!(reader.key_of(&opened).unwrap().public_key(), opens);
    }
}

#[test]
fn an_answer_is_bound_to_its_request() {
    let world = World::new();
    let World { alice, bob, carol } = &world;
    let rng = &mut rand::rng();
    let (one, two) = (
        world.seal(SealedKind::Unicast, b"1"),
        world.seal(SealedKind::Unicast, b"2"),
    );
    let to = [bob.public_key()];
    let answer = |by: &SealingKey, content: SealedAnswer<'_>| {
        seal_reply(
            by,
            &alice.public_key(),
            TOPIC,
            &one.digest,
            NOW,
            content,
            &mut rand::rng(),
        )
        .unwrap()
        .bytes
    };
    let reply = answer(bob, SealedAnswer::Reply(b"yes"));
    let opened = open_reply(&reply, alice, &to, TOPIC, &one.digest).unwrap();
    assert_eq!(
        (opened.kind, &opened.content[..]),
        (SealedKind::Reply, &b"yes"[..])
    );
    let acknowledged = answer(bob, SealedAnswer::Acknowledgement);
    let opened = open_reply(&acknowledged, alice, &to, TOPIC, &one.digest).unwrap();
    assert_eq!(
        (opened.kind, &opened.content[..]),
        (SealedKind::Acknowledgement, &b""[..])
    );
    assert_eq!(opened.refusal(), None);
    for code in [0, 105, 1234, i32::MIN] {
        let refused = answer(bob, SealedAnswer::Refusal(code));
        let opened = open_reply(&refused, alice, &to, TOPIC, &one.digest).unwrap();
        assert_eq!(
            (opened.kind, opened.refusal()),
            (SealedKind::Refusal, Some(code))
        );
    }
    // A reply of four bytes is not a code.
    let four = answer(bob, SealedAnswer::Reply(b"four"));
    let opened = open_reply(&four, alice, &to, TOPIC, &one.digest).unwrap();
    assert_eq!(opened.refusal(), None);

    let open = |reply: &[u8]| open_reply(reply, alice, &to, TOPIC, &one.digest).unwrap_err();
    let error = open_reply(&reply, alice, &to, TOPIC, &two.digest).unwrap_err();
    assert_eq!(error, OpenError::OtherRequest);
    let error = open_reply(&reply, alice, &to, "other", &one.digest).unwrap_err();
    assert_eq!(error, OpenError::BadSignature { sender: bob.id() });
    // An answer by a key to which the request was not sealed, an empty one, and bytes that are not
    // an answer.
    let error = open(&answer(carol, SealedAnswer::Reply(b"yes")));
    assert_eq!(error, OpenError::UnknownPublisher { sender: carol.id() });
    assert!(matches!(open(b""), OpenError::Malformed { .. }));
    let other = seal(
        bob,
        &Recipients::new(&[alice.public_key()]).unwrap(),
        TOPIC,
        SealedKind::Unicast,
        NOW,
        b"yes",
        rng,
    );
    assert!(matches!(
        open(&other.unwrap().bytes),
        OpenError::Kind { .. }
    ));
    // An acknowledgement is not accepted as a reply, or the reverse.
    for (answer, kind) in [(reply, 4), (acknowledged, 3)] {
        let mut changed = answer;
        changed[6] = kind;
        assert_eq!(open(&changed), OpenError::BadSignature { sender: bob.id() });
    }
    // A reply is not accepted as a message.
    let reply = answer(bob, SealedAnswer::Reply(b"yes"));
    let reader = reader(TOPIC, alice.as_ref(), &[bob.public_key()]);
    for came in [SealedKind::Multicast, SealedKind::Unicast] {
        assert!(matches!(
            reader.open(&reply, came, NOW),
            Err(OpenError::Kind { .. })
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_content_comes_through(
        content in prop::collection::vec(any::<u8>(), 0..5000),
        topic in "\\PC{1,60}",
        time in 1..u64::MAX,
    ) {
        let world = World::new();
        let to = Recipients::new(&[world.bob.public_key()]).unwrap();
        let kind = SealedKind::Unicast;
        let message = seal(&world.alice, &to, &topic, kind, time, &content, &mut rand::rng());
        let window = ReplayWindow::first(ReplaySettings::default(), time);
        let own = world.bob.as_ref();
        let reader = SealedReader::new(&topic, own, &[world.alice.public_key()], window).unwrap();
        let opened = reader.open(&message.unwrap().bytes, kind, time).unwrap();
        prop_assert_eq!(opened.content, content);
        prop_assert_eq!(opened.time, time);
    }

    #[test]
    fn whatever_comes_is_refused_and_nothing_breaks(
        mut bytes in prop::collection::vec(any::<u8>(), 0..600),
        magic in any::<bool>(),
        recipients in 0..8_u8,
    ) {
        if magic && bytes.len() >= 114 {
            bytes[..8].copy_from_slice(b"AMPS\x01\x01\x01\0");
            bytes[112..114].copy_from_slice(&[0, recipients]);
        }
        let world = World::new();
        prop_assert!(world.bob().open(&bytes, SealedKind::Multicast, NOW).is_err());
        let to = [world.bob.public_key()];
        prop_assert!(open_reply(&bytes, &world.alice, &to, TOPIC, &[0; 32]).is_err());
    }
}
