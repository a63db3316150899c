//! Text from other programs on one line.

use std::fmt::{self, Write};

/// Shows a value on one line that does no harm to a log or a terminal, whatever text the value has:
/// control characters, line breaks, marks that change the reading direction and other invisible
/// characters are escaped as in Rust. A text that is too long is cut and ends with three dots.
///
/// Text that needs no escape is shown as it is, so escaping twice changes nothing.
///
/// ```
/// use amop_proto::log::OneLine;
///
/// let name = "agency\n2026-01-01 INFO all is well\u{1b}[2J";
/// assert_eq!(
///     OneLine::new(name).to_string(),
///     "agency\\n2026-01-01 INFO all is well\\u{1b}[2J"
/// );
/// assert_eq!(OneLine::new("abcdef").max(3).to_string(), "abc...");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T> {
    value: T,
    max: usize,
}

impl<T: fmt::Display> OneLine<T> {
    /// How many characters are shown unless [`max`](Self::max) says otherwise: more than any text
    /// that this project itself writes.
    pub const MAX: usize = 2048;

    /// Shows at most [`MAX`](Self::MAX) characters of a value.
    pub fn new(value: T) -> Self {
        let max = Self::MAX;
        Self { value, max }
    }

    /// Sets the maximum number of characters, counted after escaping; the three dots are not
    /// counted.
    #[must_use]
    pub fn max(mut self, characters: usize) -> Self {
        self.max = characters;
        self
    }
}

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = LineWriter {
            out: f,
            room: self.max,
            cut: false,
        };
        match write!(line, "{}", self.value) {
            Err(fmt::Error) if line.cut => f.write_str("..."),
            result => result,
        }
    }
}

/// Escapes what is written to it, and fails when the room is used up.
struct LineWriter<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    room: usize,
    cut: bool,
}

impl Write for LineWriter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if is_seen(c) {
            self.take(1)?;
            return self.out.write_char(c);
        }
        // An escape sequence is never split.
        let escaped = c.escape_debug();
        self.take(escaped.len())?;
        write!(self.out, "{escaped}")
    }
}

impl LineWriter<'_, '_> {
    fn take(&mut self, characters: usize) -> fmt::Result {
        match self.room.checked_sub(characters) {
            Some(room) => self.room = room,
            None => {
                self.cut = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// Returns whether a character shows as itself and has no other effect. Characters that Rust
/// escapes in a string are escaped here, too, except for quotes and backslashes, which do no harm.
fn is_seen(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ => !c.is_control() && c.escape_debug().len() == 1,
    }
}

#[cfg(test)]
mod tests;
