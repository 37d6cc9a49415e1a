//! Named cases: what a broadcast costs, who leads after a death, what a partition leaves, a switch under load.

use std::collections::{BTreeMap, BTreeSet};

use starling_core::time::{MILLISECOND, SECOND};
use starling_swarm::component::{Priority, To};
use starling_swarm::id::AgentId;
use starling_swarm::message::{Class, decode};
use starling_swarm::node::Event;
use starling_swarm::node::window::WINDOW;
use starling_swarm::topology::Shape;

use crate::postbox::{Letter, Postbox, Sent, check_letters, post};
use crate::prng::Prng;
use crate::sweep::{seeds, sweep};
use crate::world::{Fault, Links, Plan, World};

fn perfect() -> Links {
    Links { loss: 0, duplication: 0, delay: (MILLISECOND, MILLISECOND) }
}

fn swarm(shape: Shape, members: u32, links: Links) -> World<Postbox> {
    let plan = Plan { members, links, ..Plan::quiet(7, shape) };
    World::new(plan, |_, _| Postbox::default())
}

fn send(world: &mut World<Postbox>, by: u32, to: To, number: u32) {
    world.act(AgentId(by), |_, _, out, _| match to {
        To::One(one) => out.send(one, Priority::High, Letter(number)),
        To::All => out.send_all(Priority::High, Letter(number)),
    });
}

/// Counters of all agents added up: frames of messages, edges the delivered ones came along, doubled ones, journeys.
fn totals(world: &World<Postbox>) -> [u64; 4] {
    let mut total = [0; 4];
    for agent in world.living() {
        let counters = world.node(agent).counters();
        let these = [counters.sent, counters.hops, counters.doubled, counters.journeys];
        total.iter_mut().zip(these).for_each(|(total, this)| *total += this);
    }
    total
}

#[test]
fn a_broadcast_costs_one_frame_per_member_and_a_letter_one_per_hop() {
    for shape in Shape::ALL {
        for members in [2, 3, 8, 20, 31] {
            let mut world = swarm(shape, members, perfect());
            let by = members / 2;
            send(&mut world, by, To::All, 0);
            world.run_for(50 * MILLISECOND);
            let n = u64::from(members);
            let topology = world.node(AgentId(by)).view().topology().clone();
            let far = |to: u32| topology.hops(AgentId(by), AgentId(to)).expect("members") as u64;
            let hops: u64 = (0..members).map(far).sum();
            assert_eq!(totals(&world), [n - 1, hops, 0, 0], "{shape:?} of {members}");
            send(&mut world, by, To::One(AgentId(members - 1)), 1);
            world.run_for(50 * MILLISECOND);
            let far = far(members - 1);
            assert_eq!(totals(&world), [n - 1 + far, hops + far, 0, 0], "{shape:?} of {members}");
            assert_eq!(world.tally.off_edges, 0);
        }
    }
}

#[test]
fn hops_are_measured() {
    let mut world = swarm(Shape::Mesh, 4, Links { delay: (3 * MILLISECOND, 3 * MILLISECOND), ..perfect() });
    send(&mut world, 0, To::All, 0);
    world.run_for(20 * MILLISECOND);
    assert_eq!(world.node(AgentId(0)).hop_ns(), 3.0e6);
    assert_eq!(world.node(AgentId(1)).hop_ns(), 0.0);
}

/// The leader dies. Nine silent beats of 100 ms, one more of judgement, gossip: all know the next within 1.5 s.
#[test]
fn a_dead_leader_is_followed_by_the_next_within_bound() {
    sweep("a_dead_leader_is_followed_by_the_next_within_bound", seeds(200), |seed| {
        let shape = Shape::ALL[(seed % 4) as usize];
        let plan = Plan { links: perfect(), ..Plan::quiet(seed, shape) };
        let mut world = World::new(plan, |_, _| Postbox::default());
        world.run_for(seed % 100 * MILLISECOND + SECOND);
        assert!(world.living().iter().all(|&agent| world.node(agent).leader() == Some(AgentId(0))));
        let died = world.now();
        world.inflict(Fault::Crash(AgentId(0)));
        assert!(world.settle(3 * SECOND).is_some());
        let took = world.now().since(died);
        assert!(took <= 1_500 * MILLISECOND, "{took} ns");
        let terms: BTreeSet<(u64, Option<AgentId>)> =
            world.living().iter().map(|&a| (world.node(a).view().epoch(), world.node(a).leader())).collect();
        assert_eq!(terms.len(), 1, "{terms:?}");
        assert_eq!(terms.first().and_then(|(_, leader)| *leader), Some(AgentId(1)));
        assert!(terms.first().is_some_and(|(term, _)| *term > u64::from(world.plan().members)));
    });
}

