//! JSON text, value by value. Numbers stay as they are written, so that they are not rounded before
//! their type is known. This is the reason not to use serde_json, which only reads the strings
//! here.

use crate::{ProtoJsonError, number};
use std::borrow::Cow;

/// The maximum nesting depth of objects and arrays; serde_json has the same limit.
pub(crate) const MAX_NESTING: u32 = 127;

#[derive(Clone)]
pub(crate) struct JsonText<'a> {
    text: &'a str,
    at: usize,
    nesting: u32,
}

/// The kind of the next value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JsonKind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl JsonKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl<'a> JsonText<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            nesting: 0,
        }
    }

    fn error(&self, what: &str) -> ProtoJsonError {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        ProtoJsonError::new(format!("{what} at line {line}, column {column}"))
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn skip_space(&mut self) {
        let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.rest().iter().take_while(space).count();
    }

    /// Returns the first byte of the next value.
    fn byte(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest().first().copied()
    }

    pub(crate) fn next(&mut self) -> Result<JsonKind, ProtoJsonError> {
        match self.byte() {
            Some(b'n') => Ok(JsonKind::Null),
            Some(b't' | b'f') => Ok(JsonKind::Bool),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            Some(b'"') => Ok(JsonKind::String),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b'{') => Ok(JsonKind::Object),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value is expected")),
        }
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), ProtoJsonError> {
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(self.error("there is more text after the value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), ProtoJsonError> {
        self.skip_space();
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.error(&format!("expected {word}")));
        }
        self.at += word.len();
        Ok(())
    }

    pub(crate) fn null(&mut self) -> Result<(), ProtoJsonError> {
        self.word("null")
    }

    pub(crate) fn bool(&mut self) -> Result<bool, ProtoJsonError> {
        let value = self.byte() == Some(b't');
        self.word(if value { "true" } else { "false" })?;
        Ok(value)
    }

    /// Reads a number in the form in which it is written.
    pub(crate) fn number(&mut self) -> Result<&'a str, ProtoJsonError> {
        self.skip_space();
        let part = |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let len = self.rest().iter().take_while(part).count();
        let written = &self.text[self.at..self.at + len];
        if !number::is_number(written) {
            return Err(self.error("this is not a number"));
        }
        self.at += len;
        Ok(written)
    }

    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, ProtoJsonError> {
        self.word("\"")
            .map_err(|_| self.error("expected a string"))?;
        let start = self.at;
        let mut plain = true;
        loop {
            let simple = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..=0x1f);
            self.at += self.rest().iter().take_while(simple).count();
            match self.rest().first() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.at += 1;
                    // Skip the escaped character, which may be a quote.
                    self.at += self.text[self.at..]
                        .chars()
                        .next()
                        .map_or(0, char::len_utf8);
                }
                Some(0..=0x1f) => return Err(self.error("a string holds a control character")),
                _ => return Err(self.error("a string does not end")),
            }
        }
        let end = self.at;
        self.at += 1;
        if plain {
            return Ok(Cow::Borrowed(&self.text[start..end]));
        }
        serde_json::from_str(&self.text[start - 1..=end])
            .map(Cow::Owned)
            .map_err(|_| self.error("a string has a wrong escape"))
    }

    fn enter(&mut self, open: u8) -> Result<(), ProtoJsonError> {
        if self.byte() != Some(open) {
            return Err(self.error(&format!("expected `{}`", char::from(open))));
        }
        if self.nesting == MAX_NESTING {
            return Err(self.error("objects and arrays are nested too deep"));
        }
        self.nesting += 1;
        self.at += 1;
        Ok(())
    }

    /// Returns whether another element follows; otherwise skips the closing bracket.
    fn more(&mut self, first: bool, close: u8) -> Result<bool, ProtoJsonError> {
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.nesting -= 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(true),
            _ => Err(self.error(&format!("expected `,` or `{}`", char::from(close)))),
        }
    }

    /// Reads an array. `element` reads each element and gets its index.
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self, usize) -> Result<(), ProtoJsonError>,
    ) -> Result<(), ProtoJsonError> {
        self.enter(b'[')?;
        let mut at = 0;
        while self.more(at == 0, b']')? {
            element(self, at)?;
            at += 1;
        }
        Ok(())
    }

    /// Reads an object. `member` must read the value of each member.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), ProtoJsonError>,
    ) -> Result<(), ProtoJsonError> {
        self.enter(b'{')?;
        let mut first = true;
        while self.more(first, b'}')? {
            first = false;
            let name = self.string()?;
            self.word(":").map_err(|_| self.error("expected `:`"))?;
            member(self, name)?;
        }
        Ok(())
    }

    /// Skips a value.
    pub(crate) fn skip(&mut self) -> Result<(), ProtoJsonError> {
        match self.next()? {
            JsonKind::Null => self.null(),
            JsonKind::Bool => self.bool().map(|_| ()),
            JsonKind::Number => self.number().map(|_| ()),
            JsonKind::String => self.string().map(|_| ()),
            JsonKind::Array => self.array(|text, _| text.skip()),
            JsonKind::Object => self.object(|text, _| text.skip()),
        }
    }
}

/// Checks that the next value is of this kind.
pub(crate) fn expect(text: &mut JsonText<'_>, wanted: JsonKind) -> Result<(), ProtoJsonError> {
    let found = text.next()?;
    if found == wanted {
        return Ok(());
    }
    Err(ProtoJsonError::new(format!(
        "expected {}, found {}",
        wanted.name(),
        found.name()
    )))
}

#[cfg(test)]
mod tests;
