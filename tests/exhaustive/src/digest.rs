//! A fingerprint of a machine, made from its `Debug` text.
//!
//! All of a machine's fields are in that text, those of tomorrow too, so nothing can be forgotten
//! here. Three things in it must not count: the order in which hash maps list their entries, what
//! the clock shows, and what is only counted. So entries within braces are summed, whatever their
//! order; each moment counts as its distance from now; and [`IGNORED`] structs are skipped. What is
//! not understood is taken as it stands, which tells too many states apart but never too few.

use std::{
    fmt::{self, Debug, Write},
    time::Instant,
};

/// Structs that decide nothing: configuration that never changes, counters, and what holds rates and
/// shares against limits that no search comes near.
const IGNORED: [&[u8]; 4] = [b"NodeConfig", b"Counters", b"Bucket", b"Shares"];

const MOMENT: &[u8] = b"Instant";

/// Names of structs that matter here are not longer.
const LONGEST: usize = 16;

/// The fingerprint of a value at a moment.
pub fn digest(value: &impl Debug, now: Instant) -> u64 {
    let mut reader = Reader::new(nanos_of(now));
    // Writing into a `Reader` does not fail.
    let _ = write!(reader, "{value:?}");
    reader.finish()
}

/// What a moment's `Debug` text says, in nanoseconds.
fn nanos_of(now: Instant) -> i128 {
    let mut reader = Reader::new(0);
    let _ = write!(reader, "{now:?}");
    reader.last_moment
}

/// What an entry begins with.
const START: u64 = 0xcbf2_9ce4_8422_2325;

/// Spreads what is in a hash over all its bits.
pub(crate) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// What is between two brackets.
#[derive(Debug)]
struct Group {
    close: u8,
    /// Of the entries that are over.
    sum: u64,
    /// Of the one at hand.
    entry: u64,
    empty: bool,
    moment: Option<Moment>,
    skip: bool,
}

impl Group {
    fn new(close: u8) -> Self {
        Self {
            close,
            sum: 0,
            entry: START,
            empty: true,
            moment: None,
            skip: false,
        }
    }

    fn take(&mut self, run: &[u8]) {
        if self.skip {
            return;
        }
        if let Some(moment) = &mut self.moment {
            run.iter().for_each(|&byte| moment.take(byte));
            return;
        }
        for part in run.chunks(8) {
            let mut number = [0; 8];
            number[..part.len()].copy_from_slice(part);
            self.take_hash(u64::from_le_bytes(number));
        }
    }

    fn take_hash(&mut self, hash: u64) {
        self.entry = mix(self.entry ^ hash).wrapping_add(START);
        self.empty = false;
    }

    fn end_entry(&mut self) {
        if self.empty {
            return;
        }
        let entry = mix(self.entry);
        self.sum = match self.close {
            b'}' => self.sum.wrapping_add(entry),
            _ => mix(self.sum ^ entry).wrapping_add(entry.rotate_left(17)),
        };
        (self.entry, self.empty) = (START, true);
    }
}

/// The numbers of an `Instant`: seconds and nanoseconds.
#[derive(Debug, Default)]
struct Moment {
    numbers: [i128; 2],
    count: usize,
    in_number: bool,
    negative: bool,
}

impl Moment {
    fn take(&mut self, byte: u8) {
        if byte.is_ascii_digit() && (self.in_number || self.count < 2) {
            if !self.in_number {
                self.in_number = true;
                self.count += 1;
            }
            let number = &mut self.numbers[self.count - 1];
            *number = *number * 10 + i128::from(byte - b'0');
        } else {
            self.negative |= byte == b'-' && self.count == 0;
            self.in_number = false;
        }
    }

    fn nanos(&self) -> i128 {
        let seconds = if self.negative {
            -self.numbers[0]
        } else {
            self.numbers[0]
        };
        seconds * 1_000_000_000 + self.numbers[1]
    }
}

/// Reads a `Debug` text as it is written.
struct Reader {
    now: i128,
    last_moment: i128,
    groups: Vec<Group>,
    /// The last word, to know the names of structs.
    word: Vec<u8>,
    quoted: bool,
    escaped: bool,
}

impl Reader {
    fn new(now: i128) -> Self {
        Self {
            now,
            last_moment: 0,
            groups: vec![Group::new(b']')],
            word: Vec::new(),
            quoted: false,
            escaped: false,
        }
    }

    fn finish(mut self) -> u64 {
        while self.groups.len() > 1 {
            self.close();
        }
        let mut all = self.groups.pop().unwrap_or(Group::new(b']'));
        all.end_entry();
        mix(all.sum)
    }

    fn open(&mut self, close: u8) {
        let outer_skips = self.groups.last().is_some_and(|group| group.skip);
        let mut group = Group::new(close);
        group.skip = outer_skips || IGNORED.contains(&self.word.as_slice());
        if self.word == MOMENT {
            group.moment = Some(Moment::default());
        }
        self.word.clear();
        self.groups.push(group);
    }

