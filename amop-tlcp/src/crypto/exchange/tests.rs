use super::*;

fn secret(digits: &str) -> SecretKey {
    SecretKey::from_slice(&hex::decode(digits).unwrap()).unwrap()
}

/// The example for the recommended curve in GB/T 32918.5.
#[test]
fn the_standard_s_example() {
    let a = secret("81EB26E941BB5AF16DF116495F90695272AE2CD63D6C4AE1678418BE48230029");
    let b = secret("785129917D45A9EA5437A59356B82338EAADDA6CEB199088F14AE10DEFA229B5");
    let (a_public, b_public) = (a.public_key().into(), b.public_key().into());
    let short_a = secret("D4DE15474DB74D06491C440D305E012400990F3E390C7E87153C12DB2EA60BB3");
    let short_b = secret("7E07124814B309489125EAED101113164EBF0F3458C5BD88335C1F9D596243D6");
    let (short_a, short_b) = (Ephemeral::new(short_a), Ephemeral::new(short_b));
    assert_eq!(
        hex::encode(&short_a.public().to_sec1()[1..33]),
        "64ced1bdbc99d590049b434d0fd73428cf608a5db8fe5ce07f15026940bae40e"
    );
    assert_eq!(
        hex::encode(identity_hash(&a_public)),
        "3b85a57179e11e7e513aa622991f2ca74d1807a0bd4d4b38f90987a17ac245b1"
    );
    assert_eq!(
        hex::encode(identity_hash(&b_public)),
        "79c988d63229d97ef19fe02ca1056e01e6a7411ed24694aa8f834f4a4ab022f7"
    );

    let of_a = agree::<16>(
        &Own {
            role: ConnectionRole::Client,
            long_term: &a,
            long_term_public: &a_public,
            ephemeral: &short_a,
        },
        &Theirs {
            long_term: &b_public,
            ephemeral: short_b.public(),
        },
    );
    let of_b = agree::<16>(
        &Own {
            role: ConnectionRole::Server,
            long_term: &b,
            long_term_public: &b_public,
            ephemeral: &short_b,
        },
        &Theirs {
            long_term: &a_public,
            ephemeral: short_a.public(),
        },
    );
    assert_eq!(
        hex::encode(*of_a.unwrap()),
        "6c89347354de2484c60b4ab1fde4c6e5"
    );
    assert_eq!(
        hex::encode(*of_b.unwrap()),
        "6c89347354de2484c60b4ab1fde4c6e5"
    );
}

/// A peer that knows the long-term key can choose an ephemeral key that cancels it.
#[test]
fn a_point_that_cancels_the_long_term_key_is_refused() {
    let long_term = secret(&"7".repeat(64));
    // d + x' r = 0 cannot be solved for r directly, since x' depends on r; the sum P + x' R
    // becomes infinite with P = -x' R.
    let ephemeral = Ephemeral::new(secret(&"5".repeat(64)));
    let cancelled = -(ephemeral.public().point() * short(ephemeral.public()));
    let theirs = Sm2PublicKey::from_point(&cancelled).unwrap();
    let own = Ephemeral::new(secret(&"3".repeat(64)));
    let agreed = agree::<48>(
        &Own {
            role: ConnectionRole::Client,
            long_term: &long_term,
            long_term_public: &long_term.public_key().into(),
            ephemeral: &own,
        },
        &Theirs {
            long_term: &theirs,
            ephemeral: ephemeral.public(),
        },
    );
    assert!(agreed.is_none());
}
