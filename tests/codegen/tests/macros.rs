//! The macros on structs with conditions and on deprecated items, in a crate that denies warnings.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub, clippy::non_minimal_cfg)]

use amop::{AmopTopic, Codec, Topic};

fn codec<T: Topic>() -> &'static str {
    <T::Codec as Codec<T>>::NAME
}

fn round_trip<T: Topic>(payload: &'static str) {
    let message = T::Codec::decode(payload.into()).unwrap();
    assert_eq!(T::Codec::encode(&message).unwrap(), payload);
}

/// Fields that are left out.
mod left_out {
    use super::AmopTopic;

    #[amop::topic("attribute")]
    pub(crate) struct Attribute {
        text: String,
        #[cfg(any())]
        more: u32,
    }

    #[derive(AmopTopic)]
    #[amop(topic = "derive")]
    pub(crate) struct Derive {
        text: String,
        #[cfg(any())]
        more: u32,
    }

    #[amop::topic("in.front")]
    pub(crate) struct InFront(
        #[cfg(any())] u32,
        #[cfg(all())] String,
        #[cfg(any())] String,
    );
}

/// Fields that stay.
mod kept {
    #[amop::topic("attribute")]
    pub(crate) struct Attribute {
        text: String,
        #[cfg(all())]
        #[cfg(not(any()))]
        more: u32,
    }

    #[amop::topic("nothing")]
    pub(crate) struct Nothing {
        #[cfg(any())]
        text: String,
    }

    #[amop::topic("generic", reply = Vec<u8>)]
    #[derive(Debug)]
    #[serde(rename_all = "UPPERCASE")]
    pub(crate) struct Generic<T: serde::Serialize + serde::de::DeserializeOwned + Send + 'static> {
        #[cfg(all())]
        text: String,
        of: T,
    }

    #[amop::topic("three")]
    pub(crate) struct Three {
        #[cfg(all())]
        one: String,
        #[cfg(all())]
        two: String,
    }
}

#[test]
fn what_is_left_out_does_not_count() {
    assert_eq!(codec::<left_out::Attribute>(), "text");
    assert_eq!(codec::<left_out::Derive>(), "text");
    assert_eq!(codec::<left_out::InFront>(), "text");
    round_trip::<left_out::Attribute>("any text");
    round_trip::<left_out::Derive>("any text");
    round_trip::<left_out::InFront>("any text");
}

#[test]
fn what_stays_counts() {
    assert_eq!(codec::<kept::Attribute>(), "json");
    round_trip::<kept::Attribute>(r#"{"text":"a","more":1}"#);
    round_trip::<kept::Nothing>("{}");
    round_trip::<kept::Generic<u8>>(r#"{"TEXT":"a","OF":1}"#);
    round_trip::<kept::Three>(r#"{"one":"a","two":"b"}"#);
}

/// Deprecated structs, fields and replies: only code that uses them gets a warning.
pub mod deprecated {
    use super::AmopTopic;

    #[deprecated(note = "old")]
    #[amop::topic("json")]
    pub struct Json {
        pub x: u8,
        pub y: u8,
    }

    #[amop::topic("field")]
    #[deprecated(note = "old")]
    pub struct Field {
        #[deprecated]
        pub x: u8,
        pub y: u8,
    }

    #[amop::topic("text", reply = String)]
    #[deprecated(note = "old")]
    pub struct Text {
        pub x: String,
    }

    #[amop::topic("only.field", codec = "text")]
    #[doc(hidden)]
    #[non_exhaustive]
    #[must_use]
    pub struct OnlyField {
        #[deprecated]
        pub x: String,
    }

    #[amop::topic("bytes", codec = "bytes", private)]
    #[deprecated]
    pub struct Bytes(#[deprecated] pub Vec<u8>);

    #[amop::topic("sealed", sealed, reply = bool)]
    #[deprecated]
    pub struct Sealed {
        pub x: u8,
        #[deprecated]
        pub y: u8,
    }

    #[derive(AmopTopic)]
    #[amop(topic = "derived")]
    #[deprecated]
    pub struct Derived {
        #[deprecated]
        pub x: String,
    }
}

#[test]
#[allow(deprecated)]
fn deprecated_topics_work() {
    round_trip::<deprecated::Json>(r#"{"x":1,"y":2}"#);
    round_trip::<deprecated::Field>(r#"{"x":1,"y":2}"#);
    round_trip::<deprecated::Text>("a");
    round_trip::<deprecated::OnlyField>("a");
    round_trip::<deprecated::Bytes>("a");
    round_trip::<deprecated::Derived>("a");
    assert_eq!(deprecated::Sealed::TOPIC, "sealed");
}
