//! Along which edges agents talk: mesh, hierarchical, ring, star.
//!
//! Invariant: a topology is a function of its shape and its members in order, so agents that agree on those agree on
//! every edge, route and root without a word. Repair is therefore no protocol: it is the topology of the living. Routes
//! are computed from places, not stored: a next hop costs O(log n), a topology of 100,000 agents no memory of its own.
//!
//! ```text
//!  mesh      n(n-1)/2 edges   every pair
//!  tree      n-1              the agent at place i hangs from (i-1)/2
//!  ring      n                place i and place i+1, the last and the first
//!  star      n-1              place 0 and every other
//! ```
//! Place 0, the smallest number, is the root of tree and star, and the leader of all four.

pub mod adaptive;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::AgentId;

/// The four fixed topologies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// Every pair: one hop, most edges. Best for 2 to 8.
    Mesh,
    /// A binary tree: few edges everywhere, 2 log n hops. Best for 10 and more.
    Hierarchical,
    /// A ring: two edges each, an order for tokens, n/4 hops on average.
    Ring,
    /// A hub: fewest edges, two hops, and all of the traffic in one place.
    Star,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Mesh, Self::Hierarchical, Self::Ring, Self::Star];

    /// How many edges `n` members have. A ring of two has one: an edge is a pair.
    #[must_use]
    pub const fn edge_count(self, n: usize) -> usize {
        match (self, n) {
            (_, 0 | 1) => 0,
            (Self::Mesh, _) => n * (n - 1) / 2,
            (Self::Ring, 3..) => n,
            _ => n - 1,
        }
    }

    /// Edges of the busiest member.
    #[must_use]
    pub const fn degree_max(self, n: usize) -> usize {
        match (self, n) {
            (_, 0 | 1) => 0,
            (Self::Mesh | Self::Star, _) => n - 1,
            (_, 2) => 1,
            // From five on, the agent at place 1 has a parent and two children.
            (Self::Ring, _) | (Self::Hierarchical, 3 | 4) => 2,
            (Self::Hierarchical, _) => 3,
        }
    }

    /// Hops between two members, averaged over all pairs; 0 for fewer than two.
    #[must_use]
    pub fn mean_hops(self, n: usize) -> f64 {
        if n < 2 {
            return 0.0;
        }
        let m = n as f64;
        match self {
            Self::Mesh => 1.0,
            Self::Star => 2.0 * (m - 1.0) / m,
            // The distances from one member: 1, 1, 2, 2, .. and n/2 once if n is even.
            Self::Ring => ((n * n / 4) as f64) / (m - 1.0),
            // An edge above s members lies on the way of s (n - s) pairs.
            Self::Hierarchical => {
                let mut below = vec![1_usize; n];
                for at in (1..n).rev() {
                    below[(at - 1) / 2] += below[at];
                }
                let crossings: f64 = below[1..].iter().map(|&s| s as f64 * (n - s) as f64).sum();
                crossings / (m * (m - 1.0) / 2.0)
            }
        }
    }

    /// The place after `from` on the way to `to`; all places are below `n`, and differ.
    fn next(self, n: usize, from: usize, to: usize) -> usize {
        match self {
            Self::Mesh => to,
            Self::Star => {
                if from == 0 {
                    to
                } else {
                    0
                }
            }
            Self::Ring => {
                let ahead = (to + n - from) % n;
                if ahead <= n / 2 { (from + 1) % n } else { (from + n - 1) % n }
            }
            Self::Hierarchical => {
                let mut at = to;
                while at > from {
                    let parent = (at - 1) / 2;
                    if parent == from {
                        return at;
                    }
                    at = parent;
                }
                (from - 1) / 2
            }
        }
    }
}

/// A shape over members in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    shape: Shape,
    members: Arc<[AgentId]>,
}

impl Topology {
    /// Over `members`, whose order and repetitions do not matter.
    #[must_use]
    pub fn new(shape: Shape, members: impl IntoIterator<Item = AgentId>) -> Self {
        let mut members: Vec<AgentId> = members.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self { shape, members: members.into() }
    }

