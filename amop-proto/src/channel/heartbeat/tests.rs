use super::*;

fn shortage(places: &[usize]) -> Shortage {
    let mut missing = Places::default();
    for &place in places {
        missing.insert(place);
    }
    Shortage {
        refused: vec!["a".to_owned(), "话\"题".to_owned()],
        kept: false,
        read: 1000,
        missing,
    }
}

#[test]
fn a_shortage_comes_back_and_whatever_else_is_said_is_none() {
    let told = shortage(&[0, 7, 8, 500]);
    let body = heartbeat_shortage(&told);
    assert!(body.starts_with(b"{\"heartBeat\":1,") && body.ends_with(b"}\n"));
    let read = read_shortage(&body);
    assert_eq!(read.refused, told.refused);
    for place in 0..1200 {
        let spared = place < 1000 && ![0, 7, 8, 500].contains(&place);
        assert_eq!(read.spares(place), spared, "{place}");
    }
    let kept = Shortage {
        kept: true,
        ..Shortage::default()
    };
    let read = read_shortage(&heartbeat_shortage(&kept));
    assert_eq!(read, kept);
    assert!(!read.spares(0) && !read.is_none());
    for body in [
        "1",
        "{\"heartBeat\":1}\n",
        "{\"heartBeat\":1,\"refused\":1}",
        "{\"heartBeat\":1,\"read\":1,\"missing\":\"xy\"}",
        "not JSON at all",
    ] {
        assert!(read_shortage(body.as_bytes()).is_none(), "{body}");
    }
}

#[test]
fn the_longest_shortage_is_read() {
    let mut long = Shortage {
        refused: vec!["\u{1}".repeat(254); 64],
        read: 700_000,
        ..Shortage::default()
    };
    long.missing.insert(699_999);
    assert_eq!(read_shortage(&heartbeat_shortage(&long)), long);
}
