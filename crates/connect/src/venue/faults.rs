//! Faults on demand: which frames are dropped, repeated, swapped, delayed or preceded by rubbish, and when the line breaks.
//!
//! Invariants: the same seed, specification and frames give the same faults; each is in the log, with the number of the
//! frame it befell; the last [`FaultSpec::calm`] frames of a tape are left alone, so that everything lost before can be
//! noticed by what follows. Only data is touched, never answers to a client's requests.

use std::str::FromStr;
use std::time::Duration;

use hyper::body::Bytes;
use starling_sim::rng::SplitMix64;

/// Faults kept in the log; more are counted, not listed.
pub const LOG_MAX: usize = 1_000_000;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The frame is not sent.
    Drop,
    /// It is sent twice.
    Duplicate,
    /// It is sent after the one that follows it.
    Reorder,
    /// Nothing is sent for a while.
    Stall,
    /// The connection is cut, without a closing handshake.
    Disconnect,
    /// Bytes that are no message are sent before it.
    Garbage,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Drop, Self::Duplicate, Self::Reorder, Self::Stall, Self::Disconnect, Self::Garbage];

    /// Its name in a specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Stall => "stall",
            Self::Disconnect => "disconnect",
            Self::Garbage => "garbage",
        }
    }
}

/// How often each fault happens, as a share of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSpec {
    /// By the order of [`Fault::ALL`].
    pub rates: [f64; 6],
    /// How long a stall lasts.
    pub stall: Duration,
    /// Frames at the end of the tape that nothing happens to.
    pub calm: u64,
}

impl Default for FaultSpec {
    fn default() -> Self {
        Self { rates: [0.0; 6], stall: Duration::from_millis(500), calm: 1_000 }
    }
}

/// A specification that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault `{0}` is not understood: use NAME=SHARE with NAME one of drop, duplicate, reorder, stall, disconnect, garbage \
     and SHARE from 0 to 1, stall_ms=MILLISECONDS, calm=FRAMES; several with commas"
)]
pub struct FaultSpecError(String);

impl FromStr for FaultSpec {
    type Err = FaultSpecError;

    /// `drop=0.001,disconnect=0.0001,stall_ms=300`
    fn from_str(text: &str) -> Result<Self, FaultSpecError> {
        let mut spec = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let error = || FaultSpecError(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(error)?;
            if name == "stall_ms" {
                spec.stall = Duration::from_millis(value.parse().map_err(|_| error())?);
            } else if name == "calm" {
                spec.calm = value.parse().map_err(|_| error())?;
            } else {
                let at = Fault::ALL.iter().position(|fault| fault.name() == name).ok_or_else(error)?;
                let rate: f64 = value.parse().map_err(|_| error())?;
                if !(0.0..=1.0).contains(&rate) {
                    return Err(error());
                }
                spec.rates[at] = rate;
            }
        }
        Ok(spec)
    }
}

/// A fault that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injected {
    /// Which connection, counted from 0.
    pub client: u64,
    /// Which frame of the tape.
    pub frame: u64,
    /// What.
    pub fault: Fault,
}

/// What goes out to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Out {
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// Nothing for a while.
    Pause(Duration),
    /// Cut the line.
    Cut,
}

/// The faults of one client's connection.
#[derive(Debug)]
pub struct Injector {
    spec: FaultSpec,
    rng: SplitMix64,
    client: u64,
    held: Option<Bytes>,
}

impl Injector {
    /// Its own sequence for every client of a seed.
    #[must_use]
    pub fn new(spec: FaultSpec, seed: u64, client: u64) -> Self {
        // The multiplier spreads neighbouring clients over the seeds.
        let rng = SplitMix64::new(seed ^ (client + 1).wrapping_mul(0xD129_0E5A_7C15_6E4B));
        Self { spec, rng, client, held: None }
    }

