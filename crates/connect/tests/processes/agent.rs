//! What the test's agents do: their role is a word.

use std::fs::{self, File, Permissions};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown, fchown, lchown};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendFlags, SocketType, ipproto};
use starling_connect::provider::Layers;
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
        "probe" => probe(&inside, &role),
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

/// Says over its socket what an agent must not: its first argument is what.
pub(crate) fn rude(how: &str) {
    let mut link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    // The process that cleans up has no folder, and is as it should be.
    if how == "late"
        && let Some(number) = own_number(&std::env::current_dir().unwrap())
    {
        // It has no role, and says that it is sealed only when it has been told to end.
        (0..2).for_each(|_| hear(&mut link));
        say(&mut link, &sealed(number));
        return outlive(&mut link);
    }
    let inside = Inside::enter().unwrap();
    if inside.assignment().role == b"echo" {
        return echo(&inside);
    }
    let number = own_number(inside.folder()).unwrap();
    inside.ready(inside.assignment().agent);
    match how {
        // A word above all bounds, and its bytes, by more threads than the provider has.
        "flood" => {
            link.write_all(&u32::MAX.to_le_bytes()).unwrap();
            let bytes = vec![0; 1 << 20];
            let write = || while (&link).write_all(&bytes).is_ok() {};
            std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(write))));
        }
        "sealed again" => {
            while inside.next(60 * SECOND) != Some(Told::Stop) {}
            say(&mut link, &sealed(number));
            outlive(&mut link);
        }
        other => panic!("no such rudeness: {other}"),
    }
}

/// Its number among the provider's processes, which its folder is named by.
fn own_number(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// The word of a process that is sealed: the first of a provider's reports.
fn sealed(number: u64) -> Vec<u8> {
    let version = 1_u32;
    postcard::to_allocvec(&(0_u32, version, number, Layers::default())).unwrap()
}

fn say(link: &mut UnixStream, word: &[u8]) {
    let length = u32::try_from(word.len()).unwrap().to_le_bytes();
    link.write_all(&[&length, word].concat()).unwrap();
}

fn hear(link: &mut UnixStream) {
    let mut length = [0; 4];
    link.read_exact(&mut length).unwrap();
    link.read_exact(&mut vec![0; u32::from_le_bytes(length) as usize]).unwrap();
}

/// Lives as long as its provider, whatever it is told.
fn outlive(link: &mut UnixStream) {
    while link.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
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

/// Tries what is forbidden, and what is not. Its role names a socket of a file, and a port, where its caller listens.
fn probe(inside: &Inside, role: &str) {
    let mut role = role.split(' ').skip(1);
    let (socket, port): (&str, u16) = (role.next().unwrap(), role.next().unwrap().parse().unwrap());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let own = inside.folder().join("x");

    let mut said = Vec::new();
    let mut tell = |what: &str, worked: bool| said.push(format!("{what}={}", if worked { "yes" } else { "no" }));
    tell("read own folder", fs::read_dir(inside.folder()).is_ok());
    tell("write own folder", fs::write(&own, [1]).is_ok());
    tell("read /etc/passwd", File::open("/etc/passwd").is_ok());
    tell("read /", fs::read_dir("/").is_ok());
    tell("read parent", fs::read_dir(inside.folder().parent().unwrap()).is_ok());
    tell("read /proc", fs::read_to_string("/proc/1/cmdline").is_ok());
    tell("write /tmp", fs::write("/tmp/starling-probe", [1]).is_ok());
    tell("start a program", Command::new("/bin/true").status().is_ok());
    tell("start itself", Command::new("/proc/self/exe").spawn().is_ok());
    tell("start a thread", std::thread::Builder::new().spawn(|| 7).is_ok_and(|thread| thread.join().is_ok()));

    // Files that Landlock lets everybody change.
    let opened = File::open(inside.folder()).unwrap();
    tell("change a mode", fs::set_permissions(socket, Permissions::from_mode(0o0)).is_ok());
    tell("change an open file's mode", opened.set_permissions(Permissions::from_mode(0o700)).is_ok());
    tell("change an owner", chown(socket, None, None).is_ok());
    tell("change a link's owner", lchown(socket, None, None).is_ok());
    tell("change an open file's owner", fchown(&opened, None, None).is_ok());
    tell("change a date", opened.set_modified(UNIX_EPOCH).is_ok());
    // Not every file system has them.
    let (refused, new) = (Err(Errno::PERM), XattrFlags::empty());
    tell("set an attribute", rustix::fs::setxattr(own.as_path(), "user.x", b"1", new) != refused);
    tell("set an open file's attribute", rustix::fs::fsetxattr(&opened, "user.x", b"1", new) != refused);
    tell("remove an attribute", rustix::fs::removexattr(own.as_path(), "user.x") != refused);

    tell("listen by TCP", TcpListener::bind("127.0.0.1:0").is_ok());
    tell("connect by TCP", TcpStream::connect(address).is_ok());
    tell("open UDP", UdpSocket::bind("127.0.0.1:0").is_ok());
    let stream = |protocol| rustix::net::socket(AddressFamily::INET, SocketType::STREAM, protocol);
    tell("open multipath TCP", stream(Some(ipproto::MPTCP)).err() != Some(Errno::PERM));
    // `MSG_FASTOPEN`: the first words open the connection.
    let fast_open = SendFlags::from_bits_retain(0x2000_0000);
    let sent = stream(None).and_then(|socket| rustix::net::sendto(socket, b"hello", fast_open, &address));
    tell("connect by sending", sent.is_ok());
    let message = [IoSlice::new(b"hello")];
    let mut with = SendAncillaryBuffer::default();
    let sent =
        stream(None).and_then(|socket| rustix::net::sendmsg_addr(socket, &address, &message, &mut with, fast_open));
    tell("connect by a message", sent.is_ok());
    tell("listen at a name", UnixListener::bind(inside.folder().join("s")).is_ok());
    tell("connect to a name", UnixStream::connect(socket).is_ok());
    tell("pair sockets", UnixStream::pair().is_ok());
    tell("pair datagrams", UnixDatagram::pair().is_ok());

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
