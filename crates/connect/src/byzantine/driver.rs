//! What a member does: sessions one after the other, checkpoints, and help for who was away.
//!
//! Invariant: everything it tells its agent, logs and signs is a function of the ordered units alone, so it is equal at
//! all correct members. If a quorum signs something else it stops: more lie than were planned for, or its disk does.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use starling_swarm::byzantine::{
    Admission, BATCH_BYTES_MAX, Batch, Certified, Checkpoint, ITEMS_MAX, Progress, Sessions, quorum,
};
use starling_swarm::consensus::statement::Consent;
use starling_swarm::id::AgentId;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::desk::Desk;
use super::link::{Links, News, PIECE_BYTES, Talk};
use super::run::{Files, Parts, Report, Run, Unit};
use super::shelf::{Clerk, Log, Mark, Shelf, UnitWriter};
use super::tray::Tray;
use super::unit::{self, Keys, PARCEL_BYTES_MAX, Parcel};
use super::{Config, Event, OVERLAP_ROUNDS, SWITCH_ROUNDS, Tally};

/// How often it looks what is due.
const TICK: Duration = Duration::from_millis(20);
/// How often an end is said again that no quorum has confirmed.
const SAY_AGAIN: Duration = Duration::from_millis(200);
/// How long it tries to end a session by itself, once a quorum has ended it.
const GRACE: Duration = Duration::from_millis(500);
/// How long a member may take to answer with a piece of a log.
const ANSWER: Duration = Duration::from_secs(2);
/// Checkpoints of one member that are kept while a quorum is not there.
const WORDS_MAX: usize = 8;
/// Proofs of ends that are kept at hand.
const RECENT_MAX: usize = 16;
/// How long a session that ended without having been told to stays away: the first time, and at most.
const RESTART: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(5)];

/// Why a member stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    #[error("its files: {0}; see to the disk and open the node again")]
    Io(#[from] io::Error),
    #[error(
        "a quorum ended session {0} with another digest than this member: a third or more lie, or its files were changed"
    )]
    Split(u64),
}

/// Bytes that a unit carries.
fn carried((_, parcel): &Unit) -> usize {
    parcel.as_ref().map_or(0, |Parcel(parcel)| parcel.len())
}

/// A log on its way from another member.
struct Fetch {
    session: u64,
    from: usize,
    log: Log,
    /// What it should come to, and its length.
    promised: Option<(Certified, u64)>,
    asked: Instant,
}

/// See the module.
pub(super) struct Driver {
    config: Config,
    keys: Keys,
    shelf: Shelf,
    clerk: Clerk,
    links: Arc<Links>,
    desk: Arc<Desk>,
    tray: Arc<Tray>,
    tally: Arc<Tally>,
    sessions: Sessions,
    /// Of the session before the current one.
    before: [u8; 32],
    log: Log,
    /// The next session's, while that is begun early; none while the clerk opens it.
    next: Option<(u64, Option<Log>)>,
    /// Proofs of the latest ends, which may not be on disk yet.
    recent: BTreeMap<u64, Certified>,
    runs: BTreeMap<u64, Run>,
    /// How often sessions ended without having been told to, and when they may be begun again.
    restarts: BTreeMap<u64, (u32, Instant)>,
    /// Units of the current session that come a second time, since it was begun again.
    skip: usize,
    reports: mpsc::UnboundedSender<Report>,
    reported: mpsc::UnboundedReceiver<Report>,
    /// Units of sessions whose turn has not come.
    ahead: BTreeMap<u64, (Progress, Vec<Unit>)>,
    /// Members' words about ends that no quorum has confirmed yet.
    words: BTreeMap<AgentId, BTreeMap<u64, (Checkpoint, Consent)>>,
    /// Own ends that no quorum has confirmed yet.
    unconfirmed: BTreeMap<u64, Mark>,
    said: Instant,
    /// The highest session that a quorum has ended and this member has not, and since when it knows.
    behind: Option<(u64, Instant)>,
    fetch: Option<Fetch>,
    /// Members that do not have the log of the current session any more, and the oldest they have.
    gone: BTreeMap<usize, u64>,
    stranded: bool,
}

impl Driver {
    pub(super) fn new(
        config: Config,
        keys: Keys,
        (shelf, clerk): (Shelf, Clerk),
        links: Arc<Links>,
        desk: Arc<Desk>,
        tray: Arc<Tray>,
        tally: Arc<Tally>,
        (sessions, last): (Sessions, Option<&Mark>),
    ) -> io::Result<Self> {
        let before = last.map_or([0; 32], |mark| mark.checkpoint.digest);
        let mut log = shelf.new_log(sessions.current())?;
        log.follow(before);
        let (reports, reported) = mpsc::unbounded_channel();
        Ok(Self {
            config,
            keys,
            shelf,
            clerk,
            links,
            desk,
            tray,
            tally,
            sessions,
            before,
            log,
            next: None,
            recent: BTreeMap::new(),
            runs: BTreeMap::new(),
            restarts: BTreeMap::new(),
            skip: 0,
            reports,
            reported,
            ahead: BTreeMap::new(),
            words: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            said: Instant::now(),
            behind: None,
            fetch: None,
            gone: BTreeMap::new(),
            stranded: false,
        })
    }

