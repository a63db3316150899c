use super::{super::topology::NetworkShape, *};

fn plan(seed: u64, shape: NetworkShape, partitions: bool) -> Vec<PlannedFault> {
    let topology = Topology::new(shape, 5, &mut StdRng::seed_from_u64(1));
    let pace = FaultIntervals {
        kills: Some(Duration::from_secs(3)),
        cuts: Some(Duration::from_secs(2)),
        clients: true,
        partitions,
    };
    FaultPlan::new(seed, pace, &topology, 4).take(400).collect()
}

#[test]
fn a_seed_is_a_plan() {
    assert_eq!(
        plan(7, NetworkShape::Full, false),
        plan(7, NetworkShape::Full, false)
    );
    assert_ne!(
        plan(7, NetworkShape::Full, false),
        plan(8, NetworkShape::Full, false)
    );
}

#[test]
fn a_plan_has_everything_in_order() {
    let steps = plan(7, NetworkShape::Ring, false);
    assert!(steps.is_sorted_by_key(|step| step.at));
    let has = |is: fn(&Fault) -> bool| steps.iter().any(|step| is(&step.fault));
    assert!(has(|fault| matches!(fault, Fault::Kill { .. })));
    assert!(has(|fault| matches!(fault, Fault::Stop { .. })));
    assert!(has(|fault| matches!(fault, Fault::Cut { .. })));
    assert!(has(|fault| matches!(fault, Fault::Hold { .. })));
    assert!(has(|fault| matches!(fault, Fault::Slow { .. })));
    assert!(has(|fault| matches!(fault, Fault::CutClient { .. })));
}

/// A line can lose the nodes at its ends, but not a link.
#[test]
fn what_holds_a_network_together_is_spared() {
    let touches = |step: &PlannedFault| match step.fault {
        Fault::Kill { node } | Fault::Stop { node } => (1..4).contains(&node),
        Fault::Cut { .. } | Fault::Hold { .. } | Fault::Slow { .. } => true,
        Fault::CutClient { .. } => false,
    };
    assert!(!plan(7, NetworkShape::Line, false).iter().any(touches));
    assert!(plan(7, NetworkShape::Line, true).iter().any(touches));
}

#[test]
fn nothing_can_be_planned_for_never() {
    let topology = Topology::new(NetworkShape::Full, 4, &mut StdRng::seed_from_u64(1));
    let pace = FaultIntervals {
        kills: None,
        cuts: None,
        clients: true,
        partitions: false,
    };
    assert_eq!(FaultPlan::new(1, pace, &topology, 4).next(), None);
}
