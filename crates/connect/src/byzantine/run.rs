//! One session of the broadcast: aleph-bft, and what it is handed.
//!
//! Invariant: it ends when it is told to. If it ends otherwise the driver begins it again, from its backup. How long
//! anything waits depends on [`super::Config::pace`] alone.

use std::sync::Arc;
use std::time::Duration;

use aleph_bft::{
    DataProvider, DelayConfig, Hasher, LocalIO, Network, NetworkData, NodeCount, NodeIndex, OrderedUnit, Recipient,
    SignatureSet, SpawnHandle, TaskHandle, Terminator, UnitFinalizationHandler, create_config, run_session,
};
use codec::{Decode, Encode};
use futures_channel::oneshot;
use tokio::sync::mpsc;

use super::desk::Desk;
use super::link::{Links, Outlet, unit_frame};
use super::shelf::{Log, UnitWriter};
use super::tray::Tray;
use super::unit::{Blake3, Keys, Parcel, Seal};

/// Rounds a session may have beyond those in which its units are ordered at the latest.
const SLACK_ROUNDS: u32 = 1_000;

/// A unit in the common order: its creator's place, and what it carries.
pub(super) type Unit = (u32, Option<Parcel>);

/// What sessions tell the driver.
#[derive(Debug)]
pub(super) enum Report {
    /// More of the order.
    Ordered(u64, Vec<Unit>),
    /// It ended.
    Over(u64),
    /// The files of one that is to begin are there.
    Files(u64, Box<std::io::Result<Files>>),
}

/// A session's files, open.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) backup: (Vec<u8>, UnitWriter),
    pub(super) log: Log,
}

/// A session under way; ends when dropped.
pub(super) struct Run {
    _exit: Exit,
}

struct Exit(Option<oneshot::Sender<()>>);

impl Drop for Exit {
    fn drop(&mut self) {
        if let Some(exit) = self.0.take() {
            let _ = exit.send(());
        }
    }
}

/// What a session is made of.
pub(super) struct Parts {
    pub(super) session: u64,
    pub(super) keys: Keys,
    pub(super) pace: Duration,
    /// Units that it orders at least.
    pub(super) units: u32,
    pub(super) links: Arc<Links>,
    pub(super) desk: Arc<Desk>,
    pub(super) tray: Arc<Tray>,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) backup: (Vec<u8>, UnitWriter),
}

/// Rounds in which `units` units are ordered for sure: each round has a quorum's.
pub(super) fn rounds(units: u32, members: usize) -> Option<u16> {
    let quorum = u32::try_from(starling_swarm::byzantine::quorum(members)).ok()?;
    u16::try_from(units.div_ceil(quorum) + SLACK_ROUNDS).ok()
}

fn delays(pace: Duration) -> DelayConfig {
    let times = move |factor: u32| pace.max(Duration::from_millis(1)) * factor;
    let retry = move |attempt: usize| times(4 << attempt.min(5));
    DelayConfig {
        tick_interval: times(1),
        unit_rebroadcast_interval_min: times(40),
        unit_rebroadcast_interval_max: times(80),
        unit_creation_delay: Arc::new(move |_| pace),
        coord_request_delay: Arc::new(retry),
        coord_request_recipients: Arc::new(|attempt| if attempt == 0 { 1 } else { 2 }),
        parent_request_delay: Arc::new(retry),
        parent_request_recipients: Arc::new(|_| 1),
        newest_request_delay: Arc::new(move |_| times(4)),
    }
}

impl Run {
    /// Begins a session, or takes it up again.
    pub(super) fn begin(parts: Parts) -> Self {
        let Parts { session, keys, pace, units, links, desk, tray, reports, backup: (units_saved, writer) } = parts;
        let members = keys.members.len();
        let index = aleph_bft::Index::index(&keys);
        let rounds = rounds(units, members).expect("checked when the node was opened");
        let config = create_config(NodeCount(members), index, session, rounds, delays(pace), Duration::ZERO)
            .expect("no time is too short");
        let orders = Orders { session, reports: reports.clone() };
        let io = LocalIO::new_with_unit_finalization_handler(
            Feed { session, desk },
            orders,
            writer,
            futures_util::io::Cursor::new(units_saved),
        );
        let network = Mail { session, outlet: links.route(session), links, tray, members, rounds };
        let (exit, exits) = oneshot::channel();
        let terminator = Terminator::create_root(exits, "byzantine");
        tokio::spawn(async move {
            run_session(config, io, network, keys, Spawner, terminator).await;
            let _ = reports.send(Report::Over(session));
        });
        Self { _exit: Exit(Some(exit)) }
    }
}