    /// Goes on where `marks` end, for ever.
    pub(super) async fn drive(&mut self, marks: Vec<Mark>, mut heard: mpsc::Receiver<News>) -> Result<(), Halt> {
        self.tell_again(&marks).await?;
        let current = self.sessions.current();
        for mark in marks {
            if mark.certified.is_some() {
                // It may have died before it did so.
                self.shelf.drop_backup(mark.checkpoint.session)?;
                continue;
            }
            // The others may need this member to end it.
            self.begin(mark.checkpoint.session)?;
            self.stand_by(mark);
        }
        self.begin(current)?;
        self.look_ahead();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                report = self.reported.recv() => match report.expect("it holds a sender itself") {
                    Report::Ordered(session, units) => self.on_order(session, units)?,
                    Report::Over(session) => self.on_over(session),
                    Report::Files(session, files) => self.on_files(session, (*files)?),
                },
                Some(news) = heard.recv() => match news {
                    News::Up(place) => self.on_link(place),
                    News::Said(place, talk) => self.on_talk(place, talk)?,
                },
                _ = tick.tick() => self.on_time()?,
            }
        }
    }

    /// Tells the agent the batches of ended sessions that it wants to be told again.
    async fn tell_again(&mut self, marks: &[Mark]) -> io::Result<()> {
        let from = self.config.from;
        let first = Sessions::new(self.config.length(), self.keys.members.iter().copied());
        let now = std::mem::replace(&mut self.sessions, first);
        let mut before = [0; 32];
        for mark in marks {
            let Checkpoint { session, digest, .. } = mark.checkpoint;
            if session >= from {
                let mut log = self.shelf.read_log(session, before)?;
                while let Some((creator, parcel)) = log.next()? {
                    self.tray.room().await;
                    self.admit(creator, &parcel);
                }
                if log.digest() != digest {
                    let why = format!("the log of session {session} is not what it was when that ended");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                self.tray.put(Event::Ended(mark.checkpoint));
            }
            before = digest;
            self.sessions = mark.sessions.clone();
        }
        self.sessions = now;
        Ok(())
    }

    /// Begins a session now.
    fn begin(&mut self, session: u64) -> io::Result<()> {
        if !self.runs.contains_key(&session) {
            let backup = self.shelf.backup(session)?;
            self.begin_with(session, backup);
        }
        Ok(())
    }

    /// Begins the session after the current one as soon as its files are open.
    fn begin_next(&mut self) {
        let session = self.sessions.current() + 1;
        if self.next.as_ref().is_some_and(|(next, _)| *next == session) {
            return;
        }
        self.next = Some((session, None));
        let (shelf, reports) = (self.shelf.clone(), self.reports.clone());
        self.clerk.tell(move || {
            let files = || Ok(Files { backup: shelf.backup(session)?, log: shelf.new_log(session)? });
            let _ = reports.send(Report::Files(session, Box::new(files())));
            Ok(())
        });
    }

    fn on_files(&mut self, session: u64, files: Files) {
        // It has begun without them if the disk was slower than the session.
        if let Some((next, log @ None)) = &mut self.next
            && *next == session
        {
            *log = Some(files.log);
            if !self.runs.contains_key(&session) {
                self.begin_with(session, files.backup);
            }
        }
    }

    fn begin_with(&mut self, session: u64, backup: (Vec<u8>, UnitWriter)) {
        let run = Run::begin(Parts {
            session,
            keys: self.keys.clone(),
            pace: self.config.pace,
            units: self.config.session_units,
            links: Arc::clone(&self.links),
            desk: Arc::clone(&self.desk),
            tray: Arc::clone(&self.tray),
            reports: self.reports.clone(),
            backup,
        });
        self.runs.insert(session, run);
    }

    /// A session ended that was not told to: a task of it died. It is begun again, from its backup, after a while: if a
    /// liar made it die he can do so again, and must not take the others' time.
    fn on_over(&mut self, session: u64) {
        if self.runs.remove(&session).is_none() {
            return;
        }
        Tally::add(&self.tally.restarts);
        let now = Instant::now();
        let (times, due) = self.restarts.entry(session).or_insert((0, now));
        *due = now + RESTART[0].saturating_mul(1 << (*times).min(20)).min(RESTART[1]);
        *times += 1;
        // What it ordered is ordered again, from its first unit.
        self.ahead.remove(&session);
        if session == self.sessions.current() {
            self.skip = self.sessions.progress().ordered() as usize;
        }
    }

    /// Begins sessions again that died.
    fn begin_again(&mut self, now: Instant) -> io::Result<()> {
        let due = |(session, (_, due)): (&u64, &(u32, Instant))| (*due <= now).then_some(*session);
        let sessions: Vec<u64> = self.restarts.iter().filter_map(due).collect();
        sessions.into_iter().try_for_each(|session| self.begin(session))
    }

    fn on_order(&mut self, session: u64, mut units: Vec<Unit>) -> Result<(), Halt> {
        let current = self.sessions.current();
        if session == current {
            let again = self.skip.min(units.len());
            self.skip -= again;
            units.drain(..again);
            self.take(units)?;
        } else if session > current {
            let fresh = || (Progress::new(self.config.length()), Vec::new());
            let (progress, ahead) = self.ahead.entry(session).or_insert_with(fresh);
            for unit in units {
                // What a session orders after its last unit does not count.
                if progress.left() == 0 {
                    break;
                }
                progress.count(carried(&unit));
                ahead.push(unit);
            }
        }
        Ok(())
    }

    fn take(&mut self, units: Vec<Unit>) -> Result<(), Halt> {
        let mut units = units;
        loop {
            let session = self.sessions.current();
            for unit in units {
                Tally::add(&self.tally.units);
                let bytes = carried(&unit);
                let (creator, parcel) = unit;
                if let Some(Parcel(parcel)) = parcel {
                    self.log.append(creator, &parcel)?;
                    self.admit(creator, &parcel);
                }
                if self.sessions.count(bytes) {
                    self.end(None)?;
                    break;
                }
            }
            let current = self.sessions.current();
            if session == current {
                break;
            }
            units = self.ahead.remove(&current).map_or_else(Vec::new, |(_, units)| units);
        }
        self.look_ahead();
        Ok(())
    }

    /// Begins the next session with the current one, since the broadcast waits for some seconds if a member is silent
    /// when a session begins; lets it make units in time, and take new batches a little before its turn.
    fn look_ahead(&mut self) {
        self.begin_next();
        let rounds = self.sessions.progress().left() / u32::try_from(self.keys.members.len()).expect("checked");
        if rounds <= OVERLAP_ROUNDS {
            self.desk.make(self.sessions.current() + 1);
        }
        if rounds <= SWITCH_ROUNDS {
            self.desk.feed(self.sessions.current() + 1);
        }
    }

    /// Takes a unit's batches.
    fn admit(&mut self, creator: u32, parcel: &[u8]) {
        let Some(&origin) = self.keys.members.get(creator as usize) else { return };
        let session = self.sessions.current();
        for (number, bytes) in unit::batches(parcel) {
            let admission = self.sessions.admit(session, origin, number);
            let done = matches!(admission, Admission::Execute | Admission::Again);
            if done && origin == self.keys.identity.agent() {
                self.desk.ordered(number);
            }
            match admission {
                Admission::Execute => {
                    let items = if bytes.len() <= BATCH_BYTES_MAX { unit::unpack(bytes) } else { None };
                    match items.filter(|items| items.len() <= ITEMS_MAX) {
                        Some(items) if session >= self.config.from => {
                            Tally::add(&self.tally.batches);
                            self.tray.put(Event::Batch { session, batch: Batch { origin, number, items } });
                        }
                        Some(_) => {}
                        None => Tally::add(&self.tally.refused),
                    }
                }
                Admission::Again => Tally::add(&self.tally.again),
                _ => Tally::add(&self.tally.refused),
            }
        }
    }

    /// The current session has ended, just now or by another's log.
    fn end(&mut self, certified: Option<Certified>) -> Result<(), Halt> {
        let current = self.sessions.current();
        let (session, digest) = (current - 1, self.log.digest());
        let checkpoint = Checkpoint { broadcast: self.keys.broadcast, session, digest };
        let mark = Mark { checkpoint, sessions: self.sessions.clone(), certified: None };
        self.write_mark(mark.clone());
        self.desk.ended(session)?;
        self.before = digest;
        let log = self.next.take().filter(|(next, _)| *next == current).and_then(|(_, log)| log);
        self.log = match log {
            Some(log) => log,
            None => {
                // The clerk may be about to open it.
                self.clerk.finish();
                self.shelf.new_log(current)?
            }
        };
        self.log.follow(digest);
        self.gone.clear();
        (self.fetch, self.skip) = (None, 0);
        if self.behind.is_some_and(|(behind, _)| behind < current) {
            self.behind = None;
        }
        self.tally.session.store(current, Ordering::Relaxed);
        if session >= self.config.from {
            self.tray.put(Event::Ended(checkpoint));
        }
        self.begin(current)?;
        self.stand_by(mark);
        match certified {
            Some(certified) => self.confirm(certified)?,
            None => self.count_words(session)?,
        }
        let (shelf, oldest) = (self.shelf.clone(), current.saturating_sub(self.config.archive));
        self.clerk.tell(move || shelf.forget_before(oldest));
        Ok(())
    }

    fn write_mark(&self, mark: Mark) {
        let shelf = self.shelf.clone();
        self.clerk.tell(move || shelf.write_mark(&mark));
    }

    /// Says how a session ended, until a quorum says the same.
    fn stand_by(&mut self, mark: Mark) {
        let (checkpoint, me) = (mark.checkpoint, self.keys.identity.agent());
        let signature = checkpoint.sign(&self.keys.identity);
        self.links.say_all(&Talk::Ended { checkpoint, signature: signature.clone() });
        self.hear(checkpoint, Consent { agent: me, signature });
        self.unconfirmed.insert(checkpoint.session, mark);
    }

    fn hear(&mut self, checkpoint: Checkpoint, word: Consent) {
        let words = self.words.entry(word.agent).or_default();
        words.insert(checkpoint.session, (checkpoint, word));
        if words.len() > WORDS_MAX {
            // The oldest: with a quorum for a later one it is of no use.
            words.pop_first();
        }
    }

    /// Looks whether a quorum has ended a session.
    fn count_words(&mut self, session: u64) -> Result<(), Halt> {
        let mut by_end: BTreeMap<Checkpoint, Vec<Consent>> = BTreeMap::new();
        for (checkpoint, word) in self.words.values().filter_map(|words| words.get(&session)) {
            by_end.entry(*checkpoint).or_default().push(word.clone());
        }
        let need = quorum(self.keys.members.len());
        match by_end.into_iter().find(|(_, words)| words.len() >= need) {
            Some((checkpoint, consents)) => self.confirm(Certified { checkpoint, consents }),
            None => Ok(()),
        }
    }

    /// A quorum has ended a session.
    fn confirm(&mut self, certified: Certified) -> Result<(), Halt> {
        let session = certified.checkpoint.session;
        if session >= self.sessions.current() {
            let highest = self.behind.is_none_or(|(behind, _)| session > behind);
            if highest {
                let since = self.behind.map_or_else(Instant::now, |(_, since)| since);
                self.behind = Some((session, since));
            }
            return Ok(());
        }
        let Some(mut mark) = self.unconfirmed.remove(&session) else { return Ok(()) };
        if mark.checkpoint != certified.checkpoint {
            return Err(Halt::Split(session));
        }
        self.recent.insert(session, certified.clone());
        while self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
        mark.certified = Some(certified);
        self.write_mark(mark);
        self.runs.remove(&session);
        self.restarts.remove(&session);
        self.links.close_route(session);
        let shelf = self.shelf.clone();
        self.clerk.tell(move || shelf.drop_backup(session));
        self.words.values_mut().for_each(|words| words.retain(|of, _| *of > session));
        Ok(())
    }

    /// A link stands: says how far one is.
    fn on_link(&self, place: usize) {
        for mark in self.unconfirmed.values() {
            let signature = mark.checkpoint.sign(&self.keys.identity);
            self.links.say(place, &Talk::Ended { checkpoint: mark.checkpoint, signature });
        }
        self.say_certified(place, self.confirmed());
    }

    /// The last session that a quorum has ended, as far as this member knows, and all before it.
    fn confirmed(&self) -> Option<u64> {
        self.unconfirmed.keys().next().copied().unwrap_or(self.sessions.current()).checked_sub(1)
    }

    fn say_certified(&self, place: usize, session: Option<u64>) {
        if let Some(certified) = session.and_then(|session| self.certified(session)) {
            self.links.say(place, &Talk::Certified(certified));
        }
    }

    /// The proof of an ended session, if it is kept, and can be read: whatever another asks for, this member goes on.
    fn certified(&self, session: u64) -> Option<Certified> {
        self.recent.get(&session).cloned().or_else(|| self.shelf.mark(session).ok()??.certified)
    }

    fn on_talk(&mut self, place: usize, talk: Talk) -> Result<(), Halt> {
        match talk {
            Talk::Ended { checkpoint, signature } => {
                let agent = self.keys.members[place];
                let session = checkpoint.session;
                let ours = checkpoint.broadcast == self.keys.broadcast;
                if !ours || checkpoint.verify(&self.keys.book, agent, &signature).is_err() {
                    return Ok(());
                }
                if session < self.sessions.current() && !self.unconfirmed.contains_key(&session) {
                    // It lags.
                    self.say_certified(place, Some(session));
                    self.say_certified(place, self.confirmed().filter(|latest| *latest > session));
                    return Ok(());
                }
                self.hear(checkpoint, Consent { agent, signature });
                self.count_words(session)?;
            }
            Talk::Certified(certified) => {
                let new = certified.checkpoint.session >= self.sessions.current()
                    || self.unconfirmed.contains_key(&certified.checkpoint.session);
                if new && self.holds(&certified) {
                    self.confirm(certified)?;
                }
            }
            Talk::Ask { session, from } => self.answer(place, session, from),
            Talk::Piece { session, from, total, certified, bytes } => {
                self.on_piece(place, (session, from, total), certified, &bytes)?;
            }
            Talk::Gone { session, oldest } => self.on_gone(place, session, oldest)?,
        }
        Ok(())
    }

    fn holds(&self, certified: &Certified) -> bool {
        certified.checkpoint.broadcast == self.keys.broadcast
            && certified.verify(&self.keys.book, &self.keys.members).is_ok()
    }

    /// A member wants a piece of a log.
    fn answer(&self, place: usize, session: u64, from: u64) {
        if session >= self.sessions.current() || self.unconfirmed.contains_key(&session) {
            return;
        }
        let piece = self.certified(session).zip(self.shelf.piece(session, from, PIECE_BYTES).ok());
        let talk = match piece {
            Some((certified, (bytes, total))) => {
                let certified = (from == 0).then_some(certified);
                Talk::Piece { session, from, total, certified, bytes }
            }
            None => {
                let Ok(oldest) = self.shelf.oldest() else { return };
                Talk::Gone { session, oldest: oldest.unwrap_or(self.sessions.current()) }
            }
        };
        self.links.say(place, &talk);
    }

    /// Asks a member for the log of the current session; the one after `last`, if one was asked before.
    fn ask(&mut self, last: Option<usize>) -> io::Result<()> {
        let (members, session) = (self.keys.members.len(), self.sessions.current());
        let me = self.keys.place(self.keys.identity.agent()).expect("a member");
        let from = (1..=members).map(|step| (last.unwrap_or(me) + step) % members).find(|place| *place != me);
        let Some(from) = from else { return Ok(()) };
        let log = self.shelf.fetched(session, self.before)?;
        self.fetch = Some(Fetch { session, from, log, promised: None, asked: Instant::now() });
        self.links.say(from, &Talk::Ask { session, from: 0 });
        Ok(())
    }

    /// Bytes that a session's log has at most: each unit a head of 8 bytes, and parcels up to the one that ends it by
    /// bytes, and some more.
    fn log_bytes_max(&self) -> u64 {
        let (length, parcel) = (self.config.length(), PARCEL_BYTES_MAX as u64);
        let parcels = length.bytes.saturating_add((u64::from(length.tail) + 1) * parcel);
        let units = u64::from(length.units);
        units * 8 + parcels.min(units * parcel)
    }

    fn on_piece(
        &mut self,
        place: usize,
        (session, from, total): (u64, u64, u64),
        certified: Option<Certified>,
        bytes: &[u8],
    ) -> Result<(), Halt> {
        let asked = |fetch: &Fetch| (fetch.session, fetch.from, fetch.log.len()) == (session, place, from);
        let Some(mut fetch) = self.fetch.take_if(|fetch| asked(fetch)) else { return Ok(()) };
        if from == 0 {
            let right = |certified: &Certified| certified.checkpoint.session == session && self.holds(certified);
            fetch.promised = certified.filter(right).map(|certified| (certified, total));
        }
        let ends = from + bytes.len() as u64;
        // Pieces are full up to the last, and there are only so many: nobody keeps this member for ever.
        let fits = ends == total || (ends < total && bytes.len() == PIECE_BYTES);
        let promised = fetch.promised.clone().filter(|(_, promised)| *promised == total);
        let Some((proof, _)) = promised.filter(|_| fits && total <= self.log_bytes_max()) else {
            return Ok(self.ask(Some(place))?);
        };
        fetch.log.append_bytes(bytes)?;
        if ends < total {
            self.links.say(place, &Talk::Ask { session, from: ends });
            self.fetch = Some(Fetch { asked: Instant::now(), ..fetch });
            return Ok(());
        }
        if fetch.log.digest() != proof.checkpoint.digest {
            return Ok(self.ask(Some(place))?);
        }
        let Some(mut rest) = fetch.log.take_the_place_of(&mut self.log)? else { return Err(Halt::Split(session)) };
        while let Some((creator, parcel)) = rest.next()? {
            self.admit(creator, &parcel);
        }
        Tally::add(&self.tally.fetched);
        self.sessions.end();
        self.end(Some(proof))?;
        let ahead = self.ahead.remove(&self.sessions.current());
        self.take(ahead.map_or_else(Vec::new, |(_, units)| units))?;
        self.catch_up()
    }

    fn on_gone(&mut self, place: usize, session: u64, oldest: u64) -> Result<(), Halt> {
        let current = self.sessions.current();
        let Some(fetch) = self.fetch.take_if(|fetch| (fetch.session, fetch.from) == (session, place)) else {
            return Ok(());
        };
        self.gone.insert(place, oldest);
        let others = self.keys.members.len() - 1;
        // One of so many does not lie.
        let faults = others / 3;
        if self.gone.len() > faults && !self.stranded {
            self.stranded = true;
            let oldest = self.gone.values().copied().min().unwrap_or(oldest);
            self.tray.put(Event::Stranded { session: current, oldest });
        }
        if self.gone.len() == others {
            // Nobody has it. The next one is asked after a while, as if this one had not answered.
            self.fetch = Some(fetch);
            return Ok(());
        }
        Ok(self.ask(Some(fetch.from))?)
    }

    /// Takes the current session from another, if a quorum has ended it and waiting for its end is of no use; and if its
    /// agent has read what it had before.
    fn catch_up(&mut self) -> Result<(), Halt> {
        let Some((behind, since)) = self.behind.filter(|_| self.tray.has_room()) else { return Ok(()) };
        let last = match &self.fetch {
            Some(fetch) if fetch.asked.elapsed() < ANSWER => return Ok(()),
            Some(fetch) => Some(fetch.from),
            None if behind > self.sessions.current() || since.elapsed() > GRACE => None,
            None => return Ok(()),
        };
        Ok(self.ask(last)?)
    }

    fn on_time(&mut self) -> Result<(), Halt> {
        if self.said.elapsed() > SAY_AGAIN {
            self.said = Instant::now();
            for mark in self.unconfirmed.values() {
                let signature = mark.checkpoint.sign(&self.keys.identity);
                self.links.say_all(&Talk::Ended { checkpoint: mark.checkpoint, signature });
            }
        }
        self.clerk.failed()?;
        self.begin_again(Instant::now())?;
        self.catch_up()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt as _;
    use starling_swarm::byzantine::Item;
    use starling_swarm::identity::{Identity, KeyBook};

    use super::super::UNREAD_MAX;
    use super::*;

    const UNITS: u32 = 400;

    fn identity(agent: u32) -> Identity {
        Identity::new(AgentId(agent), &[agent as u8 + 1; 32])
    }

    fn driver(folder: &std::path::Path) -> Driver {
        let mut book = KeyBook::new();
        (0..4).for_each(|agent| book.insert(AgentId(agent), &identity(agent).public()).unwrap());
        let members: Vec<AgentId> = (0..4).map(AgentId).collect();
        let peers = BTreeMap::new();
        let config = Config { session_units: UNITS, peers, ..Config::new("driver", &members, folder.to_owned()) };
        let keys = super::super::members(&config, identity(0), Arc::new(book)).unwrap();
        let shelf = Shelf::open(folder).unwrap();
        let clerk = Clerk::new("driver").unwrap();
        let (left, outbox) = shelf.outbox(clerk.clone()).unwrap();
        let sessions = Sessions::new(config.length(), members);
        let desk = Arc::new(Desk::new(AgentId(0), &sessions, left, outbox));
        let links = Arc::new(Links::new(keys.clone(), mpsc::channel(1).0));
        let (tray, tally) = (Arc::new(Tray::default()), Arc::new(Tally::default()));
        Driver::new(config, keys, (shelf, clerk), links, desk, tray, tally, (sessions, None)).unwrap()
    }

    /// The n-th unit of an order: a batch of member n mod 4.
    fn unit(n: u64) -> Unit {
        let items = [Item { reads: Vec::new(), writes: Vec::new(), payload: n.to_le_bytes().to_vec() }];
        let mut parcel = Vec::new();
        unit::put(&mut parcel, n / 4, &unit::pack(&items));
        ((n % 4) as u32, Some(Parcel(parcel.into())))
    }

    fn told(driver: &Driver) -> Vec<u64> {
        let payload = |event| match event {
            Event::Batch { batch, .. } => Some(u64::from_le_bytes(batch.items[0].payload[..].try_into().unwrap())),
            Event::Ended(_) => None,
            other => panic!("{other:?}"),
        };
        std::iter::from_fn(|| driver.tray.next(Duration::ZERO)).filter_map(payload).collect()
    }

    fn in_a_runtime(test: impl FnOnce(&mut Driver)) {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(&mut driver(folder.path())) });
    }

    /// A session that dies is ordered again from its first unit: what was told is not told again, and what comes of the
    /// next session meanwhile is not counted twice either.
    #[test]
    fn a_session_that_is_begun_again_goes_on_where_it_was() {
        in_a_runtime(|driver| {
            driver.begin(0).unwrap();
            driver.on_order(0, (0..10).map(unit).collect()).unwrap();
            driver.on_order(1, (400..405).map(unit).collect()).unwrap();
            assert_eq!(told(driver), (0..10).collect::<Vec<u64>>());
            driver.on_over(0);
            driver.on_order(0, (0..6).map(unit).collect()).unwrap();
            driver.on_order(0, (6..13).map(unit).collect()).unwrap();
            assert_eq!((told(driver), driver.sessions.progress().left()), (vec![10, 11, 12], UNITS - 13));
            driver.on_order(0, (13..u64::from(UNITS)).map(unit).collect()).unwrap();
            assert_eq!(driver.sessions.current(), 1);
            driver.clerk.finish();
            let log = driver.shelf.mark(0).unwrap().unwrap().checkpoint.digest;
            let mut straight = driver.shelf.fetched(0, [0; 32]).unwrap();
            for (creator, parcel) in (0..u64::from(UNITS)).map(unit) {
                straight.append(creator, &parcel.unwrap().0).unwrap();
            }
            assert_eq!(log, straight.digest(), "the log is that of an order without an accident");
            assert_eq!(
                driver.sessions.progress().left(),
                UNITS - 5,
                "units that came ahead of their session count now"
            );
        });
    }

    /// Many bytes end a session 48 rounds after they were ordered, also one that is ordered ahead of its turn, or again.
    #[test]
    fn a_session_ends_by_bytes_whoever_orders_it_when() {
        let tail = u64::from(4 * OVERLAP_ROUNDS);
        in_a_runtime(|driver| {
            driver.config.session_bytes = 300;
            driver.sessions = Sessions::new(driver.config.length(), (0..4).map(AgentId));
            // A unit carries 24 bytes or a little more: the thirteenth brings it to 300.
            let bytes = |n: u64| carried(&unit(n)) as u64;
            let crossing = (1..).find(|n| (0..*n).map(bytes).sum::<u64>() >= 300).unwrap();
            assert!(crossing + tail < u64::from(UNITS), "{crossing}");
            driver.begin(0).unwrap();
            let first = crossing + tail;
            // The next session orders more than counts before its turn has come.
            driver.on_order(1, (first..first + 2 * u64::from(UNITS)).map(unit).collect()).unwrap();
            let (progress, ahead) = &driver.ahead[&1];
            assert_eq!((progress.left(), ahead.len() < UNITS as usize), (0, true));
            let second = first + ahead.len() as u64;
            driver.on_order(0, (0..first - 1).map(unit).collect()).unwrap();
            assert_eq!((driver.sessions.current(), driver.sessions.progress().left()), (0, 1));
            // It dies before its last unit and is ordered again, more than it has.
            driver.on_over(0);
            driver.on_order(0, (0..first + 50).map(unit).collect()).unwrap();
            assert_eq!((driver.sessions.current(), driver.sessions.progress().left()), (2, UNITS));
            assert_eq!(told(driver), (0..second).collect::<Vec<u64>>());
        });
    }

    /// Others sign how a session ended here.
    fn confirm(driver: &mut Driver, session: u64) {
        let checkpoint = driver.unconfirmed[&session].checkpoint;
        for agent in 1..3 {
            let signature = checkpoint.sign(&identity(agent));
            driver.on_talk(agent as usize, Talk::Ended { checkpoint, signature }).unwrap();
        }
        assert!(driver.unconfirmed.is_empty());
    }

    /// A liar may make sessions die as often as he likes: that slows this member down, and does not stop it.
    #[test]
    fn a_session_that_always_dies_is_begun_again_later_each_time() {
        fn die(driver: &mut Driver, times: u32) {
            driver.begin(0).unwrap();
            for time in 0..times {
                let before = Instant::now();
                driver.on_over(0);
                driver.on_over(7);
                let (_, due) = driver.restarts[&0];
                let wait = (RESTART[0] * (1 << time.min(10))).min(RESTART[1]);
                assert!((before + wait..=Instant::now() + wait).contains(&due), "{time}");
                driver.begin_again(before).unwrap();
                assert!(!driver.runs.contains_key(&0));
                driver.begin_again(due).unwrap();
                assert!(driver.runs.contains_key(&0));
            }
        }
        in_a_runtime(|driver| die(driver, 70));
        // Also one that has ended here, as long as others may need it to end it.
        in_a_runtime(|driver| {
            driver.on_order(0, (0..u64::from(UNITS)).map(unit).collect()).unwrap();
            die(driver, 70);
            driver.on_over(0);
            confirm(driver, 0);
            driver.begin_again(Instant::now() + 2 * RESTART[1]).unwrap();
            assert!(!driver.runs.contains_key(&0), "its backup is gone: it would contradict itself");
        });
    }

    /// The broadcast waits for seconds for a silent member before it makes the first unit of a session.
    #[test]
    fn the_next_session_is_begun_with_the_current_one_and_makes_no_unit_before_its_time() {
        in_a_runtime(|driver| {
            let before = u64::from(UNITS - 4 * (OVERLAP_ROUNDS + 1));
            driver.begin(0).unwrap();
            driver.on_order(0, (0..before).map(unit).collect()).unwrap();
            driver.clerk.finish();
            let Ok(Report::Files(1, files)) = driver.reported.try_recv() else { panic!("the first that is reported") };
            driver.on_files(1, files.unwrap());
            let made = |driver: &Driver| driver.desk.parcel(1).now_or_never().is_some();
            assert_eq!((driver.runs.len(), made(driver)), (2, false));
            driver.on_order(0, vec![unit(before)]).unwrap();
            assert!(made(driver));
        });
    }

    /// Whatever others ask for, in whatever state the files are, it goes on.
    #[test]
    fn no_question_stops_it() {
        in_a_runtime(|driver| {
            driver.on_order(0, (0..u64::from(UNITS)).map(unit).collect()).unwrap();
            confirm(driver, 0);
            driver.clerk.finish();
            let answers = |driver: &mut Driver, from: u64| {
                let before = driver.links.dropped();
                driver.on_talk(3, Talk::Ask { session: 0, from }).unwrap();
                // There is no link: what it says is dropped, and counted.
                driver.links.dropped() - before
            };
            for from in [0, 1, u64::MAX / 2, u64::MAX] {
                assert_eq!(answers(driver, from), 1, "{from}");
            }
            let log = driver.config.folder.join("000000000000.log");
            std::fs::remove_file(&log).unwrap();
            std::fs::create_dir(log).unwrap();
            assert_eq!(answers(driver, 0), 1, "that it is gone");
            driver.recent.clear();
            let mark = driver.config.folder.join("000000000000.mark");
            std::fs::remove_file(&mark).unwrap();
            std::fs::create_dir(mark).unwrap();
            assert_eq!(answers(driver, 0), 1);
            let checkpoint = Checkpoint { broadcast: driver.keys.broadcast, session: 0, digest: [0; 32] };
            let signature = checkpoint.sign(&identity(3));
            driver.on_talk(3, Talk::Ended { checkpoint, signature }).unwrap();
            std::fs::remove_dir_all(&driver.config.folder).unwrap();
            assert_eq!(answers(driver, 0), 0);
        });
    }

    fn certified(driver: &Driver, session: u64, digest: [u8; 32]) -> Certified {
        let checkpoint = Checkpoint { broadcast: driver.keys.broadcast, session, digest };
        let word = |agent| Consent { agent: AgentId(agent), signature: checkpoint.sign(&identity(agent)) };
        Certified { checkpoint, consents: (1..4).map(word).collect() }
    }

    /// It learns that others are two sessions ahead.
    fn fall_behind(driver: &mut Driver) {
        let ahead = certified(driver, 1, [9; 32]);
        driver.on_talk(2, Talk::Certified(ahead)).unwrap();
        driver.on_time().unwrap();
    }

    /// Whom it asks, and how much it has.
    fn asks(driver: &Driver) -> Option<(usize, usize)> {
        driver.fetch.as_ref().map(|fetch| (fetch.from, fetch.log.len() as usize))
    }

    /// Others may send pieces that are too small, or promise more and more: each is asked once, and then the next.
    #[test]
    fn nobody_strings_it_along() {
        in_a_runtime(|driver| {
            let mut straight = driver.shelf.fetched(0, [0; 32]).unwrap();
            (0..4).for_each(|creator| straight.append(creator, &[7; 100_000]).unwrap());
            let proof = certified(driver, 0, straight.digest());
            let log = std::fs::read(driver.config.folder.join("000000000000.fetched")).unwrap();
            let all = log.len() as u64;
            fall_behind(driver);
            assert_eq!(asks(driver), Some((1, 0)));
            let piece = |driver: &mut Driver, place: usize, from: usize, bytes: usize, total: u64| {
                let (certified, bytes) = ((from == 0).then(|| proof.clone()), log[from..from + bytes].to_vec());
                driver.on_talk(place, Talk::Piece { session: 0, from: from as u64, total, certified, bytes }).unwrap();
                asks(driver)
            };
            assert_eq!(piece(driver, 1, 0, 1, all), Some((2, 0)));
            let most = driver.log_bytes_max();
            assert_eq!(piece(driver, 2, 0, PIECE_BYTES, most + 1), Some((3, 0)));
            assert_eq!(piece(driver, 3, 0, PIECE_BYTES, most), Some((3, PIECE_BYTES)));
            let rest = log.len() - PIECE_BYTES;
            assert_eq!(piece(driver, 3, PIECE_BYTES, rest, all), Some((1, 0)), "it had promised more");
            assert_eq!(piece(driver, 1, 0, PIECE_BYTES, all), Some((1, PIECE_BYTES)));
            assert_eq!(piece(driver, 1, PIECE_BYTES, 0, all), Some((2, 0)));
            assert_eq!(piece(driver, 2, 0, PIECE_BYTES, all), Some((2, PIECE_BYTES)));
            piece(driver, 2, PIECE_BYTES, rest, all);
            assert_eq!((driver.sessions.current(), driver.tally.fetched.load(Ordering::Relaxed)), (1, 1));
        });
    }

    /// No log is longer, and one may be as long.
    #[test]
    fn a_log_has_no_more_bytes_than_a_session_may_order() {
        in_a_runtime(|driver| {
            driver.config.session_bytes = 300;
            let (length, mut bytes) = (driver.config.length(), 0);
            let mut progress = Progress::new(length);
            let mut order = |carried: usize| {
                progress.count(carried);
                bytes += 8 + carried as u64;
                progress.left()
            };
            (0..UNITS - length.tail - 2).for_each(|_| assert!(order(0) > length.tail));
            order(299);
            while order(PARCEL_BYTES_MAX) > 0 {}
            assert_eq!((progress.ordered(), bytes), (UNITS, driver.log_bytes_max() - 1));
        });
    }

    /// Once all others have said so, it asks again in its own time only.
    #[test]
    fn a_log_that_nobody_has_is_asked_for_without_hurry() {
        in_a_runtime(|driver| {
            fall_behind(driver);
            let gone = |driver: &mut Driver, place: usize| {
                let before = driver.links.dropped();
                driver.on_talk(place, Talk::Gone { session: 0, oldest: 5 }).unwrap();
                driver.on_time().unwrap();
                (asks(driver).unwrap().0, driver.links.dropped() - before)
            };
            assert_eq!([gone(driver, 1), gone(driver, 2), gone(driver, 3)], [(2, 1), (3, 1), (3, 0)]);
            assert_eq!(gone(driver, 3), (3, 0));
            assert!(matches!(driver.tray.next(Duration::ZERO), Some(Event::Stranded { session: 0, oldest: 5 })));
            driver.fetch.as_mut().unwrap().asked -= 2 * ANSWER;
            driver.on_time().unwrap();
            assert_eq!((asks(driver), gone(driver, 1)), (Some((1, 0)), (1, 0)));
        });
    }

    #[test]
    fn it_does_not_catch_up_while_its_agent_does_not_read() {
        in_a_runtime(|driver| {
            let items = vec![Item { reads: Vec::new(), writes: Vec::new(), payload: vec![0; UNREAD_MAX] }];
            let batch = Batch { origin: AgentId(1), number: 0, items };
            driver.tray.put(Event::Batch { session: 0, batch });
            fall_behind(driver);
            assert_eq!(asks(driver), None);
            assert!(driver.tray.next(Duration::ZERO).is_some());
            driver.on_time().unwrap();
            assert_eq!(asks(driver), Some((1, 0)));
        });
    }

    /// An end is told before it is on disk. If the process dies in between the session is under way again, and an agent
    /// that has kept the state of its end is told nothing of it.
    #[test]
    fn a_session_whose_end_the_agent_knows_is_ordered_in_silence() {
        in_a_runtime(|driver| {
            driver.config.from = 1;
            driver.on_order(0, (0..u64::from(UNITS)).map(unit).collect()).unwrap();
            assert!(driver.tray.next(Duration::ZERO).is_none());
            driver.on_order(1, vec![unit(u64::from(UNITS))]).unwrap();
            assert_eq!(told(driver), [u64::from(UNITS)]);
        });
    }

    /// What was told of a session is told again, or there is an error: not something else, and not less.
    #[test]
    fn a_log_that_has_changed_is_found_out() {
        in_a_runtime(|driver| {
            driver.on_order(0, (0..u64::from(UNITS)).map(unit).collect()).unwrap();
            confirm(driver, 0);
            driver.clerk.finish();
            let first = told(driver);
            let marks = driver.shelf.marks().unwrap();
            let tell = |driver: &mut Driver| driver.tell_again(&marks).now_or_never().unwrap();
            tell(driver).unwrap();
            assert_eq!(told(driver), first);
            let path = driver.config.folder.join("000000000000.log");
            let log = std::fs::read(&path).unwrap();
            let last = log.len() - 8 - carried(&unit(u64::from(UNITS) - 1));
            let mut other = log.clone();
            *other.last_mut().unwrap() ^= 1;
            for changed in [&other[..], &log[..last], &log[..last - 1]] {
                std::fs::write(&path, changed).unwrap();
                assert!(tell(driver).is_err());
                told(driver);
            }
        });
    }

    /// Three others sign another end than this member has seen.
    #[test]
    fn it_stops_if_a_quorum_saw_something_else() {
        in_a_runtime(|driver| {
            driver.on_order(0, (0..u64::from(UNITS)).map(unit).collect()).unwrap();
            let mut checkpoint = driver.unconfirmed[&0].checkpoint;
            checkpoint.digest[0] ^= 1;
            let mut say = |agent: u32| {
                let signature = checkpoint.sign(&identity(agent));
                driver.on_talk(agent as usize, Talk::Ended { checkpoint, signature })
            };
            assert!(say(1).is_ok() && say(1).is_ok() && say(2).is_ok());
            assert!(matches!(say(3), Err(Halt::Split(0))));
        });
    }
}
