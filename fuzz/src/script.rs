//! Inputs that are read as a sequence of steps.

/// Reads numbers and strings off the front of an input. At its end everything is 0 and empty.
#[derive(Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// From its beginning.
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// What the next step is; `None` at the end.
    pub fn step(&mut self) -> Option<u8> {
        (!self.rest.is_empty()).then(|| self.byte())
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// Two bytes, the higher one first.
    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Four bytes, the highest first.
    pub fn word(&mut self) -> u32 {
        u32::from(self.short()) << 16 | u32::from(self.short())
    }

    /// A length of two bytes and so many bytes, or what there is of them.
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
