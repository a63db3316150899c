//! Clients whose nodes are not neighbours: messages cross the nodes between them, and take another
//! path when one of these stops.
//!
//! When `subscribe` returns, the client's own node and its neighbours know the subscriber. Nodes
//! further away learn of it at once, too, but nothing reports when: a unicast published there in
//! the meantime ends with `NoSubscriber`, and a multicast does not reach the subscriber.

use amop::{Client, Deliveries, MessageKind, PublishError, PublishErrorKind, TopicKey};
use amop_node::AccessLists;
use amop_testkit::{Graph, once_known, within};

#[amop::topic("ask", reply = "String")]
#[derive(Debug, Clone, PartialEq)]
struct Ask(u32);

#[amop::topic("deal", private)]
#[derive(Debug, Clone, PartialEq)]
struct Deal(u32);

async fn ask(publisher: &Client, number: u32) -> Result<String, PublishError> {
    within("an answer", Ask(number).request(publisher)).await
}

/// Receives the next question, which must be this one, and answers it.
async fn answer(questions: &mut Deliveries<Ask>, number: u32) {
    let question = within("a question", questions.next()).await;
    let question = question.unwrap().unwrap();
    assert_eq!(*question, Ask(number));
    assert_eq!(question.kind(), MessageKind::Unicast);
    question.reply(format!("answer {number}")).unwrap();
}

/// Receives the next message, which must be this multicast.
async fn told(questions: &mut Deliveries<Ask>, number: u32) {
    let message = within("a message", questions.next()).await;
    let message = message.unwrap().unwrap();
    assert_eq!(*message, Ask(number));
    assert_eq!(message.kind(), MessageKind::Multicast);
}

