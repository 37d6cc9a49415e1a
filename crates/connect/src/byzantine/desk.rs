//! Own batches on their way into the order.
//!
//! Invariant: a batch is on disk before its number is known, and is kept until it was ordered in a session that counts.
//! Those out do not span more than [`Sessions::AHEAD_MAX`] numbers, so none is ever refused for being too far ahead.
//! Units are made in the session under way, and shortly before its end in the next one, too: in no other.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use starling_swarm::byzantine::{BATCH_BYTES_MAX, BadBatch, ITEMS_MAX, Item, Sessions};
use starling_swarm::id::AgentId;
use tokio::sync::watch;

use super::shelf::{Numbered, Outbox};
use super::unit::{self, PARCEL_BYTES_MAX, Parcel};

/// Own batches that may wait to be ordered.
pub const OPEN_MAX: usize = 512;
/// Bytes of own batches that may wait to be ordered.
pub const OPEN_BYTES_MAX: usize = 16 << 20;

const _: () = assert!((OPEN_MAX as u64) < Sessions::AHEAD_MAX, "some may be passed by others");

#[derive(Debug)]
struct Own {
    batch: Arc<[u8]>,
    /// In a unit of which session it stands, if in any.
    placed: Option<u64>,
}

#[derive(Debug)]
struct State {
    next: u64,
    open: BTreeMap<u64, Own>,
    /// Of all that is open.
    bytes: usize,
    waiting: VecDeque<u64>,
    /// The session whose units carry batches now.
    feeding: u64,
    outbox: Outbox,
    stopped: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    /// Sessions in which units are made.
    making: watch::Sender<RangeInclusive<u64>>,
}