/// Each leader in turn, down to less than a majority of those not yet removed: then nobody leads.
#[test]
fn leaders_fall_until_no_majority_is_left() {
    let mut world = swarm(Shape::Hierarchical, 7, perfect());
    for dead in 0..3 {
        world.inflict(Fault::Crash(AgentId(dead)));
        world.settle(3 * SECOND).expect("agree");
        assert_eq!(world.node(AgentId(6)).leader(), Some(AgentId(dead + 1)));
    }
    world.inflict(Fault::Crash(AgentId(3)));
    world.settle(3 * SECOND).expect("agree");
    assert_eq!(world.node(AgentId(6)).leader(), None, "3 of 7");
    world.run_for(20 * SECOND);
    let standing = |agent| world.node(AgentId(6)).view().topology().contains(AgentId(agent));
    assert!(standing(6) && !standing(3));
}

/// The dead are removed by a majority; one that restarts joins under a new number and is written to.
#[test]
fn a_restarted_agent_is_a_new_member() {
    for shape in Shape::ALL {
        let mut world = swarm(shape, 6, perfect());
        world.inflict(Fault::Crash(AgentId(2)));
        world.run_for(7 * SECOND);
        let roster = world.node(AgentId(0)).roster().clone();
        assert!(roster.standing(AgentId(2)).is_some_and(|standing| standing.is_gone()), "{shape:?}");
        world.inflict(Fault::Join);
        let took = world.settle(SECOND).expect("agree");
        assert!(took <= 300 * MILLISECOND, "{shape:?}: {took} ns");
        send(&mut world, 0, To::One(AgentId(6)), 1);
        send(&mut world, 6, To::All, 2);
        world.run_for(SECOND);
        let had = |agent, letter| world.events.iter().filter(|e| e.1 == AgentId(agent) && e.2.1 == letter).count();
        assert_eq!(had(6, Letter(1)), 1);
        assert_eq!([0, 1, 3, 4, 5].map(|agent| had(agent, Letter(2))), [1; 5]);
    }
}

#[test]
fn a_goodbye_is_known_at_once() {
    for shape in Shape::ALL {
        let mut world = swarm(shape, 9, perfect());
        world.run_for(SECOND);
        world.inflict(Fault::Leave(AgentId(0)));
        let took = world.settle(SECOND).expect("agree");
        assert!(took <= 100 * MILLISECOND, "{shape:?}: {took} ns");
        assert_eq!(world.node(AgentId(4)).leader(), Some(AgentId(1)));
        assert!(world.news.iter().any(|(_, agent, news)| *agent == AgentId(0) && *news == Event::Excluded));
    }
}

/// Three of eight are cut off for five seconds: the five go on under a leader, the three have none and talk on among
/// themselves, and when they meet again letters written across the cut arrive.
#[test]
fn a_partition_heals() {
    for shape in Shape::ALL {
        let mut world = swarm(shape, 8, perfect());
        let cut: BTreeSet<AgentId> = [0, 3, 6].map(AgentId).into();
        world.run_for(SECOND);
        world.inflict(Fault::Partition(cut.clone()));
        send(&mut world, 1, To::All, 0);
        // Longer than a removal takes, which only a minority's leader would have to fear.
        world.run_for(3 * SECOND);
        for agent in world.living() {
            let view = world.node(agent).view();
            let side: Vec<AgentId> = (0..8).map(AgentId).filter(|a| cut.contains(a) == cut.contains(&agent)).collect();
            assert_eq!(view.members(), side, "{shape:?}: {agent}");
            assert_eq!(view.leader(), (!cut.contains(&agent)).then_some(AgentId(1)), "{shape:?}: {agent}");
        }
        send(&mut world, 0, To::One(AgentId(6)), 1);
        send(&mut world, 2, To::One(AgentId(7)), 2);
        world.run_for(SECOND);
        world.inflict(Fault::Heal);
        let took = world.settle(3 * SECOND).expect("agree");
        assert!(took <= 500 * MILLISECOND, "{shape:?}: {took} ns");
        assert_eq!(world.node(AgentId(5)).leader(), Some(AgentId(0)));
        world.run_for(3 * SECOND);
        let to = |agents: &[u32]| agents.iter().copied().map(AgentId).collect();
        let sent = [
            Sent { by: AgentId(1), to: to(&[0, 2, 3, 4, 5, 6, 7]) },
            Sent { by: AgentId(0), to: to(&[6]) },
            Sent { by: AgentId(2), to: to(&[7]) },
        ];
        check_letters(&world, &sent);
    }
}

