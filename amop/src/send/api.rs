//! The part of [`Client`] that publishes.

use std::{future::Future, sync::Arc};

use amop_proto::{TopicName, client::MessageKind};
use bytes::Bytes;

use super::{publish::ReceivedAnswer, publisher::Publisher, raw::RawPublisher, reply::Reply};
use crate::{
    Client, Codec, PublishError, PublishErrorKind as Kind, Request, Topic, topic::wire_topic,
};

/// Publishing.
impl Client {
    /// Sends a message to one subscriber of its type's topic. Returns once the subscriber has taken
    /// it. The message is encoded before this returns its future, which does not borrow it.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; [`may_have_been_delivered`](PublishError::may_have_been_delivered) tells
    /// whether a subscriber may have the message nevertheless.
    ///
    /// # Cancel safety
    ///
    /// Nothing is sent before the first poll. If the future is dropped later, the message may have
    /// been sent, whole, or not at all; its answer is ignored.
    pub fn publish_unicast<'a, T: Topic>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish_unicast_to(T::TOPIC, message)
    }

    /// As [`publish_unicast`](Self::publish_unicast), to a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub fn publish_unicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(MessageKind::Unicast, encode(topic, message))
    }

    /// Sends a message to all subscribers of its type's topic. Returns once a node has taken it; it
    /// is not known whether a subscriber receives it. The message is encoded before this returns
    /// its future, which does not borrow it.
    ///
    /// For many messages in a row use a [`publisher`](Self::publisher).
    ///
    /// # Errors
    ///
    /// [`PublishError`].
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub fn publish_multicast<'a, T: Topic>(
        &'a self,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish_multicast_to(T::TOPIC, message)
    }

    /// As [`publish_multicast`](Self::publish_multicast), to a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub fn publish_multicast_to<'a, T: Topic>(
        &'a self,
        topic: &str,
        message: &T,
    ) -> impl Future<Output = Result<(), PublishError>> + Send + use<'a, T> {
        self.publish(MessageKind::Multicast, encode(topic, message))
    }

    /// Sends a message to one subscriber of its type's topic and waits for the reply. The message
    /// is encoded before this returns its future, which does not borrow it.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast), and [`Reply`](crate::PublishErrorKind::Reply)
    /// for a reply that cannot be decoded, and [`NoReply`](crate::PublishErrorKind::NoReply) if the subscriber took the message without
    /// replying. A subscriber on another SDK may acknowledge it with an empty payload instead,
    /// which is an empty reply here.
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast). The subscriber is not told that its reply is not
    /// wanted any more.
    pub fn request<'a, R: Request>(
        &'a self,
        message: &R,
    ) -> impl Future<Output = Result<R::Reply, PublishError>> + Send + use<'a, R> {
        self.request_to(R::TOPIC, message)
    }

    /// As [`request`](Self::request), to a topic with another name.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// As [`request`](Self::request).
    pub fn request_to<'a, R: Request>(
        &'a self,
        topic: &str,
        message: &R,
    ) -> impl Future<Output = Result<R::Reply, PublishError>> + Send + use<'a, R> {
        const {
            assert!(
                R::REQUEST,
                "set `const REQUEST: bool = true` where Topic is implemented: without it, a \
                 request that gets no reply ends with an empty one"
            )
        };
        let encoded = encode(topic, message);
        async move {
            let (topic, payload) = encoded?;
            let answer = self
                .exchange(MessageKind::Unicast, &topic, &payload)
                .await?;
            R::ReplyCodec::decode(answer.payload).map_err(|cause| {
                PublishError::new(Kind::Reply(cause), &topic)
                    .at(answer.connection.endpoint())
                    .with_seq(Some(answer.seq))
            })
        }
    }

    async fn publish(
        &self,
        kind: MessageKind,
        encoded: Result<(TopicName, Bytes), PublishError>,
    ) -> Result<(), PublishError> {
        let (topic, payload) = encoded?;
        match self.exchange(kind, &topic, &payload).await {
            // A subscriber has taken it, and this call does not ask for a reply.
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), Kind::NoReply) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends bytes to one subscriber of a topic and returns its answer. Some SDKs send answers
    /// without the topic's framing; these are returned unchanged.
    ///
    /// # Errors
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn publish_unicast_raw(
        &self,
        topic: &TopicName,
        payload: Bytes,
    ) -> Result<Reply, PublishError> {
        let answer = self.exchange(MessageKind::Unicast, topic, &payload).await?;
        Ok(Reply {
            seq: answer.seq,
            payload: answer.payload,
        })
    }

    /// Sends bytes to all subscribers of a topic.
    ///
    /// # Errors
    ///
    /// As [`publish_multicast`](Self::publish_multicast).
    ///
    /// # Cancel safety
    ///
    /// As [`publish_unicast`](Self::publish_unicast).
    pub async fn publish_multicast_raw(
        &self,
        topic: &TopicName,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        self.exchange(MessageKind::Multicast, topic, &payload)
            .await?;
        Ok(())
    }

    /// Returns a publisher of multicasts to a type's topic, which does not wait for each message.
    ///
    /// # Errors
    ///
    /// [`InvalidTopic`](crate::PublishErrorKind::InvalidTopic), which is never returned for a topic checked by the macros.
    pub fn publisher<T: Topic>(&self) -> Result<Publisher<T>, PublishError> {
        self.publisher_to(T::TOPIC)
    }

    /// As [`publisher`](Self::publisher), to a topic with another name.
    ///
    /// # Errors
    ///
    /// [`InvalidTopic`](crate::PublishErrorKind::InvalidTopic).
    pub fn publisher_to<T: Topic>(&self, topic: &str) -> Result<Publisher<T>, PublishError> {
        let topic = named::<T>(topic)?;
        Ok(Publisher::new(self.publisher_raw(&topic)))
    }

    /// As [`publisher`](Self::publisher), for bytes.
    pub fn publisher_raw(&self, topic: &TopicName) -> RawPublisher {
        RawPublisher::new(Arc::clone(self.inner()), *self.options(), topic)
    }

    async fn exchange(
        &self,
        kind: MessageKind,
        topic: &TopicName,
        payload: &[u8],
    ) -> Result<ReceivedAnswer, PublishError> {
        self.inner()
            .publish(self.options(), kind, topic, payload)
            .await
    }
}

fn encode<T: Topic>(name: &str, message: &T) -> Result<(TopicName, Bytes), PublishError> {
    let topic = named::<T>(name)?;
    let failed = |cause| PublishError::of_name(Kind::Encode(cause), name);
    let payload = T::Codec::encode(message).map_err(failed)?;
    Ok((topic, payload))
}

fn named<T: Topic>(name: &str) -> Result<TopicName, PublishError> {
    let invalid = |cause| PublishError::of_name(Kind::InvalidTopic(cause), name);
    wire_topic::<T>(name).map_err(invalid)
}
