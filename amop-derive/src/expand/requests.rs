//! The functions of topics with a typed reply.

use super::signature::PublishSignature;
use crate::options::CheckedOptions;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Path};

/// Generates the functions of topics with a typed reply that are not sealed.
pub(super) fn functions(
    item: &DeriveInput,
    reply: &syn::Type,
    settings: &CheckedOptions,
) -> TokenStream {
    let krate = &settings.krate;
    // A private topic is subscribed to with a key.
    let serving = (!settings.private).then(|| serving(item, reply, krate));
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    let PublishSignature { life, future, send } = &PublishSignature::of(item);
    quote! {
        /// Sends the message to one subscriber of the type's topic and waits for its reply.
        ///
        /// # Errors
        ///
        /// See `amop::Client::request`.
        #vis fn request<#life>(
            &self,
            client: &#life #krate::Client,
        ) -> #future<Output = #result<#reply, #krate::PublishError>> + #send {
            client.request(self)
        }

        /// Sends the message to one subscriber of `topic` and waits for its reply.
        ///
        /// # Errors
        ///
        /// See `amop::Client::request_to`.
        #vis fn request_to<#life>(
            &self,
            client: &#life #krate::Client,
            topic: &::core::primitive::str,
        ) -> #future<Output = #result<#reply, #krate::PublishError>> + #send {
            client.request_to(topic, self)
        }

        #serving
    }
}

/// Generates the functions that serve requests.
fn serving(item: &DeriveInput, reply: &syn::Type, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    let usize = quote!(::core::primitive::usize);
    let refusable = quote!(#result<#reply, #krate::Refusal>);
    quote! {
        /// Subscribes to the type's topic, and returns a server whose `run` answers the requests
        /// with `handler`, at most `concurrency` at a time.
        ///
        /// # Errors
        ///
        /// See `amop::Client::serve`.
        #vis async fn serve<AmopHandler>(
            client: &#krate::Client,
            concurrency: #usize,
            handler: AmopHandler,
        ) -> #result<#krate::Server<Self, AmopHandler>, #krate::SubscribeError>
        where
            AmopHandler: ::core::ops::AsyncFn(Self) -> #reply,
        {
            client.serve::<Self, AmopHandler>(concurrency, handler).await
        }

        /// Subscribes to the type's topic, and returns a server whose `run` answers or refuses the
        /// requests with `handler`, at most `concurrency` at a time.
        ///
        /// # Errors
        ///
        /// See `amop::Client::try_serve`.
        #vis async fn try_serve<AmopHandler>(
            client: &#krate::Client,
            concurrency: #usize,
            handler: AmopHandler,
        ) -> #result<#krate::Server<Self, AmopHandler, #refusable>, #krate::SubscribeError>
        where
            AmopHandler: ::core::ops::AsyncFn(Self) -> #refusable,
        {
            client.try_serve::<Self, AmopHandler>(concurrency, handler).await
        }
    }
}
