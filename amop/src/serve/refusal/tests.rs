use super::*;

#[test]
fn an_error_becomes_a_failure_with_all_its_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("the price is not known")]
    struct Unknown(#[source] std::fmt::Error);
    let refusal = Refusal::from(Unknown(std::fmt::Error));
    assert_eq!(refusal.code(), result_code::FAILED);
    assert!(refusal.payload().is_empty());
    let cause = refusal.cause().unwrap();
    assert!(
        cause.starts_with("the price is not known: an error occurred"),
        "{cause}"
    );
}

#[test]
fn success_is_not_a_refusal() {
    assert_eq!(Refusal::new(0).code(), result_code::NO_SESSION);
    let refusal = Refusal::new(1001).with_payload("why");
    assert_eq!((refusal.code(), refusal.payload()), (1001, &b"why"[..]));
    assert_eq!(refusal.cause(), None);
}
