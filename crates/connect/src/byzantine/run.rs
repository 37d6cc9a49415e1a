//! One session of the broadcast: aleph-bft, and what it is handed.
//!
//! Invariant: it ends when it is told to. If it ends otherwise the driver begins it again, from its backup. How long
//! anything waits depends on [`super::Config::pace`] alone.

use std::sync::Arc;
use std::time::Duration;

use aleph_bft::{
    DataProvider, DelayConfig, LocalIO, Network, NetworkData, NodeCount, NodeIndex, OrderedUnit, Recipient,
    SignatureSet, SpawnHandle, TaskHandle, Terminator, UnitFinalizationHandler, create_config, run_session,
};
use codec::Decode;
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
        let network = Mail { session, outlet: links.route(session), links, tray };
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

    async fn get_data(&mut self) -> Option<Parcel> {
        self.desk.parcel(self.session)
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

/// Carries a session's messages. It stops to take some in while the agent does not read what is ordered.
struct Mail {
    session: u64,
    links: Arc<Links>,
    outlet: Outlet,
    tray: Arc<Tray>,
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
            if let Ok(letter) = Letter::decode(&mut &bytes[..]) {
                return Some(letter);
            }
        }
    }
}
