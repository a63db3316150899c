//! Serde's derives, which `#[amop::topic]` adds if the JSON codec needs them.

use crate::options::CheckedOptions;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, DeriveInput, Path, Token, punctuated::Punctuated};

/// Which of serde's derives the item has below the macro.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    pub(crate) serialize: bool,
    pub(crate) deserialize: bool,
}

impl Derived {
    /// Reads an item's attributes. The compiler resolves `#[cfg_attr(...)]` before a macro sees the
    /// item.
    pub(crate) fn of(item: &DeriveInput) -> Self {
        let mut found = Self::default();
        for path in paths(&item.attrs) {
            found.serialize |= is_serde(&path, "Serialize");
            found.deserialize |= is_serde(&path, "Deserialize");
        }
        found
    }

    /// Returns whether there is nothing to add.
    pub(crate) fn both(self) -> bool {
        self.serialize && self.deserialize
    }
}

/// Returns the paths in the item's `#[derive(...)]` attributes.
pub(crate) fn paths(attrs: &[Attribute]) -> Vec<Path> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("derive"))
        // The compiler reports attributes that are not a list of paths.
        .filter_map(|attr| {
            attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .collect()
}

/// Returns whether a derive's path is serde's: other crates, such as rkyv, use the same names.
fn is_serde(path: &Path, name: &str) -> bool {
    let mut segments = path.segments.iter().rev();
    segments.next().is_some_and(|last| last.ident == name)
        && segments
            .next()
            .is_none_or(|krate| krate.ident == "serde" || krate.ident == "serde_derive")
}

/// Returns the missing derives. They go above the item's own attributes, so that `#[serde(...)]`
/// attributes are known.
pub(crate) fn missing(item: &DeriveInput, settings: &CheckedOptions) -> TokenStream {
    let derived = Derived::of(item);
    if derived.both() {
        return TokenStream::new();
    }
    let krate = &settings.krate;
    let serialize =
        (!derived.serialize).then(|| quote!(#[derive(#krate::__private::serde::Serialize)]));
    let deserialize =
        (!derived.deserialize).then(|| quote!(#[derive(#krate::__private::serde::Deserialize)]));

    // Names the path of serde, so the user's crate need not depend on it.
    let path = (!has_option(&item.attrs, "crate")).then(|| {
        let path = quote!(#krate::__private::serde).to_string();
        quote!(#[serde(crate = #path)])
    });
    // A struct's own bounds must be enough for the codec, so serde need not add any. It must not
    // add any: `T: Deserialize<'de>` in addition to `T: DeserializeOwned` is ambiguous.
    let generic = item.generics.type_params().next().is_some();
    let bound =
        (generic && !has_option(&item.attrs, "bound")).then(|| quote!(#[serde(bound = "")]));
    quote!(#serialize #deserialize #path #bound)
}

/// Returns whether a `#[serde(...)]` on the struct has an option with that name.
fn has_option(attrs: &[Attribute], name: &str) -> bool {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.meta.require_list().ok())
        .any(|list| {
            // Names are at the top level, after commas. The tokens are searched by hand because
            // `Meta` does not accept `crate` as a path.
            let mut start = true;
            list.tokens.clone().into_iter().any(|token| {
                let found = start && token.to_token_stream().to_string() == name;
                start = matches!(&token, proc_macro2::TokenTree::Punct(p) if p.as_char() == ',');
                found
            })
        })
}
