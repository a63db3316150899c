//! Topics that the attribute refuses.

const NAME: &str = "hello";

#[amop::topic("")]
struct Empty(String);

#[amop::topic(
    "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\
     ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt\
     ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
)]
struct TooLong(String);

// Bytes count, not characters: 64 of four bytes each.
#[amop::topic(
    "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀\
     🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀"
)]
struct TooLongInBytes(String);

#[amop::topic("hello\tworld")]
struct Tab(String);

#[amop::topic]
struct Missing(String);

#[amop::topic(codec = "text")]
struct MissingWithOptions(String);

#[amop::topic(NAME)]
struct Constant(String);

#[amop::topic(self::NAME)]
struct ConstantPath(String);

#[amop::topic(concat!("hel", "lo"))]
struct Call(String);

#[amop::topic(7)]
struct Number(String);

#[amop::topic(b"hello")]
struct Bytes(String);

#[amop::topic(%)]
struct Nonsense(String);

#[amop::topic("hello", "world")]
struct Two(String);

#[amop::topic(topic = "hello")]
struct Named(String);

fn main() {}
