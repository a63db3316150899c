//! The encoding Tars, as far as the gateway uses it (gateway-v3 section 4).

use bytes::{BufMut, BytesMut};

/// The types of fields.
pub(super) mod kind {
    pub(in super::super) const BYTE: u8 = 0;
    pub(in super::super) const SHORT: u8 = 1;
    pub(in super::super) const INT: u8 = 2;
    pub(in super::super) const LONG: u8 = 3;
    pub(in super::super) const FLOAT: u8 = 4;
    pub(in super::super) const DOUBLE: u8 = 5;
    pub(in super::super) const TEXT: u8 = 6;
    pub(in super::super) const LONG_TEXT: u8 = 7;
    pub(in super::super) const MAP: u8 = 8;
    pub(in super::super) const LIST: u8 = 9;
    pub(in super::super) const STRUCT: u8 = 10;
    pub(in super::super) const END: u8 = 11;
    pub(in super::super) const ZERO: u8 = 12;
    pub(in super::super) const BYTES: u8 = 13;
}

/// How deep structs, lists and maps may be nested in a field that is skipped.
const MAX_DEPTH: u8 = 16;

/// A tag of this value or above follows the head in a byte of its own.
const LONG_TAG: u8 = 15;

/// The head of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) tag: u8,
    pub(super) kind: u8,
}

/// Reads fields one after the other.
#[derive(Debug)]
pub(super) struct TarsReader<'a> {
    rest: &'a [u8],
}

