//! The keys of private topics without the feature `private`: there are none.

use std::fmt;

pub(super) const SIGNATURE_LEN: usize = 65;

/// No key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicKey {}

/// No key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicPublicKey {}

impl TopicKey {
    pub(super) fn sign(&self, _: &[u8]) -> [u8; SIGNATURE_LEN] {
        match *self {}
    }
}

impl TopicPublicKey {
    pub(super) fn of_signer(_: &[u8], _: &[u8]) -> Option<Self> {
        None
    }
}

impl fmt::Display for TopicPublicKey {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
