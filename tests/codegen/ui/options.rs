//! Options that the attribute refuses.

struct Reply;

#[amop::topic("hello", codec = "xml")]
struct UnknownCodec(String);

#[amop::topic("hello", codec = "jsno")]
struct MistypedCodec(String);

#[amop::topic("hello", codec = "proto")]
struct ShortCodec(String);

#[amop::topic("hello", codec = json)]
struct UnquotedCodec(String);

#[amop::topic("hello", codec)]
struct CodecWithoutValue(String);

#[amop::topic("hello", codec =)]
struct CodecWithoutValueAfterEquals(String);

#[amop::topic("hello", codec("json"))]
struct CodecInParentheses(String);

#[amop::topic("hello", codec = "json", codec = "text")]
struct CodecTwice(String);

#[amop::topic("hello", secret)]
struct Secret(String);

#[amop::topic("hello", quality = 1, codec = "text")]
struct UnknownOption(String);

#[amop::topic("hello", replay = Reply)]
struct MistypedOption(String);

#[amop::topic("hello" codec = "text")]
struct MissingComma(String);

#[amop::topic("hello", reply = 5)]
struct ReplyNotAType(String);

#[amop::topic("hello", reply = "not a type")]
struct ReplyNotATypeInString(String);

#[amop::topic("hello", reply)]
struct ReplyWithoutValue(String);

#[amop::topic("hello", reply_codec = "json")]
struct ReplyCodecWithoutReply(String);

#[amop::topic("hello", reply = Reply, reply_codec = "yaml")]
struct UnknownReplyCodec(String);

#[amop::topic("hello", crate = amop)]
struct CrateNotAString(String);

#[amop::topic("hello", crate = "5")]
struct CrateNotAPath(String);

fn main() {}
