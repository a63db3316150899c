//! Reads and writes the elements of handshake messages.

use crate::TlcpError;

/// Reads a message from beginning to end.
pub(crate) struct MessageReader<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> MessageReader<'a> {
    pub(crate) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self {
            message,
            rest: body,
        }
    }

    pub(crate) fn malformed(&self, reason: &'static str) -> TlcpError {
        TlcpError::Malformed {
            message: self.message,
            reason,
        }
    }

    pub(crate) fn illegal(&self, reason: &'static str) -> TlcpError {
        TlcpError::Illegal {
            message: self.message,
            reason,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], TlcpError> {
        let (part, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.malformed("it ends too early"))?;
        self.rest = rest;
        Ok(part)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], TlcpError> {
        let part = self.take(N)?;
        Ok(part.try_into().expect("as long as was asked for"))
    }

    /// Reads a number of `bytes` bytes.
    fn number(&mut self, bytes: usize) -> Result<usize, TlcpError> {
        let digits = self.take(bytes)?;
        Ok(digits
            .iter()
            .fold(0, |number, digit| number << 8 | usize::from(*digit)))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, TlcpError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, TlcpError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads bytes that are preceded by their length, a number of `bytes` bytes.
    pub(crate) fn prefixed(&mut self, bytes: usize) -> Result<&'a [u8], TlcpError> {
        let length = self.number(bytes)?;
        self.take(length)
    }

    /// Does the same and returns a reader of these bytes.
    pub(crate) fn nested(&mut self, bytes: usize) -> Result<MessageReader<'a>, TlcpError> {
        Ok(Self::new(self.message, self.prefixed(bytes)?))
    }

    /// Checks that nothing follows.
    pub(crate) fn end(self) -> Result<(), TlcpError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("something follows its end"))
        }
    }
}

/// Appends `part`, preceded by its length in `bytes` bytes.
pub(crate) fn put_prefixed(out: &mut Vec<u8>, bytes: usize, part: &[u8]) {
    let length = part.len().to_be_bytes();
    let (zeros, length) = length.split_at(length.len() - bytes);
    debug_assert!(zeros.iter().all(|zero| *zero == 0));
    out.extend(length);
    out.extend(part);
}

pub(crate) fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_be_bytes());
}
