//! Structs with fields under `#[cfg(...)]`. An attribute macro sees all fields, also those that the
//! compiler removes. So code that depends on the number of fields is generated once for each case,
//! under the condition of that case.

use crate::format::{CodecName, is_string};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Field, Fields, parse::Parser};

/// The form of a struct under a condition.
pub(crate) struct ConditionalStruct {
    /// The default codec for this form.
    pub(crate) format: CodecName,
    /// The struct; only with its one field if the condition leaves one.
    pub(crate) item: DeriveInput,
    condition: TokenStream,
}

impl ConditionalStruct {
    /// Returns the attributes, under the condition.
    pub(crate) fn attributes(&self, attributes: TokenStream) -> TokenStream {
        let condition = &self.condition;
        let attributes = Attribute::parse_outer
            .parse2(attributes)
            .unwrap_or_default();
        let metas = attributes.iter().map(|attribute| &attribute.meta);
        quote!(#(#[cfg_attr(#condition, #metas)])*)
    }

    /// Returns the items, under the condition.
    pub(crate) fn items(&self, items: TokenStream) -> TokenStream {
        let condition = &self.condition;
        match syn::parse2::<syn::File>(items.clone()) {
            Ok(file) => {
                let items = file.items;
                quote!(#(#[cfg(#condition)] #items)*)
            }
            Err(_) => items,
        }
    }
}

/// Returns the shapes of a struct whose codec depends on conditions; `None` if it does not.
pub(crate) fn of(item: &DeriveInput) -> Option<Vec<ConditionalStruct>> {
    let Data::Struct(data) = &item.data else {
        return None;
    };
    let conditions: Vec<Option<TokenStream>> = data.fields.iter().map(condition).collect();
    let prost = |field: &Field| field.attrs.iter().any(|attr| attr.path().is_ident("prost"));
    if conditions.iter().all(Option::is_none) || data.fields.iter().any(prost) {
        return None;
    }
    let mut shapes = Vec::new();
    for (at, field) in data
        .fields
        .iter()
        .enumerate()
        .filter(|(_, of)| is_string(&of.ty))
    {
        // It is the only field if all others are removed; fields without a condition are never
        // removed.
        let others: Option<Vec<_>> = conditions
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, condition)| condition.as_ref())
            .collect();
        let Some(others) = others else { continue };
        let own = conditions[at].as_ref().map(|own| quote!(#own,));
        shapes.push(ConditionalStruct {
            format: CodecName::Text,
            item: with_only(item, field),
            condition: quote!(all(#own not(any(#(#others),*)))),
        });
    }
    if shapes.is_empty() {
        return None;
    }
    let text = shapes.iter().map(|shape| &shape.condition);
    let condition = quote!(not(any(#(#text),*)));
    shapes.push(ConditionalStruct {
        format: CodecName::Json,
        item: item.clone(),
        condition,
    });
    Some(shapes)
}

/// Returns the condition under which the compiler keeps a field, if there is one.
fn condition(field: &Field) -> Option<TokenStream> {
    let conditions: Vec<&TokenStream> = field
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .map(|list| &list.tokens)
        .collect();
    (!conditions.is_empty()).then(|| quote!(all(#(#conditions),*)))
}

fn with_only(item: &DeriveInput, field: &Field) -> DeriveInput {
    let mut item = item.clone();
    if let Data::Struct(data) = &mut item.data {
        match &mut data.fields {
            Fields::Named(fields) => fields.named = [field.clone()].into_iter().collect(),
            Fields::Unnamed(fields) => fields.unnamed = [field.clone()].into_iter().collect(),
            Fields::Unit => {}
        }
    }
    item
}
