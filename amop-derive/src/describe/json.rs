//! The JSON schema of a type as serde writes it, by serde's attributes.

use super::{
    case::Case,
    parts::{doc, of_field},
    serde_attr::Serde,
};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataEnum, DeriveInput, Field, Fields, Variant, ext::IdentExt};

/// Generates an expression for the schema of a type; `types` is in scope there.
pub(super) fn schema(item: &DeriveInput, describe: &TokenStream) -> TokenStream {
    let serde = Serde::of(&item.attrs);
    match &item.data {
        Data::Struct(data) if !serde.custom => {
            fields(&data.fields, &serde, serde.rename_all, describe)
        }
        Data::Enum(data) if !serde.custom => variants(data, &serde, describe),
        _ => unknown(&item.ident.unraw().to_string(), describe),
    }
}

/// Generates the schema of a type whose form code of the program decides.
pub(super) fn unknown(name: &str, describe: &TokenStream) -> TokenStream {
    quote!(#describe::JsonTypes::unknown(#name))
}

fn variants(data: &DataEnum, serde: &Serde, describe: &TokenStream) -> TokenStream {
    let tag = serde.tag.as_deref().unwrap_or_default();
    let content = serde.content.as_deref().unwrap_or_default();
    let untagged = serde.untagged;
    let variants = data.variants.iter();
    let variants = variants.filter_map(|of| variant(of, serde, describe));
    quote!(types.variants([#tag, #content], #untagged) #(#variants)* .finish())
}

/// Generates the call for a variant; `None` if it is never written.
fn variant(variant: &Variant, serde: &Serde, describe: &TokenStream) -> Option<TokenStream> {
    let own = Serde::of(&variant.attrs);
    if own.skip {
        return None;
    }
    let plain = variant.ident.unraw().to_string();
    let name = own
        .rename
        .clone()
        .unwrap_or_else(|| match serde.rename_all {
            Some(case) => case.variant(&plain),
            None => plain,
        });
    let doc = doc(&variant.attrs);
    let untagged = own.untagged;
    if matches!(variant.fields, Fields::Unit) && !own.custom {
        return Some(quote!(.unit([#name, #doc], #untagged)));
    }
    let case = own.rename_all.or(serde.rename_all_fields);
    let content = match own.custom {
        true => unknown(&name, describe),
        false => fields(&variant.fields, &own, case, describe),
    };
    Some(quote!(.variant([#name, #doc], #untagged, |types| #content)))
}

fn fields(
    fields: &Fields,
    serde: &Serde,
    case: Option<Case>,
    describe: &TokenStream,
) -> TokenStream {
    let kept: Vec<_> = fields
        .iter()
        .map(|field| (field, Serde::of(&field.attrs)))
        .filter(|(_, own)| !own.skip)
        .collect();
    let newtype = serde.transparent || matches!(fields, Fields::Unnamed(_)) && fields.len() == 1;
    match (fields, kept.as_slice()) {
        (Fields::Unit, _) => quote!(#describe::JsonTypes::null()),
        (Fields::Unnamed(_), []) if newtype => quote!(#describe::JsonTypes::null()),
        (_, [of]) if newtype => {
            let (doc, of) = described(of, describe);
            quote!(types.newtype(#doc, #of))
        }
        (Fields::Unnamed(_), kept) => {
            let items = kept.iter().map(|of| {
                let (doc, of) = described(of, describe);
                quote!((#doc, #of))
            });
            quote!(types.tuple([#(#items),*]))
        }
        (Fields::Named(_), kept) => {
            let closed = serde.deny_unknown_fields;
            let calls = kept.iter().map(|of| call(of, case, serde, describe));
            quote!(types.object() #(#calls)* .finish(#closed))
        }
    }
}

/// Generates the call for a named field.
fn call(
    of: &(&Field, Serde),
    case: Option<Case>,
    serde: &Serde,
    describe: &TokenStream,
) -> TokenStream {
    let (field, own) = of;
    let plain = field.ident.as_ref().map(|ident| ident.unraw().to_string());
    let plain = plain.unwrap_or_default();
    let name = own.rename.clone().unwrap_or_else(|| match case {
        Some(case) => case.field(&plain),
        None => plain,
    });
    let optional = own.default || serde.default;
    let flatten = own.flatten;
    let (doc, of) = described(of, describe);
    quote!(.field([#name, #doc], [#optional, #flatten], #of))
}

/// Returns a field's comment, and an expression for the descriptor of its type.
fn described((field, own): &(&Field, Serde), describe: &TokenStream) -> (String, TokenStream) {
    let ty = &field.ty;
    let of = match own.custom {
        true => quote!(#describe::TypeDescriptor::opaque::<#ty>()),
        false => of_field(ty, describe),
    };
    (doc(&field.attrs), of)
}
