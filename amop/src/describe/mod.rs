//! Descriptors: what the macros know about topics, for documents that programs in other languages
//! and catalogues read.
//!
//! The macros describe each topic and its fields; the compiler resolves the names of types. The
//! content of a type of the standard library is known. Other types need `#[derive(Describe)]`.

mod file;
mod json;
mod probe;
mod proto;
mod proto_text;
mod std_types;

pub use file::{DescribedPayload, DescribedTopic, TopicDescriptor, TopicDescriptors};
pub use json::{JsonTypes, TypeDescriptor};
pub use probe::{Content, Described, Google, Opaque, OtherMessage, Probe, Wrapped};
pub use proto::{ProtoField, ProtoItem, ProtoKind, ProtoType};

/// A type whose content is part of a topic's descriptor.
///
/// Topics have it from their macro. Derive it for the types of their fields and replies; without
/// it, only the name of such a type is described.
///
/// ```
/// #[amop::topic("quotes", reply = QuoteReply)]
/// struct Quote {
///     bond_code: String,
///     side: Side,
/// }
///
/// #[derive(serde::Serialize, serde::Deserialize, amop::Describe)]
/// enum Side {
///     Buy,
///     Sell,
/// }
///
/// #[derive(serde::Serialize, serde::Deserialize, amop::Describe)]
/// struct QuoteReply {
///     accepted: bool,
/// }
///
/// let described = amop::TopicDescriptors::new().with::<Quote>().to_json();
/// assert!(described.contains("accepted") && described.contains("Buy"));
/// ```
///
/// Serde's attributes for names, defaults, skipping, flattening and the representation of enums are
/// respected, and so are prost's for messages, oneofs and enumerations. If `amop` was renamed or
/// re-exported, say so with `#[amop(crate = "path")]`.
pub trait Describe {
    /// Returns the descriptor. The derive implements this.
    fn describe() -> TypeDescriptor;
}
