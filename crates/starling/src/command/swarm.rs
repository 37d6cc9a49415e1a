//! `starling swarm`: a swarm run to its end, or deployed as a service, looked at, scaled and ended.
//!
//! Invariant: a deployed swarm is `swarm run` with a state folder; whatever ends it, nothing of it is left running.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use starling_lab::config::Config;
use starling_lab::tearsheet::RunRecord;
use starling_swarm::cost::MicroDollars;

use super::backtest::{Job, config_failure, key_value, read_config};
use super::output;
use crate::swarm::control::{Answer, Folder, Hold, Request};
use crate::swarm::overview::{Phase, Watch};
use crate::swarm::pace::{Pace, nap};
use crate::swarm::{self, Service};
use crate::terminal::{Failure, Table, interrupted, put, say};

/// Where a swarm's state is if nothing else is said.
const STATE: &str = "starling-swarm";
/// How long a swarm may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(120);
/// How often it is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// How long it may take to end before it is killed.
const END_MAX: Duration = Duration::from_secs(20);
/// Bytes of a log that are shown.
const LOG_SHOWN: u64 = 4 << 10;

/// Run a swarm, deploy one, look at it, end it.
#[derive(Debug, Args)]
pub(crate) struct Swarm {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the swarm of a configuration over its data, to numbers, a journal and a report.
    Run(Run),
    /// Start it in the background, with a state folder over which it is looked at and ended.
    Deploy(Run),
    /// How a swarm is, or was at its end: a table of its agents.
    Status(At),
    /// Divide a swarm's agents among another number of processes. Decisions do not depend on it.
    Scale(Scale),
    /// End a swarm and remove its state folder.
    Destroy(At),
}

/// Where agents run.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Provider {
    /// In the run's own process.
    InProcess,
    /// Each in a process of its own, in a sandbox.
    Process,
}

/// What carries messages between agents' processes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Transport {
    /// Their sockets to the run's process.
    Socket,
    /// Zenoh, from process to process.
    Zenoh,
}

#[derive(Debug, Args)]
struct Run {
    /// The configuration, with a [swarm] (TOML; `starling config schema` prints its schema).
    config: PathBuf,
    /// Where agents run, whatever the configuration says.
    #[arg(long, value_enum)]
    provider: Option<Provider>,
    /// What carries messages between processes, whatever the configuration says.
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// How fast bars are shown: max, bars a second as in 20/s, or times the recorded time as in 3600x.
    #[arg(long, default_value = "max")]
    speed: Pace,
    /// Folder for report and journal. Without it, and with --json, neither is written.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder in which relative data paths are looked up after the configuration's own.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// State folder, over which it is looked at and ended. Deployed: starling-swarm if left out.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Replace a value of the configuration, as in `--set swarm.topology=star`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct At {
    /// Its state folder.
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: PathBuf,
}

#[derive(Debug, Args)]
struct Scale {
    /// How many processes.
    processes: u32,
    #[command(flatten)]
    at: At,
}

impl Swarm {
    /// Does it.
    pub(crate) fn run(self, json: bool) -> Result<(), Failure> {
        match self.action {
            Action::Run(run) => run.run(json),
            Action::Deploy(run) => run.deploy(json),
            Action::Status(at) => at.status(json),
            Action::Scale(scale) => scale.run(json),
            Action::Destroy(at) => at.destroy(json),
        }
    }
}

impl Run {
    /// The configuration's text, with what the command line says about it, and what it is.
    fn read(&self) -> Result<(String, Config), Failure> {
        let mut set = self.set.clone();
        let mut say = |key: &str, value: &str| set.push((key.to_owned(), format!("\"{value}\"")));
        match self.provider {
            Some(Provider::InProcess) => say("swarm.provider", "in_process"),
            Some(Provider::Process) => say("swarm.provider", "process"),
            None => {}
        }
        match self.transport {
            Some(Transport::Socket) => say("swarm.process.transport", "socket"),
            Some(Transport::Zenoh) => say("swarm.process.transport", "zenoh"),
            None => {}
        }
        let text = read_config(&self.config, &self.set)?;
        let config = Config::read(&text).map_err(|faults| config_failure(&self.config, &faults))?;
        if config.swarm.is_none() {
            return Err(Failure::usage(format!(
                "{}: `swarm`: is missing: add a [swarm] table with agents, or use `starling backtest`",
                self.config.display()
            )));
        }
        let text = if set.len() > self.set.len() { read_config(&self.config, &set)? } else { text };
        let config = Config::read(&text).map_err(|faults| config_failure(&self.config, &faults))?;
        swarm::check(&self.config, &config)?;
        Ok((text, config))
    }

