//! The memory that stands between tungstenite and the stream.

use std::io::{self, Read, Write};

use bytes::{Buf, BytesMut};

/// Bytes that arrived and are not read yet, and bytes that wait to be sent. Reading from an empty one
/// would block; writing never does.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = buf.len().min(self.input.len());
        self.input.copy_to_slice(&mut buf[..len]);
        Ok(len)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
