//! Fields, variants and attributes under conditions: the compiler decides.

use amop::{Describe, TopicDescriptors};
use amop_schema::asyncapi::PayloadSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{read, schema};

#[amop::topic("kept")]
struct Kept {
    x: u8,
    #[cfg(test)]
    y: u8,
    #[cfg(not(test))]
    z: u8,
    #[cfg_attr(test, serde(rename = "renamed"))]
    named: Choice,
}

#[derive(Serialize, Deserialize, Describe)]
enum Choice {
    #[cfg(test)]
    One,
    #[cfg(not(test))]
    Two,
}

#[amop::topic("text")]
struct Text {
    text: String,
    #[cfg(not(test))]
    more: u8,
}

#[amop::topic("not text")]
struct NotText {
    text: String,
    #[cfg(test)]
    more: u8,
}

#[test]
fn what_the_compiler_leaves_out_is_not_described() {
    let topics = read(
        &TopicDescriptors::new()
            .with::<Kept>()
            .with::<Text>()
            .with::<NotText>(),
    );
    let kept = schema(&topics, 0);
    assert_eq!(kept["required"], json!(["x", "y", "renamed"]));
    assert!(kept["properties"]["z"].is_null(), "{kept}");
    assert_eq!(topics[1].message.content, PayloadSchema::Text);
    assert_eq!(schema(&topics, 2)["required"], json!(["text", "more"]));

    let PayloadSchema::Json { definitions, .. } = &topics[0].message.content else {
        panic!("no JSON");
    };
    assert_eq!(
        definitions["Choice"],
        json!({ "type": "string", "enum": ["One"] })
    );
}
