#![doc = include_str!("../README.md")]
//!
//! The examples are tests of `amop`.
#![forbid(unsafe_code)]

mod derives;
mod describe;
mod errors;
mod expand;
mod format;
mod item;
mod options;
mod shapes;
mod suggest;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

#[doc = include_str!("topic.md")]
#[proc_macro_attribute]
pub fn topic(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(args.into(), item.into()).into()
}

#[doc = include_str!("amop_topic.md")]
#[proc_macro_derive(AmopTopic, attributes(amop))]
pub fn derive_amop_topic(item: TokenStream) -> TokenStream {
    expand::derive(item.into()).into()
}

/// Describes the content of a type that topics contain, for documents about them.
///
/// See `amop::Describe`.
#[proc_macro_derive(Describe, attributes(amop))]
pub fn derive_describe(item: TokenStream) -> TokenStream {
    describe::derive(item.into()).into()
}