impl Desk {
    /// With what was left when the member stopped.
    pub(super) fn new(me: AgentId, sessions: &Sessions, left: Numbered, outbox: Outbox) -> Self {
        let left = left.into_iter().filter(|(number, _)| !sessions.has(me, *number));
        let open: BTreeMap<u64, Own> =
            left.map(|(number, batch)| (number, Own { batch: batch.into(), placed: None })).collect();
        let after = open.last_key_value().map_or(0, |(number, _)| number + 1);
        let first = sessions.next_of(me).unwrap_or(0).max(after);
        let next = (first..).find(|number| !sessions.has(me, *number)).expect("numbers do not end");
        let waiting = open.keys().copied().collect();
        let bytes = open.values().map(|own| own.batch.len()).sum();
        let current = sessions.current();
        let state = State { next, open, bytes, waiting, feeding: current, outbox, stopped: false };
        Self { state: Mutex::new(state), making: watch::Sender::new(current..=current) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn submit(&self, items: &[Item]) -> Result<u64, BadBatch> {
        if items.len() > ITEMS_MAX {
            return Err(BadBatch::Items(items.len()));
        }
        let batch = unit::pack(items);
        if batch.len() > BATCH_BYTES_MAX {
            return Err(BadBatch::Bytes(batch.len()));
        }
        let state = &mut *self.state();
        let first = state.open.first_key_value().map_or(state.next, |(number, _)| *number);
        let far = state.next - first >= Sessions::AHEAD_MAX;
        if state.open.len() >= OPEN_MAX || state.bytes + batch.len() > OPEN_BYTES_MAX || far {
            return Err(BadBatch::Full(state.open.len()));
        }
        let number = state.next;
        if state.stopped || state.outbox.append(number, &batch).is_err() {
            state.stopped = true;
            return Err(BadBatch::Stopped);
        }
        state.next += 1;
        state.bytes += batch.len();
        state.open.insert(number, Own { batch: batch.into(), placed: None });
        state.waiting.push_back(number);
        Ok(number)
    }

    /// From now on units of this session are made, too.
    pub(super) fn make(&self, session: u64) {
        self.making.send_if_modified(|making| {
            let later = session > *making.end();
            if later {
                *making = *making.start()..=session;
            }
            later
        });
    }

    /// As many batches as fit into a unit of a session, if there are some and it is this session's turn. Waits until units
    /// of the session may be made; for ever if it has ended.
    pub(super) async fn parcel(&self, session: u64) -> Option<Parcel> {
        if self.making.subscribe().wait_for(|making| making.contains(&session)).await.is_err() {
            std::future::pending().await
        }
        let state = &mut *self.state();
        if session != state.feeding {
            return None;
        }
        let mut parcel = Vec::new();
        while let Some(number) = state.waiting.front() {
            if let Some(own) = state.open.get_mut(number) {
                if parcel.len() + unit::weight(&own.batch) > PARCEL_BYTES_MAX {
                    break;
                }
                unit::put(&mut parcel, *number, &own.batch);
                own.placed = Some(session);
            }
            state.waiting.pop_front();
        }
        (!parcel.is_empty()).then(|| Parcel(parcel.into()))
    }

    /// From now on units of this session carry batches.
    pub(super) fn feed(&self, session: u64) {
        let state = &mut *self.state();
        state.feeding = state.feeding.max(session);
    }

    /// An own batch was ordered.
    pub(super) fn ordered(&self, number: u64) {
        let state = &mut *self.state();
        state.bytes -= state.open.remove(&number).map_or(0, |own| own.batch.len());
        state.next = state.next.max(number + 1);
    }

    /// A session has ended: no unit is made in it any more, and what stood in its units and was not ordered is handed in
    /// again.
    pub(super) fn ended(&self, session: u64) -> io::Result<()> {
        self.make(session + 1);
        self.making.send_modify(|making| *making = session + 1..=*making.end());
        let state = &mut *self.state();
        state.feeding = state.feeding.max(session + 1);
        for own in state.open.values_mut().filter(|own| own.placed.is_some_and(|placed| placed <= session)) {
            own.placed = None;
        }
        state.waiting = state.open.iter().filter(|(_, own)| own.placed.is_none()).map(|(number, _)| *number).collect();
        state.outbox.keep(state.open.iter().map(|(number, own)| (*number, &*own.batch)))
    }

    pub(super) fn open(&self) -> usize {
        self.state().open.len()
    }

    /// Takes nothing any more.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use starling_swarm::byzantine::Length;

    use super::super::shelf::{Clerk, Shelf};
    use super::*;

    const ME: AgentId = AgentId(3);
    const LENGTH: Length = Length { units: 9, bytes: u64::MAX, tail: 1 };

    fn item(bytes: usize) -> Item {
        Item { reads: Vec::new(), writes: Vec::new(), payload: vec![7; bytes] }
    }

    fn desk(shelf: &Shelf, sessions: &Sessions) -> Desk {
        let (left, outbox) = shelf.outbox(Clerk::new("test").unwrap()).unwrap();
        Desk::new(ME, sessions, left, outbox)
    }

    /// Of the batches in a session's next unit.
    fn numbers(desk: &Desk, session: u64) -> Vec<u64> {
        let parcel = desk.parcel(session).now_or_never().flatten();
        parcel.map_or(Vec::new(), |parcel| unit::batches(&parcel.0).map(|(number, _)| number).collect())
    }

    #[test]
    fn what_a_session_did_not_order_is_handed_in_again() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        let mut sessions = Sessions::new(LENGTH, [ME]);
        let desk = desk(&shelf, &sessions);
        for number in 0..3 {
            assert_eq!(desk.submit(&[item(10)]), Ok(number));
        }
        assert!(numbers(&desk, 1).is_empty(), "not its turn");
        assert_eq!(numbers(&desk, 0), [0, 1, 2]);
        assert!(numbers(&desk, 0).is_empty());
        assert_eq!(desk.submit(&[item(10)]), Ok(3));
        desk.make(1);
        assert!(numbers(&desk, 1).is_empty(), "not its turn yet");
        desk.feed(1);
        assert_eq!((numbers(&desk, 0), numbers(&desk, 1)), (vec![], vec![3]));
        desk.ordered(1);
        desk.ended(0).unwrap();
        assert_eq!(numbers(&desk, 1), [0, 2], "3 stands in a unit of the session that goes on");
        desk.ordered(0);
        desk.ordered(3);
        assert_eq!(desk.open(), 1);
        // It dies; what it knows is of the session's beginning.
        for number in [0, 1] {
            sessions.admit(0, ME, number);
        }
        drop(desk);
        let desk = self::desk(&shelf, &sessions);
        assert_eq!(desk.submit(&[item(1)]), Ok(4), "no number twice");
        assert_eq!(numbers(&desk, 0), [2, 3, 4], "3 twice does no harm, 2 is not forgotten");
    }

    /// A session that has ended makes no unit, so it never comes to its last round, where it would end by itself.
    #[test]
    fn units_are_made_in_a_session_while_it_lasts() {
        let folder = tempfile::tempdir().unwrap();
        let mut sessions = Sessions::new(LENGTH, [ME]);
        (0..4).for_each(|_| sessions.end());
        let desk = desk(&Shelf::open(folder.path()).unwrap(), &sessions);
        let making = || (0..9).filter(|session| desk.parcel(*session).now_or_never().is_some()).collect::<Vec<u64>>();
        assert_eq!(making(), [4]);
        let mut next = Box::pin(desk.parcel(5));
        assert!(next.as_mut().now_or_never().is_none());
        desk.make(5);
        desk.make(4);
        assert_eq!((making(), next.now_or_never().is_some()), (vec![4, 5], true));
        desk.ended(4).unwrap();
        assert_eq!(making(), [5]);
        desk.ended(5).unwrap();
        assert_eq!(making(), [6], "also if it was not begun before");
    }

    #[test]
    fn batches_fill_units_and_what_waits_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        let desk = desk(&shelf, &Sessions::new(LENGTH, [ME]));
        let full = unit::pack(&[item(60_000), item(60_000)]).len();
        assert!(2 * full < PARCEL_BYTES_MAX && 3 * full > PARCEL_BYTES_MAX);
        (0..3).for_each(|_| assert!(desk.submit(&[item(60_000), item(60_000)]).is_ok()));
        assert_eq!(numbers(&desk, 0), [0, 1]);
        assert_eq!(numbers(&desk, 0), [2]);
        assert_eq!(desk.submit(&[item(BATCH_BYTES_MAX)]), Err(BadBatch::Bytes(BATCH_BYTES_MAX + 6)));
        assert_eq!(desk.submit(&vec![item(0); ITEMS_MAX + 1]), Err(BadBatch::Items(ITEMS_MAX + 1)));
        while desk.open() < OPEN_MAX {
            desk.submit(&[]).unwrap();
        }
        assert_eq!(desk.submit(&[]), Err(BadBatch::Full(OPEN_MAX)));
        // Large ones are refused before they are as many.
        let (folder, large) = (tempfile::tempdir().unwrap(), [item(64_000), item(64_000)]);
        let heavy = self::desk(&Shelf::open(folder.path()).unwrap(), &Sessions::new(LENGTH, [ME]));
        let fit = OPEN_BYTES_MAX / unit::pack(&large).len();
        (0..fit).for_each(|_| assert!(heavy.submit(&large).is_ok()));
        assert!(fit < OPEN_MAX / 2);
        assert_eq!(heavy.submit(&large), Err(BadBatch::Full(fit)));
        heavy.ordered(0);
        assert!(heavy.submit(&large).is_ok(), "one was ordered, one may come");
        assert_eq!(heavy.submit(&large), Err(BadBatch::Full(fit)));
        drop(heavy);
        // What was left on disk counts, too.
        let heavy = self::desk(&Shelf::open(folder.path()).unwrap(), &Sessions::new(LENGTH, [ME]));
        assert!(matches!(heavy.submit(&large), Err(BadBatch::Full(_))));
        // The first is stuck; the others are ordered and more come, but not without end.
        let mut number = 1;
        while let Ok(_) | Err(BadBatch::Full(OPEN_MAX)) = desk.submit(&[]) {
            desk.ordered(number);
            number += 1;
        }
        assert!(matches!(desk.submit(&[]), Err(BadBatch::Full(open)) if open < OPEN_MAX));
        let state = desk.state();
        assert_eq!(state.next, Sessions::AHEAD_MAX);
    }
}
