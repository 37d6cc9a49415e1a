//! A run from a configuration: assembled, executed, recorded.
//!
//! Invariant: what a run does depends on its configuration and on the bytes of its data, on nothing else; both are in the
//! journal's first and last records, so that [`replay`] can do it again and compare every byte.

mod plan;
mod record;
mod replay;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use starling_core::UnixNanos;
use starling_core::journal::{Digest, JournalError, RunId};
use starling_engine::strategies::{Builtin, ConfigurationError};
use starling_engine::{Counts, Engine, EngineError, Observer, Participant, Strategy, World};
use starling_market::feed::Feed;
use starling_sim::backtest::{self, BacktestError};
use starling_sim::{Exchange, Recorder};

use crate::config::{Config, ConfigFaults, ProviderConfig};
use crate::data::{self, DataError, OpenedFeed, SourceReport};
use crate::swarm::SwarmError;
use crate::swarm::conference::{Conference, Convene, Occasion};
use crate::swarm::delegate::Charter;
use crate::swarm::feed::{KeptDecisions, SwarmFeed};
use crate::swarm::hall::Hall;
use crate::swarm::stamps::Stamps;
use crate::tearsheet::RunRecord;

pub(crate) use record::equity_point;
pub use replay::{Replay, ReplayError, replay};

