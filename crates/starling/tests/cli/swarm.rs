//! Swarms in processes of their own: the same decisions as in one process, whoever is killed; deployed, looked at, ended.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use starling_core::event::Decision;
use starling_core::journal::{Kind, Reader};
use starling_core::{InstrumentId, Side, UnixNanos};

use crate::scene::{Catalogue, Said, Scene};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(120);

/// What this build can carry messages by.
const TRANSPORTS: &[&str] = if cfg!(feature = "mesh") { &["socket", "zenoh"] } else { &["socket"] };

fn demo() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/demo.toml").display().to_string()
}

/// `swarm ACTION` of the demo, up to a date.
fn of_demo(action: &str, until: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["swarm".to_owned(), action.to_owned(), demo()];
    for at in 0..5 {
        arguments.extend(["--set".to_owned(), format!("data.{at}.to='{until}'")]);
    }
    arguments.extend(more.iter().map(|&word| word.to_owned()));
    arguments
}

fn run(scene: &Scene, arguments: &[String]) -> Said {
    scene.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

type Told = (UnixNanos, InstrumentId, Option<Side>, u16);

/// What a journal's decisions were, by bar and instrument.
fn decisions(journal: &[u8]) -> Vec<Told> {
    let records = Reader::new(journal).unwrap().map(Result::unwrap);
    let kept = records.filter(|record| record.kind == Kind::Decision);
    let decisions = kept.map(|record| postcard::from_bytes::<Decision>(record.payload).unwrap());
    let mut told: Vec<Told> = decisions.map(|d| (d.ts_event, d.instrument, d.side, d.confidence_bps)).collect();
    told.sort_by_key(|(ts, instrument, ..)| (*ts, *instrument));
    told
}

/// What the demo decides up to a date, in one process.
fn in_process(scene: &Scene, until: &str) -> Vec<Told> {
    let said = run(scene, &of_demo("run", until, &["--out", "here", "--json"]));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.json()["swarm"].get("processes").is_none());
    decisions(&scene.read("here/journal"))
}

