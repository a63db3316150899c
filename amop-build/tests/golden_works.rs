//! The golden files compile, and the topics in them work.
#![allow(missing_docs, unreachable_pub, dead_code)]

use amop::{Codec, Request, SealedRequest, SealedTopic, Topic};

mod generated {
    include!("golden/mod.rs");
}

use generated::{
    Levels, Ping, Reading, reading,
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
    // `Item` is nested in a topic. If it were a topic itself, this would be ambiguous.
    trait NoTopic {
        const TOPIC: &'static str = "none";
    }
    impl NoTopic for Item {}
    assert_eq!(Item::TOPIC, "none");
}

/// prost takes -0.0 for 0.0, which it omits.
#[test]
fn numbers_keep_their_bits_in_both_formats() {
    let bits = |levels: &Levels| {
        let many: Vec<u64> = levels.many.values().map(|value| value.to_bits()).collect();
        let maybe = levels.maybe.map(f64::to_bits);
        (levels.one.to_bits(), levels.short.to_bits(), many, maybe)
    };
    for value in [
        0.0,
        -0.0,
        0.1,
        f64::MIN_POSITIVE,
        5e-324,
        f64::MAX,
        f64::INFINITY,
    ] {
        let levels = Levels {
            one: value,
            short: value as f32,
            many: [("a".to_owned(), value)].into(),
            maybe: Some(value),
        };
        let payload = <amop::codec::Protobuf as Codec<Levels>>::encode(&levels).unwrap();
        let read = <amop::codec::Protobuf as Codec<Levels>>::decode(payload).unwrap();
        assert_eq!(bits(&read), bits(&levels), "{value}");
        let payload = <Levels as Topic>::Codec::encode(&levels).unwrap();
        let read: Levels = <Levels as Topic>::Codec::decode(payload).unwrap();
        assert_eq!(bits(&read), bits(&levels), "{value}");
    }
    let nothing = Levels::default();
    assert_eq!(json::<<Levels as Topic>::Codec, _>(&nothing), "{}");
}

#[test]
fn googles_types_are_replies() {
    assert_eq!(
        json::<<Levels as Request>::ReplyCodec, _>(&f64::NAN),
        "\"NaN\""
    );
    assert_eq!(json::<<Ping as Request>::ReplyCodec, _>(&()), "{}");
    let read: () = <Ping as Request>::ReplyCodec::decode("{\"more\":1}".into()).unwrap();
    assert_eq!(read, ());
}

/// serde's traits use the shape of the mapping in every format.
#[test]
fn messages_are_serdes_too() {
    let receipt = Receipt {
        number: u64::MAX,
        state: State::Accepted.into(),
    };
    let value = serde_json::to_value(receipt).unwrap();
    assert_eq!(value["number"], "18446744073709551615");
    assert_eq!(value["state"], "STATE_ACCEPTED");
    assert_eq!(serde_json::from_value::<Receipt>(value).unwrap(), receipt);
}