/// Publishes the first question as soon as the subscriber is known, and then some more.
async fn ask_and_answer(publisher: &Client, questions: &mut Deliveries<Ask>) {
    let asking = async {
        let mut answers = vec![once_known(|| Ask(0).request(publisher)).await.unwrap()];
        for number in 1..20 {
            answers.push(ask(publisher, number).await.unwrap());
        }
        answers
    };
    let answering = async {
        for number in 0..20 {
            answer(questions, number).await;
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    let expected: Vec<_> = (0..20).map(|number| format!("answer {number}")).collect();
    assert_eq!(answers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_cross_a_row_of_4_nodes_in_both_directions() {
    let graph = Graph::row(4).await;
    let ends = [graph.client(0).await, graph.client(3).await];
    for [from, to] in [[0, 1], [1, 0]] {
        let mut questions = Ask::deliveries(&ends[to]).await.unwrap();
        ask_and_answer(&ends[from], &mut questions).await;
        for number in 100..120 {
            Ask(number).publish_multicast(&ends[from]).await.unwrap();
            told(&mut questions, number).await;
        }
    }
    for relay in [1, 2] {
        let counters = graph.node(relay).counters();
        // 20 questions and 20 answers in each direction; multicasts go one step further at each
        // node.
        assert!(counters.relayed >= 80, "{relay}: {counters:?}");
        assert_eq!(counters.unicasts, 0, "{relay}: {counters:?}");
    }
    graph.end(ends).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_made_is_known_to_the_neighbours() {
    let graph = Graph::row(3).await;
    let subscriber = graph.client(2).await;
    let (near, far) = (graph.client(1).await, graph.client(0).await);
    for number in 0..20 {
        let mut questions = Ask::deliveries(&subscriber).await.unwrap();
        // Known at once, so each message is sent once: nothing is tried again.
        let (answered, ()) = tokio::join!(ask(&near, number), answer(&mut questions, number));
        assert_eq!(answered.unwrap(), format!("answer {number}"));
        // Further away it may take a moment longer.
        let known = once_known(|| Ask(number).request(&far));
        let (answered, ()) = tokio::join!(known, answer(&mut questions, number));
        assert_eq!(answered.unwrap(), format!("answer {number}"));
        within("unsubscribing", questions.unsubscribe())
            .await
            .unwrap();
    }
    graph.end([subscriber, near, far]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_way_left_the_publisher_is_told() {
    let mut graph = Graph::row(4).await;
    let (publisher, subscriber) = (graph.client(0).await, graph.client(3).await);
    let mut questions = Ask::deliveries(&subscriber).await.unwrap();
    ask_and_answer(&publisher, &mut questions).await;

    // The subscriber has one question when the path breaks.
    let asking = tokio::spawn({
        let publisher = publisher.clone();
        async move { ask(&publisher, 20).await }
    });
    let question = within("a question", questions.next()).await;
    let question = question.unwrap().unwrap();
    graph.stop(1).await;
    let error = asking.await.unwrap().unwrap_err();
    assert!(is_verdict(&error), "{error:?}");
    // Its answer cannot be delivered; this has no other effect.
    question.reply("too late".to_owned()).unwrap();

    let error = ask(&publisher, 21).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    // On this side of the break everything works.
    let local = graph.client(2).await;
    let (answered, ()) = tokio::join!(ask(&local, 22), answer(&mut questions, 22));
    assert_eq!(answered.unwrap(), "answer 22");
    graph.end([publisher, subscriber, local]).await;
}

/// Returns whether a node reported that no subscriber took the message.
fn is_verdict(error: &PublishError) -> bool {
    matches!(
        error.kind(),
        PublishErrorKind::NoSubscriber { .. } | PublishErrorKind::Unanswered
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_ring_of_5_traffic_goes_the_other_way_when_a_node_stops() {
    // The paths are 0 - 1 - 2 and 0 - 4 - 3 - 2.
    let mut graph = Graph::ring(5).await;
    let (publisher, subscriber) = (graph.client(0).await, graph.client(2).await);
    let mut questions = Ask::deliveries(&subscriber).await.unwrap();
    ask_and_answer(&publisher, &mut questions).await;

    let asking = tokio::spawn({
        let publisher = publisher.clone();
        async move { ask(&publisher, 20).await }
    });
    let question = within("a question", questions.next()).await;
    let question = question.unwrap().unwrap();
    let before = graph.node(4).counters().relayed;
    graph.stop(1).await;
    // The answer cannot return on the path that the question took.
    question.reply("round".to_owned()).unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), "round");

    for number in 21..40 {
        let (answered, ()) = tokio::join!(ask(&publisher, number), answer(&mut questions, number));
        assert_eq!(answered.unwrap(), format!("answer {number}"));
    }
    for number in 40..60 {
        Ask(number).publish_multicast(&publisher).await.unwrap();
        told(&mut questions, number).await;
    }
    let relayed = graph.node(4).counters().relayed - before;
    assert!(relayed >= 38, "{relayed} messages went by way of node 4");
    graph.end([publisher, subscriber]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_topic_crosses_nodes_in_between() {
    let graph = Graph::row(4).await;
    let (publisher, subscriber) = (graph.client(0).await, graph.client(3).await);
    let key = TopicKey::generate();
    publisher.grant::<Deal>(&[key.public_key()]).await.unwrap();
    let mut deals = Deal::subscribe_private(&subscriber, &key).await.unwrap();
    for number in 0..20 {
        // The first one waits for the verification, which crosses these nodes as well.
        let deal = Deal(number);
        let publishing = deal.publish_unicast(&publisher);
        let (published, taken) = tokio::join!(publishing, within("a deal", deals.next()));
        published.unwrap();
        assert_eq!(taken, Some(Deal(number)));
    }
    graph.end([publisher, subscriber]).await;
}

/// Reloaded lists apply to nodes that are not neighbours, too: their statements are forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_new_lists_refuse_is_forgotten_however_far_it_is() {
    let graph = Graph::row(3).await;
    let ends = [graph.client(0).await, graph.client(2).await];
    let mut questions = Ask::deliveries(&ends[1]).await.unwrap();
    ask_and_answer(&ends[0], &mut questions).await;

    let mut lists = AccessLists::default();
    lists.blacklist.insert(graph.node(2).node_id());
    let reloaded = graph.node(0).reload(lists).await.unwrap();
    assert_eq!(reloaded.peers_closed, 0, "it is not a neighbour");
    let error = ask(&ends[0], 100).await.unwrap_err();
    assert!(
        matches!(error.kind(), PublishErrorKind::NoSubscriber { .. }),
        "{error:?}"
    );
    // Other nodes are not affected.
    let asker = graph.client(1).await;
    let (asked, ()) = tokio::join!(ask(&asker, 200), answer(&mut questions, 200));
    assert_eq!(asked.unwrap(), "answer 200");
    drop(questions);
    graph.end(ends.into_iter().chain([asker])).await;
}
