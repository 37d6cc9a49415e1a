//! Delivery, views and leaders under drawn faults.

use std::collections::{BTreeMap, BTreeSet};

use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::id::AgentId;
use starling_swarm::topology::Shape;

use crate::postbox::{Letter, Postbox, check_letters, post};
use crate::prng::Prng;
use crate::sweep::{seeds, sweep};
use crate::world::{Fault, Links, Plan, Tally, World};

/// Two seconds of faults with 20 letters, then calm.
fn storm(seed: u64, shape: Shape) {
    weather(Plan::draw(seed, shape));
}

fn weather(plan: Plan) {
    let mut prng = Prng::new(plan.seed);
    let mut world = World::new(plan, |_, _| Postbox::default());
    let mut sent = Vec::new();
    for _ in 0..20 {
        world.run_for(100 * MILLISECOND);
        post(&mut world, &mut prng, &mut sent);
    }
    world.calm();
    let settled = world.settle(10 * SECOND);
    assert!(settled.is_some(), "views never agree: {:?}", views(&world));
    let leader = world.living().first().copied();
    for agent in world.living() {
        assert_eq!(world.node(agent).leader(), leader, "{agent}'s leader");
    }
    let delivered =
        world.run_until(15 * SECOND, |world| world.living().iter().all(|&agent| world.node(agent).pending() == 0));
    assert!(delivered, "letters still open");
    for agent in world.living() {
        let told = world.events.iter().filter(|(_, whose, _)| *whose == agent).count();
        assert_eq!(
            (world.component(agent).had, world.node(agent).counters().delivered),
            (told, told as u64),
            "{agent}"
        );
    }
    check_letters(&world, &sent);
}

fn views(world: &World<Postbox>) -> Vec<(AgentId, u64, Vec<AgentId>)> {
    let view = |agent: AgentId| (agent, world.node(agent).view().epoch(), world.node(agent).view().members().to_vec());
    world.living().into_iter().map(view).collect()
}

#[test]
fn storm_mesh() {
    sweep("storm_mesh", seeds(1_000), |seed| storm(seed, Shape::Mesh));
}

#[test]
fn storm_hierarchical() {
    sweep("storm_hierarchical", seeds(1_000), |seed| storm(seed, Shape::Hierarchical));
}

#[test]
fn storm_ring() {
    sweep("storm_ring", seeds(1_000), |seed| storm(seed, Shape::Ring));
}

#[test]
fn storm_star() {
    sweep("storm_star", seeds(1_000), |seed| storm(seed, Shape::Star));
}

/// Ten times the size, where the degree of a node leaves that to the machine.
#[test]
fn storm_of_three_hundred() {
    sweep("storm_of_three_hundred", seeds(2).min(50), |seed| {
        for shape in [Shape::Hierarchical, Shape::Star] {
            let mut plan = Plan { members: 300, ..Plan::draw(seed, shape) };
            plan.faults.retain(|(_, fault)| !matches!(fault, Fault::Reshape(Shape::Mesh)));
            weather(plan);
        }
    });
}

/// Less than a third lies to each addressee apart, or is silent: letters of the honest come as ever.
#[test]
fn liars_harm_their_own_letters_only() {
    sweep("liars_harm_their_own_letters_only", seeds(200), |seed| {
        let shape = Shape::ALL[(seed % 4) as usize];
        let mut world = World::new(Plan::quiet(seed, shape), |_, _| Postbox::default());
        let mut prng = Prng::new(seed);
        let liars: BTreeSet<AgentId> = (0..(world.plan().members - 1) / 3).map(|i| AgentId(3 * i)).collect();
        for &liar in &liars {
            world.corrupt(liar, |chance, _, Letter(number)| chance.percent(80).then_some(Letter(number + 1_000)));
        }
        let mut sent = Vec::new();
        for _ in 0..20 {
            world.run_for(50 * MILLISECOND);
            post(&mut world, &mut prng, &mut sent);
        }
        world.calm();
        assert!(world.settle(10 * SECOND).is_some());
        world.run_for(10 * SECOND);
        let told = sent.iter().filter(|letter| liars.contains(&letter.by)).map(|letter| letter.to.len()).sum::<usize>();
        let mut lies = 0;
        for (_, agent, (from, letter)) in &world.events {
            // To itself a liar is true.
            assert_eq!(letter.0 >= 1_000, liars.contains(from) && from != agent);
            lies += usize::from(letter.0 >= 1_000);
        }
        assert!(lies <= told);
        world.events.retain(|(_, _, (from, _))| !liars.contains(from));
        sent.iter_mut().filter(|letter| liars.contains(&letter.by)).for_each(|letter| letter.to.clear());
        check_letters(&world, &sent);
    });
}

