//! A sealed topic with every option that topics can have.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub)]

mod renamed {
    pub use amop as messenger;
}

#[amop::topic("text", sealed)]
pub struct Text(String);

#[amop::topic("json", sealed, reply = Vec<u64>, crate = "crate::renamed::messenger")]
#[derive(Debug)]
pub struct Json<T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static> {
    pub inner: T,
}

#[derive(amop::AmopTopic, prost::Message)]
#[amop(topic = "proto", codec = "protobuf", sealed, reply = Answer, reply_codec = "protobuf")]
pub struct Question {
    #[prost(string, tag = "1")]
    pub text: String,
}

#[derive(prost::Message)]
pub struct Answer {
    #[prost(bool, tag = "1")]
    pub yes: bool,
}

fn is_send(_: impl Send) {}

pub fn futures(
    text: &Text,
    sealer: &amop::Sealer<Text>,
    ask: &Question,
    asker: &amop::Sealer<Question>,
    client: &amop::Client,
    key: &amop::SealingKey,
) {
    is_send(text.publish_unicast(sealer));
    is_send(text.publish_multicast(sealer));
    is_send(ask.request(asker));
    let guard = amop::ReplayGuard::without_store;
    is_send(Text::subscribe_sealed(client, key, &[], guard()));
    is_send(Text::deliveries_sealed(client, [key.clone()], &[], guard()));
    is_send(Json::<u64>::subscribe_sealed(
        client,
        vec![key.clone()],
        &[],
        guard(),
    ));
}

fn main() {
    assert_eq!(Text::TOPIC, "text");
    assert_eq!(<Question as amop::SealedTopic>::TOPIC, "proto");
}
