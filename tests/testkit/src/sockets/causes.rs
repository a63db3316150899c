//! A check of errors with causes.

use std::error::Error;

use amop_proto::log::with_causes;

/// Checks that an error with its causes shows each cause once, and that no text contains the text of
/// a cause. `last` is a part of the last cause's text.
///
/// # Panics
///
/// If that is not so.
pub fn assert_causes_once(error: &(dyn Error + 'static), last: &str) {
    let chain = with_causes(error).to_string();
    assert_eq!(chain.matches(last).count(), 1, "{chain}");
    let mut above: Vec<String> = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        let repeated = above.iter().find(|above| above.contains(&text));
        assert_eq!(repeated, None, "contains its cause {text:?}");
        above.push(text);
        cause = error.source();
    }
    assert!(above.len() > 1, "no cause: {chain}");
    assert!(
        above.pop().is_some_and(|text| text.contains(last)),
        "{chain}"
    );
}
