use super::*;

#[test]
fn seconds_may_have_a_fraction() {
    assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
    assert!(seconds("-1").is_err());
    assert!(seconds("soon").is_err());
}

#[test]
fn the_timestamp_has_the_documented_shape() {
    let shape: String = timestamp()
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00");
}
