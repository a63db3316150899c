//! Cuts records out of a stream.

use super::kind::ContentType;
use crate::{Flavour, TlcpError, limits};

const HEADER: usize = 5;

pub(super) struct Framer {
    flavour: Flavour,
    version_is_fixed: bool,
    /// Whether a record was read before.
    any: bool,
    header: [u8; HEADER],
    /// The number of header bytes that have arrived.
    header_read: usize,
    body: Vec<u8>,
}

impl Framer {
    pub(super) fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            version_is_fixed: false,
            any: false,
            header: [0; HEADER],
            header_read: 0,
            body: Vec::new(),
        }
    }

    pub(super) fn fix_version(&mut self) {
        self.version_is_fixed = true;
    }

    /// Takes bytes from the front of `input` until a record is complete. Errors in the header are
    /// reported before the body arrives.
    pub(super) fn feed(
        &mut self,
        input: &mut &[u8],
        protected: bool,
    ) -> Result<Option<(ContentType, Vec<u8>)>, TlcpError> {
        if self.header_read < HEADER {
            let part = take(input, HEADER - self.header_read);
            self.header[self.header_read..][..part.len()].copy_from_slice(part);
            self.header_read += part.len();
            // The first byte is enough to recognise data that is not TLS.
            if self.header_read > 0 {
                self.kind()?;
            }
            if self.header_read < HEADER {
                return Ok(None);
            }
        }
        let kind = self.kind()?;
        self.check_version(kind, protected)?;
        let length = self.length(kind, protected)?;
        let part = take(input, length - self.body.len());
        self.body.extend_from_slice(part);
        if self.body.len() < length {
            return Ok(None);
        }
        self.header_read = 0;
        self.any = true;
        Ok(Some((kind, std::mem::take(&mut self.body))))
    }

    fn kind(&self) -> Result<ContentType, TlcpError> {
        let first = self.header[0];
        ContentType::from_code(first).ok_or_else(|| {
            if self.any {
                TlcpError::Unexpected {
                    found: format!("a record of type {first}"),
                    expected: "a record of a known type",
                }
            } else {
                TlcpError::NotTls { first }
            }
        })
    }

    fn check_version(&self, kind: ContentType, protected: bool) -> Result<(), TlcpError> {
        let found = u16::from_be_bytes([self.header[1], self.header[2]]);
        // A peer that uses another protocol may send an alert with its own version, and a peer that
        // gives up early may still use the version of its first record.
        let is_early_alert = kind == ContentType::Alert && !protected;
        let good = if is_early_alert {
            found == 0x0101 || found >> 8 == 3
        } else if self.version_is_fixed {
            found == self.flavour.version()
        } else {
            self.flavour.takes_early(found)
        };
        if good {
            Ok(())
        } else {
            Err(TlcpError::Version {
                flavour: self.flavour,
                found,
            })
        }
    }

    fn length(&self, kind: ContentType, protected: bool) -> Result<usize, TlcpError> {
        let length = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
        let limit = if protected {
            limits::CIPHERTEXT
        } else {
            limits::PLAINTEXT
        };
        if length > limit {
            return Err(TlcpError::RecordTooLong { length, limit });
        }
        // Only application data may be empty, and it is always protected.
        if length == 0 && !protected {
            return Err(TlcpError::Malformed {
                message: kind.name(),
                reason: "the record is empty",
            });
        }
        Ok(length)
    }
}

/// Returns at most `count` bytes from the front of `input`.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (part, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    part
}
