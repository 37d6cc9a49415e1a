//! Which topology to take, from what was measured.
//!
//! The price of a shape over n members is, in nanoseconds,
//!
//! ```text
//!   mean hops x hop_ns  +  degree of the busiest x load_ns  +  edges / n x edge_ns
//! ```
//! that is: how long a message travels, how long the busiest member is busy when each neighbour speaks once, and what
//! it costs to keep edges. With the defaults' ratio 1 : 0.2 : 0.1 a mesh is cheapest up to 12 members and a tree from 13
//! on; where edges are dear and hubs strong, a star; where every neighbour costs more than a hop, a ring.
//!
//! Invariant: [`Adaptive`] leaves a shape only for one that was cheaper by [`GAIN_MIN`] in [`DWELL`] measurements
//! running, so that noise below a fifth of the price never moves it. It decides; it does not switch: its leader hands
//! the answer to [`Node::reshape`](crate::node::Node::reshape).

use crate::topology::Shape;

/// The part of its price a shape must save before the swarm moves to it.
pub const GAIN_MIN: f64 = 0.2;
/// How many measurements running it must save that.
pub const DWELL: u32 = 3;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Living members.
    pub members: usize,
    /// Latency of one hop, nanoseconds ([`Node::hop_ns`](crate::node::Node::hop_ns)).
    pub hop_ns: f64,
    /// Time a member spends on one message of one neighbour, nanoseconds.
    pub load_ns: f64,
    /// What keeping an edge is worth, in nanoseconds of latency: its connection, its heartbeats, its price.
    pub edge_ns: f64,
}

impl Measured {
    /// A hop of `hop_ns`, and the default ratios: a fifth of it for load, a tenth for edges.
    #[must_use]
    pub const fn from_hop(members: usize, hop_ns: f64) -> Self {
        Self { members, hop_ns, load_ns: 0.2 * hop_ns, edge_ns: 0.1 * hop_ns }
    }

    /// The price of a shape, nanoseconds (see the head of this file).
    #[must_use]
    pub fn price(&self, shape: Shape) -> f64 {
        let n = self.members;
        let edges = shape.edge_count(n) as f64 / n.max(1) as f64;
        shape.mean_hops(n) * self.hop_ns + shape.degree_max(n) as f64 * self.load_ns + edges * self.edge_ns
    }

    /// The cheapest shape, the first of [`Shape::ALL`] among equals.
    #[must_use]
    pub fn cheapest(&self) -> Shape {
        let mut best = Shape::Mesh;
        for shape in Shape::ALL {
            if self.price(shape) < self.price(best) {
                best = shape;
            }
        }
        best
    }
}

/// The choice over time.
#[derive(Debug, Clone)]
pub struct Adaptive {
    current: Shape,
    wanted: Shape,
    running: u32,
}

impl Adaptive {
    /// Starts with the shape that the swarm has.
    #[must_use]
    pub const fn new(current: Shape) -> Self {
        Self { current, wanted: current, running: 0 }
    }

    /// The shape it holds to.
    #[must_use]
    pub const fn current(&self) -> Shape {
        self.current
    }

