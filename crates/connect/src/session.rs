//! One connection's life as a state machine: connect, subscribe, live, and again, without end.
//!
//! Time and what happened go in, [`Action`]s come out. Invariants: there is at most one connection attempt or connection at
//! a time; nothing is sent faster than the venue allows; every wait has a limit; only [`Session::stop`] or a fault that
//! retrying cannot heal ([`Session::refused`]) ends it. It reads no frames: [`crate::ingest`] does.

use std::collections::VecDeque;

use starling_core::time::{SECOND, UnixNanos};
use starling_sim::rng::SplitMix64;

use crate::backoff::{BACKOFF_BASE_NS, BACKOFF_CAP_NS, Backoff};
use crate::dialect::{Dialect, Secret, Topic};
use crate::limit::Bucket;

/// How long a connection may take to open, nanoseconds.
pub const CONNECT_MAX_NS: u64 = 10 * SECOND;
/// How long the venue may take to confirm subscriptions, nanoseconds.
pub const SUBSCRIBE_MAX_NS: u64 = 10 * SECOND;

/// How a session comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Bound of the first wait, nanoseconds.
    pub base_ns: u64,
    /// Bound of every wait, nanoseconds.
    pub cap_ns: u64,
    /// A connection that lived this long has proved itself: the next failure starts with a short wait again.
    pub proven_ns: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { base_ns: BACKOFF_BASE_NS, cap_ns: BACKOFF_CAP_NS, proven_ns: 5 * SECOND }
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection; answer with [`Session::opened`], [`Session::closed`] or [`Session::refused`].
    Connect,
    /// Send a text message.
    Send(String),
    /// Send a text message that nobody else may see.
    Login(Secret),
    /// Send a ping of the protocol.
    Ping,
    /// Close the connection, or break off opening it; answer with [`Session::closed`].
    Close(Close),
}

/// Why we close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Nothing came for too long.
    Idle,
    /// Opening took too long.
    ConnectTimeout,
    /// Subscriptions were not confirmed.
    Unconfirmed,
    /// The venue's limit on a connection's life is near.
    Rotate,
    /// A book is needed anew, which this venue gives to a new connection only.
    Renew,
    /// We were told to.
    Stop,
}

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not connected, until this time.
    Waiting(UnixNanos),
    /// Opening since.
    Connecting(UnixNanos),
    /// Open, subscribing since.
    Subscribing(UnixNanos),
    /// Subscribed since.
    Live(UnixNanos),
    /// Closing since: the close has been asked for.
    Closing(UnixNanos),
    /// For ever.
    Ended,
}

/// One connection's life.
#[derive(Debug)]
pub struct Session {
    dialect: &'static Dialect,
    messages: Vec<String>,
    login: Option<Secret>,
    /// Confirmations that make a connection live.
    needed: usize,
    phase: Phase,
    stopping: bool,
    proven_ns: u64,
    backoff: Backoff,
    rng: SplitMix64,
    bucket: Bucket,
    outbox: VecDeque<String>,
    answered: usize,
    login_due: bool,
    renew: bool,
    login_refused: bool,
    opened_at: UnixNanos,
    heard: UnixNanos,
    pinged: UnixNanos,
}

impl Session {
    /// Not connected yet; the first [`Session::poll`] asks to. The seed is for the jitter of waits.
    #[must_use]
    pub fn new(dialect: &'static Dialect, topics: &[Topic], retry: Retry, seed: u64) -> Self {
        let messages = (dialect.subscribe)(topics);
        Self {
            dialect,
            needed: dialect.greetings + dialect.confirmations(topics, &messages),
            messages,
            login: None,
            phase: Phase::Waiting(UnixNanos::EPOCH),
            stopping: false,
            proven_ns: retry.proven_ns,
            backoff: Backoff::new(retry.base_ns, retry.cap_ns),
            rng: SplitMix64::new(seed),
            bucket: Bucket::per_second(dialect.messages_per_second, dialect.messages_per_second),
            outbox: VecDeque::new(),
            answered: 0,
            login_due: false,
            renew: false,
            login_refused: false,
            opened_at: UnixNanos::EPOCH,
            heard: UnixNanos::EPOCH,
            pinged: UnixNanos::EPOCH,
        }
    }

