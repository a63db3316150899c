//! Types that the codec cannot carry.

#[amop::topic("ask", reply = u64)]
struct Ask(String);

#[amop::topic("words", codec = "text")]
struct Words(Vec<String>);

#[amop::topic("blob", codec = "bytes")]
struct Blob(u64);

fn main() {}