    /// Its shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Its members, in order of their numbers.
    #[must_use]
    pub fn members(&self) -> &[AgentId] {
        &self.members
    }

    /// The member at place 0.
    #[must_use]
    pub fn root(&self) -> Option<AgentId> {
        self.members.first().copied()
    }

    /// True if `agent` is a member.
    #[must_use]
    pub fn contains(&self, agent: AgentId) -> bool {
        self.place(agent).is_some()
    }

    fn place(&self, agent: AgentId) -> Option<usize> {
        self.members.binary_search(&agent).ok()
    }

    /// All edges, each once, in order, the smaller number first.
    #[must_use]
    pub fn edges(&self) -> Vec<(AgentId, AgentId)> {
        let mut edges = Vec::with_capacity(self.shape.edge_count(self.members.len()));
        for &a in &*self.members {
            edges.extend(self.neighbours(a).into_iter().filter(|&b| a < b).map(|b| (a, b)));
        }
        edges
    }

    /// Those `agent` has an edge to, in order; nobody for a stranger.
    #[must_use]
    pub fn neighbours(&self, agent: AgentId) -> Vec<AgentId> {
        let n = self.members.len();
        let Some(at) = self.place(agent) else { return Vec::new() };
        let mut places: Vec<usize> = match self.shape {
            Shape::Mesh => (0..n).filter(|&p| p != at).collect(),
            Shape::Star if at == 0 => (1..n).collect(),
            Shape::Star => vec![0],
            Shape::Ring if n == 1 => Vec::new(),
            Shape::Ring => vec![(at + 1) % n, (at + n - 1) % n],
            Shape::Hierarchical => {
                let parent = at.checked_sub(1).map(|below| below / 2);
                parent.into_iter().chain([2 * at + 1, 2 * at + 2].into_iter().filter(|&child| child < n)).collect()
            }
        };
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|p| self.members[p]).collect()
    }

    /// True if an edge joins `a` and `b`.
    #[must_use]
    pub fn is_edge(&self, a: AgentId, b: AgentId) -> bool {
        a != b && self.next_hop(a, b) == Some(b)
    }

    /// The neighbour of `from` that is nearest to `to`; a ring's tie goes ahead. None if either is a stranger, or both
    /// are one.
    #[must_use]
    pub fn next_hop(&self, from: AgentId, to: AgentId) -> Option<AgentId> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        (from != to).then(|| self.members[self.shape.next(self.members.len(), from, to)])
    }

    /// Edges between two members; 0 from one to itself.
    #[must_use]
    pub fn hops(&self, from: AgentId, to: AgentId) -> Option<usize> {
        let (mut from, to) = (self.place(from)?, self.place(to)?);
        let mut hops = 0;
        while from != to {
            from = self.shape.next(self.members.len(), from, to);
            hops += 1;
        }
        Some(hops)
    }

    /// To whom `at` hands on what `origin` tells all. Over all members that is a tree with `origin` at its root, of
    /// shortest ways along edges: n - 1 frames reach each member once.
    #[must_use]
    pub fn children(&self, origin: AgentId, at: AgentId) -> Vec<AgentId> {
        let n = self.members.len();
        let (Some(root), Some(place)) = (self.place(origin), self.place(at)) else { return Vec::new() };
        match self.shape {
            Shape::Mesh if root == place => self.neighbours(at),
            Shape::Mesh => Vec::new(),
            Shape::Star | Shape::Hierarchical => {
                let back = self.next_hop(at, origin);
                self.neighbours(at).into_iter().filter(|&next| Some(next) != back).collect()
            }
            // Half of the ring ahead, the smaller half behind.
            Shape::Ring => {
                let (ahead, behind) = (n / 2, (n - 1) / 2);
                let gone = (place + n - root) % n;
                let mut next = Vec::new();
                if gone < ahead {
                    next.push(self.members[(place + 1) % n]);
                }
                let back = (n - gone) % n;
                if (gone == 0 || gone > ahead) && back < behind {
                    next.push(self.members[(place + n - 1) % n]);
                }
                next
            }
        }
    }
}

#[cfg(test)]
mod tests;
