//! Shared state under fire: writes and removals by anybody, and in the end one state.
//!
//! 1,000 seeds a topology unless `SWARM_SEEDS` says more: a run takes some 25 ms.

use std::collections::BTreeMap;

use starling_core::UnixNanos;
use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::id::AgentId;
use starling_swarm::state::{Settings, State};
use starling_swarm::topology::Shape;

use crate::prng::Prng;
use crate::sweep::{seeds, sweep};
use crate::world::{Plan, World};

fn settings() -> Settings {
    Settings {
        interval: 500 * MILLISECOND,
        repeat: 200 * MILLISECOND,
        // Membership removes who is silent for 4.9 s.
        forget: 8 * SECOND,
        ..Settings::default()
    }
}

/// True if all living have the same map, by content, vector and hash.
fn equal(world: &World<State>) -> bool {
    let living = world.living();
    let mut states = living.iter().map(|&agent| world.component(agent));
    let Some(first) = states.next() else { return true };
    states.all(|state| {
        let same = state.hash() == first.hash();
        assert_eq!(same, state.iter().eq(first.iter()), "hashes and maps disagree");
        same && state.versions() == first.versions()
    })
}

fn storm(seed: u64, shape: Shape) {
    let plan = Plan::draw(seed, shape);
    let mut world =
        World::new(plan, |agent, _| State::new(UnixNanos::new(1_000_000_000_000_000_000), agent, settings()));
    let mut prng = Prng::new(seed ^ 0x57a7);
    // What each agent wrote last under a key of its own.
    let mut own: BTreeMap<AgentId, Option<u64>> = BTreeMap::new();
    let mut common: Vec<(u8, u64)> = Vec::new();
    for number in 0..40u64 {
        world.run_for(50 * MILLISECOND);
        let living = world.living();
        let by = living[prng.below(living.len() as u64) as usize];
        let value = number.to_le_bytes().to_vec();
        let common_key = prng.below(6) as u8;
        match prng.below(4) {
            0 => {
                own.insert(by, Some(number));
                world.act(by, |state, now, _, _| state.set(now, &by.0.to_le_bytes(), value));
            }
            1 => {
                own.insert(by, None);
                world.act(by, |state, now, _, _| state.remove(now, &by.0.to_le_bytes()));
            }
            2 => {
                common.push((common_key, number));
                world.act(by, |state, now, _, _| state.set(now, &[common_key], value));
            }
            _ => {
                world.act(by, |state, now, _, _| state.remove(now, &[common_key]));
            }
        }
    }
    world.calm();
    assert!(world.settle(10 * SECOND).is_some(), "views never agree");
    let same = world.run_until(20 * SECOND, equal);
    let state = |agent: AgentId| {
        let state = world.component(agent);
        (agent, state.versions().clone(), state.iter().count(), state.tombstones())
    };
    assert!(same, "states differ: {:#?}", world.living().into_iter().map(state).collect::<Vec<_>>());
    let living = world.living();
    let any = world.component(living[0]);
    for (agent, value) in own.iter().filter(|(agent, _)| living.contains(agent)) {
        let value = value.map(u64::to_le_bytes);
        assert_eq!(any.get(&agent.0.to_le_bytes()), value.as_ref().map(<[u8; 8]>::as_slice), "the last of {agent}");
    }
    for (key, value) in any.iter().filter(|(key, _)| key.len() == 1) {
        let written = u64::from_le_bytes(value.try_into().expect("eight bytes"));
        assert!(common.contains(&(key[0], written)), "nobody wrote {written} under {key:?}");
    }
    // Nothing is left of what was removed, and that changes nothing.
    let swept = world
        .run_until(30 * SECOND, |world| world.living().iter().all(|&agent| world.component(agent).tombstones() == 0));
    assert!(swept, "tombstones stay");
    assert!(equal(&world));
}

#[test]
fn sharing_mesh() {
    sweep("sharing_mesh", seeds(1_000), |seed| storm(seed, Shape::Mesh));
}

#[test]
fn sharing_hierarchical() {
    sweep("sharing_hierarchical", seeds(1_000), |seed| storm(seed, Shape::Hierarchical));
}

#[test]
fn sharing_ring() {
    sweep("sharing_ring", seeds(1_000), |seed| storm(seed, Shape::Ring));
}

#[test]
fn sharing_star() {
    sweep("sharing_star", seeds(1_000), |seed| storm(seed, Shape::Star));
}
