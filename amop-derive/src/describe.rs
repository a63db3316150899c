//! Generates descriptors: `#[derive(Describe)]`, and what the topic macros say about their topic.

mod case;
mod json;
mod parts;
mod prost_attr;
mod proto;
mod serde_attr;

use crate::{errors::Errors, format::CodecName, options::CheckedOptions};
use parts::{doc, of_field};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, LitStr, Path, Type, ext::IdentExt};

/// Expands `#[derive(Describe)]` on `input`.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(item) = errors.keep(syn::parse2::<DeriveInput>(input)) else {
        return errors.into_compile_error();
    };
    let krate = errors.keep(crate_option(&item.attrs));
    let krate = krate.unwrap_or_else(|| syn::parse_quote!(::amop));
    let described = errors.keep(of_type(&item, &krate, true));
    match described {
        Some(described) if errors.is_empty() => described,
        _ => errors.into_compile_error(),
    }
}

/// Returns the path of the `amop` crate, which `#[amop(crate = "path")]` gives.
fn crate_option(attrs: &[Attribute]) -> syn::Result<Path> {
    let mut krate = syn::parse_quote!(::amop);
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("amop")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("`#[derive(Describe)]` has one option: `crate = \"path\"`"));
            }
            krate = meta.value()?.parse::<LitStr>()?.parse()?;
            Ok(())
        })?;
    }
    Ok(krate)
}

/// Returns the derive that describes a topic's struct, unless the user has written it.
pub(crate) fn missing_derive(item: &DeriveInput, settings: &CheckedOptions) -> TokenStream {
    let mut derived = crate::derives::paths(&item.attrs).into_iter();
    let is_describe = |path: Path| {
        path.segments
            .last()
            .is_some_and(|it| it.ident == "Describe")
    };
    if derived.any(is_describe) {
        return TokenStream::new();
    }
    let krate = &settings.krate;
    let path = krate.to_token_stream().to_string();
    quote! {
        #[derive(#krate::__private::Describe)]
        #[amop(crate = #path)]
    }
}

/// Generates the impl of `Describe`. If not `serde_is_derived`, code of the program decides how the
/// type is written as JSON.
pub(crate) fn of_type(
    item: &DeriveInput,
    krate: &Path,
    serde_is_derived: bool,
) -> syn::Result<TokenStream> {
    let describe = quote!(#krate::__private::describe);
    let name = &item.ident;
    let plain = name.unraw().to_string();
    let doc = doc(&item.attrs);
    let schema = match serde_is_derived {
        true => json::schema(item, &describe),
        false => json::unknown(&plain, &describe),
    };
    let proto = proto::item(item, &describe)?.map(|item| quote!(.with_proto(|| #item)));
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    Ok(quote! {
        #krate::__private::described! {
            #[automatically_derived]
            #[allow(deprecated, unused_imports, unused_qualifications, unused_variables)]
            impl #impl_generics #krate::Describe for #name #ty_generics #where_clause {
                fn describe() -> #describe::TypeDescriptor {
                    use #describe::{
                        Described as _, Google as _, Opaque as _, OtherMessage as _, Wrapped as _,
                    };
                    #describe::TypeDescriptor::declared::<Self>([#plain, #doc], |types| #schema) #proto
                }
            }
        }
    })
}

/// Generates the impl of `DescribedTopic`.
pub(crate) fn of_topic(
    item: &DeriveInput,
    settings: &CheckedOptions,
    topic: &LitStr,
    codec: CodecName,
) -> TokenStream {
    let krate = &settings.krate;
    let describe = quote!(#krate::__private::describe);
    let name = &item.ident;
    let doc = doc(&item.attrs);
    let (private, sealed) = (settings.private, settings.sealed);
    let message: Type = syn::parse_quote!(Self);
    let plain = name.unraw().to_string();
    let payload = payload(
        &message,
        &plain,
        (codec, settings.codec_type.as_ref()),
        krate,
    );
    let reply = settings.reply.as_ref().map(|reply| {
        let codec = match settings.reply_codec {
            Some((codec, _)) => (codec, settings.reply_codec_type.as_ref()),
            None => (codec, settings.codec_type.as_ref()),
        };
        let payload = self::payload(reply, &type_name(reply), codec, krate);
        quote!(.with_reply(#payload))
    });
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    quote! {
        #krate::__private::described! {
            #[automatically_derived]
            #[allow(deprecated, unused_imports, unused_qualifications, unused_variables)]
            impl #impl_generics #krate::DescribedTopic for #name #ty_generics #where_clause {
                fn topic_descriptor() -> #describe::TopicDescriptor {
                    use #describe::{Described as _, Opaque as _, Wrapped as _};
                    #describe::TopicDescriptor::new(#topic, #doc, [#private, #sealed], #payload)
                        #reply
                }
            }
        }
    }
}

fn payload(
    ty: &Type,
    name: &str,
    (codec, own): (CodecName, Option<&Type>),
    krate: &Path,
) -> TokenStream {
    let describe = quote!(#krate::__private::describe);
    let (codec, of) = match (codec, own) {
        (CodecName::Own, Some(own)) => (
            quote!(<#own as #krate::Codec<#ty>>::NAME),
            quote!(#describe::TypeDescriptor::opaque::<#ty>()),
        ),
        (codec, _) => (codec.name().to_token_stream(), of_field(ty, &describe)),
    };
    quote!(#describe::DescribedPayload::new(#name, #codec, #of))
}

/// Returns a type as it is written in source code, without the extra spaces between tokens.
fn type_name(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let mut name = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        // A space is needed between two words, and improves the text after a comma.
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let last = name.chars().next_back().unwrap_or(' ');
        let next = chars.peek().copied().unwrap_or(' ');
        if c != ' ' || word(last) && word(next) || last == ',' || last == ';' {
            name.push(c);
        }
    }
    name
}
