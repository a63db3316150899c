use rand::RngExt;

use super::*;

#[test]
fn a_copy_draws_what_the_first_would_have_drawn() {
    let mut dice = Dice::new([7; 32]);
    let mut bytes = [0; 13];
    for _ in 0..5 {
        let _: u32 = dice.random();
        let _: u64 = dice.random_range(0..1000);
        dice.fill(&mut bytes);
    }
    let mut copy = dice.clone();
    let drawn: [u64; 40] = std::array::from_fn(|_| dice.random());
    let again: [u64; 40] = std::array::from_fn(|_| copy.random());
    assert_eq!(drawn, again);
    assert_ne!(drawn[0], drawn[1]);
}

#[test]
fn its_debug_text_does_not_tell_the_seed() {
    assert_eq!(format!("{:?}", Dice::new([7; 32])), "Dice { drawn: 0, .. }");
}
