//! The functions are as visible as the struct, and those that are not used cause no warning.
#![deny(warnings)]
#![allow(missing_docs, unreachable_pub)]

mod outer {
    pub mod inner {
        #[amop::topic("public")]
        #[derive(Clone)]
        pub struct Public(pub String);

        #[amop::topic("in the crate")]
        pub(crate) struct InCrate(#[allow(dead_code)] pub(crate) String);

        #[amop::topic("in the module", reply = Reply, codec = "json")]
        pub(super) struct InModule(#[allow(dead_code)] pub(super) String);

        #[amop::topic("private")]
        struct Private(#[allow(dead_code)] String);

        #[amop::topic("reply")]
        pub(in crate::outer) struct Reply {
            pub(in crate::outer) n: u32,
        }

        /// Paths in options must not trigger a lint.
        #[deny(unused_qualifications)]
        #[amop::topic("path", codec = "json", reply = "self::Reply", crate = "::amop")]
        pub(in crate::outer) struct Path(#[allow(dead_code)] pub(in crate::outer) String);

        pub fn private() -> &'static str {
            Private::TOPIC
        }
    }

    pub async fn ask(client: &amop::Client) -> Option<u32> {
        let question = inner::InModule(inner::InModule::TOPIC.to_owned());
        let reply = question.request(client).await.ok()?;
        Some(reply.n)
    }
}

async fn calls(client: &amop::Client) {
    let _ = outer::ask(client).await;
    let public = outer::inner::Public(String::new());
    let _: Result<(), amop::PublishError> = public.publish_unicast(client).await;
    let _: Result<amop::Subscription<outer::inner::Public>, amop::SubscribeError> =
        outer::inner::Public::subscribe(client).await;
    let _ = outer::inner::InCrate(String::new())
        .publish_multicast(client)
        .await;
}

fn main() {
    let _ = calls;
    assert_eq!(outer::inner::Public::TOPIC, "public");
    assert_eq!(outer::inner::InCrate::TOPIC, "in the crate");
    assert_eq!(outer::inner::private(), "private");
}