#[derive(Clone)]
struct Spawner;

impl SpawnHandle for Spawner {
    fn spawn(&self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn spawn_essential(&self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) -> TaskHandle {
        let task = tokio::spawn(task);
        Box::pin(async move { task.await.map_err(drop) })
    }
}

/// Hands own batches out to units as they are made.
struct Feed {
    session: u64,
    desk: Arc<Desk>,
}

#[async_trait::async_trait]
impl DataProvider for Feed {
    type Output = Parcel;

    /// The broadcast makes no unit before it has this: so a session that is begun early makes none before its time, and
    /// one that has ended stays to answer the others, but does not come to its last round.
    async fn get_data(&mut self) -> Option<Parcel> {
        self.desk.parcel(self.session).await
    }
}

/// Takes the order.
struct Orders {
    session: u64,
    reports: mpsc::UnboundedSender<Report>,
}

impl UnitFinalizationHandler for Orders {
    type Data = Parcel;
    type Hasher = Blake3;

    fn batch_finalized(&mut self, batch: Vec<OrderedUnit<Parcel, Blake3>>) {
        let place = |NodeIndex(place): NodeIndex| u32::try_from(place).unwrap_or(u32::MAX);
        let units = batch.into_iter().map(|unit| (place(unit.creator), unit.data)).collect();
        let _ = self.reports.send(Report::Ordered(self.session, units));
    }
}

pub(super) type Letter = NetworkData<Blake3, Parcel, Seal, SignatureSet<Seal>>;

/// False for a question that is asked in another's name, or about the units of nobody. Questions are not signed, and
/// aleph-bft looks up the member they name without looking whether there is one. It does not show what is in a letter; so
/// this looks at its bytes.
pub(super) fn sound(letter: &[u8], place: usize, members: usize) -> bool {
    let number = |at: usize| Some(u64::from_le_bytes(*letter.get(at..)?.first_chunk()?));
    let its_own = || number(2) == Some(place as u64);
    match letter {
        // For a unit, by its round and creator.
        [0, 1, ..] => its_own() && number(2 + 8 + 2).is_some_and(|creator| creator < members as u64),
        // For a unit's parents, and for the newest unit of who asks; about an alert, and for one.
        [0, 2 | 4, ..] | [1, 1 | 2, ..] => its_own(),
        _ => true,
    }
}

/// False for an alert about a fork whose two units are none. aleph-bft's alerter looks at their signatures only, and hands
/// the units on to which the alert commits its sender; what keeps units finds no fork, and panics at what is handed on to it
/// by a member who did not fork.
fn proven(letter: &[u8], members: usize, rounds: u16) -> bool {
    // Who alerts, and its proof.
    let Some(mut proof) = letter.strip_prefix(&[1, 0]).and_then(|alert| alert.get(8..)) else { return true };
    (0..2).all(|_| is_unit(&mut proof, members, rounds).unwrap_or(false))
}

/// What aleph-bft asks of a unit, besides its session and its signature.
fn is_unit(bytes: &mut &[u8], members: usize, rounds: u16) -> Result<bool, codec::Error> {
    let (round, creator) = <(u16, u64)>::decode(bytes)?;
    let (parents, hash) = <(Vec<Option<u16>>, [u8; 32])>::decode(bytes)?;
    <(Option<Parcel>, u64, Seal)>::decode(bytes)?;
    if parents.len() != members || round > rounds {
        return Ok(false);
    }
    let Some(before) = round.checked_sub(1) else {
        let none: Vec<Option<([u8; 32], u16)>> = vec![None; members];
        return Ok(parents.iter().all(Option::is_none) && hash == Blake3::hash(&none.encode()));
    };
    let own = usize::try_from(creator).is_ok_and(|creator| parents.get(creator) == Some(&Some(before)));
    let direct = parents.iter().flatten().filter(|round| **round == before).count();
    let later = parents.iter().flatten().any(|round| *round > before);
    let quorum = starling_swarm::byzantine::quorum(members);
    Ok(own && direct >= quorum && !later)
}

/// Carries a session's messages. It stops to take some in while the agent does not read what is ordered.
struct Mail {
    session: u64,
    links: Arc<Links>,
    outlet: Outlet,
    tray: Arc<Tray>,
    members: usize,
    rounds: u16,
}

#[async_trait::async_trait]
impl Network<Letter> for Mail {
    fn send(&self, letter: Letter, recipient: Recipient) {
        let frame = unit_frame(self.session, &letter);
        match recipient {
            Recipient::Everyone => self.links.send_all(&frame),
            Recipient::Node(NodeIndex(place)) => self.links.send(place, frame),
        }
    }