/// Of two equal halves the one with the smallest number leads and takes in; a newcomer that reaches the other half only
/// waits until they meet again.
#[test]
fn one_of_two_halves_leads_and_takes_in() {
    for shape in Shape::ALL {
        let mut world = swarm(shape, 8, perfect());
        world.run_for(SECOND);
        // The newcomer's number is 8, so it starts on the side of the odd ones.
        world.inflict(Fault::Partition([0, 2, 4, 6].map(AgentId).into()));
        world.run_for(2 * SECOND);
        world.inflict(Fault::Join);
        world.run_for(SECOND);
        for agent in world.living() {
            let leader = [0, 2, 4, 6].contains(&agent.0).then_some(AgentId(0));
            assert_eq!(world.node(agent).leader(), leader, "{shape:?}: {agent}");
        }
        assert_eq!(world.node(AgentId(8)).view().members(), [AgentId(8)], "{shape:?}");
        assert_eq!(world.node(AgentId(1)).view().members(), [1, 3, 5, 7].map(AgentId), "{shape:?}");
        world.inflict(Fault::Heal);
        world.settle(3 * SECOND).expect("agree");
        assert_eq!(world.node(AgentId(8)).leader(), Some(AgentId(0)), "{shape:?}");
    }
}

/// Links break while a newcomer is being taken in, and one half alone knows of it: that gives it no majority, nor takes
/// it from the other.
#[test]
fn a_newcomer_on_one_side_of_a_cut_makes_no_second_leader() {
    sweep("a_newcomer_on_one_side_of_a_cut_makes_no_second_leader", seeds(100), |seed| {
        let shape = Shape::ALL[(seed % 4) as usize];
        let plan = Plan { members: 8, links: perfect(), ..Plan::quiet(seed, shape) };
        let mut world = World::new(plan, |_, _| Postbox::default());
        world.run_for(SECOND);
        for _ in 0..=seed / 4 % 3 {
            world.inflict(Fault::Join);
        }
        // From no contact asked yet to all settled.
        world.run_for(seed / 12 * 6 * MILLISECOND);
        let half: BTreeSet<AgentId> = [0, 2, 4, 6].map(AgentId).into();
        world.inflict(Fault::Partition(half.clone()));
        // A tree takes longest, as it is noticed level by level.
        let noticed = world.run_until(8 * SECOND, |world| {
            let apart = |a: &AgentId, b: &AgentId| half.contains(a) != half.contains(b);
            world.living().iter().all(|a| !world.node(*a).view().members().iter().any(|b| apart(a, b)))
        });
        assert!(noticed);
        let leaders = |world: &World<Postbox>| -> BTreeSet<AgentId> {
            world.living().iter().filter_map(|&agent| world.node(agent).leader()).collect()
        };
        assert!(leaders(&world).len() <= 1, "{:?}", leaders(&world));
        world.run_for(6 * SECOND);
        assert!(leaders(&world).len() <= 1, "{:?}", leaders(&world));
        world.inflict(Fault::Heal);
        world.settle(5 * SECOND).expect("agree");
        assert_eq!(leaders(&world).len(), 1);
    });
}

/// A minority cut off for longer than removal takes is removed by the majority, learns it on meeting, and stops.
#[test]
fn the_long_lost_are_excluded() {
    let mut world = swarm(Shape::Ring, 5, perfect());
    world.inflict(Fault::Partition([0, 1].map(AgentId).into()));
    world.run_for(8 * SECOND);
    world.inflict(Fault::Heal);
    world.run_for(SECOND);
    assert_eq!(world.living(), [2, 3, 4].map(AgentId));
    assert!(world.agree());
    assert_eq!(world.node(AgentId(4)).leader(), Some(AgentId(2)));
}

