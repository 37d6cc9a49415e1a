//! What the test's agents do: their role is a word.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use starling_connect::provider::local::inside::{Inside, Told};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn run() {
    let inside = Inside::enter().unwrap();
    let assignment = inside.assignment().clone();
    let role = String::from_utf8(assignment.role.clone()).unwrap_or_default();
    match role.split(' ').next().unwrap_or_default() {
        "echo" => echo(&inside),
        "stubborn" => {
            inside.ready(assignment.agent);
            loop {
                let _ = inside.next(60 * SECOND);
            }
        }
        "probe" => probe(&inside),
        "hungry" => {
            inside.ready(assignment.agent);
            let mut eaten = Vec::new();
            loop {
                eaten.push(vec![1_u8; 8 << 20]);
            }
        }
        "crash" => {
            inside.ready(assignment.agent);
            std::process::exit(3);
        }
        "understudy" => {
            assert!(!assignment.standby, "no understudy");
            echo(&inside);
        }
        "done" => inside.ready(assignment.agent),
        "keep" => keep(&inside),
        #[cfg(feature = "mesh")]
        "confer" => crate::mesh::confer(&inside, &role),
        other => panic!("no such role: {other}"),
    }
}

/// Says what it is told, until it is told to stop.
fn echo(inside: &Inside) {
    inside.ready(inside.assignment().agent);
    loop {
        match inside.next(60 * SECOND) {
            Some(Told::Words(words)) => inside.say(words),
            Some(Told::Activate { agent, .. }) => inside.ready(agent),
            Some(Told::Stop) => return,
            _ => {}
        }
    }
}

/// Tells what its predecessor left, and leaves its own number.
fn keep(inside: &Inside) {
    let path = inside.folder().join("number");
    let act = |agent: u32| {
        let left = fs::read_to_string(&path).unwrap_or_else(|_| "nothing".into());
        fs::write(&path, agent.to_string()).unwrap();
        inside.say(format!("{left} {agent}").into_bytes());
    };
    let agent = inside.assignment().agent;
    if !inside.assignment().standby {
        act(agent.0);
    }
    inside.ready(agent);
    loop {
        match inside.next(60 * SECOND) {
            Some(Told::Activate { agent, .. }) => {
                act(agent.0);
                inside.ready(agent);
            }
            Some(Told::Stop) => return,
            _ => {}
        }
    }
}

/// Tries what is forbidden, and what is not.
fn probe(inside: &Inside) {
    let mut said = Vec::new();
    let mut tell = |what: &str, worked: bool| said.push(format!("{what}={}", if worked { "yes" } else { "no" }));
    tell("read own folder", fs::read_dir(inside.folder()).is_ok());
    tell("write own folder", fs::write(inside.folder().join("x"), [1]).is_ok());
    tell("read /etc/passwd", File::open("/etc/passwd").is_ok());
    tell("read /", fs::read_dir("/").is_ok());
    tell("read parent", fs::read_dir(inside.folder().parent().unwrap()).is_ok());
    tell("read /proc", fs::read_to_string("/proc/1/cmdline").is_ok());
    tell("write /tmp", fs::write("/tmp/starling-probe", [1]).is_ok());
    tell("start a program", Command::new("/bin/true").status().is_ok());
    tell("start itself", Command::new("/proc/self/exe").spawn().is_ok());
    tell("start a thread", std::thread::Builder::new().spawn(|| 7).is_ok_and(|thread| thread.join().is_ok()));
    tell("listen by TCP", TcpListener::bind("127.0.0.1:0").is_ok());
    tell("open UDP", UdpSocket::bind("127.0.0.1:0").is_ok());
    let files: Vec<File> = (0..300).map_while(|_| File::open(inside.folder()).ok()).collect();
    tell("open 300 files", files.len() == 300);
    drop(files);
    let most = rustix::process::Rlimit { current: None, maximum: None };
    tell("raise a limit", rustix::process::setrlimit(rustix::process::Resource::Core, most).is_ok());
    tell("outlive its parent", rustix::process::set_parent_process_death_signal(None).is_ok());
    let parent = rustix::process::getppid().unwrap();
    tell("signal its parent", rustix::process::test_kill_process(parent).is_ok());
    inside.say(said.join("; ").into_bytes());
    echo(inside);
}
