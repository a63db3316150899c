//! Inputs that are interpreted as a sequence of steps.

/// Reads numbers and strings from the front of an input. At its end all values are 0 or empty.
#[derive(Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// Creates a reader at the beginning of an input.
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// Returns the next step; `None` at the end.
    pub fn step(&mut self) -> Option<u8> {
        (!self.rest.is_empty()).then(|| self.byte())
    }

    /// Reads one byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Reads two bytes, the higher one first.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Reads four bytes, the highest first.
    pub fn word(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// Reads a length of two bytes and that many bytes, or as many as there are.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.short());
        self.take(len)
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }
}
