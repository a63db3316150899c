//! The macros do not rely on names that the user may have redefined, or on the prelude.
#![deny(warnings)]
#![deny(
    missing_docs,
    unreachable_pub,
    unused,
    unused_qualifications,
    rust_2018_idioms
)]
#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types, unused_imports)]

/// Items with the usual names.
pub mod shadows {
    /// A type.
    pub struct String;
    /// A type.
    pub struct Result;
    /// A type.
    pub struct Option;
    /// A type.
    pub struct Vec;
    /// A type.
    pub struct Box;
    /// A type.
    pub struct Client;
    /// A type.
    pub struct str;
    /// A type.
    pub struct u8;
    /// A trait.
    pub trait Send {}
    /// A trait.
    pub trait Sized {}
    /// A trait.
    pub trait From {}
    /// A trait.
    pub trait Topic {}
    /// A trait.
    pub trait TextValue {}
    /// A function.
    #[allow(non_snake_case)]
    pub fn Ok() {}
    /// A function.
    #[allow(non_snake_case)]
    pub fn Some() {}
}

/// A module without serde, bytes or amop in scope.
pub mod messages {
    use crate::shadows::*;

    mod serde {}
    mod bytes {}
    mod core {}
    mod std {}
    mod amop {}

    /// A message.
    #[::amop::topic("hello`[x]", reply = Reply, reply_codec = "json")]
    pub struct Hello {
        /// Its text.
        pub text: ::std::string::String,
    }

    pub use crate::json::Reply;

    /// A message.
    #[derive(::amop::AmopTopic)]
    #[amop(topic = "raw", codec = "bytes")]
    pub struct Raw(pub ::std::vec::Vec<::core::primitive::u8>);
}

/// The same for JSON, except the names that serde's own derives need in scope.
pub mod json {
    use crate::shadows::{Client, Ok, Option, Result, Send, Sized, Some, String, Topic, Vec};

    mod serde {}
    mod amop {}

    /// A message.
    #[::amop::topic("json", reply = "Reply")]
    pub struct Json {
        /// A number.
        pub n: u32,
    }

    /// A reply.
    #[::amop::topic("reply")]
    pub struct Reply {
        /// A number.
        pub n: u32,
    }
}

fn main() {}
