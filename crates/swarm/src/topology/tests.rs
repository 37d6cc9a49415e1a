//! Counts are those of the benchmarks' definition; ways and means are compared with a breadth-first search.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// Members with gaps between their numbers, as they are after some died.
fn members(n: usize) -> Vec<AgentId> {
    (0..n as u32).map(|i| AgentId(3 * i + 1)).collect()
}

/// The edges as the benchmarks define them, over places.
fn defined(shape: Shape, n: usize) -> BTreeSet<(usize, usize)> {
    let pairs: Vec<(usize, usize)> = match shape {
        Shape::Mesh => (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect(),
        Shape::Hierarchical => (1..n).map(|i| ((i - 1) / 2, i)).collect(),
        Shape::Ring => (0..n).map(|i| (i, (i + 1) % n)).collect(),
        Shape::Star => (1..n).map(|i| (0, i)).collect(),
    };
    pairs.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect()
}

fn distances(edges: &BTreeSet<(usize, usize)>, n: usize, from: usize) -> Vec<usize> {
    let mut far = vec![usize::MAX; n];
    far[from] = 0;
    let mut open = VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        for &(a, b) in edges {
            let next = if a == at { b } else { a };
            if (a == at || b == at) && far[next] == usize::MAX {
                far[next] = far[at] + 1;
                open.push_back(next);
            }
        }
    }
    far
}

fn each(mut check: impl FnMut(Shape, usize, &Topology)) {
    for shape in Shape::ALL {
        for n in 1..=33 {
            check(shape, n, &Topology::new(shape, members(n)));
        }
    }
}

#[test]
fn edges_are_those_of_the_definition() {
    each(|shape, n, topology| {
        let at = |place: usize| members(n)[place];
        let defined: BTreeSet<_> = defined(shape, n).into_iter().map(|(a, b)| (at(a), at(b))).collect();
        let edges = topology.edges();
        assert_eq!(edges.len(), shape.edge_count(n), "{shape:?} of {n}");
        assert_eq!(edges.into_iter().collect::<BTreeSet<_>>(), defined, "{shape:?} of {n}");
        for a in members(n) {
            for b in members(n) {
                assert_eq!(topology.is_edge(a, b), defined.contains(&(a.min(b), a.max(b))), "{shape:?} {n}: {a}, {b}");
            }
        }
    });
    // The table of the benchmarks at n = 8.
    assert_eq!(Shape::ALL.map(|shape| shape.edge_count(8)), [28, 7, 8, 7]);
}

#[test]
fn routes_are_shortest_and_step_along_edges() {
    each(|shape, n, topology| {
        let edges = defined(shape, n);
        let ids = members(n);
        let (mut total, mut degrees) = (0, vec![0; n]);
        for from in 0..n {
            let far = distances(&edges, n, from);
            for to in 0..n {
                assert_eq!(topology.hops(ids[from], ids[to]), Some(far[to]), "{shape:?} of {n}: {from} to {to}");
                total += far[to];
            }
            degrees[from] = topology.neighbours(ids[from]).len();
            for to in (0..n).filter(|&to| to != from) {
                let next = topology.next_hop(ids[from], ids[to]).unwrap();
                assert!(topology.neighbours(ids[from]).contains(&next));
            }
        }
        let mean = if n > 1 { total as f64 / (n * (n - 1)) as f64 } else { 0.0 };
        assert!((shape.mean_hops(n) - mean).abs() < 1e-12, "{shape:?} of {n}: {mean}");
        assert_eq!(shape.degree_max(n), degrees.into_iter().max().unwrap(), "{shape:?} of {n}");
    });
}

#[test]
fn a_broadcast_reaches_each_member_once_by_a_shortest_way() {
    each(|shape, n, topology| {
        for &origin in topology.members() {
            let mut hops = BTreeMap::from([(origin, 0)]);
            let mut open = VecDeque::from([origin]);
            let mut frames = 0;
            while let Some(at) = open.pop_front() {
                for next in topology.children(origin, at) {
                    assert!(topology.is_edge(at, next), "{shape:?} of {n}: {at} to {next}");
                    assert_eq!(hops.insert(next, hops[&at] + 1), None, "{shape:?} of {n}: {next} hears {origin} twice");
                    open.push_back(next);
                    frames += 1;
                }
            }
            assert_eq!(frames, n - 1, "{shape:?} of {n} from {origin}");
            for (to, far) in hops {
                assert_eq!(topology.hops(origin, to), Some(far), "{shape:?} of {n}");
            }
        }
    });
}

#[test]
fn strangers_have_no_ways() {
    let topology = Topology::new(Shape::Ring, members(5));
    let stranger = AgentId(2);
    assert_eq!(topology.next_hop(stranger, AgentId(1)), None);
    assert_eq!(topology.hops(AgentId(1), stranger), None);
    assert!(topology.neighbours(stranger).is_empty() && topology.children(stranger, AgentId(1)).is_empty());
    assert_eq!(topology.next_hop(AgentId(1), AgentId(1)), None);
    assert_eq!(Topology::new(Shape::Star, []).root(), None);
}

#[test]
fn the_order_of_members_does_not_matter() {
    let mut turned = members(9);
    turned.reverse();
    turned.push(turned[3]);
    assert_eq!(Topology::new(Shape::Hierarchical, turned), Topology::new(Shape::Hierarchical, members(9)));
}