    async fn next_event(&mut self) -> Option<Letter> {
        loop {
            self.tray.room().await;
            let bytes = self.outlet.next().await;
            match Letter::decode(&mut &bytes[..]) {
                Ok(letter) if proven(&bytes, self.members, self.rounds) => return Some(letter),
                _ => self.links.drop_one(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::unit::tests::keys;
    use super::*;

    /// The bytes are those of what aleph-bft calls so; of them, what names another than its sender, or nobody, is refused.
    #[test]
    fn a_question_names_who_asks_and_a_member() {
        let letter = |kind: [u8; 2], numbers: &[&[u8]]| [&kind[..], &numbers.concat()].concat();
        let (two, four, salt) = (2_u64.to_le_bytes(), 4_u64.to_le_bytes(), [7; 8]);
        let (far, hash, round) = (u64::MAX.to_le_bytes(), [9; 32], 5_u16.to_le_bytes());
        let cases: [(&str, [u8; 2], &[&[u8]]); 5] = [
            ("CoordRequest(NodeIndex(2), UnitCoord { round: 5, creator: NodeIndex(2) }", [0, 1], &[&two, &round, &two]),
            ("ParentsRequest(NodeIndex(2)", [0, 2], &[&two, &hash]),
            ("NewestRequest(NodeIndex(2)", [0, 4], &[&two, &salt]),
            ("RmcMessage(NodeIndex(2)", [1, 1], &[&two, &[1], &hash, &[0]]),
            ("AlertRequest(NodeIndex(2)", [1, 2], &[&two, &hash]),
        ];
        for (name, kind, numbers) in cases {
            let bytes = letter(kind, numbers);
            let decoded = Letter::decode(&mut &bytes[..]).unwrap();
            assert!(format!("{decoded:?}").contains(name), "{decoded:?}");
            assert!(sound(&bytes, 2, 4), "{name}");
            assert!(!sound(&bytes, 1, 4), "{name} in another's name");
        }
        for creator in [four, far] {
            assert!(!sound(&letter([0, 1], &[&two, &round, &creator]), 2, 4), "of nobody");
        }
        assert!(!sound(&letter([0, 4], &[&far, &salt]), 2, 4));
        assert!(sound(&letter([0, 0], &[&far, &salt]), 2, 4), "a unit: it is signed");
    }

    /// Of four members, in sessions of 100 rounds.
    #[test]
    fn an_alert_shows_two_units() {
        let sealed = || Seal::encode(&aleph_bft::Keychain::sign(&keys(1, 1), b""));
        let unit = |round: u16, creator: u64, parents: &[Option<u16>], hash: [u8; 32]| {
            [(round, creator, parents.to_vec(), hash).encode(), (None::<Parcel>, 0_u64).encode(), sealed()].concat()
        };
        let alert =
            |one: &[u8], other: &[u8]| [&[1, 0][..], &1_u64.to_le_bytes(), one, other, &[0], &sealed()].concat();
        let first = Blake3::hash(&vec![None::<([u8; 32], u16)>; 4].encode());
        let (none, some) = ([None; 4], [Some(6), Some(6), None, Some(6)]);
        let (good, later) = (unit(0, 2, &none, first), unit(7, 1, &some, [9; 32]));
        let decoded = Letter::decode(&mut &alert(&good, &later)[..]).unwrap();
        assert!(format!("{decoded:?}").contains("ForkAlert"), "{decoded:?}");
        assert!(proven(&alert(&good, &later), 4, 100) && proven(&alert(&later, &good), 4, 7));
        let bad = [
            unit(0, 2, &none, [9; 32]),
            unit(0, 2, &some, first),
            unit(0, 2, &none[1..], first),
            unit(7, 2, &some, [9; 32]),
            unit(7, u64::MAX, &some, [9; 32]),
            unit(7, 1, &some[..3], [9; 32]),
            unit(7, 1, &[Some(6), Some(6), None, Some(5)], [9; 32]),
            unit(7, 1, &[Some(6), Some(6), Some(6), Some(7)], [9; 32]),
            unit(7, 1, &[Some(6), Some(6), Some(6), Some(6), None], [9; 32]),
            unit(101, 1, &some.map(|round| round.map(|_| 100)), [9; 32]),
        ];
        for bad in &bad {
            assert!(!proven(&alert(bad, &good), 4, 100) && !proven(&alert(&later, bad), 4, 100), "{bad:?}");
        }
        assert!(!proven(&alert(&good, &[]), 4, 100));
    }
}
