//! Attacks by insiders: recipients that know a content's secret, and publishers that cheat. These
//! tests need internal functions; attacks by outsiders are tested in `tests/sealing.rs`.

use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, aead::AeadInOut};

use crate::{
    OVERHEAD_PER_RECIPIENT, OpenError, Recipients, ReplaySettings, ReplayWindow, SealedKind,
    SealedReader, SealingKey, SealingPublicKey,
    keys::SIGNATURE,
    layout::{Bound, ContentKeys, HEAD},
    seal,
};

const NOW: u64 = 1_700_000_000_000;
const TOPIC: &str = "settlement";

fn reader(own: &SealingKey, publishers: &[&SealingKey]) -> SealedReader {
    let publishers: Vec<_> = publishers.iter().map(|key| key.public_key()).collect();
    let window = ReplayWindow::first(ReplaySettings::default(), NOW);
    SealedReader::new(TOPIC, std::slice::from_ref(own), &publishers, window).unwrap()
}

fn message(by: &SealingKey, to: &[SealingPublicKey]) -> Vec<u8> {
    let to = Recipients::new(to).unwrap();
    let kind = SealedKind::Multicast;
    seal(by, &to, TOPIC, kind, NOW, b"100", &mut rand::rng())
        .unwrap()
        .bytes
}

fn head(message: &[u8]) -> [u8; HEAD] {
    *message.first_chunk().unwrap()
}

/// Signs a message again.
fn sign(message: &mut [u8], by: &SealingKey) {
    let count = usize::from(u16::from_be_bytes([message[112], message[113]]));
    let (signed, signature) = message.split_at_mut(message.len() - SIGNATURE);
    let (recipients, ciphertext) = signed[HEAD..].split_at(count * OVERHEAD_PER_RECIPIENT);
    let bound = Bound::new(TOPIC, &by.public_key(), signed.first_chunk().unwrap());
    signature.copy_from_slice(&by.sign(&bound.signed(recipients, ciphertext).0));
}

#[test]
fn the_helper_signs_as_seal_does() {
    let (alice, bob) = (SealingKey::generate(), SealingKey::generate());
    let mut again = message(&alice, &[bob.public_key()]);
    let before = again.clone();
    sign(&mut again, &alice);
    assert_eq!(again, before);
}

#[test]
fn nobody_can_put_their_name_under_anothers_message() {
    let (alice, bob, mallory) = (
        SealingKey::generate(),
        SealingKey::generate(),
        SealingKey::generate(),
    );
    let mut stolen = message(&alice, &[bob.public_key()]);
    stolen[32..48].copy_from_slice(mallory.id().as_bytes());
    sign(&mut stolen, &mallory);
    let reader = reader(&bob, &[&alice, &mallory]);
    let error = reader
        .open(&stolen, SealedKind::Multicast, NOW)
        .unwrap_err();
    assert_eq!(
        error,
        OpenError::Unreadable {
            sender: mallory.id()
        }
    );
}

#[test]
fn a_recipient_cannot_pass_a_message_on_as_if_it_were_meant_for_others() {
    let (alice, bob, carol) = (
        SealingKey::generate(),
        SealingKey::generate(),
        SealingKey::generate(),
    );
    let to_bob = message(&alice, &[bob.public_key()]);
    // Bob can read the message, so he could wrap its secret for Carol; but the list of recipients
    // is signed, so no wrap that he puts there is valid.
    let to_carol = message(&bob, &[carol.public_key()]);
    let wraps = HEAD..HEAD + OVERHEAD_PER_RECIPIENT;
    let mut forwarded = to_bob.clone();
    forwarded[wraps.clone()].copy_from_slice(&to_carol[wraps.clone()]);
    let error = reader(&carol, &[&alice])
        .open(&forwarded, SealedKind::Multicast, NOW)
        .unwrap_err();
    assert_eq!(error, OpenError::BadSignature { sender: alice.id() });
    // He cannot add her, either.
    let mut added = to_bob[..wraps.end].to_vec();
    added[113] = 2;
    added.extend(&to_carol[wraps.clone()]);
    added.extend(&to_bob[wraps.end..]);
    let error = reader(&carol, &[&alice])
        .open(&added, SealedKind::Multicast, NOW)
        .unwrap_err();
    assert_eq!(error, OpenError::BadSignature { sender: alice.id() });
    // If he names himself as the sender, the wrap is bound to him, but the content is bound to
    // Alice.
    forwarded[32..48].copy_from_slice(bob.id().as_bytes());
    sign(&mut forwarded, &bob);
    let error = reader(&carol, &[&alice, &bob])
        .open(&forwarded, SealedKind::Multicast, NOW)
        .unwrap_err();
    assert_eq!(error, OpenError::Unreadable { sender: bob.id() });
}

#[test]
fn a_publisher_cannot_give_two_recipients_two_secrets() {
    let (alice, bob, carol) = (
        SealingKey::generate(),
        SealingKey::generate(),
        SealingKey::generate(),
    );
    let both = [bob.public_key(), carol.public_key()];
    let mut one = message(&alice, &both);
    // Alice wraps another secret for Carol under the same head, and signs the whole message.
    let head = head(&one);
    let bound = Bound::new(TOPIC, &alice.public_key(), &head);
    let mut wrap = Vec::new();
    let other = [7; 32];
    seal::wrap(&mut wrap, &both[1], &bound.info(), &other, &mut rand::rng()).unwrap();
    let place = HEAD + OVERHEAD_PER_RECIPIENT;
    one[place..place + OVERHEAD_PER_RECIPIENT].copy_from_slice(&wrap);
    // She even adds a content that is valid under that secret.
    let start = place + OVERHEAD_PER_RECIPIENT;
    let keys = ContentKeys::of(&other);
    let aad = bound.content_aad(&one[HEAD..start]);
    let mut content = b"999".to_vec();
    let cipher = ChaCha20Poly1305::new((&*keys.key).into());
    let tag = cipher
        .encrypt_inout_detached(&Nonce::default(), &aad, content.as_mut_slice().into())
        .unwrap();
    content.extend(tag);
    let end = one.len() - SIGNATURE;
    one[start..end].copy_from_slice(&content);
    sign(&mut one, &alice);
    let error = reader(&carol, &[&alice])
        .open(&one, SealedKind::Multicast, NOW)
        .unwrap_err();
    assert_eq!(error, OpenError::Unreadable { sender: alice.id() });
}
