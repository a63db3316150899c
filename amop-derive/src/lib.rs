//! The procedural macros of the `amop` crate: `#[amop::topic]` and `#[derive(AmopTopic)]`.
//!
//! Use them through `amop`: the generated code refers to that crate, and so do the examples in the documentation, which
//! are tests of that crate.
#![forbid(unsafe_code)]

mod derives;
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
