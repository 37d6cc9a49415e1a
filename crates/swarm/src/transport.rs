//! What carries frames from one agent to another: the trait, the transport within a process, and batches.
//!
//! Invariant: nothing is unbounded and nothing is lost silently; a full mailbox refuses, and the sender keeps what it
//! could not send. A batch never waits past its deadline, however small it is.

use std::collections::BTreeMap;

use starling_core::UnixNanos;

use crate::component::Component;
use crate::id::AgentId;
use crate::mailbox::Mailbox;
use crate::message::{HEADER_MAX, PAYLOAD_MAX};
use crate::node::{Node, Parcel};

/// Why a frame was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The addressee's mailbox is full for this priority; the frame comes back.
    #[error("the mailbox of {} is full for {:?}: wait and send again", .0.to, .0.priority)]
    Full(Parcel),
    /// Nobody listens there.
    #[error("{0} has no mailbox: it has not started, or is dead")]
    Closed(AgentId),
}

/// What passed along one edge in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub messages: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
}

/// Carries frames between agents.
pub trait Transport {
    /// Sends a frame from `from`.
    ///
    /// # Errors
    /// [`SendError`]; a frame that comes back in [`SendError::Full`] was not sent.
    fn send(&mut self, from: AgentId, parcel: Parcel) -> Result<(), SendError>;

    /// The next frame for `at`, and the agent that sent it.
    fn receive(&mut self, at: AgentId) -> Option<(AgentId, Vec<u8>)>;

    /// What passed so far, by sender and receiver.
    fn traffic(&self) -> BTreeMap<(AgentId, AgentId), Traffic>;
}

/// Sends all that `node` has to send; false if a mailbox was full, and the rest must wait.
pub fn send_all<C: Component>(node: &mut Node<C>, transport: &mut impl Transport) -> bool {
    while let Some(parcel) = node.poll_send() {
        // A closed mailbox is a dead neighbour, and silence is how death is noticed.
        if let Err(SendError::Full(parcel)) = transport.send(node.me(), parcel) {
            node.put_back(parcel);
            return false;
        }
    }
    true
}

/// Hands `node` all that waits for it; how many frames that were.
pub fn receive_all<C: Component>(node: &mut Node<C>, now: UnixNanos, transport: &mut impl Transport) -> usize {
    let mut count = 0;
    while let Some((from, bytes)) = transport.receive(node.me()) {
        node.on_frame(now, from, &bytes);
        count += 1;
    }
    count
}

#[derive(Debug)]
struct Inbox {
    mail: Mailbox<(AgentId, Vec<u8>)>,
    traffic: BTreeMap<AgentId, Traffic>,
}

/// The transport within a process: a mailbox per agent, for one thread.
#[derive(Debug)]
pub struct InProcess {
    inboxes: BTreeMap<AgentId, Inbox>,
    capacity: usize,
}

impl InProcess {
    /// Mailboxes of `capacity` frames of each priority.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { inboxes: BTreeMap::new(), capacity }
    }

    /// Opens a mailbox.
    pub fn open(&mut self, agent: AgentId) {
        let capacity = self.capacity;
        let inbox = || Inbox { mail: Mailbox::new(capacity), traffic: BTreeMap::new() };
        self.inboxes.entry(agent).or_insert_with(inbox);
    }

    /// Closes a mailbox; what waits in it is lost, as with a process that died.
    pub fn close(&mut self, agent: AgentId) {
        self.inboxes.remove(&agent);
    }

    /// Gives back the memory that more frames took than are under way now.
    pub fn shrink_to_fit(&mut self) {
        self.inboxes.values_mut().for_each(|inbox| inbox.mail.shrink_to_fit());
    }

    /// True if a frame waits for `agent`.
    #[must_use]
    pub fn has_mail(&self, agent: AgentId) -> bool {
        self.inboxes.get(&agent).is_some_and(|inbox| !inbox.mail.is_empty())
    }
}

impl Transport for InProcess {
    fn send(&mut self, from: AgentId, parcel: Parcel) -> Result<(), SendError> {
        let Parcel { to, priority, bytes } = parcel;
        let inbox = self.inboxes.get_mut(&to).ok_or(SendError::Closed(to))?;
        let size = bytes.len() as u64;
        if let Err((_, bytes)) = inbox.mail.push(priority, (from, bytes)) {
            return Err(SendError::Full(Parcel { to, priority, bytes }));
        }
        let traffic = inbox.traffic.entry(from).or_default();
        traffic.messages += 1;
        traffic.bytes += size;
        Ok(())
    }

    fn receive(&mut self, at: AgentId) -> Option<(AgentId, Vec<u8>)> {
        self.inboxes.get_mut(&at)?.mail.pop().map(|(_, mail)| mail)
    }

    fn traffic(&self) -> BTreeMap<(AgentId, AgentId), Traffic> {
        let edges = |(to, inbox): (&AgentId, &Inbox)| {
            inbox.traffic.iter().map(|(from, traffic)| ((*from, *to), *traffic)).collect::<Vec<_>>()
        };
        self.inboxes.iter().flat_map(edges).collect()
    }
}

/// Gathers frames to one neighbour into datagrams: each frame behind its length (u32, little-endian).
#[derive(Debug)]
pub struct Batch {
    size: usize,
    wait: u64,
    bytes: Vec<u8>,
    due: UnixNanos,
}

