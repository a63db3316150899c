use super::*;

fn raw(name: &str) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

fn short(name: &str) -> Bytes {
    Bytes::copy_from_slice(&GatewayId::of_raw(name.as_bytes()).0)
}

fn parse(bytes: Vec<u8>) -> Result<RouterTable, RouterTableError> {
    RouterTable::parse(&bytes.into(), 1024, 10)
}

#[test]
fn an_empty_table_has_two_bytes() {
    let empty = RouterTable::default();
    assert_eq!(empty.encode(), &[0x19, 0x0c][..]);
    assert_eq!(parse(vec![0x19, 0x0c]), Ok(empty.clone()));
    // An optional list that is empty may be left out (gateway-v3 section 4).
    assert_eq!(parse(Vec::new()), Ok(empty));
}

#[test]
fn the_ids_of_an_entry_must_be_those_of_one_node() {
    let entry = |node: Bytes, short_id: Bytes, raw_id: Bytes| RouterEntry {
        node,
        short_id,
        raw_id,
        ..RouterEntry::default()
    };
    let none = Bytes::new;
    let a = GatewayAddress::of_raw(raw("a")).unwrap();
    let good = [
        entry(raw("a"), none(), none()),
        entry(raw("a"), short("a"), none()),
        entry(raw("a"), short("a"), raw("a")),
        entry(short("a"), none(), raw("a")),
        entry(short("a"), short("a"), raw("a")),
    ];
    for entry in good {
        assert_eq!(entry.address(), Some(a.clone()), "{entry:?}");
    }
    let only_short = entry(short("a"), short("a"), none());
    assert_eq!(only_short.address(), Some(GatewayAddress::of_id(a.id())));
    let bad = [
        entry(none(), short("a"), raw("a")),
        entry(raw("a"), short("b"), none()),
        entry(raw("a"), none(), raw("b")),
        entry(raw("a"), raw("too short"), none()),
        entry(vec![b'0'; 9000].into(), none(), none()),
    ];
    for entry in bad {
        assert_eq!(entry.address(), None, "{entry:?}");
    }
}

#[test]
fn tables_over_the_limits_are_refused() {
    let entry = RouterEntry {
        node: raw("a"),
        distance: 1,
        ..RouterEntry::default()
    };
    let entries = vec![entry; 11];
    let bytes = RouterTable { entries }.encode();
    let refused = RouterTable::parse(&bytes, 1024, 10);
    let (count, max) = (11, 10);
    assert_eq!(
        refused,
        Err(RouterTableError::TooManyEntries { count, max })
    );
    let len = bytes.len();
    let refused = RouterTable::parse(&bytes, len - 1, 11);
    let max = len - 1;
    assert_eq!(refused, Err(RouterTableError::TooLong { len, max }));
    assert!(RouterTable::parse(&bytes, len, 11).is_ok());
}

#[test]
fn malformed_tables_are_refused() {
    let tars = |error| Err(RouterTableError::Tars(error));
    // An entry without a node, without a distance, and one that is no struct.
    let no_node = vec![0x19, 0x00, 1, 0x0a, 0x30, 1, 0x0b];
    assert_eq!(parse(no_node), tars(TarsError::Missing { tag: 1 }));
    let no_distance = vec![0x19, 0x00, 1, 0x0a, 0x16, 1, b'a', 0x0b];
    assert_eq!(parse(no_distance), tars(TarsError::Missing { tag: 3 }));
    let unexpected = |tag, kind| tars(TarsError::UnexpectedType { tag, kind });
    assert_eq!(parse(vec![0x19, 0x00, 1, 0x0c]), unexpected(0, 12));
    assert_eq!(parse(vec![0x1c]), unexpected(1, 12));
    assert_eq!(parse(vec![0x19, 0x00, 3]), tars(TarsError::Truncated));
}

#[test]
fn unknown_fields_are_skipped() {
    let bytes = [
        &[0x19, 0x00, 1, 0x0a, 0x16, 1, b'a', 0x30, 2][..],
        &[0x4a, 0x90, 7, 0x0b, 0x56, 1, b'x', 0x0b, 0x26, 0],
    ];
    let table = parse(bytes.concat()).unwrap();
    assert_eq!(table.entries.len(), 1);
    assert_eq!(table.entries[0].node, "a");
    assert_eq!(table.entries[0].distance, 2);
}
