//! 1 to 3: how soon agents are there.

use starling_swarm::topology::Shape;

use super::stage::{Cast, Stage};
use super::{Draft, case};
use crate::bench::{BenchError, Judged};

/// Creates a swarm and ends it: how long each took, ms.
fn once(stage: &mut Stage<'_>, cast: Cast) -> Result<(super::stage::Creation, f64), BenchError> {
    let (swarm, creation) = stage.create(cast)?;
    let life = stage.destroy(swarm)?;
    Ok((creation, life.destroy_ms))
}

/// 1: a mesh of three from nothing to greetings along every edge, and its end.
pub(super) fn initialisation(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("mesh of 3");
    let cast = Cast::of(3, Shape::Mesh);
    stage.warm_up(cast)?;
    let (mut created, mut destroyed) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        let (creation, destroy_ms) = once(stage, cast)?;
        created.push(creation.total_ms);
        destroyed.push(destroy_ms);
    }
    let mut draft = Draft::of(created);
    draft.cases.push(case("destroy", "ms", Judged::Mean, None, &destroyed)?);
    Ok(draft)
}

/// 2: from the order to start an agent to its word that it is ready.
pub(super) fn deployment(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("mesh of 5, cold");
    let cold = Cast::of(5, Shape::Mesh);
    let warm = Cast { warm: true, ..cold };
    stage.warm_up(cold)?;
    let (mut of_cold, mut of_warm) = (Vec::new(), Vec::new());
    for _ in 0..stage.plan.runs() {
        of_cold.extend(once(stage, cold)?.0.ready_ms);
        of_warm.extend(once(stage, warm)?.0.ready_ms);
    }
    let mut draft = Draft::of(of_cold);
    draft.cases.push(case("from a warm pool", "ms", Judged::Mean, Some(3_000.0), &of_warm)?);
    Ok(draft)
}

/// 3: what it brings to start agents at once.
pub(super) fn parallel(stage: &mut Stage<'_>) -> Result<Draft, BenchError> {
    stage.does("mesh of 5");
    let at_once = Cast::of(5, Shape::Mesh);
    let one_by_one = Cast { sequential: true, ..at_once };
    stage.warm_up(at_once)?;
    let (mut ratios, mut parallel, mut sequential) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..stage.plan.runs() {
        // In turn first and second, so that what changes with time meets both alike.
        let (first, second) = if run % 2 == 0 { (at_once, one_by_one) } else { (one_by_one, at_once) };
        let (first, second) = (once(stage, first)?.0.total_ms, once(stage, second)?.0.total_ms);
        let (fast, slow) = if run % 2 == 0 { (first, second) } else { (second, first) };
        parallel.push(fast);
        sequential.push(slow);
        ratios.push(slow / fast);
    }
    let mut draft = Draft::of(ratios);
    draft.cases.push(case("started at once", "ms", Judged::Mean, None, &parallel)?);
    draft.cases.push(case("one after the other", "ms", Judged::Mean, None, &sequential)?);
    Ok(draft)
}
