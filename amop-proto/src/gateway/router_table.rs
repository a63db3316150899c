//! Router tables (gateway-v3 section 5.1).

use bytes::{Bytes, BytesMut};

use super::{
    id::{GatewayAddress, GatewayId},
    tars::{TarsError, TarsReader, kind, put_head, put_integer, put_optional_text, put_text},
};

/// Nodes at this distance or above are unreachable (gateway-v3 section 5.1).
pub const UNREACHABLE: u32 = 10;

/// The nodes that a node reaches, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouterTable {
    /// One entry for each node.
    pub entries: Vec<RouterEntry>,
}

/// How a node is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouterEntry {
    /// The node's raw id.
    pub node: Bytes,
    /// The id of the neighbour through which it is reached; empty if it is a neighbour itself.
    pub next_hop: Bytes,
    /// The number of hops to it.
    pub distance: i32,
    /// The node's short id; empty before 3.14.0.
    pub short_id: Bytes,
    /// The node's raw id once more; may be empty.
    pub raw_id: Bytes,
}

impl RouterTable {
    /// Returns the payload of a router table packet.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        put_head(1, kind::LIST, &mut out);
        let count = i32::try_from(self.entries.len()).unwrap_or(i32::MAX);
        put_integer(0, count, &mut out);
        for entry in &self.entries {
            entry.put(&mut out);
        }
        out.freeze()
    }

    /// Reads the payload of a router table packet of at most `max_len` bytes and `max_entries`
    /// entries. The ids share its memory.
    ///
    /// # Errors
    ///
    /// [`RouterTableError`] if it is malformed or too long.
    pub fn parse(
        payload: &Bytes,
        max_len: usize,
        max_entries: usize,
    ) -> Result<Self, RouterTableError> {
        let len = payload.len();
        if len > max_len {
            return Err(RouterTableError::TooLong { len, max: max_len });
        }
        let mut reader = TarsReader::new(payload);
        let mut entries = Vec::new();
        while let Some(head) = reader.outer()? {
            if head.tag != 1 {
                reader.skip(head)?;
                continue;
            }
            let count = reader.list(head)?;
            if count > max_entries {
                let max = max_entries;
                return Err(RouterTableError::TooManyEntries { count, max });
            }
            entries.clear();
            for _ in 0..count {
                reader.element()?;
                entries.push(RouterEntry::read(&mut reader, payload)?);
            }
        }
        Ok(Self { entries })
    }
}

impl RouterEntry {
    fn put(&self, out: &mut BytesMut) {
        put_head(0, kind::STRUCT, out);
        put_text(1, &self.node, out);
        put_optional_text(2, &self.next_hop, out);
        put_integer(3, self.distance, out);
        if !(self.short_id.is_empty() && self.raw_id.is_empty()) {
            put_head(4, kind::STRUCT, out);
            put_optional_text(1, &self.short_id, out);
            put_optional_text(2, &self.raw_id, out);
            put_head(0, kind::END, out);
        }
        put_head(0, kind::END, out);
    }

    fn read(reader: &mut TarsReader<'_>, payload: &Bytes) -> Result<Self, TarsError> {
        let mut entry = Self::default();
        let mut distance = None;
        while let Some(head) = reader.inner()? {
            match head.tag {
                1 => entry.node = payload.slice_ref(reader.text(head)?),
                2 => entry.next_hop = payload.slice_ref(reader.text(head)?),
                3 => distance = Some(reader.integer(head)?),
                4 => {
                    head.is(kind::STRUCT)?;
                    entry.read_ids(reader, payload)?;
                }
                _ => reader.skip(head)?,
            }
        }
        if entry.node.is_empty() {
            return Err(TarsError::Missing { tag: 1 });
        }
        entry.distance = distance.ok_or(TarsError::Missing { tag: 3 })?;
        Ok(entry)
    }

    fn read_ids(&mut self, reader: &mut TarsReader<'_>, payload: &Bytes) -> Result<(), TarsError> {
        while let Some(head) = reader.inner()? {
            match head.tag {
                1 => self.short_id = payload.slice_ref(reader.text(head)?),
                2 => self.raw_id = payload.slice_ref(reader.text(head)?),
                _ => reader.skip(head)?,
            }
        }
        Ok(())
    }

    /// Returns the node that the entry is about; `None` if its ids are not those of one node.
    #[must_use]
    pub fn address(&self) -> Option<GatewayAddress> {
        let named = GatewayAddress::read(&self.node)?;
        let best = match self.raw_id.is_empty() {
            true => named.clone(),
            false => GatewayAddress::of_raw(self.raw_id.clone()).ok()?,
        };
        let short = match self.short_id.is_empty() {
            true => best.id(),
            false => GatewayId(self.short_id[..].try_into().ok()?),
        };
        (best.id() == named.id() && best.id() == short).then_some(best)
    }
}

/// Why a router table is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterTableError {
    /// It is not the encoding of a table.
    #[error(transparent)]
    Tars(#[from] TarsError),
    /// It is over the limit of bytes.
    #[error("a router table has {len} bytes, the limit is {max}; raise the limit")]
    TooLong {
        /// The length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// It has more entries than this node accepts.
    #[error("a router table has {count} entries, the limit is {max}; raise the limit")]
    TooManyEntries {
        /// The number of entries.
        count: usize,
        /// The limit.
        max: usize,
    },
}

#[cfg(test)]
mod tests;