/// Why a run did not reach its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The configuration has faults.
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// A strategy's parameters have faults.
    #[error(transparent)]
    Strategy(#[from] ConfigurationError),
    /// The tables contradict themselves.
    #[error(transparent)]
    Instruments(#[from] starling_core::instrument::InstrumentError),
    /// A series of bars cannot be built.
    #[error(transparent)]
    Bars(#[from] starling_market::bar::BarError),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The files of a table cannot be found.
    #[error("`data[{table}].{field}`: {cause}")]
    Table {
        /// Its place among the tables, from 0.
        table: usize,
        /// What names them: `path`, `bid` or `ask`.
        field: &'static str,
        /// Why not.
        cause: Box<DataError>,
    },
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run stopped on the way.
    #[error(transparent)]
    Backtest(#[from] BacktestError),
    /// The swarm cannot confer.
    #[error("the swarm: {0}")]
    Swarm(#[from] SwarmError),
}

/// A run to be: a configuration, where its data lies, and strategies of the user's own.
pub struct Run {
    config: Config,
    text: String,
    search: Vec<PathBuf>,
    own: Vec<(String, Box<dyn Strategy>)>,
    convene: Option<Convene>,
    /// [`starling_engine::Plan::recorded`].
    recorded: bool,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome<W> {
    /// Everything a report shows.
    pub record: RunRecord,
    /// What happened.
    pub counts: Counts,
    /// Hash over orders, reports and postings.
    pub run_hash: Digest,
    /// The journal's final digest.
    pub journal_digest: Digest,
    /// The journal's sink.
    pub journal: W,
}

/// The engine of a run: built-in strategies at simulated venues, journaled to `W`, recorded.
pub type RunEngine<W> = Engine<Builtin, Exchange, W, Recorder>;

/// The data of a configuration, for a run whose tables are those of `world`.
fn open(config: &Config, search: &[PathBuf], world: &World) -> Result<Vec<OpenedFeed>, RunError> {
    find(config, search)?;
    let mut names = plan::Names(world);
    config.data.iter().map(|spec| Ok(data::open(spec, search, &mut names)?)).collect()
}

fn find(config: &Config, search: &[PathBuf]) -> Result<(), RunError> {
    let of = |(table, spec)| {
        let fault = |(field, cause)| RunError::Table { table, field, cause: Box::new(cause) };
        data::find(spec, search).map_err(fault)
    };
    config.data.iter().enumerate().try_for_each(of)
}

/// Where the swarm of a configuration confers.
fn conference(
    config: &Config,
    search: &[PathBuf],
    text: &str,
    convene: Option<Convene>,
) -> Result<Box<dyn Conference>, SwarmError> {
    let provider = config.swarm.as_ref().map(|swarm| swarm.provider);
    let Some(convene) = convene else {
        return match provider {
            Some(ProviderConfig::Process) => Err(SwarmError::NoProvider),
            _ => Ok(Box::new(Hall::open(&Charter::in_process(config)?)?)),
        };
    };
    // Names are those of a run that is never started.
    let names = Run::of(config.clone()).engine(std::io::sink())?;
    let (of, search) = (config.clone(), search.to_vec());
    let rewind = Box::new(move || {
        let feeds = open(&of, &search, names.world())?;
        Ok(Stamps::new(feeds))
    });
    convene(Occasion { config, text, rewind })
}

impl Run {
    /// From the text of a configuration. Relative data paths are looked up in `search`, in order.
    pub fn new(text: impl Into<String>, search: Vec<PathBuf>) -> Result<Self, ConfigFaults> {
        let text = text.into();
        let config = Config::read(&text)?;
        Ok(Self { config, text, search, own: Vec::new(), convene: None, recorded: true })
    }

    /// Of a configuration that is checked already, within another run: it is not recorded.
    pub(crate) fn of(config: Config) -> Self {
        Self { config, text: String::new(), search: Vec::new(), own: Vec::new(), convene: None, recorded: false }
    }

    /// Adds a strategy of the user's own.
    #[must_use]
    pub fn strategy(mut self, id: impl Into<String>, strategy: impl Strategy + 'static) -> Self {
        self.own.push((id.into(), Box::new(strategy)));
        self
    }

    /// Has the swarm, if there is one, confer where `convene` says, and not in this process.
    #[must_use]
    pub fn convene(self, convene: Convene) -> Self {
        Self { convene: Some(convene), ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Finds the files of its data, so that what is missing can be told before anything is made or written.
    pub fn find_data(&self) -> Result<(), RunError> {
        find(&self.config, &self.search)
    }

    /// Runs to the end of the data, without a journal or progress.
    pub fn execute(self) -> Result<Outcome<std::io::Sink>, RunError> {
        self.execute_with(std::io::sink(), |_, _| ControlFlow::Continue(()))
    }

    /// Runs to the end of the data. The journal goes to `journal`; `progress` is told events and stamps now and then,
    /// and may break the run off.
    pub fn execute_with<W: Write>(
        self,
        journal: W,
        progress: impl FnMut(u64, UnixNanos) -> ControlFlow<()>,
    ) -> Result<Outcome<W>, RunError> {
        self.drive(journal, None, progress)
    }

    /// As [`Run::execute_with`]; agents' decisions are those that a journal kept, if it is given.
    fn drive<W: Write>(
        mut self,
        journal: W,
        kept: Option<&[u8]>,
        progress: impl FnMut(u64, UnixNanos) -> ControlFlow<()>,
    ) -> Result<Outcome<W>, RunError> {
        let started = Instant::now();
        let (config, search) = (self.config.clone(), self.search.clone());
        let (text, convene) = (self.text.clone(), self.convene.take());
        let (mut engine, mut feeds) = self.assemble(journal)?;
        let mut kept = kept.map(KeptDecisions::of).transpose()?;
        let mut swarm = match &config.swarm {
            Some(swarm) if kept.is_none() => {
                let follower = engine.world().strategy_by_name(&swarm.follower).expect("the configuration is checked");
                let shown = Stamps::new(open(&config, &search, engine.world())?);
                let conference = conference(&config, &search, &text, convene)?;
                Some(SwarmFeed::new(swarm, conference, shown, follower))
            }
            _ => None,
        };
        let mut inputs: Vec<_> = feeds.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>).collect();
        inputs.extend(swarm.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>));
        inputs.extend(kept.iter_mut().map(|feed| Box::new(feed) as Box<dyn Feed + '_>));
        backtest::run(&mut engine, inputs, progress)?;
        let sources: Vec<SourceReport> = feeds.iter().flat_map(OpenedFeed::sources).collect();
        for source in &sources {
            let line = serde_json::to_vec(source).expect("a source report is plain data");
            engine.reference_data(&line)?;
        }
        let elapsed = started.elapsed();
        let mut record = record::of(&config, &mut engine, &sources);
        let (counts, run_hash) = (engine.counts(), engine.run_hash());
        record.run_hash = run_hash.to_string();
        record.events = counts.events;
        record.elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        record.events_per_s = counts.events as f64 / elapsed.as_secs_f64();
        if let Some(swarm) = swarm {
            record::add_swarm(&mut record, swarm.record()?);
        }
        let finish = engine.finish()?;
        Ok(Outcome { record, counts, run_hash, journal_digest: finish.journal_digest, journal: finish.sink })
    }

    /// The engine, set up, and the feeds, open: for hosts that drive the run themselves (tests).
    pub fn assemble<W: Write>(mut self, journal: W) -> Result<(RunEngine<W>, Vec<OpenedFeed>), RunError> {
        let (config, search) = (self.config.clone(), std::mem::take(&mut self.search));
        let engine = self.engine(journal)?;
        let feeds = open(&config, &search, engine.world())?;
        Ok((engine, feeds))
    }

    /// The engine, set up; its data is not opened: for hosts that hold the events in memory (benchmarks).
    pub fn engine<W: Write>(self, journal: W) -> Result<RunEngine<W>, RunError> {
        self.watched(journal, |recorder| recorder)
    }

    /// As [`Run::engine`], watched by what `watch` makes of the recorder.
    pub fn watched<W: Write, O: Observer>(
        mut self,
        journal: W,
        watch: impl FnOnce(Recorder) -> O,
    ) -> Result<Engine<Builtin, Exchange, W, O>, RunError> {
        let own = std::mem::take(&mut self.own);
        let mut plan = plan::of(&self.config)?;
        plan.run_id = RunId::derive(&Digest::of(self.text.as_bytes()).0, self.config.seed);
        plan.header = self.text.into_bytes();
        plan.recorded = self.recorded;
        for entry in &self.config.strategies {
            let (name, strategy) = (entry.id.clone(), entry.config.build()?);
            plan.participants.push(Participant { name, strategy, accounts: entry.accounts.clone() });
        }
        for (name, strategy) in own {
            plan.participants.push(Participant { name, strategy: Builtin::Own(strategy), accounts: Vec::new() });
        }
        let models = plan::venues(&self.config).into_iter().map(crate::config::VenueConfig::model).collect();
        let (instruments, currencies) = (plan.instruments.clone(), plan.currencies.clone());
        let recorder = Recorder::new(instruments.len(), plan.participants.len(), plan.reporting);
        let exchange = Exchange::new(instruments, currencies, models, self.config.seed);
        Ok(Engine::new(plan, exchange, journal, watch(recorder))?)
    }
}