    /// With what [`Dialect::login_message`] gave.
    #[must_use]
    pub fn with_login(mut self, login: Option<Secret>) -> Self {
        self.needed += usize::from(login.is_some()) - usize::from(self.login.is_some());
        self.login = login;
        self
    }

    /// Where it is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The venue's name.
    #[must_use]
    pub const fn venue(&self) -> &'static str {
        self.dialect.name
    }

    /// True if it ended because the venue does not know the keys.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.login_refused
    }

    /// True once subscribed.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// The connection is open.
    pub fn opened(&mut self, now: UnixNanos) {
        self.phase = Phase::Subscribing(now);
        (self.opened_at, self.heard, self.pinged) = (now, now, now);
        self.outbox.clear();
        self.outbox.extend(self.messages.iter().cloned());
        (self.answered, self.login_due, self.renew) = (0, self.login.is_some(), false);
    }

    /// A frame came, of any kind.
    #[inline]
    pub fn heard(&mut self, now: UnixNanos) {
        self.heard = now;
    }

    /// The venue confirmed something.
    pub fn confirmed(&mut self, now: UnixNanos) {
        self.answered = self.answered.saturating_add(1);
        if self.answered >= self.needed && matches!(self.phase, Phase::Subscribing(_)) {
            self.phase = Phase::Live(now);
        }
    }

    /// The venue refused something, in these words. A refused subscription is an answer too: the others go on without it.
    /// True if it was the login and trying again is no use: this ends the session.
    pub fn declined(&mut self, said: &[u8], now: UnixNanos) -> bool {
        let logging_in = self.login.is_some() && self.answered <= self.dialect.greetings;
        if logging_in && self.dialect.login.is_some_and(|login| (login.is_final)(said)) {
            self.login_refused = true;
            self.refused();
            return true;
        }
        // A refused login is none: the wait for its confirmation ends in another attempt.
        if !logging_in {
            self.confirmed(now);
        }
        false
    }

    /// Subscribes to these anew, for their snapshots.
    pub fn renew(&mut self, topics: &[Topic]) {
        match self.dialect.unsubscribe {
            _ if !self.is_live() => {}
            Some(unsubscribe) => {
                self.outbox.extend(unsubscribe(topics));
                self.outbox.extend((self.dialect.subscribe)(topics));
            }
            None => self.renew = true,
        }
    }

    /// The connection is closed, or could not be opened. Gives how long until the next attempt.
    pub fn closed(&mut self, now: UnixNanos) -> u64 {
        self.outbox.clear();
        if self.stopping || self.phase == Phase::Ended {
            self.phase = Phase::Ended;
            return 0;
        }
        let was_open = !matches!(self.phase, Phase::Connecting(_) | Phase::Waiting(_));
        if was_open && now.since(self.opened_at) >= self.proven_ns {
            self.backoff.reset();
        }
        let wait = self.backoff.next_ns(&mut self.rng);
        self.phase = Phase::Waiting(now.saturating_add(wait));
        wait
    }

    /// The venue said when to come back (HTTP 429 or 418 with `Retry-After`): not before that.
    pub fn not_before(&mut self, then: UnixNanos) {
        if let Phase::Waiting(until) = &mut self.phase {
            *until = (*until).max(then);
        }
    }

    /// The other side cannot be trusted (its certificate): there will be no further attempt.
    pub fn refused(&mut self) {
        self.phase = Phase::Ended;
    }

    /// Close, and stay closed.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// What to do now; call it after every input and when [`Session::wake`] says.
    pub fn poll(&mut self, now: UnixNanos, out: &mut Vec<Action>) {
        if self.stopping && !matches!(self.phase, Phase::Closing(_) | Phase::Ended) {
            let open = !matches!(self.phase, Phase::Waiting(_));
            if open {
                self.close(Close::Stop, now, out);
            } else {
                self.phase = Phase::Ended;
            }
            return;
        }
        match self.phase {
            Phase::Waiting(until) if now >= until => {
                self.phase = Phase::Connecting(now);
                out.push(Action::Connect);
            }
            Phase::Connecting(since) if now.since(since) >= CONNECT_MAX_NS => {
                self.close(Close::ConnectTimeout, now, out);
            }
            Phase::Subscribing(since) if now.since(since) >= self.subscribe_max_ns() => {
                self.close(Close::Unconfirmed, now, out);
            }
            Phase::Subscribing(_) | Phase::Live(_) => self.keep(now, out),
            _ => {}
        }
    }

    /// Many messages take longer to send than one.
    fn subscribe_max_ns(&self) -> u64 {
        SUBSCRIBE_MAX_NS + self.messages.len() as u64 * SECOND / self.dialect.messages_per_second
    }

    fn keep(&mut self, now: UnixNanos, out: &mut Vec<Action>) {
        if now.since(self.heard) >= self.dialect.idle_max_ns {
            return self.close(Close::Idle, now, out);
        }
        if now.since(self.opened_at) >= self.dialect.life_max_ns {
            return self.close(Close::Rotate, now, out);
        }
        if self.renew {
            return self.close(Close::Renew, now, out);
        }
        if self.login_due && self.answered >= self.dialect.greetings && self.bucket.take(1, now) {
            self.login_due = false;
            out.extend(self.login.clone().map(Action::Login));
        }
        let admitted = self.login.is_none() || self.answered > self.dialect.greetings;
        while admitted && !self.outbox.is_empty() && self.bucket.take(1, now) {
            out.extend(self.outbox.pop_front().map(Action::Send));
        }
        // Venues count pings as messages.
        if now.since(self.pinged) >= self.dialect.ping_every_ns && self.bucket.take(1, now) {
            self.pinged = now;
            out.push(self.dialect.ping_text.map_or(Action::Ping, |text| Action::Send(text.to_owned())));
        }
    }

    fn close(&mut self, why: Close, now: UnixNanos, out: &mut Vec<Action>) {
        self.phase = Phase::Closing(now);
        out.push(Action::Close(why));
    }

    /// When to call [`Session::poll`] again if nothing happens before.
    #[must_use]
    pub fn wake(&self, now: UnixNanos) -> UnixNanos {
        match self.phase {
            Phase::Waiting(until) => until,
            Phase::Connecting(since) => since.saturating_add(CONNECT_MAX_NS),
            // What waits for a confirmation is woken by it.
            Phase::Subscribing(since) if self.login.is_some() => since.saturating_add(self.subscribe_max_ns()),
            Phase::Subscribing(_) if !self.outbox.is_empty() => self.bucket.ready_at(1).max(now),
            Phase::Subscribing(since) => since.saturating_add(self.subscribe_max_ns()),
            Phase::Live(_) => {
                let idle = self.heard.saturating_add(self.dialect.idle_max_ns);
                let ping = self.pinged.saturating_add(self.dialect.ping_every_ns);
                idle.min(ping)
            }
            Phase::Closing(since) => since.saturating_add(CONNECT_MAX_NS),
            Phase::Ended => UnixNanos::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Channel;

    const T0: u64 = 1_723_161_253 * SECOND;

    fn at(ms: u64) -> UnixNanos {
        UnixNanos::new(T0 + ms * 1_000_000)
    }

    fn session(topics: usize) -> Session {
        let topic = |n| Topic { symbol: format!("S{n}"), channel: Channel::Trade };
        let topics: Vec<Topic> = (0..topics).map(topic).collect();
        Session::new(Dialect::named("binance-spot").unwrap(), &topics, Retry::default(), 1)
    }

    fn poll(session: &mut Session, now: UnixNanos) -> Vec<Action> {
        let mut out = Vec::new();
        session.poll(now, &mut out);
        out
    }

    #[test]
    fn connects_subscribes_and_is_live_once_all_is_confirmed() {
        let mut s = session(800);
        assert_eq!(poll(&mut s, at(0)), [Action::Connect]);
        assert_eq!(poll(&mut s, at(1)), []);
        s.opened(at(10));
        // Eight messages at five a second.
        assert_eq!(poll(&mut s, at(10)).len(), 5);
        assert_eq!(poll(&mut s, at(11)).len(), 0);
        let then = s.wake(at(11));
        assert_eq!(poll(&mut s, then).len(), 1);
        assert_eq!(poll(&mut s, at(610)).len(), 2);
        for n in 0..8 {
            assert!(!s.is_live(), "{n}");
            s.confirmed(at(700));
        }
        assert!(s.is_live());
    }

    #[test]
    fn every_wait_ends() {
        let mut s = session(1);
        poll(&mut s, at(0));
        assert_eq!(poll(&mut s, at(10_000)), [Action::Close(Close::ConnectTimeout)]);
        let wait = s.closed(at(10_000));
        assert!(wait <= 250_000_000);
        let then = s.wake(at(0));
        assert_eq!(poll(&mut s, then), [Action::Connect]);
        s.opened(at(11_000));
        poll(&mut s, at(11_000));
        s.heard(at(21_000));
        assert_eq!(poll(&mut s, at(21_200)), [Action::Close(Close::Unconfirmed)]);
        s.closed(at(21_200));
        let then = s.wake(at(0));
        poll(&mut s, then);
        s.opened(at(30_000));
        poll(&mut s, at(30_000));
        s.confirmed(at(30_001));
        assert_eq!(poll(&mut s, at(45_000)), [Action::Ping]);
        assert_eq!(poll(&mut s, at(60_000)), [Action::Close(Close::Idle)]);
    }

    #[test]
    fn a_connection_is_rotated_before_the_venue_cuts_it() {
        let mut s = session(1);
        poll(&mut s, at(0));
        s.opened(at(0));
        s.confirmed(at(0));
        let end = UnixNanos::new(T0 + s.dialect.life_max_ns);
        s.heard(end);
        assert_eq!(poll(&mut s, end), [Action::Close(Close::Rotate)]);
        assert!(s.closed(end) <= 250_000_000, "a connection that lived is not punished");
    }

    #[test]
    fn failures_wait_longer_each_time_and_never_end() {
        let (mut s, mut now) = (session(1), at(0));
        let mut longest = 0;
        for _ in 0..500 {
            assert_eq!(poll(&mut s, now), [Action::Connect]);
            longest = longest.max(s.closed(now));
            now = s.wake(now);
        }
        assert!(longest > 50 * SECOND && longest <= 60 * SECOND);
        // A short life resets nothing.
        poll(&mut s, now);
        s.opened(now);
        s.confirmed(now);
        let mut waits: Vec<u64> = Vec::new();
        for _ in 0..20 {
            waits.push(s.closed(now.saturating_add(SECOND)));
        }
        assert!(waits.iter().any(|w| *w > SECOND));
    }

    fn alpaca() -> Session {
        let dialect = Dialect::named("alpaca-iex").unwrap();
        let topic = Topic { symbol: "AAPL".into(), channel: Channel::Trade };
        let login = dialect.login_message(|name| Some(format!("<{name}>"))).unwrap();
        let mut s = Session::new(dialect, &[topic], Retry::default(), 1).with_login(login);
        poll(&mut s, at(0));
        s.opened(at(0));
        s
    }

    #[test]
    fn a_login_waits_for_the_greeting_and_subscriptions_wait_for_the_login() {
        let mut s = alpaca();
        assert_eq!(poll(&mut s, at(1)), []);
        s.confirmed(at(2));
        let told = poll(&mut s, at(2));
        let [Action::Login(secret)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(secret.reveal(), r#"{"action":"auth","key":"<APCA_API_KEY_ID>","secret":"<APCA_API_SECRET_KEY>"}"#);
        assert_eq!(format!("{told:?}"), "[Login(Secret(..))]", "a key is never written");
        assert_eq!(poll(&mut s, at(3)), []);
        s.confirmed(at(4));
        assert_eq!(poll(&mut s, at(4)), [Action::Send(r#"{"action":"subscribe","trades":["AAPL"]}"#.into())]);
        assert!(!s.is_live());
        s.confirmed(at(5));
        assert!(s.is_live());
    }

    #[test]
    fn wrong_keys_end_it_and_other_refusals_do_not() {
        let mut s = alpaca();
        s.confirmed(at(1));
        assert!(!s.declined(b"connection limit exceeded", at(2)));
        assert_eq!(poll(&mut s, at(12_000)), [Action::Close(Close::Unconfirmed)]);
        let mut s = alpaca();
        s.confirmed(at(1));
        assert!(s.declined(b"auth failed", at(2)));
        assert_eq!(s.phase(), Phase::Ended);
        // One of two subscriptions is refused: the other goes on.
        let mut s = alpaca();
        s.needed += 1;
        (0..3).for_each(|n| s.confirmed(at(n)));
        assert!(!s.is_live() && !s.declined(b"symbol limit exceeded", at(9)) && s.is_live());
    }

    #[test]
    fn a_book_is_had_anew_by_subscribing_anew_or_where_that_cannot_be_by_connecting_anew() {
        let topic = Topic { symbol: "BTC-USDT".into(), channel: Channel::Book };
        let mut s = Session::new(Dialect::named("okx").unwrap(), std::slice::from_ref(&topic), Retry::default(), 1);
        poll(&mut s, at(0));
        s.opened(at(0));
        let subscribed = poll(&mut s, at(0));
        s.confirmed(at(1));
        s.renew(std::slice::from_ref(&topic));
        let renewed = poll(&mut s, at(2));
        assert_eq!(renewed.len(), 2);
        assert_eq!(renewed[1], subscribed[0]);
        assert!(matches!(&renewed[0], Action::Send(text) if text.contains("\"unsubscribe\"")), "{renewed:?}");
        assert!(s.is_live());

        let topic = Topic { symbol: "tBTCUSD".into(), channel: Channel::Book };
        let mut s =
            Session::new(Dialect::named("bitfinex").unwrap(), std::slice::from_ref(&topic), Retry::default(), 1);
        poll(&mut s, at(0));
        s.opened(at(0));
        (0..3).for_each(|_| s.confirmed(at(1)));
        assert!(s.is_live());
        poll(&mut s, at(1));
        s.renew(&[topic]);
        assert_eq!(poll(&mut s, at(2)), [Action::Close(Close::Renew)]);
    }

    #[test]
    fn stop_and_refusal_end_it() {
        let mut s = session(1);
        poll(&mut s, at(0));
        s.opened(at(0));
        s.stop();
        assert_eq!(poll(&mut s, at(1)), [Action::Close(Close::Stop)]);
        assert_eq!((s.closed(at(2)), s.phase()), (0, Phase::Ended));
        let mut s = session(1);
        poll(&mut s, at(0));
        s.refused();
        assert_eq!((poll(&mut s, at(1_000_000)), s.wake(at(0))), (vec![], UnixNanos::MAX));
    }

    #[test]
    fn retry_after_is_obeyed() {
        let mut s = session(1);
        poll(&mut s, at(0));
        s.closed(at(1));
        s.not_before(at(120_000));
        assert_eq!(poll(&mut s, at(119_999)), []);
        assert_eq!(poll(&mut s, at(120_000)), [Action::Connect]);
    }
}
