//! The functions of sealed topics. Those that publish take a `Sealer`, so none of them can send a
//! message unsealed.

use super::signature::{PublishSignature, topic_constant};
use crate::options::CheckedOptions;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Path};

/// Generates the functions of every sealed topic.
pub(super) fn functions(
    item: &DeriveInput,
    topic: &syn::LitStr,
    settings: &CheckedOptions,
) -> TokenStream {
    let krate = &settings.krate;
    let constant = topic_constant(item, topic);
    let subscribing = subscribing(item, krate);
    let publishing = publishing(item, krate);
    quote! {
        #constant
        #subscribing
        #publishing
    }
}

fn subscribing(item: &DeriveInput, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    quote! {
        /// Subscribes to the type's sealed topic with this subscriber's `keys`, for messages from
        /// `publishers`; the subscription yields each message once: `guard` remembers which ones
        /// were taken.
        ///
        /// # Errors
        ///
        /// See `amop::Client::subscribe_sealed`.
        #vis async fn subscribe_sealed(
            client: &#krate::Client,
            keys: impl ::core::convert::AsRef<[#krate::SealingKey]>,
            publishers: &[#krate::SealingPublicKey],
            guard: #krate::ReplayGuard,
        ) -> #result<#krate::SealedSubscription<Self>, #krate::SubscribeError> {
            client.subscribe_sealed::<Self>(keys, publishers, guard).await
        }

        /// Subscribes to the type's sealed topic; the stream yields messages with their publishers,
        /// which can be replied to.
        ///
        /// # Errors
        ///
        /// See `amop::Client::deliveries_sealed`.
        #vis async fn deliveries_sealed(
            client: &#krate::Client,
            keys: impl ::core::convert::AsRef<[#krate::SealingKey]>,
            publishers: &[#krate::SealingPublicKey],
            guard: #krate::ReplayGuard,
        ) -> #result<#krate::SealedDeliveries<Self>, #krate::SubscribeError> {
            client.deliveries_sealed::<Self>(keys, publishers, guard).await
        }
    }
}

fn publishing(item: &DeriveInput, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    let PublishSignature { life, future, send } = &PublishSignature::of(item);
    quote! {
        /// Seals the message and sends it to one subscriber.
        ///
        /// # Errors
        ///
        /// See `amop::Sealer::publish_unicast`.
        #vis fn publish_unicast<#life>(
            &self,
            sealer: &#life #krate::Sealer<Self>,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            sealer.publish_unicast(self)
        }

        /// Seals the message and sends it to all subscribers.
        ///
        /// # Errors
        ///
        /// See `amop::Sealer::publish_multicast`.
        #vis fn publish_multicast<#life>(
            &self,
            sealer: &#life #krate::Sealer<Self>,
        ) -> #future<Output = #result<(), #krate::PublishError>> + #send {
            sealer.publish_multicast(self)
        }
    }
}

/// Generates the function of sealed topics with a typed reply.
pub(super) fn request_function(item: &DeriveInput, reply: &syn::Type, krate: &Path) -> TokenStream {
    let vis = &item.vis;
    let result = quote!(::core::result::Result);
    let PublishSignature { life, future, send } = &PublishSignature::of(item);
    quote! {
        /// Seals the message, sends it to one subscriber and waits for its sealed reply.
        ///
        /// # Errors
        ///
        /// See `amop::Sealer::request`.
        #vis fn request<#life>(
            &self,
            sealer: &#life #krate::Sealer<Self>,
        ) -> #future<Output = #result<#reply, #krate::PublishError>> + #send {
            sealer.request(self)
        }
    }
}
