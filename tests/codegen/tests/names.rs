//! Every name that has a meaning in Rust, in prost or in this project, in every position, with each
//! codec: it compiles without a warning, and messages are unchanged after a round trip.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub, dead_code)]

/// The generated code, in a crate that denies warnings.
#[allow(clippy::all)] // Names and comments are the schema's.
mod names {
    include!(concat!(env!("OUT_DIR"), "/names/all.rs"));
    pub use self::names::*;
}

use super::support::Schema;
use amop::{Codec, Request, Topic};

include!(concat!(env!("OUT_DIR"), "/each_text.rs"));

/// Text as a message and as a reply.
fn text<T: Request<Reply = T> + PartialEq + std::fmt::Debug>() {
    for word in ["", "text", "成交"] {
        let message: T = <T as Topic>::Codec::decode(word.into()).unwrap();
        assert_eq!(<T as Topic>::Codec::encode(&message).unwrap(), word);
        let reply: T = <T as Request>::ReplyCodec::decode(word.into()).unwrap();
        assert_eq!(reply, message);
    }
}

#[test]
fn messages_of_any_name_are_text() {
    each_text();
}

fn schema() -> Schema {
    Schema::new(include_bytes!(concat!(env!("OUT_DIR"), "/names.binpb")))
}

#[test]
fn messages_have_any_name() {
    let schema = schema();
    schema.check::<names::types::AllOfThem>("names.types.AllOfThem");
    schema.check::<names::nested::Messages>("names.nested.Messages");
    schema.check::<names::modules::AllOfThem>("names.modules.AllOfThem");
    schema.check::<names::every_package::AllOfThem>("names.every_package.AllOfThem");
}

#[test]
fn enums_and_their_values_have_any_name() {
    let schema = schema();
    schema.check::<names::nested::Enums>("names.nested.Enums");
    schema.check::<names::enums::InPlainFields>("names.enums.InPlainFields");
    schema.check::<names::enums::InOptionalFields>("names.enums.InOptionalFields");
    schema.check::<names::enums::InRepeatedFields>("names.enums.InRepeatedFields");
    schema.check::<names::enums::InMaps>("names.enums.InMaps");
    schema.check::<names::enums::InOneofs>("names.enums.InOneofs");
    schema.check::<names::values::Values>("names.values.Values");
}

#[test]
fn fields_have_any_name() {
    let schema = schema();
    schema.check::<names::fields::Strings>("names.fields.Strings");
    schema.check::<names::fields::OptionalStrings>("names.fields.OptionalStrings");
    schema.check::<names::fields::Enums>("names.fields.Enums");
    schema.check::<names::fields::OptionalEnums>("names.fields.OptionalEnums");
    schema.check::<names::fields::RepeatedEnums>("names.fields.RepeatedEnums");
    schema.check::<names::fields::EnumMaps>("names.fields.EnumMaps");
    schema.check::<names::fields::Parts>("names.fields.Parts");
}

#[test]
fn oneofs_and_their_alternatives_have_any_name() {
    let schema = schema();
    schema.check::<names::oneofs::Oneofs>("names.oneofs.Oneofs");
    schema.check::<names::oneofs::Members>("names.oneofs.Members");
    schema.check::<names::oneofs::Beside>("names.oneofs.Beside");
}
