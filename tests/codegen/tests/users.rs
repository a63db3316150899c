//! Schemas as people write them: cases that were refused or did not compile in the past.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub, dead_code)]

#[allow(clippy::all)] // Names and comments are the schema's.
mod users {
    include!(concat!(env!("OUT_DIR"), "/users/all.rs"));
}

use super::support::Schema;
use amop::{__private::prost::Message as _, Codec, MessageKind, Request, Topic};
use amop_codegen_tests::comments;
use users::{aliases, enums, floats, marked, methods, old, replies, vec};

fn schema() -> Schema {
    Schema::new(include_bytes!(concat!(env!("OUT_DIR"), "/users.binpb")))
}

#[test]
fn values_and_types_may_be_called_as_they_are() {
    let schema = schema();
    schema.check::<enums::Plain>("enums.Plain");
    schema.check::<enums::Run>("enums.Run");
    schema.check::<enums::Under>("enums.Under");
    schema.check::<vec::Everything>("vec.Everything");
    schema.check::<aliases::Trip>("aliases.Trip");
    assert_eq!(marked::Mark::TOPIC, "mark");
    assert_eq!(comments::Trade::TOPIC, "trade `a` [b] \"c\"");
    let _ = MessageKind::Unicast;
}

/// The message's own accessors take precedence, and the client has the functions.
#[test]
fn accessors_win() {
    let mut job = methods::Job::default();
    job.set_request(methods::Step::First);
    assert_eq!(job.request(), methods::Step::First);
    assert_eq!(job.deliveries(), "");
    assert_eq!(job.subscribe().count(), 0);
    assert_eq!(job.publish_multicast_to(), 0);
    async fn ask(
        client: &amop::Client,
        job: &methods::Job,
    ) -> Result<methods::Answer, amop::PublishError> {
        client.request(job).await
    }
    let _ = ask;
    // The functions whose names are free exist.
    async fn tell(client: &amop::Client, job: &methods::Job) -> Result<(), amop::PublishError> {
        job.publish_multicast(client).await?;
        job.publish_unicast_to(client, "other").await
    }
    let _ = tell;
}

#[test]
fn defaults_and_groups_of_the_older_language_are_there() {
    let task = old::Task::default();
    assert_eq!(task.weight(), old::Weight::Heavy);
    assert_eq!(task.other(), old::Weight::Light);
    assert_eq!(task.raw(), b"x\"y\\\x02\xfe");
    assert_eq!(task.text(), "a\"b\nc ö 'd'");
    assert_eq!(task.most(), f64::INFINITY);
    assert_eq!(task.least(), f64::NEG_INFINITY);
    assert!(task.none().is_nan() && task.negative().is_nan());
    assert_eq!(task.small(), -1.5e-9);
    assert_eq!((task.low(), task.high()), (i64::MIN, u64::MAX));
    assert!(task.yes());

    let task = old::Task {
        name: "a".to_owned(),
        step: Some(Box::new(old::task::Step {
            at: Some(1),
            note: vec![old::task::step::Note {
                text: Some("b".to_owned()),
            }],
            task: Some(Box::new(old::Task {
                name: "c".to_owned(),
                ..old::Task::default()
            })),
        })),
        which: Some(old::task::Which::Both(old::task::Both {
            number: Some(2),
            again: Some(Box::default()),
        })),
        weights: [("x".to_owned(), old::Weight::Light.into())].into(),
        packed: vec![1, 2],
        loose: vec![3],
        ..old::Task::default()
    };
    let payload = <old::Task as Topic>::Codec::encode(&task).unwrap();
    let read: old::Task = <old::Task as Topic>::Codec::decode(payload).unwrap();
    assert_eq!(read, task);
}

#[test]
fn googles_types_are_replies() {
    fn replies_with<T: Request<Reply = R>, R>(reply: &R) -> String {
        let payload = <T as Request>::ReplyCodec::encode(reply).unwrap();
        String::from_utf8(payload.into()).unwrap()
    }
    assert_eq!(
        replies_with::<replies::Words, String>(&"a".to_owned()),
        "\n\u{1}a"
    );
    assert_eq!(replies_with::<replies::Nothing, ()>(&()), "{}");
    assert_eq!(replies_with::<replies::Sum, u64>(&5), "\u{8}\u{5}");
    let time = prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    };
    assert_eq!(
        replies_with::<replies::Time, _>(&time),
        "\"1970-01-01T00:00:01Z\""
    );
    let value = prost_types::Value::from(true);
    assert_eq!(replies_with::<replies::Free, _>(&value), "true");
}

/// prost leaves out zeros, and treats -0.0 as one, although it is different.
#[test]
fn wrapped_numbers_keep_their_signs() {
    use floats::json::Either;

    fn through<T, C: Codec<T>>(value: &T) -> T {
        C::decode(C::encode(value).unwrap()).unwrap()
    }
    fn bits(of: &floats::Json) -> (u64, Vec<u32>, Vec<u64>, u64) {
        let many = of.many.iter().map(|value| value.to_bits()).collect();
        let named = of.named.values().map(|value| value.to_bits()).collect();
        let either = match of.either.unwrap() {
            Either::Short(value) => u64::from(value.to_bits()),
            Either::Long(value) => value.to_bits(),
        };
        (of.one.unwrap().to_bits(), many, named, either)
    }
    for value in [0.0, -0.0, 0.5, -f64::MIN_POSITIVE, f64::INFINITY] {
        let short = value as f32;
        for either in [Either::Short(short), Either::Long(value)] {
            let json = floats::Json {
                one: Some(value),
                many: vec![1.0, short, 0.0],
                named: [("x".to_owned(), value)].into(),
                either: Some(either),
            };
            let wire = floats::Wire {
                of: Some(json.clone()),
            };
            assert_eq!(wire.encode_to_vec().len(), wire.encoded_len());
            let read = through::<_, <floats::Json as Topic>::Codec>(&json);
            assert_eq!(bits(&read), bits(&json), "{value}");
            let read = through::<_, <floats::Wire as Topic>::Codec>(&wire)
                .of
                .unwrap();
            assert_eq!(bits(&read), bits(&json), "{value}");
        }
        let read = through::<f64, <floats::Json as Request>::ReplyCodec>(&value);
        assert_eq!(read.to_bits(), value.to_bits());
        let read = through::<f32, <floats::Wire as Request>::ReplyCodec>(&short);
        assert_eq!(read.to_bits(), short.to_bits());
    }
    // In the form that Google's libraries write.
    let json = floats::Json {
        one: Some(-0.0),
        ..Default::default()
    };
    let text = <floats::Json as Topic>::Codec::encode(&json).unwrap();
    assert_eq!(&text[..], br#"{"one":-0.0}"#);
    let reply = <floats::Json as Request>::ReplyCodec::encode(&-0.0).unwrap();
    assert_eq!(&reply[..], b"-0.0");
}
