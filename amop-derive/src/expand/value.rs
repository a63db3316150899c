//! The traits of topics that are one piece of text or of binary data.

use crate::format::CodecName;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Field, Path};

/// Implements `TextValue` or `BytesValue` with the impl of the field.
pub(super) fn value_impl(
    item: &DeriveInput,
    field: &Field,
    codec: CodecName,
    krate: &Path,
) -> TokenStream {
    let name = &item.ident;
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    let ty = &field.ty;
    let member = match &field.ident {
        Some(ident) => quote!(#ident),
        None => quote!(0),
    };
    if codec == CodecName::Text {
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications)]
            impl #impl_generics #krate::codec::TextValue for #name #ty_generics #where_clause {
                fn as_text(&self) -> &::core::primitive::str {
                    <#ty as #krate::codec::TextValue>::as_text(&self.#member)
                }

                fn from_text(text: ::std::string::String) -> Self {
                    Self { #member: <#ty as #krate::codec::TextValue>::from_text(text) }
                }
            }
        }
    } else {
        quote! {
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications)]
            impl #impl_generics #krate::codec::BytesValue for #name #ty_generics #where_clause {
                fn to_bytes(&self) -> #krate::__private::bytes::Bytes {
                    <#ty as #krate::codec::BytesValue>::to_bytes(&self.#member)
                }

                fn from_bytes(bytes: #krate::__private::bytes::Bytes) -> Self {
                    Self { #member: <#ty as #krate::codec::BytesValue>::from_bytes(bytes) }
                }
            }
        }
    }
}
