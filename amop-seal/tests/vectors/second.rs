//! A reader of sealed messages based on aws-lc, written from docs/sealed-topics.md: it uses neither
//! the code of amop-seal nor its libraries.

use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    digest::{SHA256, SHA512, digest},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    signature::{ED25519, UnparsedPublicKey},
};
use rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305,
    hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey},
};

use super::{Key, Vector};

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// Returns the content's key and the commitment.
pub(super) fn content_key(secret: &[u8]) -> ([u8; 32], [u8; 32]) {
    let prk = Salt::new(HKDF_SHA256, b"AMOP sealed 1").extract(secret);
    let expand = |info: &[u8]| {
        let mut key = [0; 32];
        prk.expand(&[info], Len32).unwrap().fill(&mut key).unwrap();
        key
    };
    (expand(b"content key"), expand(b"commitment"))
}

/// Returns the content, as the key at index `reader` reads it.
pub(super) fn open(keys: &[Key], vector: &Vector, reader: usize) -> Vec<u8> {
    let message = hex::decode(&vector.message).unwrap();
    let sender = &keys[vector.sender];
    let public = hex::decode(&sender.public).unwrap();
    let id =
        &digest(&SHA256, &[b"AMOP sealed 1 key", &public[..]].concat()).as_ref()[..16].to_vec();
    assert_eq!(hex::encode(id), sender.id);

    let (head, rest) = message.split_at(114);
    assert_eq!(head[..6], *b"AMPS\x01\x01");
    assert_eq!((head[6], head[7]), (vector.kind, 0));
    assert_eq!(head[8..16], vector.time.to_be_bytes());
    assert_eq!(hex::encode(&head[16..32]), vector.random[..32]);
    assert_eq!(head[32..48], *id);
    assert_eq!(hex::encode(&head[48..80]), vector.about);
    assert_eq!(head[112..], (vector.recipients.len() as u16).to_be_bytes());
    let (recipients, rest) = rest.split_at(96 * vector.recipients.len());
    let (ciphertext, signature) = rest.split_at(rest.len() - 64);

    let len = (vector.topic.len() as u64).to_be_bytes();
    let bound = [&len, vector.topic.as_bytes(), &public, head].concat();
    let hash = digest(&SHA512, &[&bound[..], recipients, ciphertext].concat());
    assert_eq!(hex::encode(&hash.as_ref()[..32]), vector.digest);
    let signed = [b"AMOP sealed 1 signature", hash.as_ref()].concat();
    UnparsedPublicKey::new(&ED25519, &public[..32])
        .verify(&signed, signature)
        .unwrap();

    let own = hex::decode(&keys[reader].id).unwrap();
    let mut wraps = recipients.chunks(96);
    let wrap = wraps.find(|wrap| wrap[..16] == own[..]).unwrap();
    let own = hex::decode(&keys[reader].secrets).unwrap()[32..].to_vec();
    let info = [b"AMOP sealed 1 wrap", &bound[..]].concat();
    let secret = DH_KEM_X25519_HKDF_SHA256_CHACHA20_POLY1305.open(
        &EncapsulatedSecret(wrap[16..48].to_vec()),
        &info,
        b"",
        &wrap[48..],
        &HpkePrivateKey::from(own),
    );
    let (key, commitment) = content_key(&secret.unwrap());
    assert_eq!(hex::encode(key), vector.content_key);
    assert_eq!(head[80..112], commitment);

    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap());
    let aad = [b"AMOP sealed 1 content", &bound[..], recipients].concat();
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let mut content = ciphertext.to_vec();
    key.open_in_place(nonce, Aad::from(aad), &mut content)
        .unwrap()
        .to_vec()
}
