//! What the functions of all topics have in common.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{DeriveInput, GenericParam, Lifetime};

/// Parts of the signatures of functions that publish. Their futures borrow the client but not the
/// message, so they are `Send` even if the message is not `Sync`.
pub(super) struct PublishSignature {
    /// The lifetime of the borrow of the client.
    pub(super) life: Lifetime,
    pub(super) future: TokenStream,
    pub(super) send: TokenStream,
}

impl PublishSignature {
    pub(super) fn of(item: &DeriveInput) -> Self {
        // A name that a user's own lifetime is not likely to have.
        let life = Lifetime::new("'amop_client", Span::mixed_site());
        let lifetimes = item.generics.lifetimes().map(|param| &param.lifetime);
        let captured = lifetimes.map(|lifetime| quote!(#lifetime,));
        let types = item.generics.params.iter().filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        });
        let send = quote!(::core::marker::Send + use<#life, #(#captured)* #(#types),*>);
        let future = quote!(impl ::core::future::Future);
        Self { life, future, send }
    }
}

/// Generates the constant with the topic's name, which needs no trait in scope.
pub(super) fn topic_constant(item: &DeriveInput, topic: &syn::LitStr) -> TokenStream {
    let vis = &item.vis;
    let doc = match topic.value() {
        name if name.contains('`') => " The topic of this type's messages.".to_owned(),
        name => format!(" The topic of this type's messages: `{name}`."),
    };
    quote! {
        #[doc = #doc]
        #vis const TOPIC: &'static ::core::primitive::str = #topic;
    }
}
