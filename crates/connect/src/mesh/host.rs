//! Nodes of one process, driven: frames in, time, frames out.
//!
//! Invariant: one thread owns the nodes and calls [`Host::turn`] again and again; between two turns it speaks to its
//! components and takes their events. A turn waits only when no node has anything to do, and never longer than it was
//! told.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_core::UnixNanos;
use starling_swarm::component::Component;
use starling_swarm::id::AgentId;
use starling_swarm::node::Node;
use starling_swarm::transport::send_all;

use super::{Mesh, Waker};
use crate::clock::now;

/// The nodes of one process and its links to the others.
#[derive(Debug)]
pub struct Host<C: Component> {
    mesh: Mesh,
    nodes: BTreeMap<AgentId, Node<C>>,
}

impl<C: Component> Host<C> {
    /// Without nodes yet.
    #[must_use]
    pub const fn new(mesh: Mesh) -> Self {
        Self { mesh, nodes: BTreeMap::new() }
    }

    /// Takes a node in.
    pub fn add(&mut self, node: Node<C>) {
        self.mesh.host(node.me());
        self.nodes.insert(node.me(), node);
    }

    /// Lets a node go, without a goodbye: for that, let it leave, and turn once more.
    pub fn remove(&mut self, agent: AgentId) -> Option<Node<C>> {
        self.mesh.dismiss(agent);
        self.nodes.remove(&agent)
    }

    /// A node.
    #[must_use]
    pub fn node(&self, agent: AgentId) -> Option<&Node<C>> {
        self.nodes.get(&agent)
    }

    /// A node, to act or to tell its events.
    pub fn node_mut(&mut self, agent: AgentId) -> Option<&mut Node<C>> {
        self.nodes.get_mut(&agent)
    }

    /// All nodes, in order of their numbers.
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node<C>> {
        self.nodes.values_mut()
    }

    /// The links.
    #[must_use]
    pub const fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// Wakes a turn that waits, from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.mesh.waker()
    }

    /// Waits for something to do, at most so long, and does it; how many frames came.
    pub fn turn(&mut self, at_most: Duration) -> usize {
        // What the owner said since the last turn leaves before anybody waits.
        let begun = now();
        self.push(begun);
        let patience = u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX);
        let nodes = self.nodes.values().map(Node::next_due).min().unwrap_or(UnixNanos::MAX);
        let due = nodes.min(self.mesh.next_due()).min(begun.saturating_add(patience));
        if !self.mesh.has_mail() {
            self.mesh.wait(begun, due);
        }
        let at = now();
        let nodes = &mut self.nodes;
        let count = self.mesh.drain(|to, from, frame| {
            if let Some(node) = nodes.get_mut(&to) {
                node.on_frame(at, from, frame);
            }
        });
        for node in self.nodes.values_mut() {
            if at >= node.next_due() {
                node.on_time(at);
            }
        }
        self.push(at);
        count
    }

    /// Sends what there is. Whom a full mailbox of this process keeps from sending goes on in the next turn.
    fn push(&mut self, at: UnixNanos) {
        for node in self.nodes.values_mut() {
            send_all(node, &mut self.mesh);
        }
        self.mesh.on_time(at);
    }
}
