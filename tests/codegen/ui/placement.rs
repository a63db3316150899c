//! The attribute in places where it does not belong.

#[amop::topic("hello")]
enum Enum {
    A,
}

#[amop::topic("hello")]
union Union {
    a: u32,
}

#[amop::topic("hello")]
fn function() {}

#[amop::topic("hello")]
trait Trait {}

#[amop::topic("hello")]
#[amop::topic("world")]
struct Twice(String);

#[amop::topic("hello")]
#[derive(amop::AmopTopic)]
#[amop(topic = "hello")]
struct Both(String);

#[amop::topic("hello")]
struct FieldOptions {
    #[amop(codec = "text")]
    text: String,
}

fn main() {
    function();
}
