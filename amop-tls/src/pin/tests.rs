use super::*;

#[test]
fn every_form_of_an_id_is_the_same_key() {
    let id = "0a".repeat(64);
    let key: NodeKey = id.parse().unwrap();
    for text in [
        id.to_uppercase(),
        format!("0x{id}"),
        format!("04{id}"),
        format!(" {id}\n"),
    ] {
        assert_eq!(text.parse::<NodeKey>().as_ref(), Ok(&key), "{text}");
    }
    assert_eq!(NodeKey::from(PublicKey([10; 64])), key);
    let rsa = format!("3082{}", "5c".repeat(268));
    assert_eq!(rsa.parse::<NodeKey>().unwrap().to_string(), rsa);
}

#[test]
fn what_is_none_says_so() {
    for text in [
        "",
        "0a",
        &"0a".repeat(63),
        &"0a".repeat(5000),
        &"a".repeat(129),
    ] {
        let error = text.parse::<NodeKey>().unwrap_err();
        assert!(matches!(error, ParseNodeKeyError::Length { .. }), "{text}");
    }
    let bad = format!("é{}", "a".repeat(126));
    assert_eq!(bad.parse::<NodeKey>(), Err(ParseNodeKeyError::Digit));
}
