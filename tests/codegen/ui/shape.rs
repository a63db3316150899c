//! Structs that their codec does not support.

#[amop::topic("hello", codec = "text")]
struct TextOfTwo {
    a: String,
    b: String,
}

#[amop::topic("hello", codec = "text")]
struct TextOfTuple(String, u32);

#[amop::topic("hello", codec = "text")]
struct TextOfNothing;

#[amop::topic("hello", codec = "text")]
struct TextOfNumber {
    value: u64,
}

#[amop::topic("hello", codec = "text")]
struct TextOfReference(&'static str);

#[amop::topic("hello", codec = "bytes")]
struct BytesOfText(String);

#[amop::topic("hello", codec = "bytes")]
struct BytesOfNumbers(Vec<u16>);

#[amop::topic("hello", codec = "bytes")]
struct BytesOfTwo(Vec<u8>, Vec<u8>);

#[amop::topic("hello")]
#[derive(Clone, PartialEq, prost::Message)]
struct ProstWithoutCodec {
    #[prost(string, tag = "1")]
    text: String,
}

fn main() {}
