//! All mistakes of an item are reported at once, and nothing else.

#[amop::topic("", codec = "yaml", reply = 3, colour = "red", reply_codec = "text" "json")]
struct Message<'a, T> {
    /// Serde's attributes are not reported, although nothing derives serde here.
    #[serde(rename = "Text")]
    text: &'a str,
    #[amop(skip)]
    value: T,
}

fn main() {}