impl<'a> TarsReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Reads the head of the next field of the outermost struct; returns `None` at its end.
    pub(super) fn outer(&mut self) -> Result<Option<Head>, TarsError> {
        match self.rest {
            [] => Ok(None),
            _ => self.inner(),
        }
    }

    /// Reads the head of the next field of a struct inside; returns `None` at its end.
    pub(super) fn inner(&mut self) -> Result<Option<Head>, TarsError> {
        let head = self.head()?;
        Ok((head.kind != kind::END).then_some(head))
    }

    fn head(&mut self) -> Result<Head, TarsError> {
        let byte = self.byte()?;
        let tag = match byte >> 4 {
            LONG_TAG => self.byte()?,
            tag => tag,
        };
        let kind = byte & 0xf;
        Ok(Head { tag, kind })
    }

    /// Reads an integer of 32 bits.
    pub(super) fn integer(&mut self, head: Head) -> Result<i32, TarsError> {
        match head.kind {
            kind::ZERO => Ok(0),
            kind::BYTE => Ok(i8::from_be_bytes(self.array()?).into()),
            kind::SHORT => Ok(i16::from_be_bytes(self.array()?).into()),
            kind::INT => Ok(i32::from_be_bytes(self.array()?)),
            _ => Err(head.unexpected()),
        }
    }

    /// Reads a string.
    pub(super) fn text(&mut self, head: Head) -> Result<&'a [u8], TarsError> {
        let len = match head.kind {
            kind::TEXT => usize::from(self.byte()?),
            kind::LONG_TEXT => u32::from_be_bytes(self.array()?) as usize,
            _ => return Err(head.unexpected()),
        };
        self.take(len)
    }

    /// Reads the beginning of a list, and returns the number of its elements.
    pub(super) fn list(&mut self, head: Head) -> Result<usize, TarsError> {
        if head.kind != kind::LIST {
            return Err(head.unexpected());
        }
        self.count()
    }

    /// Reads the head of an element of a list, or of a field, that must be a struct.
    pub(super) fn element(&mut self) -> Result<(), TarsError> {
        let head = self.head()?;
        head.is(kind::STRUCT)
    }

    fn count(&mut self) -> Result<usize, TarsError> {
        let head = self.head()?;
        let count = self.integer(head)?;
        usize::try_from(count).map_err(|_| TarsError::NegativeCount)
    }

    /// Skips the value of a field.
    pub(super) fn skip(&mut self, head: Head) -> Result<(), TarsError> {
        self.skip_nested(head, MAX_DEPTH)
    }

    fn skip_nested(&mut self, head: Head, depth: u8) -> Result<(), TarsError> {
        let inside = depth.checked_sub(1).ok_or(TarsError::TooDeep)?;
        match head.kind {
            kind::ZERO => Ok(()),
            kind::BYTE => self.take(1).map(drop),
            kind::SHORT => self.take(2).map(drop),
            kind::INT | kind::FLOAT => self.take(4).map(drop),
            kind::LONG | kind::DOUBLE => self.take(8).map(drop),
            kind::TEXT | kind::LONG_TEXT => self.text(head).map(drop),
            kind::LIST => {
                let count = self.count()?;
                self.skip_fields(count, inside)
            }
            kind::MAP => {
                let count = self.count()?;
                self.skip_fields(count.saturating_mul(2), inside)
            }
            kind::BYTES => {
                self.head()?.is(kind::BYTE)?;
                let count = self.count()?;
                self.take(count).map(drop)
            }
            kind::STRUCT => {
                while let Some(field) = self.inner()? {
                    self.skip_nested(field, inside)?;
                }
                Ok(())
            }
            _ => Err(head.unexpected()),
        }
    }

    /// Skips fields. Each takes at least one byte, so a false count ends at the end of the bytes.
    fn skip_fields(&mut self, count: usize, depth: u8) -> Result<(), TarsError> {
        for _ in 0..count {
            let head = self.head()?;
            self.skip_nested(head, depth)?;
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, TarsError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TarsError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TarsError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], TarsError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(TarsError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl Head {
    fn unexpected(self) -> TarsError {
        TarsError::UnexpectedType {
            tag: self.tag,
            kind: self.kind,
        }
    }

    /// Fails unless the field is of this type.
    pub(super) fn is(self, kind: u8) -> Result<(), TarsError> {
        match self.kind == kind {
            true => Ok(()),
            false => Err(self.unexpected()),
        }
    }
}

/// Writes the head of a field. Tags are below 15.
pub(super) fn put_head(tag: u8, kind: u8, out: &mut BytesMut) {
    debug_assert!(tag < LONG_TAG);
    out.put_u8(tag << 4 | kind);
}

/// Writes an integer with the smallest type that holds it.
pub(super) fn put_integer(tag: u8, value: i32, out: &mut BytesMut) {
    if value == 0 {
        put_head(tag, kind::ZERO, out);
    } else if let Ok(value) = i8::try_from(value) {
        put_head(tag, kind::BYTE, out);
        out.put_i8(value);
    } else if let Ok(value) = i16::try_from(value) {
        put_head(tag, kind::SHORT, out);
        out.put_i16(value);
    } else {
        put_head(tag, kind::INT, out);
        out.put_i32(value);
    }
}

/// Writes a string.
pub(super) fn put_text(tag: u8, text: &[u8], out: &mut BytesMut) {
    match u8::try_from(text.len()) {
        Ok(len) => {
            put_head(tag, kind::TEXT, out);
            out.put_u8(len);
        }
        Err(_) => {
            put_head(tag, kind::LONG_TEXT, out);
            out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
    }
    out.put_slice(text);
}

/// Writes a string unless it is empty, as upstream encoders write optional fields.
pub(super) fn put_optional_text(tag: u8, text: &[u8], out: &mut BytesMut) {
    if !text.is_empty() {
        put_text(tag, text, out);
    }
}

/// Why a handshake or a router table could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TarsError {
    /// The bytes end inside a field.
    #[error("the Tars encoding ends inside a field; the other side is faulty")]
    Truncated,
    /// A field has a type that it cannot have.
    #[error("field {tag} of the Tars encoding has type {kind}; the other side is faulty")]
    UnexpectedType {
        /// The field's tag.
        tag: u8,
        /// The field's type.
        kind: u8,
    },
    /// A required field is missing.
    #[error("field {tag} of the Tars encoding is missing; the other side is faulty")]
    Missing {
        /// The field's tag.
        tag: u8,
    },
    /// A list has a negative number of elements.
    #[error("a list in the Tars encoding has a negative length; the other side is faulty")]
    NegativeCount,
    /// Fields are nested too deeply.
    #[error("the Tars encoding is nested more than {MAX_DEPTH} deep; the other side is faulty")]
    TooDeep,
}

#[cfg(test)]
mod tests;
