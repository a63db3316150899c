//! Items that the derive refuses.

use amop::AmopTopic;

#[derive(AmopTopic)]
struct NoOptions(String);

#[derive(AmopTopic)]
#[amop]
struct NoParentheses(String);

#[derive(AmopTopic)]
#[amop = "hello"]
struct Equals(String);

#[derive(AmopTopic)]
#[amop("hello")]
struct Positional(String);

#[derive(AmopTopic)]
#[amop(topic = NAME)]
struct Constant(String);

#[derive(AmopTopic)]
#[amop(topic = "")]
struct Empty(String);

#[derive(AmopTopic)]
#[amop(topic = "hello")]
#[amop(topic = "world")]
struct Twice(String);

#[derive(AmopTopic)]
#[amop(topic = "hello", kodec = "text")]
struct UnknownOption(String);

#[derive(AmopTopic)]
#[amop(topic = "hello")]
enum Enum {
    #[amop(topic = "world")]
    A(#[amop(codec = "text")] String),
}

#[derive(AmopTopic)]
#[amop(topic = "hello")]
union Union {
    #[amop(codec = "text")]
    a: u32,
}

#[derive(AmopTopic)]
#[amop(topic = "hello", codec = "text")]
struct Field(#[amop(codec = "text")] String);

fn main() {}
