//! The macros under other names, and types of one name in several modules.

use amop::TopicDescriptors;
use amop_schema::asyncapi::PayloadSchema;

use super::{read, schema};

mod renamed {
    pub(crate) use amop::*;
}

mod any_name {
    use super::renamed;
    use amop::{self as ours, AmopTopic as Derived, topic as t};

    #[t("a")]
    pub(crate) struct A {
        x: u8,
        y: u8,
    }

    #[::amop::topic("b")]
    pub(crate) struct B {
        x: u8,
        y: u8,
    }

    #[renamed::topic("c", crate = "renamed")]
    pub(crate) struct C {
        x: u8,
        y: D,
    }

    #[derive(serde::Serialize, serde::Deserialize, renamed::Describe)]
    #[amop(crate = "renamed")]
    pub(crate) struct D {
        z: u8,
    }

    #[ours::topic("e")]
    pub(crate) struct E {
        x: u8,
        y: u8,
    }

    #[cfg_attr(all(), derive(Derived), amop(topic = "f"))]
    pub(crate) struct F(String);
}

#[test]
fn macros_have_many_names() {
    let topics = read(
        &TopicDescriptors::new()
            .with::<any_name::A>()
            .with::<any_name::B>()
            .with::<any_name::C>()
            .with::<any_name::E>()
            .with::<any_name::F>(),
    );
    let names: Vec<_> = topics.iter().map(|topic| topic.topic.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "e", "f"]);
    for topic in 0..4 {
        assert!(schema(&topics, topic)["properties"]["x"].is_object());
    }
}

/// Macros write topics as well.
macro_rules! written {
    ($name:ident, $topic:literal) => {
        #[amop::topic($topic)]
        pub(crate) struct $name {
            written: u8,
            by: u8,
        }
    };
}

written!(Written, "written");

#[test]
fn topics_are_described_that_macros_and_functions_contain() {
    #[amop::topic("inside")]
    struct Inside {
        x: u8,
        y: u8,
    }
    let topics = read(&TopicDescriptors::new().with::<Written>().with::<Inside>());
    assert!(schema(&topics, 0)["properties"]["written"].is_object());
    assert!(schema(&topics, 1)["properties"]["x"].is_object());
}

mod one {
    #[amop::topic("one")]
    pub(crate) struct Note {
        pub(crate) a: u8,
        pub(crate) b: Part,
        pub(crate) c: super::two::Part,
    }

    #[derive(serde::Serialize, serde::Deserialize, amop::Describe)]
    pub(crate) struct Part {
        d: u8,
    }
}

mod two {
    pub(crate) use inner::Part;

    mod inner {
        #[derive(serde::Serialize, serde::Deserialize, amop::Describe)]
        pub(crate) struct Part {
            e: String,
            again: Option<Box<Part>>,
        }
    }
}

#[test]
fn types_of_one_name_are_told_apart() {
    let topics = read(&TopicDescriptors::new().with::<one::Note>());
    let PayloadSchema::Json { definitions, .. } = &topics[0].message.content else {
        panic!("no JSON");
    };
    let properties = &definitions["Note"]["properties"];
    let part = |field: &str| {
        let name = properties[field]["$ref"].as_str().unwrap();
        &definitions[name.rsplit('/').next().unwrap()]["properties"]
    };
    assert!(part("b")["d"].is_object() && part("c")["e"].is_object());
    assert_eq!(definitions.len(), 3);
}

/// The macros and the schemas have limits of their own, so that no build script compiles the
/// protocol.
#[test]
fn all_crates_have_the_limits_of_the_protocol() {
    #[amop::topic(
        "tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
    )]
    struct Longest(#[allow(dead_code)] String);

    assert_eq!(Longest::TOPIC.len(), amop::MAX_TOPIC_LEN);
    assert_eq!(amop_schema::MAX_TOPIC_LEN, amop::MAX_TOPIC_LEN);
    assert_eq!(amop_schema::MAX_PRIVATE_LEN, amop::MAX_PRIVATE_LEN);
}