/// Bytes flipped, cut and made up by one agent: whatever that does to the swarm, no node panics.
#[test]
fn garbage_makes_no_node_panic() {
    sweep("garbage_makes_no_node_panic", seeds(400), |seed| {
        let shape = Shape::ALL[(seed % 4) as usize];
        let mut world = World::new(Plan::draw(seed, shape), |_, _| Postbox::default());
        let mut prng = Prng::new(seed);
        world.garble(AgentId(0), |chance, mut frame| {
            match chance.below(4) {
                0 => {
                    for _ in 0..=chance.below(3) {
                        let at = chance.below(frame.len() as u64) as usize;
                        frame[at] ^= 1 << chance.below(8);
                    }
                }
                1 => frame.truncate(chance.below(frame.len() as u64) as usize),
                2 => frame.extend((0..chance.below(40)).map(|_| chance.next() as u8).collect::<Vec<_>>()),
                _ => {}
            }
            (!frame.is_empty()).then_some(frame)
        });
        for _ in 0..20 {
            world.run_for(100 * MILLISECOND);
            let mut sent = Vec::new();
            if !world.living().is_empty() {
                post(&mut world, &mut prng, &mut sent);
            }
        }
        world.run_for(5 * SECOND);
        assert!(world.tally.frames > 0);
    });
}

/// Of the 1,000 plans of a storm: each kind of fault, each size, and links from perfect to their worst do occur.
#[test]
fn the_plans_draw_what_they_promise() {
    let (mut kinds, mut sizes) = (BTreeMap::new(), BTreeSet::new());
    let (mut worst, mut perfect, mut quiet) = ((0, 0, 0), 0, 0);
    for seed in 0..1_000 {
        let plan = Plan::draw(seed, Shape::Mesh);
        sizes.insert(plan.members);
        let Links { loss, duplication, delay: (low, high) } = plan.links;
        worst = (worst.0.max(loss), worst.1.max(duplication), worst.2.max(high - low));
        perfect += u32::from(loss == 0);
        quiet += u32::from(plan.faults.is_empty());
        for (_, fault) in plan.faults {
            let kind = match fault {
                Fault::Crash(_) => "crash",
                Fault::Join => "join",
                Fault::Leave(_) => "leave",
                Fault::Slow(..) => "slow",
                Fault::Partition(_) => "partition",
                Fault::Heal => "heal",
                Fault::Reshape(_) => "reshape",
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
    assert!(sizes.into_iter().eq(3..=31));
    assert_eq!(worst, (30, 50, 10 * MILLISECOND));
    assert!(perfect > 10 && quiet > 100, "{perfect} {quiet}");
    assert!(kinds.len() == 7 && kinds.values().all(|&count| count > 300), "{kinds:?}");
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        let run = || {
            let mut world = World::new(Plan::draw(seed, Shape::Ring), |_, _| Postbox::default());
            let (mut prng, mut sent) = (Prng::new(seed), Vec::new());
            for _ in 0..10 {
                post(&mut world, &mut prng, &mut sent);
                world.run_for(300 * MILLISECOND);
            }
            let Tally { frames, bytes, lost, off_edges } = world.tally;
            (world.events.clone(), world.news.clone(), world.now(), [frames, bytes, lost, off_edges])
        };
        assert_eq!(run(), run());
    }
}
