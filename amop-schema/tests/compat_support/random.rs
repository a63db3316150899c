//! Random messages of any type, with many values at the limits of their types.

use prost_reflect::{
    Cardinality, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
    prost::bytes::Bytes,
};

/// A small generator: the same seed gives the same messages.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Returns a message of this type.
pub fn message(random: &mut Random, desc: &MessageDescriptor, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(desc.clone());
    for field in desc.fields() {
        let required = field.cardinality() == Cardinality::Required;
        let nested = matches!(field.kind(), Kind::Message(_));
        if !required && (random.below(4) == 0 || nested && depth == 0) {
            continue;
        }
        let value = field_value(random, &field, depth.saturating_sub(1));
        message.set_field(&field, value);
    }
    message
}

fn field_value(random: &mut Random, field: &FieldDescriptor, depth: usize) -> Value {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            unreachable!()
        };
        let len = random.below(4);
        let (key, of) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        Value::Map(
            (0..len)
                .map(|_| {
                    let key: MapKey = value(random, &key.kind(), depth).into_map_key().unwrap();
                    (key, value(random, &of.kind(), depth))
                })
                .collect(),
        )
    } else if field.is_list() {
        let len = random.below(4);
        Value::List(
            (0..len)
                .map(|_| value(random, &field.kind(), depth))
                .collect(),
        )
    } else {
        value(random, &field.kind(), depth)
    }
}

fn value(random: &mut Random, kind: &Kind, depth: usize) -> Value {
    let any = random.next();
    match kind {
        Kind::Bool => Value::Bool(any & 1 == 1),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(random.pick(&[0, 1, 2, -1, 5, i32::MIN, i32::MAX, any as i32]))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(random.pick(&[
            0,
            1,
            2,
            -1,
            5,
            i64::MIN,
            i64::MAX,
            1 << 32,
            i64::from(u32::MAX),
            any as i64,
        ])),
        Kind::Uint32 | Kind::Fixed32 => {
            Value::U32(random.pick(&[0, 1, 2, 5, u32::MAX, any as u32]))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Value::U64(random.pick(&[0, 1, 2, 5, u64::MAX, 1 << 32, 1 << 63, any]))
        }
        Kind::Float => Value::F32(random.pick(&[0.0, 1.0, -1.5, 0.1, 3.0e38, -3.0e38])),
        Kind::Double => Value::F64(random.pick(&[0.0, 1.0, -1.5, 0.123_456_789_012_345, 1e300])),
        Kind::String => {
            let texts = ["", "a", "\u{e9}", "\u{10ffff}", "12", "text", "B"];
            Value::String(random.pick(&texts).to_owned())
        }
        Kind::Bytes => {
            let all: [&[u8]; 6] = [b"", b"a", b"\xff\xfe", b"\x08\x05", b"text", b"\x00"];
            Value::Bytes(Bytes::copy_from_slice(random.pick(&all)))
        }
        Kind::Enum(values) => {
            let numbers: Vec<_> = values.values().map(|value| value.number()).collect();
            Value::EnumNumber(random.pick(&numbers))
        }
        Kind::Message(desc) => Value::Message(message(random, desc, depth)),
    }
}
