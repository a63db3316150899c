//! The computations of the handshake, based on the primitives of RustCrypto.

pub(crate) mod exchange;
pub(crate) mod keys;
pub(crate) mod prf;

use sm3::{Digest, Sm3};

/// The identity in every SM2 signature and key exchange here (GB/T 35276).
pub(crate) const IDENTITY: &str = "1234567812345678";

/// The hash of all handshake messages so far.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Sm3);

impl Transcript {
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.0.update(message);
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// The key derivation function of GB/T 32918.3: SM3 over `parts` and a counter.
pub(crate) fn kdf(parts: &[&[u8]], out: &mut [u8]) {
    for (chunk, counter) in out.chunks_mut(32).zip(1_u32..) {
        let mut hash = Sm3::new();
        for part in parts {
            hash.update(part);
        }
        hash.update(counter.to_be_bytes());
        let block = zeroize::Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
}