/// Waits for what must come, a minute or two if need be.
#[track_caller]
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lives(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie is dead; whoever was to bury it is not ours.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// The processes that a process started and that live.
fn children(of: u64) -> Vec<u64> {
    let parent = |pid: &u64| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    pids.filter(|pid| parent(pid) == Some(of) && lives(*pid)).collect()
}

fn kill(signal: &str, pid: u64) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

fn now_ns() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn status(scene: &Scene, state: &str) -> Option<Value> {
    let said = scene.run(&["swarm", "status", "--state", state, "--json"]);
    (said.code == 0).then(|| said.json())
}

fn pids(overview: &Value) -> Vec<u64> {
    let mut pids: Vec<u64> = overview["agents"].as_array().unwrap().iter().filter_map(|a| a["pid"].as_u64()).collect();
    pids.extend(overview["pid"].as_u64());
    pids
}

/// A swarm that runs in the background of the test.
struct Background {
    child: Child,
}

impl Background {
    fn start(scene: &Scene, arguments: &[String]) -> Self {
        let mut command = scene.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        Self { child: command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap() }
    }

    fn end(self) -> Said {
        self.child.wait_with_output().unwrap().into()
    }
}

#[test]
fn a_swarm_of_processes_decides_as_one_process() {
    let scene = Scene::new();
    let here = in_process(&scene, "2003-01-01");
    assert!(here.len() > 100, "{}", here.len());
    for transport in TRANSPORTS {
        let more = ["--provider", "process", "--transport", transport, "--out", transport, "--json"];
        let said = run(&scene, &of_demo("run", "2003-01-01", &more));
        assert_eq!(said.code, 0, "{}", said.stderr);
        let journal = format!("{transport}/journal");
        assert!(decisions(&scene.read(&journal)) == here, "over {transport} they decide differently");
        let swarm = &said.json()["swarm"];
        let processes = &swarm["processes"];
        assert_eq!((&processes["sessions"], &processes["transport"]), (&Value::from(1), &Value::from(*transport)));
        assert_eq!(processes["agents"].as_array().unwrap().len(), 8);
        for agent in processes["agents"].as_array().unwrap() {
            assert!(agent["messages"].as_u64().unwrap() > 0 && agent["memory_peak"].as_u64().unwrap() > 1 << 20);
        }
        let (conferences, latency) = (&swarm["conferences"], &swarm["latency_ns"]);
        eprintln!("over {transport}: latency median, P99, longest of {conferences} conferences: {latency} ns");
        // What they decided stands in the journal, and no agent is needed to do the run again.
        let data = Path::new(&demo()).parent().unwrap().display().to_string();
        let said = scene.run(&["replay", &journal, "--data-dir", &data]);
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
}

#[test]
fn agents_are_killed_while_they_trade_and_no_decision_is_lost_or_doubled() {
    let scene = Scene::new();
    let until = "2002-01-01";
    let here = in_process(&scene, until);
    let more = ["--provider", "process", "--speed", "100/s", "--out", "there", "--state", "state", "--json"];
    let swarm = Background::start(&scene, &of_demo("run", until, &more));
    // Of eight agents, at which stamp: two of them at once, one twice, and the coordinator.
    let (mut killed, mut dead) = (Vec::new(), BTreeSet::new());
    for (stamp, agents) in [(20, &[3_usize][..]), (90, &[0, 5]), (160, &[3]), (230, &[7])] {
        let overview = wait("the stamp", || {
            status(&scene, "state").filter(|overview| {
                let all = overview["agents"].as_array().unwrap().iter();
                overview["stamps"].as_u64().unwrap() >= stamp
                    && all.clone().all(|agent| agent["pid"].as_u64().is_some_and(|pid| !dead.contains(&pid)))
            })
        });
        for &agent in agents {
            let pid = overview["agents"][agent]["pid"].as_u64().unwrap();
            dead.insert(pid);
            killed.push((overview["agents"][agent]["id"].as_str().unwrap().to_owned(), now_ns()));
            kill("-KILL", pid);
        }
    }
    let said = swarm.end();
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(decisions(&scene.read("there/journal")), here);
    let object = said.json();
    let absences = object["swarm"]["processes"]["absences"].as_array().unwrap();
    assert_eq!(absences.len(), killed.len(), "{absences:?}");
    for (name, at) in &killed {
        let of = |absence: &&Value| {
            absence["agent"] == name.as_str() && absence["noticed"].as_u64().is_none_or(|noticed| noticed >= *at)
        };
        let absence = absences.iter().find(of).unwrap();
        assert_eq!(absence["how"], "signal 9");
        eprintln!(
            "{name}: noticed {:?} ns after the kill, replaced after {}, conferring again after {}",
            absence["noticed"].as_u64().map(|noticed| noticed - at),
            absence["replaced_ns"],
            absence["seated_ns"],
        );
        assert!(absence["seated_ns"].as_u64() >= absence["replaced_ns"].as_u64());
    }
    // At least one session for each time that somebody was missing; two at once may share one.
    assert!(object["swarm"]["processes"]["sessions"].as_u64().unwrap() >= 4);
    assert!(dead.into_iter().all(|pid| !lives(pid)));
}

/// A spare takes a dead agent's place and dies before it is ready: the next one takes it.
#[test]
fn who_replaces_an_agent_and_is_never_ready_is_replaced_too() {
    let scene = Scene::new();
    let until = "2001-01-01";
    let here = in_process(&scene, until);
    let more = ["--provider", "process", "--speed", "20/s", "--out", "there", "--state", "state", "--json"];
    let swarm = Background::start(&scene, &of_demo("run", until, &more));
    let overview = wait("bars", || status(&scene, "state").filter(|o| o["stamps"].as_u64().unwrap() > 3));
    let (known, dead) = (pids(&overview), overview["agents"][3]["pid"].as_u64().unwrap());
    // The spare, and the process that cleans up.
    let others = wait("a spare", || {
        let of_none = children(u64::from(swarm.child.id())).into_iter().filter(|pid| !known.contains(pid));
        Some(of_none.collect::<Vec<u64>>()).filter(|others| others.len() == 2)
    });
    others.iter().for_each(|pid| kill("-STOP", *pid));
    kill("-KILL", dead);
    let pid = || status(&scene, "state").map(|overview| overview["agents"][3]["pid"].as_u64());
    wait("its death to be told", || pid().filter(|pid| *pid != Some(dead)));
    others.iter().for_each(|pid| kill("-KILL", *pid));
    wait("another", || pid().flatten().filter(|pid| *pid != dead));
    let said = swarm.end();
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(decisions(&scene.read("there/journal")), here);
    assert_eq!(said.json()["swarm"]["processes"]["absences"].as_array().unwrap().len(), 1);
}

/// Replacements that replace what never was an agent.
#[test]
fn agents_of_which_none_is_ever_ready_end_the_swarm() {
    let scene = Scene::new();
    // Eight agents do not fit into it.
    let process = ["processes=1", "memory_mib=1", "deaths_max=2"].map(|limit| format!("swarm.process.{limit}"));
    let mut more = vec!["--provider", "process"];
    process.iter().for_each(|limit| more.extend(["--set", limit.as_str()]));
    let mut swarm = Background::start(&scene, &of_demo("run", "2001-01-01", &more));
    wait("the end", || swarm.child.try_wait().unwrap());
    let said = swarm.end();
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{}", said.stderr);
    let told = "died more often than swarm.process.deaths_max allows, the last time by signal 6";
    assert!(said.stderr.contains(told), "{}", said.stderr);
}

/// At a slow pace hours may pass between two bars.
#[test]
fn an_agent_that_dies_between_two_bars_is_replaced_before_the_next() {
    let scene = Scene::new();
    let more = ["--provider", "process", "--speed", "0.0001/s", "--state", "state", "--json"];
    let swarm = Background::start(&scene, &of_demo("run", "2001-01-01", &more));
    let overview = wait("a bar", || status(&scene, "state").filter(|o| o["stamps"] == 1));
    let dead = overview["agents"][5]["pid"].as_u64().unwrap();
    kill("-KILL", dead);
    let seen = wait("another", || {
        let pid = |overview: &Value| overview["agents"][5]["pid"].as_u64();
        status(&scene, "state").filter(|overview| pid(overview).is_some_and(|pid| pid != dead))
    });
    assert_eq!((&seen["stamps"], &seen["agents"][5]["state"]), (&Value::from(1), &Value::from("ready")));
    let said = scene.run(&["swarm", "destroy", "--state", "state", "--json"]);
    assert_eq!((said.code, said.json()), (0, serde_json::json!({ "ended": true, "killed": false })), "{}", said.stderr);
    assert_eq!(swarm.end().code, 130);
}

#[test]
fn a_folder_of_somebody_else_is_no_state_folder() {
    let scene = Scene::new();
    let mode = || fs::metadata(scene.path("state")).unwrap().permissions().mode() & 0o777;
    fs::create_dir(scene.path("state")).unwrap();
    fs::set_permissions(scene.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    scene.write("state/mine.txt", "mine");
    for action in ["run", "deploy"] {
        let more = ["--provider", "in-process", "--json", "--state", "state"];
        let said = run(&scene, &of_demo(action, "2000-02-01", &more));
        assert_eq!((said.code, mode()), (2, 0o755), "{}", said.stderr);
        assert!(said.stderr.contains("error: state/mine.txt: no swarm has written this"), "{}", said.stderr);
        assert_eq!(scene.files(), ["state/mine.txt"]);
    }
    // A lock alone does not make it a swarm's, nor do agents without a lock.
    scene.write("state/lock", "");
    let said = scene.run(&["swarm", "destroy", "--state", "state"]);
    assert!(said.code == 2 && said.stderr.contains("state/mine.txt"), "{}", said.stderr);
    assert_eq!(scene.files(), ["state/lock", "state/mine.txt"]);
    fs::create_dir_all(scene.path("work/agents")).unwrap();
    let said = run(&scene, &of_demo("run", "2000-02-01", &["--provider", "in-process", "--json", "--state", "work"]));
    assert!(said.code == 2 && said.stderr.contains("work/agents"), "{}", said.stderr);
    // Its own it takes again, and removes.
    for _ in 0..2 {
        let said =
            run(&scene, &of_demo("run", "2000-02-01", &["--provider", "in-process", "--json", "--state", "own"]));
        assert_eq!(said.code, 0, "{}", said.stderr);
    }
    assert_eq!(scene.run(&["swarm", "destroy", "--state", "own"]).code, 0);
    assert!(!scene.path("own").exists());
}

/// Others ask, too, and slowly: one by a byte at a time, one not at all.
#[test]
fn a_swarm_that_others_keep_busy_is_asked_to_end_and_not_killed() {
    let scene = Scene::new();
    let more = ["--provider", "in-process", "--speed", "20/s", "--state", "state"];
    let said = run(&scene, &of_demo("deploy", "2013-01-01", &more));
    assert_eq!(said.code, 0, "{}", said.stderr);
    let connect = || UnixStream::connect(scene.path("state/control")).unwrap();
    let (mut slow, mute) = (connect(), connect());
    let dribble = std::thread::spawn(move || {
        while slow.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    // What somebody put there meanwhile is not the swarm's to remove.
    scene.write("state/mine.txt", "mine");
    let said = scene.run(&["swarm", "destroy", "--state", "state", "--json"]);
    assert_eq!((said.code, said.json()), (0, serde_json::json!({ "ended": true, "killed": false })), "{}", said.stderr);
    assert_eq!(scene.files(), ["state/mine.txt"]);
    drop(mute);
    dribble.join().unwrap();
}

#[test]
fn a_swarm_is_deployed_looked_at_and_destroyed() {
    let scene = Scene::new();
    let more = ["--provider", "process", "--speed", "20/s", "--state", "state", "--out", "out"];
    let said = run(&scene, &of_demo("deploy", "2013-01-01", &more));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("8 agents, state in state"), "{}", said.stderr);
    let twice = run(&scene, &of_demo("deploy", "2013-01-01", &more));
    assert!(twice.code == 2 && twice.stderr.contains("a swarm runs here already"), "{}", twice.stderr);
    let overview = wait("bars", || status(&scene, "state").filter(|o| o["stamps"].as_u64().unwrap() > 3));
    assert_eq!((&overview["phase"], &overview["provider"]), (&Value::from("running"), &Value::from("process")));
    let pids = pids(&overview);
    assert_eq!(pids.len(), 9);
    assert!(pids.iter().all(|pid| lives(*pid)));
    let table = scene.run(&["swarm", "status", "--state", "state"]);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 3 + 8, "{}", table.stdout);
    assert!(lines[0].contains("running") && lines[2].starts_with("agent") && lines[3].contains("ready"), "{lines:?}");
    let said = scene.run(&["swarm", "destroy", "--state", "state", "--json"]);
    assert_eq!((said.code, said.json()), (0, serde_json::json!({ "ended": true, "killed": false })), "{}", said.stderr);
    wait("their end", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
    assert_eq!(scene.files(), Vec::<String>::new());
    assert_eq!(scene.run(&["swarm", "status", "--state", "state"]).code, 2);
}

#[test]
fn nothing_is_left_of_a_swarm_that_is_killed() {
    let scene = Scene::new();
    let more = ["--provider", "process", "--speed", "20/s", "--state", "state", "--json"];
    let said = run(&scene, &of_demo("deploy", "2013-01-01", &more));
    let overview = said.json();
    let pids = pids(&overview);
    assert_eq!(pids.len(), 9);
    kill("-KILL", overview["pid"].as_u64().unwrap());
    wait("their end", || pids.iter().all(|pid| !lives(*pid)).then_some(()));
    let gone = |folder: PathBuf| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    wait("the agents' folders to be removed", || gone(scene.path("state/agents")).then_some(()));
    let said = scene.run(&["swarm", "destroy", "--state", "state"]);
    assert_eq!((said.code, said.stderr.as_str()), (0, "it had ended; its state folder is removed\n"));
    // What was decided so far; nobody was left to remove it.
    assert_eq!(scene.files(), ["out/journal.partial"]);
}

/// The run of a service is killed: what it wrote is kept to its last whole record, is told, and can be checked; the next
/// run is not in its way, nor it in that run's.
#[test]
fn the_journal_of_a_killed_swarm_is_kept_and_the_next_run_begins_anew() {
    let scene = Scene::new();
    let more = ["--provider", "in-process", "--speed", "200/s", "--out", "out", "--state", "state"];
    let swarm = Background::start(&scene, &of_demo("run", "2013-01-01", &more));
    let partial = scene.path("out/journal.partial");
    wait("a group of records", || fs::metadata(&partial).is_ok_and(|file| file.len() > 0).then_some(()));
    // Two runs never write one journal.
    let short = of_demo("run", "2001-01-01", &["--provider", "in-process", "--out", "out"]);
    let second = run(&scene, &short);
    assert_eq!((second.code, second.stdout.as_str()), (2, ""), "{}", second.stderr);
    let told = "error: out/journal.partial: another run writes its journal there: wait until it ends, or give another";
    assert!(second.stderr.contains(told), "{}", second.stderr);
    kill("-KILL", u64::from(swarm.child.id()));
    swarm.end();
    let left = fs::read(&partial).unwrap();
    let said = run(&scene, &short);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(
        said.stderr.starts_with("note: the run that wrote out/journal.partial was killed; its "),
        "{}",
        said.stderr
    );
    let kept = scene.read("out/journal.killed");
    assert!(left.starts_with(&kept) && kept.len() > 1 << 16, "{} of {}", kept.len(), left.len());
    assert!(!partial.exists() && scene.path("out/journal").exists());
    let data = Path::new(&demo()).parent().unwrap().display().to_string();
    assert_eq!(scene.run(&["replay", "out/journal.killed", "--check-only"]).code, 0);
    let replayed = scene.run(&["replay", "out/journal.killed", "--data-dir", &data]);
    assert_eq!(replayed.code, 2, "{}", replayed.stderr);
    assert!(replayed.stderr.contains("as far as it goes, the run comes out the same"), "{}", replayed.stderr);
    assert_eq!(scene.run(&["replay", "out/journal", "--data-dir", &data]).code, 0);
    // Nobody was killed this time.
    let again = run(&scene, &short);
    assert!(again.code == 0 && !again.stderr.contains("note:"), "{}", again.stderr);
    assert_eq!(scene.read("out/journal.killed"), kept);
}

#[test]
fn agents_are_divided_among_processes_and_decide_the_same() {
    let scene = Scene::new();
    let until = "2002-01-01";
    let here = in_process(&scene, until);
    let more = ["--provider", "process", "--speed", "100/s", "--state", "state", "--out", "there", "--json"];
    let more = [&more[..], &["--set", "swarm.process.processes=3"]].concat();
    let swarm = Background::start(&scene, &of_demo("run", until, &more));
    let distinct = |overview: &Value| {
        overview["agents"].as_array().unwrap().iter().map(|agent| agent["pid"].as_u64()).collect::<BTreeSet<_>>().len()
    };
    let first = wait("bars", || status(&scene, "state").filter(|o| o["stamps"].as_u64().unwrap() > 40));
    assert_eq!((&first["processes"], distinct(&first)), (&Value::from(3), 3));
    let refused = scene.run(&["swarm", "scale", "9", "--state", "state"]);
    assert!(refused.code == 2 && refused.stderr.contains("among 1 to 8 processes, not 9"), "{}", refused.stderr);
    for processes in [1, 8] {
        let scaled = scene.run(&["swarm", "scale", &processes.to_string(), "--state", "state", "--json"]);
        assert_eq!((scaled.code, distinct(&scaled.json())), (0, processes), "{}", scaled.stderr);
    }
    let said = swarm.end();
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(decisions(&scene.read("there/journal")), here);
    assert_eq!(said.json()["swarm"]["processes"]["sessions"], 3);
}

#[test]
fn the_autoscaler_divides_agents_while_conferences_take_long() {
    let scene = Scene::new();
    let until = "2001-01-01";
    let here = in_process(&scene, until);
    // No conference is over within 1 ns, so the load calls for more, until there are as many as allowed.
    let autoscale = "swarm.process.autoscale={ min = 1, max = 2, p95 = '1ns', cooldown = '1ns', smooth = '1ns' }";
    let more = ["--provider", "process", "--out", "there", "--state", "state", "--json", "--set", autoscale];
    let said = run(&scene, &of_demo("run", until, &more));
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(decisions(&scene.read("there/journal")), here);
    assert_eq!(said.json()["swarm"]["processes"]["sessions"], 2, "one process, then two");
    assert_eq!(status(&scene, "state").unwrap()["processes"], 2);
}

#[test]
fn an_interrupted_swarm_leaves_nothing() {
    let scene = Scene::new();
    let more = ["--provider", "process", "--speed", "20/s", "--state", "state", "--out", "out"];
    let swarm = Background::start(&scene, &of_demo("run", "2013-01-01", &more));
    let overview = wait("bars", || status(&scene, "state").filter(|o| o["stamps"].as_u64().unwrap() > 3));
    kill("-INT", u64::from(swarm.child.id()));
    let said = swarm.end();
    assert_eq!((said.code, said.stdout.as_str()), (130, ""), "{}", said.stderr);
    assert!(said.stderr.contains("error: interrupted at the bar of 2000-"), "{}", said.stderr);
    assert!(pids(&overview).into_iter().all(|pid| !lives(pid)));
    let left = scene.files();
    assert_eq!(left, ["state/last", "state/lock"]);
    assert_eq!(status(&scene, "state").unwrap()["phase"], "failed");
}

#[test]
fn a_spent_budget_ends_the_swarm() {
    let scene = Scene::new();
    let prices = ["--set", "swarm.cost.vcpu_second='0.01'", "--set", "swarm.cost.per_swarm='0.05'"];
    let more = [&["--provider", "process", "--speed", "20/s", "--json"][..], &prices].concat();
    let said = run(&scene, &of_demo("run", "2013-01-01", &more));
    assert_eq!(said.code, 1, "{}", said.stderr);
    let told = "of $0.050000: raise cost.per_swarm";
    assert!(said.stderr.contains("the budget is spent: the swarm has cost $"), "{}", said.stderr);
    assert!(said.stderr.contains(told), "{}", said.stderr);
}

#[test]
fn what_cannot_be_is_told() {
    let mut told = Catalogue::default();
    let scene = Scene::of_bars(crate::scene::BARS_HEADER, &crate::scene::BARS);
    told.case("without a swarm", &scene, &["swarm", "run", "run.toml"]);
    told.case("without a configuration", &scene, &["swarm", "deploy", "none.toml"]);
    told.case("nobody there", &scene, &["swarm", "status", "--state", "nowhere"]);
    told.case("nothing to end", &scene, &["swarm", "destroy", "--state", "nowhere"]);
    fs::copy(demo(), scene.path("demo.toml")).unwrap();
    told.case("a pace", &scene, &["swarm", "run", "demo.toml", "--speed", "fast"]);
    told.case("too little memory", &scene, &["swarm", "run", "demo.toml", "--set", "swarm.process.memory_mib=0"]);
    told.case("a price below nothing", &scene, &["swarm", "run", "demo.toml", "--set", "swarm.cost.per_day='-1'"]);
    if !cfg!(feature = "mesh") {
        let arguments = ["swarm", "run", "demo.toml", "--provider", "process", "--transport", "zenoh"];
        told.case("without Zenoh", &scene, &arguments);
    }
    insta::assert_snapshot!("swarm", told.text());
}
