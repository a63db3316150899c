//! ECDHE over secp256k1, the only key exchange that FISCO nodes offer in EC mode (channel-v2
//! section 2.4).

use k256::ecdh::EphemeralSecret;
use k256::elliptic_curve::Generate;
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::{PublicKey, Sec1Point};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};

/// The IANA number of secp256k1 (RFC 8422); rustls has no name for it.
pub(crate) const SECP256K1_GROUP: NamedGroup = NamedGroup::Unknown(0x0016);

/// The group, in the form that rustls needs.
pub(crate) static SECP256K1: &dyn SupportedKxGroup = &Secp256k1;

/// The tag and length of an uncompressed SEC1 point, the only form that RFC 8422 section 5.1.2
/// allows in TLS.
const UNCOMPRESSED: u8 = 0x04;
const POINT_LEN: usize = 65;

#[derive(Debug)]
struct Secp256k1;

impl SupportedKxGroup for Secp256k1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = EphemeralSecret::try_generate()
            .map_err(|_| Error::from(rustls::crypto::GetRandomFailed))?;
        let public = secret.public_key().to_sec1_point(false);
        Ok(Box::new(Exchange { secret, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        SECP256K1_GROUP
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        // RFC 8446 removed the group from TLS 1.3.
        version == ProtocolVersion::TLSv1_2
    }
}

/// One key exchange in progress. k256 wipes the secret when this is dropped, and `SharedSecret` of
/// rustls wipes the result.
struct Exchange {
    secret: EphemeralSecret,
    public: Sec1Point,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        if peer.len() != POINT_LEN || peer.first() != Some(&UNCOMPRESSED) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        // Refuses points that are not on the curve, and the point at infinity. The curve has
        // cofactor 1, so there are no small subgroups to check.
        let peer = PublicKey::from_sec1_bytes(peer)
            .map_err(|_| Error::from(PeerMisbehaved::InvalidKeyShare))?;
        let shared = self.secret.diffie_hellman(&peer);
        Ok(SharedSecret::from(shared.raw_secret_bytes().as_slice()))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        SECP256K1_GROUP
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }
}

#[cfg(test)]
mod tests;
