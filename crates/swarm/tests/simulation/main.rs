//! The swarm under fire: the code that trades, on simulated links, in virtual time.
//!
//! One seed is one run: the same faults at the same nanoseconds, on any machine. [`world::World`] drives real
//! [`Node`](starling_swarm::node::Node)s with any [`Component`](starling_swarm::component::Component); `net` and
//! `scenarios` test the layer below the components with one that only counts.
//!
//! To put another component under fire, add a module here and
//! 1. draw a plan: `Plan::draw(seed, Shape::Ring)`, then change what the test is about (`plan.links.loss = 0`);
//! 2. build a world: `World::new(plan, |agent, members| Component::new(agent, members))`; the closure also makes the
//!    components of agents that join later;
//! 3. speak to components: `world.act(agent, |component, now, out, events| component.propose(now, 7, out, events))`;
//!    make components lie: `world.corrupt(agent, |prng, message| ..)` changes what that agent's component sends, before
//!    it is encoded, message by message and addressee by addressee;
//! 4. `world.run_for(nanos)`, or `run_until(nanos, |world| done)`, as often as needed; `world.calm()` ends all faults,
//!    and `world.settle(nanos)` waits for equal views;
//! 5. judge `world.events` (what components told their agents, in order, with time and agent) and
//!    `world.component(agent)` of `world.living()`; panic, or assert, what must not be;
//! 6. wrap it: `sweep("consensus_ring", seeds(1_000), |seed| ..)` runs the seeds of `seeds.txt` under that name first,
//!    then 0, 1, 2, ...; a failing seed prints the line to add there.
//!
//! The simulated links check by themselves that no frame of a message leaves along anything but an edge of its sender's
//! view, by the benchmarks' definition of edges, written down here a second time.
//!
//! `SWARM_SEEDS=n` runs n seeds per test instead; `SWARM_SEED=s` runs that seed alone.

mod consensus;
mod net;
mod postbox;
mod prng;
mod scenarios;
mod sharing;
mod sweep;
mod tasks;
mod world;
