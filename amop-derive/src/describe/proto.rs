//! The protobuf declaration of a type, by prost's attributes.

use super::{
    case::Case,
    parts::doc,
    prost_attr::{Label, Prost},
};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Attribute, Data, DataEnum, DeriveInput, Fields, Path, Type, ext::IdentExt, spanned::Spanned,
};

/// Generates the declaration; `None` if the type is not a message, a oneof or an enum of protobuf.
pub(super) fn item(item: &DeriveInput, describe: &TokenStream) -> syn::Result<Option<TokenStream>> {
    let name = item.ident.unraw().to_string();
    let members: Vec<Member<'_>> = match &item.data {
        Data::Struct(data) if data.fields.iter().any(|field| is_prost(&field.attrs)) => {
            let members = data.fields.iter().map(|field| Member {
                name: field
                    .ident
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                attrs: &field.attrs,
                ty: &field.ty,
                alone: false,
            });
            members.collect()
        }
        Data::Enum(data) if data.variants.iter().any(|of| is_prost(&of.attrs)) => {
            let members = data.variants.iter().filter_map(|variant| {
                Some(Member {
                    name: Case::Snake.variant(&variant.ident.unraw().to_string()),
                    attrs: &variant.attrs,
                    ty: &variant.fields.iter().next()?.ty,
                    alone: true,
                })
            });
            members.collect()
        }
        Data::Enum(data) if is_enumeration(data) => {
            return Ok(Some(enumeration(item, &name, data, describe)));
        }
        _ => return Ok(None),
    };
    let mut fields = Vec::new();
    let mut next = 1;
    for member in members {
        let Some(mut prost) = Prost::of(member.attrs) else {
            continue;
        };
        // Prost numbers the fields that have no number of their own.
        if let Ok(tag) = prost.tag.parse::<u32>() {
            next = tag;
        }
        prost.tag = next.to_string();
        next = next.saturating_add(1);
        fields.push(member.field(&prost, describe)?);
    }
    Ok(Some(quote! {
        #describe::ProtoItem::with_fields::<Self>(#name, ::std::vec![#(#fields),*])
    }))
}

fn is_prost(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("prost"))
}

/// Returns whether the variants are numbers.
fn is_enumeration(data: &DataEnum) -> bool {
    let mut variants = data.variants.iter();
    !data.variants.is_empty() && variants.all(|variant| matches!(variant.fields, Fields::Unit))
}

fn enumeration(
    item: &DeriveInput,
    name: &str,
    data: &DataEnum,
    describe: &TokenStream,
) -> TokenStream {
    let ident = &item.ident;
    let values = data.variants.iter().map(|of| {
        let variant = of.ident.unraw().to_string();
        let named = Case::ScreamingSnake.variant(&format!("{name}{variant}"));
        let (doc, of) = (doc(&of.attrs), &of.ident);
        quote!(([#variant, #named, #doc], #ident::#of as _))
    });
    quote!(#describe::ProtoItem::with_values::<Self>(#name, &[#(#values),*]))
}

/// A field of a message, or a member of a oneof.
struct Member<'a> {
    name: String,
    attrs: &'a [Attribute],
    ty: &'a Type,
    /// Whether the type has no `Option` or `Vec` around it, as in a oneof.
    alone: bool,
}

impl Member<'_> {
    /// Generates the expression of a field.
    fn field(&self, prost: &Prost, describe: &TokenStream) -> syn::Result<TokenStream> {
        let name = self.name.trim_start_matches("r#");
        let (doc, tag) = (doc(self.attrs), &prost.tag);
        let names = quote!([#name, #doc, #tag]);
        let kind = quote!(#describe::ProtoKind);
        let (key, value) = match &prost.map {
            Some(map) => {
                let (key, value) = map.split_once(',').unwrap_or((map, ""));
                (Some(key.trim()), value.trim())
            }
            None => (None, prost.of.as_str()),
        };
        let of = match (&prost.oneof, value.strip_prefix("enumeration(")) {
            (Some(oneof), _) => {
                let of = reference(&path_type(oneof, self.ty)?, describe);
                quote!(#kind::Oneof(#of))
            }
            (None, Some(path)) => {
                let of = path_type(path.trim_end_matches(')'), self.ty)?;
                let of = reference(&of, describe);
                quote!(#kind::Enumeration(#of))
            }
            (None, None) if value == "message" => {
                let of = reference(&self.message(prost, describe), describe);
                quote!(#kind::Message(#of))
            }
            (None, None) => quote!(#kind::Scalar(#value)),
        };
        let label = prost.label.name();
        let (key, packed, default) = (
            option(key),
            option(prost.packed),
            option(prost.default.as_deref()),
        );
        Ok(quote! {
            #describe::ProtoField {
                names: #names,
                label: #label,
                key: #key,
                of: #of,
                packed: #packed,
                default: #default,
            }
        })
    }

    /// Returns the type of the message in the field.
    fn message(&self, prost: &Prost, describe: &TokenStream) -> TokenStream {
        let ty = &self.ty;
        let container = prost.map.is_some() || !self.alone && prost.label != Label::Required;
        match container {
            true => quote!(<#ty as #describe::Content>::Of),
            false => quote!(#ty),
        }
    }
}

/// Reads a path in a string of prost.
fn path_type(path: &str, place: &Type) -> syn::Result<TokenStream> {
    let path: Path = syn::parse_str(path).map_err(|error| {
        syn::Error::new(place.span(), format!("`{path}` is not a path: {error}"))
    })?;
    Ok(quote!(#path))
}

/// Generates an expression for a type that a field refers to.
fn reference(ty: &TokenStream, describe: &TokenStream) -> TokenStream {
    quote! {
        (&&&#describe::Probe::<#ty>::new())
            .describe()
            .in_proto((&&#describe::Probe::<#ty>::new()).google())
    }
}

/// Generates an expression for an optional value.
fn option(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
