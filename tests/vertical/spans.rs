//! The `tracing` spans of a client: one per connection, one per exchange.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use amop_testkit::{client, network, within};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    registry::LookupSpan,
};

#[amop::topic("spans", reply = String)]
struct Question(String);

/// The fields of a span, as text.
#[derive(Debug, Default, Clone)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

/// A span's id, name and fields.
type CollectedSpan = (u64, &'static str, Fields);

/// Collects the spans of the client.
#[derive(Default, Clone)]
struct Spans(Arc<Mutex<Vec<CollectedSpan>>>);

impl Spans {
    /// Returns the fields of the spans with this name.
    fn named(&self, name: &str) -> Vec<Fields> {
        let spans = self.0.lock().unwrap();
        let named = spans.iter().filter(|(_, of, _)| *of == name);
        named.map(|(_, _, fields)| fields.clone()).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().target().starts_with("amop::") {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let name = attributes.metadata().name();
            self.0.lock().unwrap().push((id.into_u64(), name, fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut spans = self.0.lock().unwrap();
        // The last one: ids are used again.
        let span = spans
            .iter_mut()
            .rev()
            .find(|(of, _, _)| *of == id.into_u64());
        if let Some((_, _, fields)) = span {
            values.record(fields);
        }
    }
}

#[tokio::test]
async fn connections_and_exchanges_have_spans() {
    let network = network(1).await;
    let spans = Spans::default();
    // All tasks of this test run on this thread.
    let collecting =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let (asking, answering) = (client(&network, 0).await, client(&network, 0).await);
    let connections = spans.named("connection");
    assert_eq!(connections.len(), 2);
    for Fields(fields) in &connections {
        assert_eq!(fields["endpoint"], network.endpoint(0));
        assert_eq!(fields["id"], "1");
        assert_eq!(
            Some(&fields["node_version"]),
            asking.node_version().as_ref()
        );
        let id = asking.node_public_key().unwrap().to_string();
        assert_eq!(fields["node_id"], id);
    }

    let handler = async |question: Question| {
        // What the handler logs is inside of the span of its request.
        let span = tracing::Span::current();
        span.metadata()
            .map_or("", |metadata| metadata.name())
            .to_owned()
            + &question.0
    };
    let server = Question::serve(&answering, 1, handler).await.unwrap();
    let running = tokio::spawn(server.run());
    let question = Question("?".to_owned());
    let reply = within("a reply", question.request(&asking)).await.unwrap();
    assert_eq!(reply, "serve?");
    within("the node", question.publish_multicast(&asking))
        .await
        .unwrap();
    let mut publisher = asking.publisher::<Question>().unwrap();
    publisher.publish(&question).await.unwrap();
    within("the flush", publisher.flush()).await.unwrap();

    let exchanges = spans.named("publish");
    let kinds: Vec<&str> = exchanges.iter().map(|span| &*span.0["kind"]).collect();
    assert_eq!(kinds, ["Unicast", "Multicast", "Multicast"]);
    for Fields(fields) in &exchanges {
        assert_eq!(fields["topic"], "spans");
        assert_eq!(fields["seq"].len(), 32);
    }
    let served = spans.named("serve");
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].0["seq"], exchanges[0].0["seq"]);
    assert_eq!(served[0].0["topic"], "spans");
    asking.close().await;
    answering.close().await;
    running.await.unwrap();
    drop(collecting);
    network.shutdown().await;
}
