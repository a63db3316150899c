//! Derives the keys of both directions from the premaster secret (RFC 5246, sections 5, 6.3 and
//! 8.1, with SM3).

use hmac::{Hmac, KeyInit, Mac};
use sm3::Sm3;
use zeroize::Zeroizing;

pub(crate) const PREMASTER: usize = 48;

/// The pseudo-random function of TLS 1.2 with HMAC-SM3.
pub(crate) fn prf(secret: &[u8], label: &str, seed: &[&[u8]], out: &mut [u8]) {
    let keyed = Hmac::<Sm3>::new_from_slice(secret).expect("HMAC takes keys of any length");
    let seeded = |mut hmac: Hmac<Sm3>| {
        hmac.update(label.as_bytes());
        for part in seed {
            hmac.update(part);
        }
        Zeroizing::new(<[u8; 32]>::from(hmac.finalize().into_bytes()))
    };
    let mut a = seeded(keyed.clone());
    for chunk in out.chunks_mut(32) {
        let mut hmac = keyed.clone();
        hmac.update(&*a);
        let block = seeded(hmac);
        chunk.copy_from_slice(&block[..chunk.len()]);
        let mut hmac = keyed.clone();
        hmac.update(&*a);
        *a = hmac.finalize().into_bytes().into();
    }
}

/// The random values of both hellos.
#[derive(Clone, Copy, Default)]
pub(crate) struct Randoms {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
}

/// The secret that both sides derive from the premaster secret. It is dropped when both have
/// finished.
pub(crate) struct Master(Zeroizing<[u8; 48]>);

impl Master {
    pub(crate) fn new(premaster: &[u8; PREMASTER], randoms: &Randoms) -> Self {
        let mut master = Zeroizing::new([0; 48]);
        let seed = [&randoms.client[..], &randoms.server];
        prf(premaster, "master secret", &seed, &mut *master);
        Self(master)
    }

    pub(crate) fn keys(&self, randoms: &Randoms) -> KeyBlock {
        // The IVs that would follow are not used: each record has its own.
        let mut block = Zeroizing::new([0; 96]);
        let seed = [&randoms.server[..], &randoms.client];
        prf(&*self.0, "key expansion", &seed, &mut *block);
        let direction = |mac: usize, cipher: usize| {
            let mut keys = DirectionKeys::default();
            keys.mac.copy_from_slice(&block[mac..mac + 32]);
            keys.cipher.copy_from_slice(&block[cipher..cipher + 16]);
            keys
        };
        KeyBlock {
            client: direction(0, 64),
            server: direction(32, 80),
        }
    }

    /// Returns the content of the Finished message of the client or the server; `hash` is that of
    /// the handshake before it.
    pub(crate) fn finished(&self, of: crate::ConnectionRole, hash: &[u8; 32]) -> [u8; 12] {
        let label = match of {
            crate::ConnectionRole::Client => "client finished",
            crate::ConnectionRole::Server => "server finished",
        };
        let mut content = [0; 12];
        prf(&*self.0, label, &[hash], &mut content);
        content
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8; 48] {
        &self.0
    }
}

/// The keys of one direction.
#[derive(Default)]
pub(crate) struct DirectionKeys {
    pub(crate) mac: Zeroizing<[u8; 32]>,
    pub(crate) cipher: Zeroizing<[u8; 16]>,
}

pub(crate) struct KeyBlock {
    pub(crate) client: DirectionKeys,
    pub(crate) server: DirectionKeys,
}