    fn run(self, json: bool) -> Result<(), Failure> {
        let (text, config) = self.read()?;
        let (stop, watch) = (interrupted(), Watch::of(&config));
        let folder = self.state.as_deref().map(Folder::new);
        let hold = folder.clone().map(|folder| Hold::take(folder, watch.clone(), Arc::clone(&stop))).transpose()?;
        let mut service = Service::new(&config, stop);
        service.pace = self.speed;
        service.watch = watch.clone();
        if let Some(folder) = folder {
            service.folder = folder.agents();
        }
        let place = service.folder.clone();
        let seen = watch.clone();
        let table = Table::start(json, move || seen.read().table());
        let beside = self.config.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let search = std::iter::once(beside).chain(self.data_dir).collect();
        let out = self.out.or_else(|| (!json).then(|| PathBuf::from("out")));
        let origin = &*self.config;
        let job = Job { origin, text, search, out, journal: None, measures_orders: false, service: Some(service) };
        let done = job.run(json);
        drop(table);
        // The provider has removed what it put there.
        let _ = fs::remove_dir(place);
        watch.edit(|overview| {
            match &done {
                Ok(_) => overview.phase = Phase::Done,
                Err(failure) => (overview.phase, overview.failure) = (Phase::Failed, Some(failure.message.clone())),
            }
            for agent in &mut overview.agents {
                (agent.pid, agent.memory) = (None, 0);
                "gone".clone_into(&mut agent.state);
            }
        });
        drop(hold);
        let (record, page) = done?;
        if json {
            return put(output::object(&record, page.as_deref()));
        }
        output::summary(&record);
        absences(&record);
        if let Some(page) = page {
            say(format_args!("  report {}", page.display()));
        }
        Ok(())
    }

    /// Starts `swarm run` as a process of its own, and waits until it answers.
    fn deploy(self, json: bool) -> Result<(), Failure> {
        let state = self.state.clone().unwrap_or_else(|| PathBuf::from(STATE));
        // What is wrong with the configuration is told here, and not in a log.
        self.read()?;
        let folder = Folder::new(&state);
        if folder.is_live() {
            return Err(Failure::usage(format!(
                "{}: a swarm runs here already; end it with `starling swarm destroy`, or give another folder with \
                 --state",
                state.display()
            )));
        }
        folder.make()?;
        let failed = |error: std::io::Error| Failure::run(format!("{}: cannot deploy: {error}", state.display()));
        let log = File::create(folder.log()).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.args(["swarm", "run"]).args(self.arguments()).arg("--state").arg(&state);
        command.stdin(Stdio::null()).stdout(Stdio::from(log.try_clone().map_err(failed)?)).stderr(Stdio::from(log));
        // Signals of this terminal are not for it.
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                // A short run is through before anybody asks.
                return match status.code() {
                    Some(0) => self.deployed(&folder, json),
                    code => {
                        let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
                        Err(Failure { code, message: format!("the swarm ended:\n  {}", tail(&folder.log())) })
                    }
                };
            }
            if folder.is_live() && folder.status().is_ok_and(|overview| overview.phase != Phase::Starting) {
                return self.deployed(&folder, json);
            }
            if begun.elapsed() > START_MAX {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Failure::run(format!("the swarm did not start:\n  {}", tail(&folder.log()))));
            }
            nap(ASK_EVERY);
        }
    }

    /// This command line again, but for the state folder.
    fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec![self.config.clone().into()];
        let mut option = |name: &str, value: std::ffi::OsString| arguments.extend([name.into(), value]);
        let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
        if let Some(provider) = self.provider.and_then(|provider| name(provider.to_possible_value())) {
            option("--provider", provider.into());
        }
        if let Some(transport) = self.transport.and_then(|transport| name(transport.to_possible_value())) {
            option("--transport", transport.into());
        }
        option("--speed", self.speed.to_string().into());
        if let Some(out) = &self.out {
            option("--out", out.into());
        }
        if let Some(folder) = &self.data_dir {
            option("--data-dir", folder.into());
        }
        for (key, value) in &self.set {
            option("--set", format!("{key}={value}").into());
        }
        arguments
    }

    fn deployed(&self, folder: &Folder, json: bool) -> Result<(), Failure> {
        let overview = folder.status()?;
        if json {
            return put(serde_json::to_value(&overview).expect("an overview is plain data"));
        }
        let state = folder.path().display();
        say(format_args!("deployed: pid {}, {} agents, state in {state}", overview.pid, overview.agents.len()));
        say(format_args!("  look at it  starling swarm status --state {state}"));
        say(format_args!("  end it      starling swarm destroy --state {state}"));
        Ok(())
    }
}