    /// What becomes of a frame. `left` frames follow it on the tape.
    pub fn pass(&mut self, frame: u64, left: u64, text: Bytes, log: &mut Vec<Injected>, out: &mut Vec<Out>) {
        let mut happens = [false; 6];
        if left >= self.spec.calm {
            for (happens, rate) in happens.iter_mut().zip(self.spec.rates) {
                // A draw for each rate, so that changing one changes no other's frames.
                *happens = rate > 0.0 && self.rng.next_f64() < rate;
            }
        }
        let [dropped, duplicate, reorder, stall, disconnect, garbage] = happens;
        for fault in Fault::ALL.into_iter().zip(happens).filter_map(|(fault, happens)| happens.then_some(fault)) {
            if log.len() < LOG_MAX {
                log.push(Injected { client: self.client, frame, fault });
            }
        }
        if stall {
            out.push(Out::Pause(self.spec.stall));
        }
        if garbage {
            out.push(self.garbage(&text));
        }
        if disconnect {
            out.push(Out::Cut);
        }
        let released = self.held.take();
        if reorder && !dropped {
            self.held = Some(text.clone());
        } else if !dropped {
            out.push(Out::Text(text.clone()));
        }
        if duplicate && !dropped {
            out.push(Out::Text(text));
        }
        out.extend(released.map(Out::Text));
    }

    /// Lets go what waits to be swapped.
    pub fn finish(&mut self, out: &mut Vec<Out>) {
        out.extend(self.held.take().map(Out::Text));
    }

    fn garbage(&mut self, text: &Bytes) -> Out {
        match self.rng.next_u64() % 3 {
            // Broken off: a whole message never ends before its last byte.
            0 => Out::Text(text.slice(..text.len() / 2)),
            1 => Out::Text(Bytes::from_static(b"<html><body>502 Bad Gateway</body></html>")),
            _ => Out::Binary((0..64).map(|_| (self.rng.next_u64() >> 56) as u8).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications() {
        let spec: FaultSpec = "drop=0.5, garbage=1,stall_ms=30,calm=7".parse().unwrap();
        assert_eq!(spec.rates, [0.5, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!((spec.stall, spec.calm), (Duration::from_millis(30), 7));
        assert_eq!("".parse::<FaultSpec>().unwrap(), FaultSpec::default());
        for wrong in ["drop", "drop=2", "drop=-1", "drop=NaN", "fire=0.1", "calm=x"] {
            assert_eq!(wrong.parse::<FaultSpec>(), Err(FaultSpecError(wrong.to_owned())));
        }
    }

    fn run(spec: &str, seed: u64, client: u64) -> (Vec<Out>, Vec<Injected>) {
        let mut injector = Injector::new(spec.parse().unwrap(), seed, client);
        let (mut out, mut log) = (Vec::new(), Vec::new());
        for n in 0..10_000u64 {
            injector.pass(n, 9_999 - n, Bytes::from(format!("{{\"n\":{n}}}")), &mut log, &mut out);
        }
        injector.finish(&mut out);
        (out, log)
    }

    #[test]
    fn the_log_tells_all_and_the_end_is_calm() {
        let (out, log) = run("drop=0.1,duplicate=0.1,reorder=0.1,garbage=0.1,calm=500", 42, 0);
        let count = |fault| log.iter().filter(|i| i.fault == fault).count();
        for fault in [Fault::Drop, Fault::Duplicate, Fault::Reorder, Fault::Garbage] {
            assert!((850..1_050).contains(&count(fault)), "{fault:?} {}", count(fault));
        }
        assert!(log.iter().all(|i| i.frame < 9_500));
        let dropped_and_doubled =
            log.iter().filter(|i| i.fault == Fault::Duplicate && log.contains(&Injected { fault: Fault::Drop, ..**i }));
        let expected = 10_000 - count(Fault::Drop) + count(Fault::Duplicate) - dropped_and_doubled.count();
        let told = out.iter().filter(|o| matches!(o, Out::Text(t) if t.starts_with(b"{") && t.ends_with(b"}")));
        assert_eq!(told.count(), expected);
        let last: Vec<&Out> = out.iter().rev().take(2).collect();
        assert_eq!(last[0], &Out::Text(Bytes::from_static(b"{\"n\":9999}")));
    }

    #[test]
    fn a_seed_repeats_and_clients_differ() {
        let spec = "drop=0.1,reorder=0.1,garbage=0.05,disconnect=0.001,stall=0.01";
        assert_eq!(run(spec, 7, 1), run(spec, 7, 1));
        assert_ne!(run(spec, 7, 1).1, run(spec, 7, 2).1);
        assert_ne!(run(spec, 7, 1).1, run(spec, 8, 1).1);
    }
}
