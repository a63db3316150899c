//! The lists of 3.x nodes that may connect.

use std::{collections::HashSet, fmt, str::FromStr};

use amop_proto::gateway::GatewayAddress;

/// The longest key in bytes: RSA of 16,384 bits with its encoding.
const MAX_KEY: usize = 4096;

/// The key of a 3.x node, as black and white lists name it.
///
/// Text form, as in `[certificate_blacklist] crl.N` and `[certificate_whitelist] cal.N` of 3.x: the
/// hexadecimal digits of the RSA modulus, 512 for 2048 bits. The node's whole raw id is accepted,
/// too.
///
/// ```
/// use amop_node::GatewayKey;
///
/// let modulus = "c5".repeat(256);
/// let key: GatewayKey = modulus.to_uppercase().parse()?;
/// let raw = format!("3082010a0282010100{modulus}0203010001");
/// assert_eq!(raw.parse::<GatewayKey>()?, key);
/// # Ok::<(), amop_node::ParseGatewayKeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GatewayKey(String);

/// The error for a text that is not the key of a 3.x node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a 3.x node is listed by the hexadecimal digits of its RSA modulus, 512 for a key of 2048 bits; copy \
     them from the log line that refuses it, or from its certificate"
)]
#[non_exhaustive]
pub struct ParseGatewayKeyError;

impl GatewayKey {
    /// Returns the key of a node, from its raw id.
    pub(super) fn of(address: &GatewayAddress) -> Option<Self> {
        let raw = std::str::from_utf8(address.raw()?).ok()?;
        raw.parse().ok()
    }
}

impl FromStr for GatewayKey {
    type Err = ParseGatewayKeyError;

    fn from_str(text: &str) -> Result<Self, ParseGatewayKeyError> {
        let key = hex::decode(text.trim()).map_err(|_| ParseGatewayKeyError)?;
        if !(64..=MAX_KEY).contains(&key.len()) {
            return Err(ParseGatewayKeyError);
        }
        Ok(Self(hex::encode(modulus(&key).unwrap_or(&key))))
    }
}

impl fmt::Display for GatewayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the modulus of an RSA key in PKCS#1, without its sign byte; `None` if the bytes are
/// something else.
fn modulus(key: &[u8]) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    let (content, rest) = element(key, SEQUENCE)?;
    let (modulus, exponent) = element(content, INTEGER)?;
    let (_, end) = element(exponent, INTEGER)?;
    let is_whole = rest.is_empty() && end.is_empty();
    is_whole.then(|| modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

/// Returns the content of the element at the beginning of DER, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, der) = der.split_first()?;
    let (&short, der) = der.split_first()?;
    let (len, der) = match short {
        0..=0x7f => (usize::from(short), der),
        0x81 => (usize::from(*der.first()?), der.get(1..)?),
        0x82 => {
            let (bytes, der) = der.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*bytes)), der)
        }
        _ => return None,
    };
    (found == tag).then(|| der.split_at_checked(len)).flatten()
}

/// Which 3.x nodes may connect, in addition to what certificates decide.
#[derive(Debug, Clone, Default)]
pub(super) struct GatewayLists {
    pub(super) whitelist: Option<HashSet<GatewayKey>>,
    pub(super) blacklist: HashSet<GatewayKey>,
}

impl GatewayLists {
    /// Returns whether a node may connect.
    pub(super) fn admit(&self, node: &GatewayAddress) -> bool {
        if self.whitelist.is_none() && self.blacklist.is_empty() {
            return true;
        }
        GatewayKey::of(node).is_some_and(|key| {
            let listed = self
                .whitelist
                .as_ref()
                .is_none_or(|list| list.contains(&key));
            listed && !self.blacklist.contains(&key)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_id_and_its_modulus_are_one_key() {
        let modulus = "ab".repeat(256);
        let raw = format!("3082010a0282010100{modulus}0203010001");
        let address = GatewayAddress::of_raw(raw.into()).unwrap();
        let key: GatewayKey = modulus.to_uppercase().parse().unwrap();
        assert_eq!(GatewayKey::of(&address), Some(key.clone()));
        let mut lists = GatewayLists::default();
        assert!(lists.admit(&address));
        lists.whitelist = Some(HashSet::new());
        assert!(!lists.admit(&address));
        lists.whitelist = Some(HashSet::from([key.clone()]));
        assert!(lists.admit(&address));
        lists.blacklist.insert(key);
        assert!(!lists.admit(&address));
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in ["", "xy", "00", &"0".repeat(511), &"0".repeat(100_000)] {
            assert_eq!(text.parse::<GatewayKey>(), Err(ParseGatewayKeyError));
        }
    }
}