    fn close(&mut self) {
        if self.groups.len() < 2 {
            return;
        }
        let Some(mut group) = self.groups.pop() else {
            return;
        };
        group.end_entry();
        let hash = match &group.moment {
            Some(moment) => {
                self.last_moment = moment.nanos();
                (self.last_moment - self.now) as u64
            }
            None if group.skip => 0,
            None => group.sum ^ u64::from(group.close),
        };
        if let Some(outer) = self.groups.last_mut()
            && !outer.skip
        {
            outer.take_hash(hash);
        }
        self.word.clear();
    }

    fn mark(&mut self, byte: u8) {
        match byte {
            b'{' => self.open(b'}'),
            b'[' => self.open(b']'),
            b'(' => self.open(b')'),
            b'}' | b']' | b')' => self.close(),
            b',' => {
                if let Some(group) = self.groups.last_mut() {
                    group.end_entry();
                }
            }
            b'"' => {
                self.quoted = true;
                self.run(b"\"");
            }
            _ => {}
        }
    }

    /// Bytes without meaning of their own.
    fn run(&mut self, run: &[u8]) {
        if let Some(group) = self.groups.last_mut() {
            group.take(run);
        }
        // Names are written at once, their brackets after them.
        self.word.clear();
        if run.len() <= LONGEST {
            self.word.extend_from_slice(run);
        }
    }

    /// How many of these bytes are within the quotes.
    fn in_quotes(&mut self, bytes: &[u8]) -> usize {
        for (at, &byte) in bytes.iter().enumerate() {
            let escaped = std::mem::replace(&mut self.escaped, false);
            self.escaped = byte == b'\\' && !escaped;
            if byte == b'"' && !escaped {
                self.quoted = false;
                return at + 1;
            }
        }
        bytes.len()
    }
}

/// Whether a byte is one of those that hold a text together, or a space.
fn is_mark(byte: u8) -> bool {
    matches!(
        byte,
        b'{' | b'[' | b'(' | b'}' | b']' | b')' | b',' | b'"' | b' ' | b'\n'
    )
}

impl Write for Reader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while let Some(&first) = rest.first() {
            let len = if self.quoted {
                let len = self.in_quotes(rest);
                self.run(&rest[..len]);
                len
            } else if is_mark(first) {
                self.mark(first);
                1
            } else {
                let end = rest.iter().position(|&byte| is_mark(byte));
                let len = end.unwrap_or(rest.len());
                self.run(&rest[..len]);
                len
            };
            rest = &rest[len..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use super::*;

    #[derive(Debug, Clone)]
    struct Machine {
        map: HashMap<u32, &'static str>,
        list: Vec<u32>,
        due: Option<Instant>,
        counters: Counters,
    }

    #[derive(Debug, Clone, Default)]
    struct Counters {
        _seen: u64,
        _more: [u8; 2],
    }

    fn machine(now: Instant) -> Machine {
        Machine {
            map: HashMap::from([(1, "a"), (2, "b, {"), (3, "c\"]")]),
            list: vec![1, 2],
            due: Some(now + Duration::from_millis(5)),
            counters: Counters::default(),
        }
    }

    #[test]
    fn neither_the_order_of_maps_nor_the_clock_nor_counters_count() {
        let now = Instant::now();
        let one = digest(&machine(now), now);
        for n in 1..50 {
            // Every map has an order of its own.
            let later = now + Duration::from_nanos(n * 1_234_567_891);
            let mut other = machine(later);
            other.counters = Counters {
                _seen: n,
                _more: [1, 2],
            };
            assert_eq!(digest(&other, later), one);
        }
    }

    #[test]
    fn everything_else_counts() {
        let now = Instant::now();
        let start = machine(now);
        let mut others = vec![start.clone(); 7];
        others[0].list = vec![2, 1];
        others[1].list = vec![12];
        others[2].due = None;
        others[3].due = Some(now + Duration::from_millis(6));
        others[4].map.insert(1, "b, {");
        others[5].map.remove(&3);
        others[6].map = HashMap::from([(2, "a"), (1, "b, {"), (3, "c\"]")]);
        let mut digests: Vec<u64> = others.iter().map(|other| digest(other, now)).collect();
        digests.push(digest(&start, now));
        digests.push(digest(&start, now + Duration::from_nanos(1)));
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 9);
    }

    #[test]
    fn structs_of_one_shape_are_told_apart() {
        let now = Instant::now();
        assert_ne!(digest(&Some(1), now), digest(&Ok::<_, ()>(1), now));
        assert_ne!(digest(&[(1, 2)], now), digest(&[(2, 1)], now));
        assert_ne!(digest(&(1, [2, 3]), now), digest(&([1, 2], 3), now));
    }
}