/// Why a datagram is no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBatch {
    /// It ends within a length or a frame.
    #[error("a datagram ends {0} bytes into a frame: it was cut")]
    Cut(usize),
    /// A frame longer than any.
    #[error("a datagram announces a frame of {0} bytes, above {max}", max = HEADER_MAX + PAYLOAD_MAX)]
    TooLong(usize),
}

impl Batch {
    /// Datagrams of `size` bytes or a little more, sent `wait` nanoseconds after their first frame at the latest.
    #[must_use]
    pub const fn new(size: usize, wait: u64) -> Self {
        Self { size, wait, bytes: Vec::new(), due: UnixNanos::MAX }
    }

    /// Adds a frame; the datagram, once it is large enough.
    pub fn push(&mut self, now: UnixNanos, frame: &[u8]) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            self.due = now.saturating_add(self.wait);
        }
        let length = u32::try_from(frame.len()).expect("a frame is at most HEADER_MAX + PAYLOAD_MAX");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(frame);
        if self.bytes.len() >= self.size { self.take() } else { None }
    }

    /// The datagram, if its deadline has come.
    pub fn on_time(&mut self, now: UnixNanos) -> Option<Vec<u8>> {
        if now >= self.due { self.take() } else { None }
    }

    /// The deadline of what waits.
    #[must_use]
    pub const fn next_due(&self) -> UnixNanos {
        self.due
    }

    /// The datagram, now.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.due = UnixNanos::MAX;
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then_some(bytes)
    }

    /// The frames of a datagram; after an error nothing follows.
    pub fn split(mut datagram: &[u8]) -> impl Iterator<Item = Result<&[u8], BadBatch>> {
        std::iter::from_fn(move || {
            if datagram.is_empty() {
                return None;
            }
            let cut = BadBatch::Cut(datagram.len());
            let Some((length, rest)) = datagram.split_first_chunk::<4>() else {
                datagram = &[];
                return Some(Err(cut));
            };
            let length = u32::from_le_bytes(*length) as usize;
            datagram = &[];
            if length > HEADER_MAX + PAYLOAD_MAX {
                return Some(Err(BadBatch::TooLong(length)));
            }
            let Some((frame, rest)) = rest.split_at_checked(length) else { return Some(Err(cut)) };
            datagram = rest;
            Some(Ok(frame))
        })
    }
}

/// Room in a mailbox of a transport that names no other.
pub const MAILBOX_CAPACITY: usize = 4096;

impl Default for InProcess {
    fn default() -> Self {
        Self::new(MAILBOX_CAPACITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Priority;
    use proptest::prelude::*;

    const A: AgentId = AgentId(1);
    const B: AgentId = AgentId(2);

    fn parcel(priority: Priority, byte: u8) -> Parcel {
        Parcel { to: B, priority, bytes: vec![byte; 10] }
    }

    #[test]
    fn a_full_mailbox_gives_the_frame_back_and_a_closed_one_says_so() {
        let mut transport = InProcess::new(1);
        assert_eq!(transport.send(A, parcel(Priority::High, 1)), Err(SendError::Closed(B)));
        transport.open(B);
        transport.send(A, parcel(Priority::High, 1)).unwrap();
        let full = parcel(Priority::High, 2);
        assert_eq!(transport.send(A, full.clone()), Err(SendError::Full(full)));
        transport.send(A, parcel(Priority::Critical, 3)).unwrap();
        assert_eq!(transport.receive(B), Some((A, vec![3; 10])));
        assert_eq!(transport.receive(B), Some((A, vec![1; 10])));
        assert!(!transport.has_mail(B) && transport.receive(A).is_none());
        assert_eq!(transport.traffic(), BTreeMap::from([((A, B), Traffic { messages: 2, bytes: 20 })]));
    }

    #[test]
    fn a_batch_leaves_when_it_is_large_enough_or_old_enough() {
        let at = UnixNanos::new;
        let mut batch = Batch::new(30, 1_000);
        assert_eq!(batch.push(at(50), &[1; 10]), None);
        assert_eq!(batch.next_due(), at(1_050));
        assert_eq!(batch.push(at(900), &[2; 3]), None);
        assert_eq!(batch.on_time(at(1_049)), None);
        let datagram = batch.on_time(at(1_050)).unwrap();
        let frames: Vec<_> = Batch::split(&datagram).map(Result::unwrap).collect();
        assert_eq!(frames, [[1_u8; 10].as_slice(), &[2; 3]]);
        assert_eq!((batch.next_due(), batch.on_time(at(9_999))), (UnixNanos::MAX, None));
        assert!(batch.push(at(2_000), &[3; 26]).is_some_and(|datagram| datagram.len() == 30));
    }

    proptest! {
        #[test]
        fn splitting_undoes_batching_and_a_cut_is_noticed(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..20), cut in any::<usize>()
        ) {
            let mut batch = Batch::new(usize::MAX, 1);
            for frame in &frames {
                prop_assert!(batch.push(UnixNanos::EPOCH, frame).is_none());
            }
            let datagram = batch.take().unwrap();
            let split: Result<Vec<&[u8]>, BadBatch> = Batch::split(&datagram).collect();
            let whole: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(split, Ok(whole));
            let cut = &datagram[..cut % datagram.len()];
            let good = Batch::split(cut).filter(Result::is_ok).count();
            prop_assert!(good < frames.len());
        }

        #[test]
        fn any_bytes_split_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Batch::split(&bytes).count() <= bytes.len());
        }
    }
}
