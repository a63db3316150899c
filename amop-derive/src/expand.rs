//! Generates the code of the macros: the trait impls, and functions that need no trait in scope.

mod requests;
mod sealed;
mod signature;
mod value;

use self::signature::{PublishSignature, topic_constant};
use crate::{
    derives, describe,
    errors::Errors,
    format::CodecName,
    item,
    options::{CheckedOptions, MacroForm, MacroOptions},
    shapes::{self, ConditionalStruct},
};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, DeriveInput, Field, Meta, Path, parse_quote, spanned::Spanned};

/// Expands `#[amop::topic(args)]` on `input`.
pub(crate) fn attribute(args: TokenStream, input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut options = MacroOptions::new(MacroForm::Attribute);
    options.read(args, &mut errors);
    let mut settings = options.finish(&mut errors);

    let mut item: DeriveInput = match syn::parse2(input.clone()) {
        Ok(item) => item,
        Err(_) => {
            errors.at(
                Span::call_site(),
                "`#[amop::topic]` goes above a struct: a topic is the type of its messages",
            );
            let errors = errors.into_compile_error();
            return quote!(#input #errors);
        }
    };
    item::check_single_use(&item, &mut errors);
    let by_rule = settings.codec.is_none() && !settings.codec_failed;
    let shapes = shapes::of(&item).filter(|_| by_rule);
    let generated = match shapes {
        Some(shapes) => by_shape(&item, shapes, &mut settings, &mut errors),
        None => {
            let plan = Expansion::new(&item, &settings, &mut errors);
            plan.expand(&item, &settings).map(|generated| {
                let json = plan.codec == Some(CodecName::Json);
                let derives = json.then(|| derives::missing(&item, &settings));
                (quote!(#derives), generated)
            })
        }
    };
    match generated {
        Some((derives, generated)) if errors.is_empty() => {
            let described = describe::missing_derive(&item, &settings);
            quote!(#derives #described #input #generated)
        }
        _ => {
            let derived = derives::Derived::of(&item);
            item::strip(&mut item, derived.serialize || derived.deserialize);
            let errors = errors.into_compile_error();
            quote!(#item #errors)
        }
    }
}

/// Generates the code above and below a struct whose codec depends on which of its fields the
/// compiler keeps.
fn by_shape(
    item: &DeriveInput,
    shapes: Vec<ConditionalStruct>,
    settings: &mut CheckedOptions,
    errors: &mut Errors,
) -> Option<(TokenStream, TokenStream)> {
    let (mut above, mut below) = (TokenStream::new(), TokenStream::new());
    for shape in shapes {
        settings.codec = Some((shape.format, item.ident.span()));
        let plan = Expansion::new(&shape.item, settings, errors);
        let generated = plan.expand(&shape.item, settings)?;
        if !errors.is_empty() {
            // The next shape would report the same mistakes.
            return None;
        }
        if shape.format == CodecName::Json {
            above.extend(shape.attributes(derives::missing(item, settings)));
        }
        below.extend(shape.items(generated));
    }
    Some((above, below))
}

/// Expands `#[derive(AmopTopic)]` on `input`.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(item) = errors.keep(syn::parse2::<DeriveInput>(input)) else {
        return errors.into_compile_error();
    };
    let mut options = MacroOptions::new(MacroForm::Derive);
    for attr in item
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("amop"))
    {
        match errors.keep(derive_options(attr)) {
            Some(tokens) => options.read(tokens, &mut errors),
            None => options.topic_is_wrong(attr.span()),
        }
    }
    let settings = options.finish(&mut errors);
    let plan = Expansion::new(&item, &settings, &mut errors);
    match plan.expand(&item, &settings) {
        Some(generated) if errors.is_empty() => {
            // amop-build's messages have these codecs, and serialize as the JSON mapping.
            let serde = !matches!(plan.codec, Some(CodecName::Protobuf | CodecName::Own));
            match describe::of_type(&item, &settings.krate, serde) {
                Ok(described) => quote!(#generated #described),
                Err(error) => error.into_compile_error(),
            }
        }
        _ => errors.into_compile_error(),
    }
}

fn derive_options(attr: &Attribute) -> syn::Result<TokenStream> {
    match &attr.meta {
        Meta::List(list) => Ok(list.tokens.clone()),
        Meta::Path(_) | Meta::NameValue(_) => Err(syn::Error::new_spanned(
            attr,
            "options go in parentheses: write `#[amop(topic = \"hello\")]`",
        )),
    }
}

/// The code to generate; parts are `None` if an error left them unknown.
struct Expansion<'a> {
    codec: Option<CodecName>,
    codec_span: Span,
    value: Option<&'a Field>,
}

impl<'a> Expansion<'a> {
    fn new(item: &'a DeriveInput, settings: &CheckedOptions, errors: &mut Errors) -> Self {
        item::check_kind(item, errors);
        item::check_members(item, errors);
        let (codec, codec_span) = match settings.codec {
            Some((codec, span)) => (Some(codec), span),
            None if settings.codec_failed => (None, Span::call_site()),
            None => (errors.keep(CodecName::default_of(item)), item.ident.span()),
        };
        let serde_by_hand = settings.form == MacroForm::Derive || derives::Derived::of(item).both();
        item::check_generics(item, codec, serde_by_hand, errors);
        let value = codec.and_then(|codec| errors.keep(codec.value_field(item, codec_span)));
        Self {
            codec,
            codec_span,
            value: value.flatten(),
        }
    }

    /// Generates the impls; `None` if an error left something unknown.
    fn expand(&self, item: &DeriveInput, settings: &CheckedOptions) -> Option<TokenStream> {
        let codec = self.codec?;
        let topic = settings.topic.as_ref()?;
        let krate = &settings.krate;
        let name = &item.ident;
        let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
        let codec_type = codec.path(settings.codec_type.as_ref(), krate, self.codec_span);

        let value = self
            .value
            .map(|field| value::value_impl(item, field, codec, krate));
        let functions = if settings.sealed {
            sealed::functions(item, topic, settings)
        } else {
            functions(item, topic, settings)
        };
        let (topic_trait, request_trait) = match settings.sealed {
            true => (quote!(SealedTopic), quote!(SealedRequest)),
            false => (quote!(Topic), quote!(Request)),
        };
        let private = settings.private.then(|| {
            quote!(
                const PRIVATE: ::core::primitive::bool = true;
            )
        });
        // Not needed for sealed topics: the signed answer says whether there is a reply.
        let replies = (settings.reply.is_some() && !settings.sealed).then(|| {
            quote!(
                const REQUEST: ::core::primitive::bool = true;
            )
        });
        let (request, request_functions) = match &settings.reply {
            Some(reply) => {
                let reply_codec = match settings.reply_codec {
                    Some((format, span)) => {
                        format.path(settings.reply_codec_type.as_ref(), krate, span)
                    }
                    // If this codec cannot be used with the reply, the error is shown at the
                    // reply's type.
                    None => codec.path(settings.codec_type.as_ref(), krate, reply.span()),
                };
                let request = quote! {
                    #[automatically_derived]
                    #[allow(deprecated, unused_qualifications)]
                    impl #impl_generics #krate::#request_trait for #name #ty_generics #where_clause {
                        type Reply = #reply;
                        type ReplyCodec = #reply_codec;
                    }
                };
                let functions = if settings.sealed {
                    sealed::request_function(item, reply, krate)
                } else {
                    requests::functions(item, reply, settings)
                };
                (Some(request), Some(functions))
            }
            None => (None, None),
        };

        let functions = kept(quote!(#functions #request_functions), &settings.without);
        let described = describe::of_topic(item, settings, topic, codec);
        // Generated code with the spans of the user's tokens, which errors need, is linted as the
        // user's code.
        let needs = features(codec, settings);
        Some(quote! {
            #needs
            #[automatically_derived]
            #[allow(deprecated, unused_qualifications)]
            impl #impl_generics #krate::#topic_trait for #name #ty_generics #where_clause {
                const TOPIC: &'static ::core::primitive::str = #topic;
                #private
                #replies
                type Codec = #codec_type;
            }
            #request
            #value
            #described
            // A program rarely uses all of them.
            #[allow(dead_code, deprecated, unused_qualifications)]
            impl #impl_generics #name #ty_generics #where_clause {
                #functions
            }
        })
    }
}

/// Generates the checks that the features of `amop` that the code needs are on.
fn features(codec: CodecName, settings: &CheckedOptions) -> TokenStream {
    let krate = &settings.krate;
    let of_reply = settings.reply_codec.map(|(codec, _)| codec);
    let codecs = [Some(codec), of_reply].into_iter().flatten();
    let private = settings.private.then_some("need_private");
    let needs = codecs.filter_map(CodecName::needs).chain(private);
    needs
        .map(|name| {
            let name = syn::Ident::new(name, Span::call_site());
            quote!(#krate::__private::#name! {})
        })
        .collect()
}

/// Returns the functions without those that have one of these names.
fn kept(functions: TokenStream, without: &[syn::Ident]) -> TokenStream {
    if without.is_empty() {
        return functions;
    }
    let block: syn::ItemImpl = parse_quote!(impl T { #functions });
    let items = block
        .items
        .into_iter()
        .filter(|item| !matches!(item, syn::ImplItem::Fn(of) if without.contains(&of.sig.ident)));
    quote!(#(#items)*)
}

/// Generates the functions of every topic that is not sealed.
fn functions(item: &DeriveInput, topic: &syn::LitStr, settings: &CheckedOptions) -> TokenStream {
    let vis = &item.vis;
    let krate = &settings.krate;
    let result = quote!(::core::result::Result);
    let str = quote!(::core::primitive::str);
    let PublishSignature { life, future, send } = &PublishSignature::of(item);
    let subscribing = if settings.private {
        private_subscribing(item, krate)
    } else {
        subscribing(item, krate)
    };
    let constant = topic_constant(item, topic);
    quote! {
        #constant

        #subscribing

        /// Sends the message to one subscriber of the type's topic.
        ///
        /// # Errors
        ///
        /// See `amop::Client::publish_unicast`.
        #vis fn publish_unicast<#life>(
            &self,
            client: &#life #krate::Client,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            client.publish_unicast(self)
        }

        /// Sends the message to one subscriber of `topic`.
        ///
        /// # Errors
        ///
        /// See `amop::Client::publish_unicast_to`.
        #vis fn publish_unicast_to<#life>(
            &self,
            client: &#life #krate::Client,
            topic: &#str,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            client.publish_unicast_to(topic, self)
        }

        /// Sends the message to all subscribers of the type's topic.
        ///
        /// # Errors
        ///
        /// See `amop::Client::publish_multicast`.
        #vis fn publish_multicast<#life>(
            &self,
            client: &#life #krate::Client,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            client.publish_multicast(self)
        }

        /// Sends the message to all subscribers of `topic`.
        ///
        /// # Errors
        ///
        /// See `amop::Client::publish_multicast_to`.
        #vis fn publish_multicast_to<#life>(
            &self,
            client: &#life #krate::Client,
            topic: &#str,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            client.publish_multicast_to(topic, self)
        }
    }
}

/// Generates the functions that subscribe to a topic that is not private.
fn subscribing(item: &DeriveInput, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    let str = quote!(::core::primitive::str);
    quote! {
        /// Subscribes to the type's topic; the subscription yields its messages.
        ///
        /// # Errors
        ///
        /// See `amop::Client::subscribe`.
        #vis async fn subscribe(
            client: &#krate::Client,
        ) -> #result<#krate::Subscription<Self>, #krate::SubscribeError> {
            client.subscribe::<Self>().await
        }

        /// Subscribes to `topic`; the subscription yields messages of this type.
        ///
        /// # Errors
        ///
        /// See `amop::Client::subscribe_to`.
        #vis async fn subscribe_to(
            client: &#krate::Client,
            topic: &#str,
        ) -> #result<#krate::Subscription<Self>, #krate::SubscribeError> {
            client.subscribe_to::<Self>(topic).await
        }

        /// Subscribes to the type's topic; the stream yields deliveries, which can be replied to.
        ///
        /// # Errors
        ///
        /// See `amop::Client::deliveries`.
        #vis async fn deliveries(
            client: &#krate::Client,
        ) -> #result<#krate::Deliveries<Self>, #krate::SubscribeError> {
            client.deliveries::<Self>().await
        }

        /// Subscribes to `topic`; the stream yields deliveries of this type, which can be replied
        /// to.
        ///
        /// # Errors
        ///
        /// See `amop::Client::deliveries_to`.
        #vis async fn deliveries_to(
            client: &#krate::Client,
            topic: &#str,
        ) -> #result<#krate::Deliveries<Self>, #krate::SubscribeError> {
            client.deliveries_to::<Self>(topic).await
        }
    }
}

/// Generates the functions that subscribe to a private topic. They need a key, so none of them can
/// be called as for a public topic.
fn private_subscribing(item: &DeriveInput, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    quote! {
        /// Subscribes to the type's private topic with a key; the subscription yields its messages.
        ///
        /// # Errors
        ///
        /// See `amop::Client::subscribe_private`.
        #vis async fn subscribe_private(
            client: &#krate::Client,
            key: &#krate::TopicKey,
        ) -> #result<#krate::Subscription<Self>, #krate::SubscribeError> {
            client.subscribe_private::<Self>(key).await
        }

        /// Subscribes to the type's private topic with a key; the stream yields deliveries, which
        /// can be replied to.
        ///
        /// # Errors
        ///
        /// See `amop::Client::deliveries_private`.
        #vis async fn deliveries_private(
            client: &#krate::Client,
            key: &#krate::TopicKey,
        ) -> #result<#krate::Deliveries<Self>, #krate::SubscribeError> {
            client.deliveries_private::<Self>(key).await
        }
    }
}
