//! The golden files compile, and the topics in them work.
#![allow(missing_docs, unreachable_pub, dead_code)]

use amop::{Codec, Request, SealedRequest, SealedTopic, Topic};

mod generated {
    include!("golden/mod.rs");
}

use generated::{
    Reading, reading,
    shop::{
        common::{Note, Receipt, State},
        orders::v1::{
            Answer, Order, Payment as SealedPayment, Question, StockReply, StockRequest,
            order::{Item, Payment, Type, item},
        },
    },
};

fn json<C: Codec<T>, T>(value: &T) -> String {
    assert_eq!(C::NAME, "json");
    String::from_utf8(C::encode(value).unwrap().into()).unwrap()
}

#[test]
fn a_sealed_topic_has_its_codecs_and_no_way_to_send_it_plain() {
    assert_eq!(SealedPayment::TOPIC, "payments");
    let payment = SealedPayment { cents: 5 };
    let content = <SealedPayment as SealedTopic>::Codec::encode(&payment).unwrap();
    assert_eq!(&content[..], [8, 5]);
    let answer = Answer {
        text: "x".to_owned(),
    };
    let reply = <SealedPayment as SealedRequest>::ReplyCodec::encode(&answer).unwrap();
    assert_eq!(&reply[..], [10, 1, b'x']);
    // Its functions take a `Sealer`, not a `Client`.
    let _: fn(&SealedPayment, &'static amop::Sealer<SealedPayment>) = |payment, sealer| {
        drop(payment.publish_multicast(sealer));
    };
}

#[test]
fn topics_of_all_kinds_work() {
    assert_eq!(Order::TOPIC, "orders");
    let order = Order {
        items: vec![Item {
            article: "pen".to_owned(),
            count: 2,
        }],
        notes: [(
            "en".to_owned(),
            Note {
                text: "!".to_owned(),
            },
        )]
        .into(),
        r#type: Type::Express.into(),
        signature: vec![1],
        payment: Some(Payment::Cash(1)),
    };
    let payload = json::<<Order as Topic>::Codec, _>(&order);
    assert_eq!(
        payload,
        concat!(
            r#"{"items":[{"article":"pen","count":2}],"notes":{"en":{"text":"!"}},"#,
            r#""type":"TYPE_EXPRESS","cash":"1","signature":"AQ=="}"#
        )
    );
    let decoded: Order = <Order as Topic>::Codec::decode(payload.into()).unwrap();
    assert_eq!(decoded, order);
    let receipt = Receipt {
        number: 1,
        state: State::Accepted.into(),
    };
    assert_eq!(
        json::<<Order as Request>::ReplyCodec, _>(&receipt),
        r#"{"number":"1","state":"STATE_ACCEPTED"}"#
    );

    let stock = StockReply { count: 3 };
    assert_eq!(
        json::<<StockRequest as Request>::ReplyCodec, _>(&stock),
        r#"{"count":"3"}"#
    );

    assert_eq!(Reading::TOPIC, "readings");
    let reading = Reading {
        sensor: Some(reading::Sensor {
            name: "a".to_owned(),
        }),
        value: 1,
    };
    let payload = <Reading as Topic>::Codec::encode(&reading).unwrap();
    assert_eq!(payload, &b"\x0a\x03\x0a\x01a\x10\x01"[..]);
}

#[test]
fn text_replies_are_text() {
    assert_eq!(Question::TOPIC, "questions \"and\" answers");
    let answer = Answer {
        text: "42".to_owned(),
    };
    let payload = <Question as Request>::ReplyCodec::encode(&answer).unwrap();
    assert_eq!(payload, "42");
    let decoded: Answer = <Question as Request>::ReplyCodec::decode(payload).unwrap();
    assert_eq!(decoded, answer);
}

#[test]
fn nested_messages_are_topics_by_their_own_options() {
    assert_eq!(item::Recall::TOPIC, "recalls");
    fn replies_with<T: Request<Reply = item::recall::Answer>>() {}
    replies_with::<item::Recall>();
    // `Item` is nested in a topic: were it one, this would be ambiguous.
    trait NoTopic {
        const TOPIC: &'static str = "none";
    }
    impl NoTopic for Item {}
    assert_eq!(Item::TOPIC, "none");
}
