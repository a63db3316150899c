use super::*;

fn report(unicasts: Sums, multicasts: Sums) -> ChaosReport {
    let tally = Tally {
        detours: [3, 1, 2].map(Duration::from_millis).to_vec(),
        ..Tally::default()
    };
    ChaosReport {
        network: "ring of 4 nodes".to_owned(),
        seed: 7,
        took: Duration::from_secs(2),
        wanted: 10,
        unicasts,
        multicasts,
        missing: Missing::default(),
        tally,
    }
}

#[test]
fn only_loss_and_duplicates_are_bad() {
    let sums = |lost, duplicated| Sums {
        sent: 10,
        acknowledged: 9,
        redelivered: 1,
        lost,
        duplicated,
        ..Sums::default()
    };
    let good = report(sums(0, 0), sums(0, 0));
    assert!(good.is_good());
    assert_eq!(good.to_json()["good"], true);
    for bad in [
        report(sums(1, 0), sums(0, 0)),
        report(sums(0, 1), sums(0, 0)),
        report(sums(0, 0), sums(0, 1)),
    ] {
        assert!(!bad.is_good());
        assert_eq!(bad.to_json()["good"], false);
        assert!(bad.to_string().contains("FAILED"), "{bad}");
    }
}

#[test]
fn both_forms_say_the_same() {
    let mut report = report(Sums::default(), Sums::default());
    report.missing.queues = 2;
    assert!(report.is_good());
    report.missing.lost = 3;
    assert!(!report.is_good());
    let json = report.to_json();
    assert_eq!(json["detour"]["p50_ms"], 2.0);
    assert_eq!(json["detour"]["max_ms"], 3.0);
    assert_eq!(json["multicasts"]["missing"]["full_queues"], 2);
    assert_eq!(json["multicasts"]["missing"]["lost"], 3);
    assert_eq!(json["good"], false);
    let text = report.to_string();
    for part in [
        "p50 2.0 ms, max 3.0 ms",
        "missing     2 copies",
        "lost 3",
        "after 0 of 10",
        "seed 7",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}