impl At {
    fn status(&self, json: bool) -> Result<(), Failure> {
        let overview = Folder::new(&self.state).status()?;
        if json {
            return put(serde_json::to_value(&overview).expect("an overview is plain data"));
        }
        put(overview.table())
    }

    fn destroy(&self, json: bool) -> Result<(), Failure> {
        let folder = Folder::new(&self.state);
        let was_live = folder.is_live();
        if !folder.is_state() {
            // What is there is somebody else's.
            let message = "no swarm has run here; name its state folder with --state";
            return Err(Failure::usage(format!("{}: {message}", self.state.display())));
        }
        let mut killed = false;
        if was_live {
            let due = Instant::now() + END_MAX;
            let left = || due.saturating_duration_since(Instant::now());
            // It answers one after the other, and others may have asked before.
            while folder.ask(&Request::Stop).is_err() && folder.is_live() && !left().is_zero() {
                nap(ASK_EVERY);
            }
            if !folder.wait_free(left()) {
                killed = folder.kill();
                if !folder.wait_free(END_MAX) {
                    return Err(Failure::run(format!("{}: the swarm does not end", self.state.display())));
                }
            }
        } else {
            folder.check()?;
        }
        let is_gone =
            folder.remove().map_err(|e| Failure::run(format!("{}: cannot be removed: {e}", self.state.display())))?;
        if json {
            return put(json!({ "ended": was_live, "killed": killed }));
        }
        say(match (was_live, is_gone) {
            (true, true) => "ended",
            (true, false) => "ended; its state folder stays, since no swarm has written all that is there",
            (false, _) => "it had ended; its state folder is removed",
        });
        Ok(())
    }
}

impl Scale {
    /// Tells the swarm, and waits until its agents sit where they should.
    fn run(&self, json: bool) -> Result<(), Failure> {
        let folder = Folder::new(&self.at.state);
        let state = self.at.state.display();
        match folder.ask(&Request::Scale { to: self.processes })? {
            Answer::Done => {}
            Answer::Refused(why) => return Err(Failure::usage(format!("{state}: {why}"))),
            other @ Answer::Status(_) => return Err(Failure::run(format!("{state}: the swarm answers {other:?}"))),
        }
        let begun = Instant::now();
        loop {
            let overview = folder.status()?;
            let is_whole = overview.agents.iter().all(|agent| agent.pid.is_some());
            if overview.processes == self.processes && is_whole {
                if json {
                    return put(serde_json::to_value(&overview).expect("an overview is plain data"));
                }
                say(format_args!("{} agents in {} processes", overview.agents.len(), overview.processes));
                return Ok(());
            }
            if !matches!(overview.phase, Phase::Starting | Phase::Running) {
                return Err(Failure::run(format!("{state}: the swarm has ended")));
            }
            if begun.elapsed() > START_MAX {
                return Err(Failure::run(format!("{state}: the swarm has not changed yet: it waits for its next bar")));
            }
            nap(ASK_EVERY);
        }
    }
}

/// Who was missing, for how long, and what agents cost.
fn absences(record: &RunRecord) {
    let Some(processes) = record.swarm.as_ref().and_then(|swarm| swarm.processes.as_ref()) else { return };
    let ms = |ns: Option<u64>| ns.map_or_else(|| "never".to_owned(), |ns| format!("after {:.1} ms", ns as f64 / 1e6));
    for absence in &processes.absences {
        say(format_args!(
            "  {} was missing ({}): replaced {}, conferring again {}",
            absence.agent,
            absence.how,
            ms(absence.replaced_ns),
            ms(absence.seated_ns),
        ));
    }
    if processes.cost_micro_usd > 0 {
        say(format_args!("  agents cost {}", MicroDollars(processes.cost_micro_usd)));
    }
}

/// The end of a log.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_SHOWN)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text =
        read().map_or_else(|error| format!("{}: {error}", path.display()), |b| String::from_utf8_lossy(&b).into());
    text.trim().replace('\n', "\n  ")
}
