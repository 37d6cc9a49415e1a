//! Whole agents for measurements: councils of twenty that trade one instrument by two averages, as trees.
//!
//! Invariant: an agent is what it is in a run: an engine with a strategy on paper, a board, and a node. Larger swarms are
//! many councils.

use starling_core::time::{DAY, MILLISECOND};
use starling_core::{Bar, BarSeriesId, Event, InstrumentId, Price, Qty, UnixNanos};

use crate::config::Config;
use crate::run::RunError;
use crate::swarm::SwarmError;
use crate::swarm::conference::Conference as _;
use crate::swarm::delegate::Charter;
use crate::swarm::hall::Hall;

/// Members of a council.
pub const MEMBERS: usize = 20;

const CONFIG: &str = r#"
name = "agents"
[[venues]]
id = "SIM"
[[accounts]]
venue = "SIM"
kind = "margin"
base = "USD"
balances = { USD = 100_000 }
[[instruments]]
id = "X.SIM"
template = "equity"
quote = "USD"
[[data]]
path = "none.csv"
instrument = "X.SIM"
kind = "bars"
series = "1d last external"
[[strategies]]
id = "swarm"
kind = "follow"
bars = "1d last external"
size = { fixed = 1 }
weights = [{ instrument = "X.SIM" }]
[swarm]
follower = "swarm"
topology = "hierarchical"
confer = "CONFER"
"#;

const AGENT: &str = r#"
[[swarm.agents]]
id = "NAME"
role = "trend"
instruments = ["X.SIM"]
strategy = { kind = "ema_cross", bars = "1d last external", fast = 10, slow = 20, size = { fixed = 1 } }
"#;

/// Councils that confer about the same bars.
#[derive(Debug)]
pub struct Councils {
    charter: Charter,
    halls: Vec<Hall>,
    /// Of the one instrument and the one series.
    market: Option<(InstrumentId, BarSeriesId)>,
    day: u64,
}

impl Councils {
    /// None yet. They confer about every bar, or when somebody changes its mind.
    ///
    /// # Errors
    /// [`SwarmError`], if they cannot be set up.
    pub fn new(every_bar: bool) -> Result<Self, SwarmError> {
        let agents: String = (0..MEMBERS).map(|at| AGENT.replace("NAME", &format!("agent {at}"))).collect();
        let text = CONFIG.replace("CONFER", if every_bar { "every_bar" } else { "on_change" }) + &agents;
        let config = Config::read(&text).map_err(RunError::from)?;
        Ok(Self { charter: Charter::in_process(&config)?, halls: Vec::new(), market: None, day: 0 })
    }

    /// Opens one more: [`MEMBERS`] agents.
    ///
    /// # Errors
    /// [`SwarmError`], if its agents cannot be set up.
    pub fn open(&mut self) -> Result<&Hall, SwarmError> {
        let hall = Hall::open(&self.charter)?;
        let world = hall.delegates()[0].seat().brain().world();
        let series = world.series().next().map(|(series, ..)| series);
        self.market = world.instrument_by_name("X.SIM").zip(series);
        self.halls.push(hall);
        Ok(&self.halls[self.halls.len() - 1])
    }

    /// All of them.
    #[must_use]
    pub fn halls(&self) -> &[Hall] {
        &self.halls
    }

    /// How many agents there are.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.halls.len() * MEMBERS
    }

    /// The next day's bar: prices rise for fifty days and fall for fifty. How many decisions of each council came of it.
    ///
    /// # Errors
    /// [`SwarmError`], if they do not agree.
    pub fn confer(&mut self) -> Result<Vec<usize>, SwarmError> {
        let Some((instrument, series)) = self.market else { return Ok(Vec::new()) };
        self.day += 1;
        let ts = UnixNanos::new(self.day * DAY + MILLISECOND);
        let within = self.day % 100;
        let level = 100 + if within <= 50 { within } else { 100 - within };
        let close = Price::from_int(level.cast_signed());
        let (high, low) = (close + Price::from_int(1), close - Price::from_int(1));
        let volume = Qty::from_int(1_000);
        let bar = Bar { instrument, series, ts_event: ts, ts_recv: ts, open: close, high, low, close, volume };
        self.halls.iter_mut().map(|hall| Ok(hall.on_stamp(ts, &[Event::Bar(bar)])?.len())).collect()
    }
}
