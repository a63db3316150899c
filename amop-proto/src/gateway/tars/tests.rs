use super::*;

/// One field of every type, and what its value is in bytes.
fn fields() -> Vec<Vec<u8>> {
    vec![
        vec![0x50, 1],
        vec![0x51, 1, 2],
        vec![0x52, 1, 2, 3, 4],
        vec![0x53, 1, 2, 3, 4, 5, 6, 7, 8],
        vec![0x54, 1, 2, 3, 4],
        vec![0x55, 1, 2, 3, 4, 5, 6, 7, 8],
        vec![0x56, 2, b'a', b'b'],
        vec![0x57, 0, 0, 0, 2, b'a', b'b'],
        // A map of one pair, a list of two.
        vec![0x58, 0x00, 1, 0x06, 1, b'a', 0x1c],
        vec![0x59, 0x00, 2, 0x0c, 0x00, 9],
        // A struct with a struct inside.
        vec![0x5a, 0x1a, 0x2c, 0x0b, 0x3c, 0x0b],
        vec![0x5c],
        vec![0x5d, 0x00, 0x00, 2, 7, 7],
        // A tag in a byte of its own.
        vec![0xf0, 200, 1],
    ]
}

#[test]
fn fields_of_every_type_are_skipped() {
    let mut bytes = fields().concat();
    put_integer(1, 77, &mut BytesMut::new());
    bytes.extend([0x10, 77]);
    let mut reader = TarsReader::new(&bytes);
    let mut tags = Vec::new();
    while let Some(head) = reader.outer().unwrap() {
        tags.push(head.tag);
        match head.tag {
            1 => assert_eq!(reader.integer(head), Ok(77)),
            _ => reader.skip(head).unwrap(),
        }
    }
    assert_eq!(tags[..13], [5; 13]);
    assert_eq!(tags[13..], [200, 1]);
}

#[test]
fn fields_that_end_too_early_are_refused() {
    for field in fields() {
        for cut in 1..field.len() {
            let mut reader = TarsReader::new(&field[..cut]);
            let head = reader.outer();
            let skipped = head.and_then(|head| reader.skip(head.unwrap()));
            assert_eq!(skipped, Err(TarsError::Truncated), "{field:?} at {cut}");
        }
    }
}

#[test]
fn integers_have_the_smallest_type() {
    let cases: [(i32, &[u8]); 8] = [
        (0, &[0x3c]),
        (1, &[0x30, 1]),
        (-128, &[0x30, 0x80]),
        (128, &[0x31, 0, 128]),
        (-32_768, &[0x31, 0x80, 0]),
        (32_768, &[0x32, 0, 0, 0x80, 0]),
        (i32::MAX, &[0x32, 0x7f, 0xff, 0xff, 0xff]),
        (i32::MIN, &[0x32, 0x80, 0, 0, 0]),
    ];
    for (value, bytes) in cases {
        let mut out = BytesMut::new();
        put_integer(3, value, &mut out);
        assert_eq!(out, bytes);
        let mut reader = TarsReader::new(&out);
        let head = reader.outer().unwrap().unwrap();
        assert_eq!(reader.integer(head), Ok(value));
    }
}

#[test]
fn strings_above_255_bytes_have_a_long_length() {
    for (len, header) in [(255, &[0x16, 255][..]), (256, &[0x17, 0, 0, 1, 0])] {
        let text = vec![b'x'; len];
        let mut out = BytesMut::new();
        put_text(1, &text, &mut out);
        assert!(out.starts_with(header));
        let mut reader = TarsReader::new(&out);
        let head = reader.outer().unwrap().unwrap();
        assert_eq!(reader.text(head), Ok(&text[..]));
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| {
        let bytes = [vec![0x1a; depth], vec![0x0b; depth]].concat();
        let mut reader = TarsReader::new(&bytes);
        let head = reader.outer().unwrap().unwrap();
        reader.skip(head)
    };
    assert_eq!(deep(usize::from(MAX_DEPTH)), Ok(()));
    assert_eq!(deep(usize::from(MAX_DEPTH) + 1), Err(TarsError::TooDeep));
    assert_eq!(deep(1_000_000), Err(TarsError::TooDeep));
}

#[test]
fn false_lengths_and_types_are_refused() {
    let skip = |bytes: &[u8]| {
        let mut reader = TarsReader::new(bytes);
        let head = reader.outer().unwrap().unwrap();
        reader.skip(head)
    };
    let unexpected = |tag, kind| Err(TarsError::UnexpectedType { tag, kind });
    assert_eq!(skip(&[0x19, 0x00, 0xff]), Err(TarsError::NegativeCount));
    assert_eq!(skip(&[0x19, 0x06, 0]), unexpected(0, kind::TEXT));
    // The list says that it has two billion elements, and ends there.
    let huge = [0x19, 0x02, 0x7f, 0xff, 0xff, 0xff];
    assert_eq!(skip(&huge), Err(TarsError::Truncated));
    assert_eq!(skip(&[0x1d, 0x01, 0, 0]), unexpected(0, kind::SHORT));
    assert_eq!(skip(&[0x1e]), unexpected(1, 14));
    let mut reader = TarsReader::new(&[0x16, 0]);
    let head = reader.outer().unwrap().unwrap();
    let error = head.unexpected();
    assert_eq!(reader.integer(head), Err(error));
    assert_eq!(reader.list(head), Err(error));
}
