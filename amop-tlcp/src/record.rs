//! Records: framing, protection, and the output that waits to be sent.

mod cbc_mac;
mod framer;
mod kind;
mod protect;

use rand_core::Rng as _;

use crate::crypto::prf::DirectionKeys;
use crate::{ConnectionRole, Flavour, Randomness, TlcpError, limits};

use framer::Framer;
pub(crate) use kind::{ContentType, MacOrder};
use protect::{Opener, RecordSealer};

/// A received record, as plaintext.
pub(crate) struct PlainRecord {
    pub(crate) kind: ContentType,
    body: Vec<u8>,
    start: usize,
    end: usize,
}

impl PlainRecord {
    pub(crate) fn content(&self) -> &[u8] {
        &self.body[self.start..self.end]
    }

    /// Returns the buffer, and the range of the content in it.
    pub(crate) fn into_parts(self) -> (Vec<u8>, std::ops::Range<usize>) {
        (self.body, self.start..self.end)
    }
}

/// The records of both directions of a connection.
pub(crate) struct RecordLayer {
    flavour: Flavour,
    framer: Framer,
    opener: Option<Opener>,
    sealer: Option<RecordSealer>,
    /// The version in the next unprotected record that is sent.
    plain_version: u16,
    output: Vec<u8>,
    sent: usize,
}

impl RecordLayer {
    pub(crate) fn new(flavour: Flavour, role: ConnectionRole) -> Self {
        // Clients of TLS 1.2 use version 1.0 in their first record because of old servers. The
        // clients of FISCO BCOS do this, too.
        let plain_version = match (flavour, role) {
            (Flavour::Tls12Sm, ConnectionRole::Client) => 0x0301,
            _ => flavour.version(),
        };
        Self {
            flavour,
            framer: Framer::new(flavour),
            opener: None,
            sealer: None,
            plain_version,
            output: Vec::new(),
            sent: 0,
        }
    }

    /// Takes bytes from the front of `input` until a record is complete.
    ///
    /// # Errors
    ///
    /// If the bytes are not a record, or do not decrypt.
    pub(crate) fn receive(&mut self, input: &mut &[u8]) -> Result<Option<PlainRecord>, TlcpError> {
        let protected = self.opener.is_some();
        let Some((kind, mut body)) = self.framer.feed(input, protected)? else {
            return Ok(None);
        };
        let range = match &mut self.opener {
            Some(opener) => opener.open(kind, &mut body)?,
            None => 0..body.len(),
        };
        // The framer reports the same for unprotected records.
        if range.is_empty() && kind != ContentType::Data {
            return Err(TlcpError::Malformed {
                message: kind.name(),
                reason: "the record is empty",
            });
        }
        Ok(Some(PlainRecord {
            kind,
            body,
            start: range.start,
            end: range.end,
        }))
    }

    /// From now on, only the flavour's version is accepted in records.
    pub(crate) fn fix_version(&mut self) {
        self.framer.fix_version();
    }

    /// Sends `content` in as many records as needed.
    pub(crate) fn send(
        &mut self,
        kind: ContentType,
        content: &[u8],
        rng: &mut Randomness,
    ) -> Result<(), TlcpError> {
        for part in content.chunks(limits::PLAINTEXT) {
            self.send_one(kind, part, rng)?;
        }
        Ok(())
    }

    /// Sends `content`, at most 2^14 bytes, in one record.
    pub(crate) fn send_one(
        &mut self,
        kind: ContentType,
        content: &[u8],
        rng: &mut Randomness,
    ) -> Result<(), TlcpError> {
        if let Some(sealer) = &mut self.sealer {
            let mut iv = [0; 16];
            rng.fill_bytes(&mut iv);
            return sealer.seal(kind, content, iv, &mut self.output);
        }
        let length = u16::try_from(content.len()).expect("a record is at most 2^14 long");
        self.output.push(kind as u8);
        self.output.extend(self.plain_version.to_be_bytes());
        self.plain_version = self.flavour.version();
        self.output.extend(length.to_be_bytes());
        self.output.extend(content);
        Ok(())
    }

    /// Protects everything that is sent from now on.
    pub(crate) fn seal_with(&mut self, keys: &DirectionKeys, order: MacOrder) {
        self.sealer = Some(RecordSealer::new(self.flavour, keys, order));
    }

    /// Expects protection of everything that is received from now on.
    pub(crate) fn open_with(&mut self, keys: &DirectionKeys, order: MacOrder) {
        self.opener = Some(Opener::new(self.flavour, keys, order));
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// Records that the first `count` bytes of the output have been sent.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = self.output.len().min(self.sent + count);
        if self.sent == self.output.len() {
            // An idle connection holds no buffer.
            self.output = Vec::new();
            self.sent = 0;
        }
    }
}
