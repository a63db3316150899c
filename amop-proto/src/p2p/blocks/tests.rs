use bytes::BufMut;

use super::*;

#[test]
fn messages_share_a_block_and_long_ones_have_their_own() {
    let mut blocks = Blocks::default();
    let mut put = |len| blocks.put(len, |room| room.put_bytes(7, len));
    let first = put(100);
    let second = put(200);
    assert_eq!((first.len(), second.len()), (100, 200));
    assert_eq!(first.as_ptr() as usize + 100, second.as_ptr() as usize);
    assert!(!first.is_unique());
    let long = put(3 * BLOCK);
    assert_eq!(long, vec![7; 3 * BLOCK]);
    assert!(long.is_unique());
    let third = put(100);
    assert_eq!(second.as_ptr() as usize + 200, third.as_ptr() as usize);
    let many: Vec<Bytes> = (0..10).map(|_| put(SHORT)).collect();
    assert!(many.iter().all(|message| message == &vec![7; SHORT]));
}
