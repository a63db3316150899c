//! Generics without the bounds that a message needs.

#[amop::topic("hello")]
struct Borrows<'a> {
    text: &'a str,
    n: u32,
}

#[amop::topic("hello")]
struct Unbounded<T> {
    value: T,
}

#[amop::topic("hello", codec = "protobuf")]
struct UnboundedProtobuf<T>
where
    Vec<T>: Clone,
{
    value: T,
}

#[derive(amop::AmopTopic)]
#[amop(topic = "hello", codec = "json")]
struct All<'a, T, U: Send, V>
where
    V: Clone,
{
    value: (&'a str, T, U, V),
}

fn main() {}
