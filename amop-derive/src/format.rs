//! The codecs' names, and the structs that they need.

use crate::suggest;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Data, DeriveInput, Field, Fields, LitStr, Path, PathArguments, Type};

/// A codec, by its name in the macros' options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecName {
    Text,
    Json,
    Protobuf,
    Bytes,
    /// A type of the user.
    Own,
}

const NAMES: [&str; 4] = ["text", "json", "protobuf", "bytes"];

impl CodecName {
    /// Returns the name in the macros' options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::Bytes => "bytes",
            Self::Own => "own",
        }
    }

    /// Returns the codec that an option's value names.
    pub(crate) fn parse(lit: &LitStr) -> syn::Result<Self> {
        let name = lit.value();
        match name.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "protobuf" => Ok(Self::Protobuf),
            "bytes" => Ok(Self::Bytes),
            _ => {
                let aliases = [("proto", "protobuf"), ("raw", "bytes"), ("string", "text")];
                let guess = suggest::hint(&name, &NAMES, &aliases);
                Err(syn::Error::new(
                    lit.span(),
                    format!(
                        "unknown codec {name:?}{guess}: the codecs are \"text\", \"json\", \
                         \"protobuf\" and \"bytes\""
                    ),
                ))
            }
        }
    }

    /// Returns the codec of a struct that names none: text for one `String`, JSON for all others.
    pub(crate) fn default_of(item: &DeriveInput) -> syn::Result<Self> {
        let Some(fields) = fields(item) else {
            return Ok(Self::Json);
        };
        let mut attrs = fields.iter().flat_map(|field| &field.attrs);
        if let Some(attr) = attrs.find(|attr| attr.path().is_ident("prost")) {
            // Such a struct is meant for protobuf. But if its only field is a `String`, the default
            // would be text, without a warning.
            return Err(syn::Error::new_spanned(
                attr,
                format!(
                    "`{}` is a prost message and names no codec: add `codec = \"protobuf\"`, or \
                     another one if that is meant",
                    item.ident
                ),
            ));
        }
        match only(fields) {
            Some(field) if is_string(&field.ty) => Ok(Self::Text),
            _ => Ok(Self::Json),
        }
    }

    /// Returns the macro that reports that the codec's feature is switched off, if it has one.
    pub(crate) fn needs(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("need_json"),
            Self::Protobuf => Some("need_protobuf"),
            Self::Text | Self::Bytes | Self::Own => None,
        }
    }

    /// Returns the `amop` type that implements the codec. The compiler reports bounds that are not
    /// met at `span`.
    pub(crate) fn path(self, own: Option<&Type>, krate: &Path, span: Span) -> TokenStream {
        let krate: TokenStream = krate
            .to_token_stream()
            .into_iter()
            .map(|mut token| {
                token.set_span(span);
                token
            })
            .collect();
        match self {
            Self::Text => quote_spanned!(span=> #krate::codec::Text),
            Self::Json => quote_spanned!(span=> #krate::codec::Json),
            Self::Protobuf => quote_spanned!(span=> #krate::codec::Protobuf),
            Self::Bytes => quote_spanned!(span=> #krate::codec::Raw),
            Self::Own => own.to_token_stream(),
        }
    }

    /// Returns the bounds that a type parameter needs for this codec.
    pub(crate) fn bounds(self) -> &'static str {
        match self {
            Self::Text | Self::Bytes | Self::Own => "Send + 'static",
            Self::Json => "serde::Serialize + serde::de::DeserializeOwned + Send + 'static",
            Self::Protobuf => "prost::Message + Default + 'static",
        }
    }

    /// Returns the field with the text or the bytes, for the codecs that need a struct with exactly
    /// one field. `span` is the place where the codec was chosen.
    pub(crate) fn value_field(self, item: &DeriveInput, span: Span) -> syn::Result<Option<&Field>> {
        let (name, wanted, fits): (_, _, fn(&Type) -> bool) = match self {
            Self::Text => ("text", "`String`", is_string),
            Self::Bytes => ("bytes", "`Vec<u8>` or `Bytes`", is_bytes),
            Self::Json | Self::Protobuf | Self::Own => return Ok(None),
        };
        let Some(fields) = fields(item) else {
            return Ok(None);
        };
        match only(fields) {
            Some(field) if fits(&field.ty) => Ok(Some(field)),
            Some(field) => Err(syn::Error::new_spanned(
                &field.ty,
                format!(
                    "codec \"{name}\" needs this field to be a {wanted}: change its type, or use \
                     `codec = \"json\"`"
                ),
            )),
            None => Err(syn::Error::new(
                span,
                format!(
                    "codec \"{name}\" needs a struct with one field, a {wanted}, and `{}` has {}: \
                     change the struct, or use `codec = \"json\"`",
                    item.ident,
                    match fields.len() {
                        0 => "no field".to_owned(),
                        n => format!("{n} fields"),
                    }
                ),
            )),
        }
    }
}

fn fields(item: &DeriveInput) -> Option<&Fields> {
    match &item.data {
        Data::Struct(data) => Some(&data.fields),
        Data::Enum(_) | Data::Union(_) => None,
    }
}

fn only(fields: &Fields) -> Option<&Field> {
    let mut fields = fields.iter();
    fields.next().filter(|_| fields.next().is_none())
}

/// Returns whether the type is written as a `String`, with any path. Macros see names, not types:
/// an alias is not recognised.
pub(crate) fn is_string(ty: &Type) -> bool {
    matches!(last_segment(ty), Some(last) if last.ident == "String" && last.arguments.is_none())
}

fn is_bytes(ty: &Type) -> bool {
    let Some(last) = last_segment(ty) else {
        return false;
    };
    match &last.arguments {
        PathArguments::None => last.ident == "Bytes",
        PathArguments::AngleBracketed(of) => {
            let u8 = |arg: &_| {
                matches!(arg, syn::GenericArgument::Type(ty)
                    if last_segment(ty).is_some_and(|last| last.ident == "u8"))
            };
            last.ident == "Vec" && of.args.len() == 1 && of.args.iter().all(u8)
        }
        PathArguments::Parenthesized(_) => false,
    }
}

/// Returns the last segment of a type that is a path. Types from `macro_rules!` are in invisible
/// groups.
fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(ty) if ty.qself.is_none() => ty.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}
