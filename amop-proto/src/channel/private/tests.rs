use super::*;

const ROUTE: &str = "#!$VerifyChannel_#!$TopicNeedVerify_hello_92be6ce4dbd311eaae5a983b8fda4e0e";

fn body(node: &str, topic: &str, route: &str) -> Vec<u8> {
    format!("{{\"nodeId\":\"{node}\",\"topic\":\"{topic}\",\"topicForCert\":\"{route}\"}}\n")
        .into_bytes()
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let node = "ab".repeat(64);
    let topic = "#!$TopicNeedVerify_hello";
    assert!(VerifyRequest::parse(&body(&node, topic, ROUTE)).is_ok());
    let parse = |node, topic, route| VerifyRequest::parse(&body(node, topic, route));
    let short = &node[2..];
    assert_eq!(parse(short, topic, ROUTE), Err(VerifyRequestError::NodeId));
    assert_eq!(parse(&node, "hello", ROUTE), Err(VerifyRequestError::Topic));
    // The route of another topic, with which a different subscriber would be verified.
    for other in ["#!$TopicNeedVerify_hell", "#!$TopicNeedVerify_hello_92be"] {
        assert_eq!(parse(&node, other, ROUTE), Err(VerifyRequestError::Route));
    }
    for route in [
        "hello",
        &ROUTE[..ROUTE.len() - 1],
        &ROUTE.replace("92be", "92bg"),
    ] {
        assert_eq!(parse(&node, topic, route), Err(VerifyRequestError::Route));
    }
    for text in ["", "{}", "[]", "{\"nodeId\":1}"] {
        assert_eq!(
            VerifyRequest::parse(text.as_bytes()),
            Err(VerifyRequestError::NotJson)
        );
    }
}
