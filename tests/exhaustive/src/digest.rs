//! A fingerprint of a machine, made from its `Debug` text.
//!
//! This text contains all fields of the machine, including fields added later, so no field can be
//! forgotten here. Three things in it must not count: the order in which hash maps list their
//! entries, the time of the clock, and mere counters. Because of this, entries within braces are
//! summed, whatever their order; each moment counts as its distance from now; and some structs are
//! skipped ([`Name`]). Text that is not recognised is used unchanged: this may separate equal
//! states, but it never merges different ones.

use std::{
    fmt::{self, Debug, Write},
    time::Instant,
};

/// The meaning of a name for the brackets that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Other,
    /// A struct that decides nothing: configuration that never changes, counters, and structs that
    /// check rates and shares against limits that no search reaches.
    Ignored,
    Moment,
}

impl Name {
    fn of(run: &[u8]) -> Self {
        match run {
            b"MachineConfig" | b"Limits" | b"Timeouts" | b"Counters" | b"RateBucket"
            | b"TokenBucket" | b"Shares" => Self::Ignored,
            b"Instant" => Self::Moment,
            _ => Self::Other,
        }
    }
}

/// Returns the fingerprint of a value at a moment.
pub fn digest(value: &impl Debug, now: Instant) -> u64 {
    let mut reader = Reader::new(nanos_of(now));
    // Writing into a `Reader` cannot fail.
    let _ = write!(reader, "{value:?}");
    reader.finish()
}

/// Returns the content of a moment's `Debug` text, in nanoseconds.
fn nanos_of(now: Instant) -> i128 {
    let mut reader = Reader::new(0);
    let _ = write!(reader, "{now:?}");
    reader.last_moment
}

/// The hash that every entry begins with.
const START: u64 = 0xcbf2_9ce4_8422_2325;

/// Spreads the information in a hash over all its bits.
pub(crate) fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The content between two brackets.
#[derive(Debug)]
struct Group {
    close: u8,
    /// The sum of the finished entries.
    sum: u64,
    /// The hash of the current entry.
    entry: u64,
    empty: bool,
    skip: bool,
}

impl Group {
    fn new(close: u8) -> Self {
        Self {
            close,
            sum: 0,
            entry: START,
            empty: true,
            skip: false,
        }
    }

    fn take(&mut self, run: &[u8]) {
        let number = |part: &[u8]| {
            let bytes = part.iter();
            bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
        };
        for part in run.chunks(8) {
            self.take_hash(number(part));
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

/// The two numbers of an `Instant`: seconds and nanoseconds.
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

/// Text within quotes, taken eight bytes at a time, because it arrives in pieces of one or two
/// bytes.
#[derive(Debug, Default)]
struct Quoted {
    open: bool,
    escaped: bool,
    bytes: u64,
    len: u32,
}

/// Reads a `Debug` text while it is written.
struct Reader {
    now: i128,
    last_moment: i128,
    /// The current group, and below it the groups around it.
    group: Group,
    around: Vec<Group>,
    /// The numbers of the current group if it is a moment. A moment contains no groups.
    moment: Option<Moment>,
    /// The name that was written last.
    name: Name,
    quoted: Quoted,
}

impl Reader {
    fn new(now: i128) -> Self {
        Self {
            now,
            last_moment: 0,
            group: Group::new(b']'),
            around: Vec::with_capacity(32),
            moment: None,
            name: Name::Other,
            quoted: Quoted::default(),
        }
    }

    fn finish(mut self) -> u64 {
        while !self.around.is_empty() {
            self.close();
        }
        self.group.end_entry();
        mix(self.group.sum)
    }

    fn open(&mut self, close: u8) {
        let mut group = Group::new(close);
        let name = std::mem::replace(&mut self.name, Name::Other);
        group.skip = self.group.skip || name == Name::Ignored;
        if !group.skip && name == Name::Moment {
            self.moment = Some(Moment::default());
        }
        self.around.push(std::mem::replace(&mut self.group, group));
    }

    fn close(&mut self) {
        let Some(outer) = self.around.pop() else {
            return;
        };
        let mut group = std::mem::replace(&mut self.group, outer);
        self.name = Name::Other;
        if self.group.skip {
            return;
        }
        group.end_entry();
        let hash = match self.moment.take() {
            Some(moment) => {
                self.last_moment = moment.nanos();
                (self.last_moment - self.now) as u64
            }
            None if group.skip => 0,
            None => group.sum ^ u64::from(group.close),
        };
        self.group.take_hash(hash);
    }

    fn mark(&mut self, byte: u8) {
        match byte {
            b'{' => self.open(b'}'),
            b'[' => self.open(b']'),
            b'(' => self.open(b')'),
            b'}' | b']' | b')' => self.close(),
            b',' => self.group.end_entry(),
            b'"' => {
                self.run(b"\"");
                self.quoted.open = true;
            }
            _ => {}
        }
    }

    /// Takes bytes that have no meaning of their own.
    fn run(&mut self, run: &[u8]) {
        if self.group.skip {
            return;
        }
        match &mut self.moment {
            Some(moment) => run.iter().for_each(|&byte| moment.take(byte)),
            None => self.group.take(run),
        }
        // A name is written in one piece, and its brackets after it.
        self.name = Name::of(run);
    }

    /// Takes bytes within quotes; returns their number up to the end of the quotes.
    fn in_quotes(&mut self, bytes: &[u8]) -> usize {
        let quoted = &mut self.quoted;
        for (at, &byte) in bytes.iter().enumerate() {
            let escaped = std::mem::replace(&mut quoted.escaped, false);
            quoted.escaped = byte == b'\\' && !escaped;
            quoted.bytes = quoted.bytes << 8 | u64::from(byte);
            quoted.len += 1;
            let ends = byte == b'"' && !escaped;
            if quoted.len == 8 || ends {
                if !self.group.skip {
                    self.group.take_hash(quoted.bytes);
                }
                (quoted.bytes, quoted.len) = (0, 0);
            }
            if ends {
                quoted.open = false;
                return at + 1;
            }
        }
        bytes.len()
    }
}

/// Returns whether a byte is a mark that structures the text, or a space.
fn is_mark(byte: u8) -> bool {
    MARKS[usize::from(byte)]
}

static MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let all = b"{[()]},\" \n";
    let mut at = 0;
    while at < all.len() {
        marks[all[at] as usize] = true;
        at += 1;
    }
    marks
};

impl Write for Reader {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while let Some(&first) = rest.first() {
            let len = if self.quoted.open {
                self.in_quotes(rest)
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
