//! Messages of any kind through each codec.
#![allow(unreachable_pub)]

#[path = "../../../../amop-schema/tests/compat_support/random.rs"]
mod random;

use amop::{Codec, codec::Protobuf};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use random::Random;
use std::fmt::Debug;

/// The schema from which types were generated.
pub struct Schema(DescriptorPool);

impl Schema {
    pub fn new(set: &[u8]) -> Self {
        Self(DescriptorPool::decode(set).unwrap())
    }

    /// Takes random messages of a type through Protobuf and JSON.
    #[track_caller]
    pub fn check<T>(&self, name: &str)
    where
        T: Message + Default + PartialEq + Debug + amop::codec::ProtoMessage,
        amop::codec::ProtoJson: Codec<T>,
    {
        let descriptor = self.0.get_message_by_name(name).unwrap();
        assert_eq!(T::NAME, name);
        for seed in 0..20 {
            let message = random::message(&mut Random::new(seed), &descriptor, 3);
            let typed = T::decode(&message.encode_to_vec()[..]).unwrap();
            let wire = Protobuf::encode(&typed).unwrap();
            let read = DynamicMessage::decode(descriptor.clone(), wire.clone()).unwrap();
            assert_eq!(value(&read), value(&message));
            assert_eq!(<Protobuf as Codec<T>>::decode(wire).unwrap(), typed);

            let json = <amop::codec::ProtoJson as Codec<T>>::encode(&typed).unwrap();
            let text = String::from_utf8_lossy(&json);
            // Another implementation of the mapping reads the same value.
            let mut reader = serde_json::Deserializer::from_slice(&json);
            let read = DynamicMessage::deserialize(descriptor.clone(), &mut reader);
            assert_eq!(value(&read.unwrap()), value(&message), "{text}");
            let read: T = <amop::codec::ProtoJson as Codec<T>>::decode(json.clone()).unwrap();
            assert_eq!(read, typed, "{text}");
            let _ = format!("{typed:?}");
        }
    }
}

/// Returns the message in a form in which missing fields have their default values.
fn value(message: &DynamicMessage) -> serde_json::Value {
    serde_json::to_value(message).unwrap()
}