/// The topology changes four times while letters fly over bad links: none lost, none doubled, edges always those of the
/// sender's epoch (the links check), and the last shape holds everywhere.
#[test]
fn a_live_switch_loses_and_doubles_nothing() {
    sweep("a_live_switch_loses_and_doubles_nothing", seeds(200), |seed| {
        let mut plan = Plan::quiet(seed, Shape::ALL[(seed % 4) as usize]);
        let switches = [Shape::Hierarchical, Shape::Star, Shape::Mesh, Shape::Ring];
        plan.faults = (1..).zip(switches).map(|(i, s)| (200 * i * MILLISECOND, Fault::Reshape(s))).collect();
        let mut world = World::new(plan, |_, _| Postbox::default());
        let (mut prng, mut sent) = (Prng::new(seed), Vec::new());
        for _ in 0..60 {
            world.run_for(20 * MILLISECOND);
            post(&mut world, &mut prng, &mut sent);
        }
        world.calm();
        world.settle(5 * SECOND).expect("agree");
        assert!(world.run_until(10 * SECOND, |world| world.living().iter().all(|&a| world.node(a).pending() == 0)));
        let shapes: BTreeSet<Shape> = world.living().iter().map(|&a| world.node(a).view().topology().shape()).collect();
        assert_eq!(shapes, BTreeSet::from([Shape::Ring]));
        check_letters(&world, &sent);
    });
}

/// On links that lose three frames in ten, one frame in 200 would come through the 15 hops of a ring of 31. Repeated on
/// each edge, all arrive on their first journey.
#[test]
fn a_long_lossy_way_is_won_edge_by_edge() {
    let links = Links { loss: 30, ..perfect() };
    let mut plan = Plan { members: 31, links, ..Plan::quiet(7, Shape::Ring) };
    plan.config.journey_retry = 60 * SECOND;
    let mut world = World::new(plan, |_, _| Postbox::default());
    for number in 0..20 {
        send(&mut world, 0, To::One(AgentId(15)), number);
    }
    world.run_for(5 * SECOND);
    assert_eq!((world.component(AgentId(15)).had, world.node(AgentId(0)).pending()), (20, 0));
}

/// More letters than the window holds: they wait, keep their classes' shares, and all arrive; to a dead addressee the
/// window is given up in time, to others nothing is lost.
#[test]
fn a_flood_waits_and_the_dead_do_not_dam_it() {
    let mut world = swarm(Shape::Star, 4, perfect());
    let flood = 3 * WINDOW as u32;
    for number in 0..flood {
        send(&mut world, 1, To::One(AgentId(2)), number);
    }
    assert_eq!(world.node(AgentId(1)).pending() as u32, flood);
    world.run_for(SECOND);
    assert_eq!((world.component(AgentId(2)).had as u32, world.node(AgentId(1)).pending()), (flood, 0));
    world.inflict(Fault::Crash(AgentId(3)));
    for number in 0..flood {
        send(&mut world, 1, To::All, flood + number);
    }
    world.run_for(3 * SECOND);
    for agent in [0, 2] {
        let had: BTreeSet<Letter> = world.events.iter().filter(|e| e.1 == AgentId(agent)).map(|e| e.2.1).collect();
        assert!((flood..2 * flood).all(|number| had.contains(&Letter(number))), "agent {agent}");
    }
    let counters = world.node(AgentId(1)).counters();
    assert!(counters.abandoned >= u64::from(flood) - 2 * WINDOW, "{counters:?}");
    assert_eq!(counters.refused, 0);
}

/// What a quiet minute costs: a beat per edge, direction and interval.
#[test]
fn silence_costs_one_beat_per_edge_direction_and_interval() {
    for shape in Shape::ALL {
        let mut world = swarm(shape, 8, perfect());
        world.garble(AgentId(3), |_, frame| {
            let (header, _) = decode(&frame).expect("a frame");
            assert_eq!(header.class, Class::Beat);
            Some(frame)
        });
        world.run_for(60 * SECOND - MILLISECOND);
        let beats = 2 * shape.edge_count(8) as u64 * 600;
        assert_eq!(world.tally.frames, beats, "{shape:?}");
        assert!(world.tally.bytes <= 26 * beats, "{shape:?}: {} bytes", world.tally.bytes);
        let views: BTreeMap<AgentId, u64> =
            world.living().into_iter().map(|agent| (agent, world.node(agent).view().epoch())).collect();
        assert!(views.values().all(|&epoch| epoch == 16));
    }
}
