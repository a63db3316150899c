//! Reads the vectors and records which documented fields a check has looked at.

use std::{cell::RefCell, collections::BTreeSet};

use amop_proto::channel::{Frame, FrameDecoder, FrameType, PROTOCOL_MAX_FRAME, Seq};
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};

/// The name of a vector and its check.
pub(crate) type Check = (&'static str, fn(&Vectors, &Vector));

/// The seq of most vectors.
pub(crate) const SEQ_A: Seq = Seq(*b"0123456789abcdef0123456789abcdef");

/// The seq of the others.
pub(crate) const SEQ_B: Seq = Seq(*b"92be6ce4dbd311eaae5a983b8fda4e0e");

/// All vectors of the file.
pub(crate) struct Vectors {
    all: Vec<Vector>,
    constants: Map<String, Value>,
}

impl Vectors {
    /// Reads the vectors of the protocols of 2.x.
    pub(crate) fn load() -> Self {
        Self::read(include_str!("../data/vectors-v2.json"))
    }

    /// Reads the vectors of the node-node protocol of 3.x.
    pub(crate) fn gateway() -> Self {
        Self::read(include_str!("../data/vectors-gateway-v3.json"))
    }

    fn read(file: &str) -> Self {
        let file: Value = serde_json::from_str(file).unwrap();
        let constants = file["constants"].as_object().unwrap().clone();
        let all = file["vectors"].as_array().unwrap();
        let all = all.iter().map(Vector::read);
        // No overlay node speaks the 12-byte header of 2.0.0-rc1.
        let all = all.filter(|vector| !vector.name.starts_with("p2p_rc1_"));
        Self {
            all: all.collect(),
            constants,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|vector| vector.name.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> &Vector {
        let mut found = self.all.iter().filter(|vector| vector.name == name);
        found
            .next()
            .unwrap_or_else(|| panic!("there is no vector {name}"))
    }

    pub(crate) fn constant(&self, name: &str) -> &str {
        self.constants[name].as_str().unwrap()
    }

    /// Runs the checks of a table.
    pub(crate) fn run(&self, checks: &[Check]) {
        for (name, check) in checks {
            let vector = self.get(name);
            vector.seen.borrow_mut().clear();
            // The test harness prints it if the check fails.
            println!("{name}");
            check(self, vector);
            let unseen: Vec<_> = {
                let seen = vector.seen.borrow();
                let keys = vector.decoded.keys();
                keys.filter(|key| !seen.contains(*key)).cloned().collect()
            };
            assert!(unseen.is_empty(), "{name}: fields not checked: {unseen:?}");
        }
    }
}

/// One vector: its bytes and their documented meaning.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) wire: Bytes,
    decoded: Map<String, Value>,
    seen: RefCell<BTreeSet<String>>,
}

impl Vector {
    fn read(value: &Value) -> Self {
        let name = value["name"].as_str().unwrap().to_owned();
        let wire = hex::decode(value["hex"].as_str().unwrap()).unwrap();
        assert_eq!(value["length"], wire.len(), "{name}");
        Self {
            name,
            wire: wire.into(),
            decoded: value["decoded"].as_object().unwrap().clone(),
            seen: RefCell::default(),
        }
    }

    /// Returns a documented field, if it exists.
    pub(crate) fn field(&self, key: &str) -> Option<&Value> {
        self.seen.borrow_mut().insert(key.to_owned());
        self.decoded.get(key)
    }

    /// Returns a documented text.
    pub(crate) fn text(&self, key: &str) -> &str {
        let value = self.field(key).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{}: no text {key}", self.name))
    }

    /// Returns a documented number.
    pub(crate) fn number(&self, key: &str) -> i64 {
        let value = self.field(key).and_then(Value::as_i64);
        value.unwrap_or_else(|| panic!("{}: no number {key}", self.name))
    }

    /// Returns a documented string of bytes.
    pub(crate) fn hex(&self, key: &str) -> Bytes {
        hex::decode(self.text(key)).unwrap().into()
    }

    /// Marks fields that do not concern the encoding: key material and digests of private topics,
    /// prose.
    pub(crate) fn not_encoding(&self, keys: &[&str]) {
        for key in keys {
            assert!(self.field(key).is_some(), "{}: no {key}", self.name);
        }
    }

    /// Encodes the frame with only the documented fields.
    pub(crate) fn documented_frame(&self) -> Frame {
        let kind = self.text("type").strip_prefix("0x").unwrap();
        let kind = FrameType(u16::from_str_radix(kind, 16).unwrap());
        let seq = match self.field("seq_hex") {
            Some(_) => self.hex("seq_hex"),
            None => Bytes::copy_from_slice(self.text("seq").as_bytes()),
        };
        let seq = Seq(seq[..].try_into().unwrap());
        let mut frame = match self.field("topic") {
            Some(_) => {
                let topic = self.text("topic");
                let payload = match self.field("payload_hex") {
                    Some(_) => self.hex("payload_hex"),
                    None => Bytes::copy_from_slice(self.text("payload_utf8").as_bytes()),
                };
                if self.field("payload_utf8").is_some() {
                    assert_eq!(payload, self.text("payload_utf8"));
                }
                if self.field("topic_length_byte").is_some() {
                    let len = self.number("topic_length_byte");
                    assert_eq!(len, topic.len() as i64 + 1);
                }
                Frame::amop(kind, seq, topic.as_bytes(), &payload)
            }
            None => {
                let key = ["body_text", "body"]
                    .into_iter()
                    .find(|key| self.field(key).is_some());
                let body = self.text(key.unwrap());
                Frame::new(kind, seq, Bytes::copy_from_slice(body.as_bytes()))
            }
        };
        frame.result = self.number("result").try_into().unwrap();
        frame
    }

    /// Decodes the one frame in these bytes, whatever is documented about it.
    pub(crate) fn decode(&self) -> Frame {
        let mut buffer = BytesMut::from(&self.wire[..]);
        let decoder = FrameDecoder::new(PROTOCOL_MAX_FRAME);
        let frame = decoder.decode(&mut buffer).unwrap().unwrap();
        assert!(buffer.is_empty(), "{}", self.name);
        let same = Frame::from_bytes(self.wire.clone(), PROTOCOL_MAX_FRAME).unwrap();
        assert_eq!(frame, same, "{}", self.name);
        assert_eq!(frame.to_bytes(), self.wire, "{}", self.name);
        frame
    }

    /// Decodes the one frame in these bytes, and checks that it is the documented one in both
    /// directions.
    pub(crate) fn frame(&self) -> Frame {
        let frame = self.decode();
        let documented = self.documented_frame();
        assert_eq!(frame, documented, "{}", self.name);
        self.is_written_as(&documented);
        frame
    }

    /// Compares the output of an encoder with the vector.
    pub(crate) fn is_written_as(&self, frame: &Frame) {
        assert_eq!(frame.wire_len(), self.wire.len(), "{}", self.name);
        assert_eq!(
            hex::encode(frame.to_bytes()),
            hex::encode(&self.wire),
            "{}",
            self.name
        );
    }
}
