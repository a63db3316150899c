//! Tests on tokens: the generated code, and that no input causes a panic.

use crate::expand::{attribute, derive};
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

const ARGS: &str =
    r#""hello", codec = "json", reply = Vec<a::B>, reply_codec = "text", private, crate = "::x""#;
const SEALED: &str = r#""hello", codec = "json", reply = Vec<a::B>, sealed, crate = "::x""#;

fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap()
}

/// Returns the generated items; `compile_error!` counts as an item.
fn items(output: TokenStream) -> Vec<syn::Item> {
    let text = output.to_string();
    syn::parse2::<syn::File>(output)
        .unwrap_or_else(|error| panic!("{error} in {text}"))
        .items
}

fn has_error(items: &[syn::Item]) -> bool {
    items.iter().any(|item| {
        matches!(item, syn::Item::Macro(item) if item.mac.path.segments.last().unwrap().ident == "compile_error")
    })
}

/// Returns every variant with one token left out, doubled or replaced.
fn mutations(source: &str) -> Vec<TokenStream> {
    let all: Vec<TokenTree> = tokens(source).into_iter().collect();
    let others = tokens(r#"x "x" 1 = , < (a = "b", ,) [x] crate"#);
    let mut result = Vec::new();
    for i in 0..all.len() {
        let (before, after) = (&all[..i], &all[i + 1..]);
        let token = &all[i];
        result.push(quote!(#(#before)*));
        result.push(quote!(#(#before)* #(#after)*));
        result.push(quote!(#(#before)* #token #token #(#after)*));
        for other in others.clone() {
            result.push(quote!(#(#before)* #other #(#after)*));
        }
    }
    result
}

#[test]
fn mutated_options_never_panic_and_give_items() {
    let item = quote!(
        struct Hello {
            #[serde(default)]
            text: String,
            n: u32,
        }
    );
    let mutated = [mutations(ARGS), mutations(SEALED)].concat();
    assert!(mutated.len() > 400);
    let mut refused = 0;
    for args in mutated {
        refused += usize::from(has_error(&items(attribute(args.clone(), item.clone()))));
        items(derive(quote!(#[amop(topic = #args)] #item)));
        items(derive(quote!(#[amop(#args)] #item)));
    }
    assert!(refused > 100);
    assert!(!has_error(&items(attribute(tokens(ARGS), item.clone()))));
    let args = tokens(ARGS);
    assert!(!has_error(&items(derive(
        quote!(#[amop(topic = #args)] #item)
    ))));
}

#[test]
fn items_of_all_kinds_never_panic() {
    for item in [
        "struct A;",
        "struct A();",
        "struct A {}",
        "struct A(String, String);",
        "struct A<'a, T: X<Y = Z>, const N: usize = 3>(&'a T) where T: Copy;",
        "struct A<T = u8> where (): Sized { t: (T,) }",
        "enum A { B { #[amop(x)] c: u8 }, #[amop] D = 3 }",
        "union A { #[amop = 5] a: u8, b: fn() -> ! }",
        "#[derive] #[derive = \"x\"] #[derive(1)] #[serde] #[serde = \"\"] #[amop] struct A(u8);",
        "pub(in a::b) struct A { r#type: String }",
        "struct A(dyn Fn(String) -> u8);",
    ] {
        for codec in ["text", "json", "protobuf", "bytes", "", "\u{0}"] {
            let item = tokens(item);
            items(attribute(quote!("a", codec = #codec), item.clone()));
            items(derive(quote!(#[amop(topic = "a", codec = #codec)] #item)));
        }
    }
    // Items that are not types.
    for item in ["fn f() {}", "trait T {}", "mod m {}", "impl A {}"] {
        assert!(has_error(&items(attribute(quote!("a"), tokens(item)))));
        assert!(has_error(&items(derive(tokens(item)))));
    }
}

#[test]
fn refused_items_stay_without_what_nothing_declares() {
    let item = quote! {
        #[serde(rename_all = "camelCase")]
        struct Hello { #[amop(x)] #[serde(default)] #[doc = "kept"] text: String }
    };
    let output = attribute(quote!(""), item.clone()).to_string();
    assert!(output.contains("struct Hello"), "{output}");
    assert!(output.contains("kept"), "{output}");
    assert!(!output.contains("serde"), "{output}");
    assert!(!output.contains("amop (x)"), "{output}");
    assert_eq!(output.matches("compile_error").count(), 2, "{output}");

    // The derive declares serde's attributes.
    let output = attribute(quote!(""), quote!(#[derive(serde::Serialize)] #item)).to_string();
    assert!(output.contains("default"), "{output}");
}

#[test]
fn serde_is_only_derived_where_it_is_missing() {
    let derives = |attrs: &str| {
        let attrs = tokens(attrs);
        let output = attribute(quote!("a"), quote!(#attrs struct A { a: u8 })).to_string();
        let count = |name| output.matches(name).count();
        (
            count("serde :: Serialize"),
            count("serde :: Deserialize"),
            count("crate =") - count("amop (crate ="),
        )
    };
    assert_eq!(derives(""), (1, 1, 1));
    assert_eq!(derives("#[derive(Serialize)]"), (0, 1, 1));
    assert_eq!(derives("#[derive(Clone, Deserialize)]"), (1, 0, 1));
    assert_eq!(derives("#[derive(Serialize, Deserialize)]"), (0, 0, 0));
    assert_eq!(derives("#[derive(rkyv::Serialize)]").1, 1);
    assert_eq!(derives("#[serde(default, crate = \"x\")]"), (1, 1, 1));
    assert_eq!(derives("#[serde(rename = \"crate\")]"), (1, 1, 1));
}

/// Macros are built for the compiler's machine, so this crate does not depend on amop-proto.
#[test]
fn topics_are_as_long_as_the_protocol_allows() {
    assert_eq!(crate::options::MAX_TOPIC_LEN, amop_proto::MAX_TOPIC_LEN);
    assert_eq!(crate::options::MAX_PRIVATE_LEN, amop_proto::MAX_PRIVATE_LEN);
}