    /// Hears a measurement; the shape to switch to, if it is time.
    pub fn measure(&mut self, measured: &Measured) -> Option<Shape> {
        let best = measured.cheapest();
        // Where nothing was measured all prices are 0, or no numbers, and no shape saves anything.
        let saves = measured.price(best) < (1.0 - GAIN_MIN) * measured.price(self.current);
        if !saves {
            self.running = 0;
            return None;
        }
        self.running = if best == self.wanted { self.running + 1 } else { 1 };
        self.wanted = best;
        if self.running < DWELL {
            return None;
        }
        self.running = 0;
        self.current = best;
        Some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_swarms_mesh_and_large_ones_hang_in_a_tree() {
        for n in 2..=12 {
            assert_eq!(Measured::from_hop(n, 50_000.0).cheapest(), Shape::Mesh, "{n}");
        }
        for n in [13, 20, 31, 100, 1_000] {
            assert_eq!(Measured::from_hop(n, 50_000.0).cheapest(), Shape::Hierarchical, "{n}");
        }
    }

    #[test]
    fn dear_edges_make_a_star_and_dear_neighbours_a_ring() {
        let star = Measured { members: 20, hop_ns: 1.0, load_ns: 0.05, edge_ns: 0.5 };
        assert_eq!(star.cheapest(), Shape::Star);
        let ring = Measured { members: 20, hop_ns: 1.0, load_ns: 3.0, edge_ns: 0.1 };
        assert_eq!(ring.cheapest(), Shape::Ring);
    }

    #[test]
    fn prices_of_eight_by_hand() {
        // Mesh: 1 + 7 x 0.2 + 28/8 x 0.1. Ring: 16/7 + 2 x 0.2 + 0.1. Star: 14/8 + 7 x 0.2 + 7/8 x 0.1.
        // Tree of 8: subtrees of 4 3 2 1 1 1 1 under the edges: (4x4 + 3x5 + 2x6 + 4 x 1x7) / 28 = 71/28.
        let measured = Measured::from_hop(8, 1.0);
        for (shape, price) in [
            (Shape::Mesh, 2.75),
            (Shape::Ring, 16.0 / 7.0 + 0.5),
            (Shape::Star, 3.2375),
            (Shape::Hierarchical, 71.0 / 28.0 + 0.6875),
        ] {
            assert!((measured.price(shape) - price).abs() < 1e-12, "{shape:?}: {}", measured.price(shape));
        }
    }

    #[test]
    fn a_switch_takes_three_measurements_running() {
        let mut adaptive = Adaptive::new(Shape::Mesh);
        let (large, small) = (Measured::from_hop(31, 1e5), Measured::from_hop(6, 1e5));
        assert_eq!([&large, &large, &small, &large, &large].map(|m| adaptive.measure(m)), [None; 5]);
        assert_eq!(adaptive.measure(&large), Some(Shape::Hierarchical));
        assert_eq!(adaptive.measure(&large), None);
        assert_eq!([&small; 3].map(|m| adaptive.measure(m)), [None, None, Some(Shape::Mesh)]);
    }

    #[test]
    fn another_wish_between_begins_the_count_anew() {
        let mut adaptive = Adaptive::new(Shape::Mesh);
        let tree = Measured::from_hop(31, 1e5);
        let star = Measured { members: 20, hop_ns: 1.0, load_ns: 0.05, edge_ns: 0.5 };
        assert_eq!([&tree, &star, &tree, &tree].map(|m| adaptive.measure(m)), [None; 4]);
        assert_eq!(adaptive.measure(&tree), Some(Shape::Hierarchical));
    }

    #[test]
    fn what_was_not_measured_moves_nothing() {
        for measured in [
            Measured::from_hop(1_000, 0.0),
            Measured::from_hop(1, 1e5),
            Measured::from_hop(0, 1e5),
            Measured::from_hop(20, f64::NAN),
        ] {
            let mut adaptive = Adaptive::new(Shape::Hierarchical);
            assert_eq!([measured; 4].map(|m| adaptive.measure(&m)), [None; 4], "{measured:?}");
        }
    }

    proptest! {
        #[test]
        fn noise_below_the_gain_never_moves_it(
            members in 2_usize..40,
            noise in prop::collection::vec((-0.1..0.1, -0.1..0.1, -0.1..0.1), 50)
        ) {
            let calm = Measured::from_hop(members, 1e5);
            let mut adaptive = Adaptive::new(calm.cheapest());
            for (hop, load, edge) in noise {
                let noisy = Measured {
                    members,
                    hop_ns: calm.hop_ns * (1.0 + hop),
                    load_ns: calm.load_ns * (1.0 + load),
                    edge_ns: calm.edge_ns * (1.0 + edge),
                };
                prop_assert_eq!(adaptive.measure(&noisy), None);
            }
        }
    }
}
