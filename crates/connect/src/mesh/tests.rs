//! Sessions of one process talk over the loopback device; several processes do so in `tests/processes`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use starling_swarm::component::{Component, Outbox, To};
use starling_swarm::membership::{Founding, Timing};
use starling_swarm::node::{self, Node};
use starling_swarm::topology::Shape;

use super::host::Host;
use super::*;
use crate::clock::now;

/// Long, since this machine does other things, too.
const PATIENCE: Duration = Duration::from_secs(30);
const TURN: Duration = Duration::from_micros(500);

/// Remembers what it heard, how often.
#[derive(Debug, Default)]
struct Ear {
    heard: BTreeMap<(AgentId, u64), u32>,
}

impl Component for Ear {
    type Message = u64;
    type Event = ();

    fn on_message(&mut self, _: UnixNanos, from: AgentId, message: u64, _: &mut Outbox<u64>, _: &mut Vec<()>) {
        *self.heard.entry((from, message)).or_default() += 1;
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<u64>, _: &mut Vec<()>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, _: &[AgentId], _: &mut Outbox<u64>, _: &mut Vec<()>) {}
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Processes that listen on `ports`, each connecting to those before it by way of `via`.
fn configs(swarm: &str, ports: &[u16], via: impl Fn(usize, usize) -> u16) -> Vec<Config> {
    let config = |at: usize| Config {
        listen: vec![format!("tcp/127.0.0.1:{}", ports[at])],
        connect: (0..at).map(|other| format!("tcp/127.0.0.1:{}", via(at, other))).collect(),
        ..Config::new(swarm, ProcessId(u32::try_from(at).unwrap()))
    };
    (0..ports.len()).map(config).collect()
}

fn hosts(configs: Vec<Config>, shape: Shape) -> Vec<Host<Ear>> {
    let members: Vec<AgentId> = (0..configs.len()).map(|at| AgentId(u32::try_from(at).unwrap() + 1)).collect();
    let founding = Founding::new(shape, members.clone());
    let settings = node::Config { timing: Timing::local(), ..node::Config::default() };
    let host = |(config, &me): (Config, &AgentId)| {
        let mut host = Host::new(Mesh::open(config).unwrap());
        host.add(Node::found(now(), me, Ear::default(), settings, &founding));
        host
    };
    configs.into_iter().zip(&members).map(host).collect()
}

fn turn_until(hosts: &mut [Host<Ear>], mut done: impl FnMut(&mut [Host<Ear>]) -> bool) -> Duration {
    let begun = Instant::now();
    while !done(hosts) {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        for host in hosts.iter_mut() {
            host.turn(TURN);
        }
    }
    begun.elapsed()
}

fn only(host: &mut Host<Ear>) -> &mut Node<Ear> {
    host.nodes_mut().next().unwrap()
}

fn say(host: &mut Host<Ear>, to: To, message: u64) {
    only(host).act(now(), |_, _, out, _| match to {
        To::One(one) => out.send(one, Priority::High, message),
        To::All => out.send_all(Priority::Normal, message),
    });
}

fn views(hosts: &mut [Host<Ear>]) -> Vec<usize> {
    hosts.iter_mut().map(|host| only(host).view().members().len()).collect()
}

#[test]
fn every_broadcast_comes_once_and_what_is_for_one_goes_along_edges() {
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let mut hosts = hosts(configs("once", &ports, |_, other| ports[other]), Shape::Star);
    for message in 0..50 {
        for host in &mut hosts {
            say(host, To::All, message);
        }
    }
    turn_until(&mut hosts, |hosts| hosts.iter_mut().all(|host| only(host).component().heard.len() == 150));
    // From a point of the star to another, over the hub.
    let hub = only(&mut hosts[0]).counters().carried;
    say(&mut hosts[1], To::One(AgentId(4)), 1_000);
    turn_until(&mut hosts, |hosts| only(&mut hosts[3]).component().heard.contains_key(&(AgentId(2), 1_000)));
    assert!(only(&mut hosts[0]).counters().carried > hub);
    // How many datagrams carry what was said so far is the machine's affair; here each word goes out alone.
    let mut message = 50;
    while hosts[0].mesh().counters().datagrams_out < 100 {
        say(&mut hosts[0], To::All, message);
        let heard = |host: &mut Host<Ear>| only(host).component().heard.contains_key(&(AgentId(1), message));
        turn_until(&mut hosts, |hosts| hosts[1..].iter_mut().all(heard));
        message += 1;
    }
    // What was repeated has had time to come again.
    let end = Instant::now() + Duration::from_millis(500);
    turn_until(&mut hosts, |_| Instant::now() > end);
    for host in &mut hosts {
        assert!(only(host).component().heard.values().all(|&times| times == 1));
        let counters = host.mesh().counters();
        assert_eq!((counters.malformed, counters.forged, counters.overflowed), (0, 0, 0), "{counters:?}");
        assert!(counters.frames_out > counters.datagrams_out, "frames share datagrams: {counters:?}");
    }
    let edges: BTreeSet<(AgentId, AgentId)> =
        hosts.iter().flat_map(|host| host.mesh().traffic().into_keys().collect::<Vec<_>>()).collect();
    let hub = AgentId(1);
    assert!(edges.iter().all(|&(from, to)| from == hub || to == hub), "{edges:?}");
    let reuse = hosts[0].mesh().counters().reuse().unwrap();
    assert!(reuse > 0.9, "{reuse}");
}

#[test]
fn agents_of_one_process_need_no_network() {
    let ports = [free_port(), free_port()];
    let mut configs = configs("within", &ports, |_, other| ports[other]).into_iter();
    let members: Vec<AgentId> = (1..=5).map(AgentId).collect();
    let founding = Founding::new(Shape::Mesh, members.clone());
    let settings = node::Config { timing: Timing::local(), ..node::Config::default() };
    let mut host = |agents: &[u32]| {
        let mut host = Host::new(Mesh::open(configs.next().unwrap()).unwrap());
        for &agent in agents {
            host.add(Node::found(now(), AgentId(agent), Ear::default(), settings, &founding));
        }
        host
    };
    let mut hosts = [host(&[1, 2, 3]), host(&[4, 5])];
    for host in &mut hosts {
        for node in host.nodes_mut() {
            node.act(now(), |_, _, out, _| out.send_all(Priority::Bulk, 7));
        }
    }
    let all = |host: &mut Host<Ear>| host.nodes_mut().all(|node| node.component().heard.len() == 4);
    turn_until(&mut hosts, |hosts| hosts.iter_mut().all(all));
    let counters = hosts[0].mesh().counters();
    assert!(counters.frames_within >= 6 && counters.frames_out >= 6, "{counters:?}");
    assert_eq!(hosts[0].mesh().place_of(AgentId(5)), Some(ProcessId(1)));
    assert_eq!(hosts[0].mesh().place_of(AgentId(2)), Some(ProcessId(0)));
    assert_eq!(hosts[0].mesh().place_of(AgentId(6)), None);
    let mut stranger = hosts.into_iter().next().unwrap();
    assert!(stranger.remove(AgentId(2)).is_some() && stranger.node(AgentId(2)).is_none());
}

#[test]
fn nobody_writes_in_the_name_of_another_process() {
    let ports = [free_port(), free_port(), free_port()];
    let mut meshes: Vec<Mesh> = configs("forged", &ports, |_, other| ports[other])
        .into_iter()
        .map(|config| Mesh::open(config).unwrap())
        .collect();
    meshes[0].host(AgentId(1));
    meshes[1].host(AgentId(2));
    let mut heard = Vec::new();
    let mut run = |meshes: &mut [Mesh], done: &mut dyn FnMut(&mut [Mesh], &[Vec<u8>]) -> bool| {
        let begun = Instant::now();
        while !done(meshes, &heard) {
            assert!(begun.elapsed() < PATIENCE);
            for (at, mesh) in meshes.iter_mut().enumerate() {
                mesh.on_time(now());
                mesh.wait(now(), now().saturating_add(MILLISECOND));
                mesh.drain(|_, _, frame| {
                    if at == 0 {
                        heard.push(frame.to_vec());
                    }
                });
            }
        }
    };
    run(&mut meshes, &mut |meshes, _| {
        meshes[0].place_of(AgentId(2)).is_some() && meshes[2].place_of(AgentId(1)).is_some()
    });
    let parcel = |byte| Parcel { to: AgentId(1), priority: Priority::High, bytes: vec![byte; 9] };
    // The third process takes another's agent for its own, and writes as if it were it.
    meshes[2].host(AgentId(2));
    meshes[2].send(AgentId(2), parcel(66)).unwrap();
    run(&mut meshes, &mut |meshes, _| meshes[0].counters().forged >= 2);
    meshes[1].send(AgentId(2), parcel(7)).unwrap();
    run(&mut meshes, &mut |_, heard| !heard.is_empty());
    assert_eq!(heard, [vec![7; 9]]);
    assert_eq!(meshes[0].place_of(AgentId(2)), Some(ProcessId(1)));
    let nobody = Parcel { to: AgentId(99), ..parcel(1) };
    assert_eq!(meshes[0].send(AgentId(1), nobody), Err(SendError::Closed(AgentId(99))));
}

/// A certificate for 127.0.0.1, of an authority of its own or of a given one.
fn certificates(folder: &Path) -> Tls {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let mut own = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    own.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let own = own.signed_by(&own_key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Tls {
        authority: write("authority.pem", authority.pem()),
        certificate: write("own.pem", own.pem()),
        key: write("own.key", own_key.serialize_pem()),
    }
}

#[test]
fn with_certificates_and_passwords_members_connect_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (tls, foreign) = (certificates(folder.path()), certificates(other.path()));
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let accepted = write("accepted", "alice:open sesame\n");
    let right = write("right", "open sesame\n");
    let wrong = write("wrong", "open wheat\n");
    let port = free_port();
    let config = |process: u32, tls: &Tls, password: &Path| Config {
        connect: vec![format!("tls/127.0.0.1:{port}")],
        tls: Some(tls.clone()),
        credentials: Some(Credentials {
            user: "alice".into(),
            password: password.to_path_buf(),
            accepted: accepted.clone(),
        }),
        ..Config::new("closed", ProcessId(process))
    };
    let hub = Config { listen: vec![format!("tls/127.0.0.1:{port}")], connect: Vec::new(), ..config(0, &tls, &right) };
    let plain = Config {
        tls: None,
        credentials: None,
        connect: vec![format!("tcp/127.0.0.1:{port}")],
        ..config(4, &tls, &right)
    };
    let configs = [hub, config(1, &tls, &wrong), config(2, &foreign, &right), plain, config(3, &tls, &right)];
    let mut meshes: Vec<Mesh> = configs.into_iter().map(|config| Mesh::open(config).unwrap()).collect();
    for (at, mesh) in meshes.iter_mut().enumerate() {
        mesh.host(AgentId(u32::try_from(at).unwrap()));
    }
    let begun = Instant::now();
    let mut since = None;
    // The last is let in; the others have as long again, and a second.
    while since.is_none_or(|at: Instant| at.elapsed() < Duration::from_secs(1) + (at - begun)) {
        assert!(begun.elapsed() < PATIENCE);
        for mesh in &mut meshes {
            mesh.on_time(now());
            mesh.wait(now(), now().saturating_add(2 * MILLISECOND));
            mesh.drain(|_, _, _| {});
        }
        if since.is_none() && meshes[0].place_of(AgentId(4)).is_some() {
            since = Some(Instant::now());
        }
    }
    assert_eq!([1, 2, 3].map(|agent| meshes[0].place_of(AgentId(agent))), [None; 3]);
    let shown = format!("{:?}", config(1, &tls, &right));
    assert!(!shown.contains("right") && shown.contains("alice"), "{shown}");
}

#[test]
fn what_cannot_be_set_is_said() {
    let config = Config { swarm: "a/b".into(), ..Config::new("", ProcessId(1)) };
    assert!(matches!(Mesh::open(config), Err(MeshError::Name(name)) if name == "a/b"));
    let config = Config { listen: vec!["carrier-pigeon".into()], ..Config::new("x", ProcessId(1)) };
    assert!(matches!(Mesh::open(config), Err(MeshError::Setting { setting: "listen/endpoints", .. })));
    let credentials = Credentials { user: "a".into(), password: "/no/such/file".into(), accepted: "/no/such".into() };
    let config = Config { credentials: Some(credentials), ..Config::new("x", ProcessId(1)) };
    assert!(matches!(Mesh::open(config), Err(MeshError::Password { .. })));
}

/// Stands between two processes, and can cut all that passes.
struct Cutter {
    port: u16,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cutter {
    fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_cut, streams) = (Arc::clone(&cut), Arc::clone(&open));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                for (mut from, mut to) in
                    [(&near, &far), (&far, &near)].map(|(a, b)| (a.try_clone().unwrap(), b.try_clone().unwrap()))
                {
                    std::thread::spawn(move || {
                        let mut bytes = [0; 64 << 10];
                        while let Ok(count @ 1..) = from.read(&mut bytes) {
                            if to.write_all(&bytes[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                streams.lock().unwrap().extend([near, far]);
            }
        });
        Self { port, cut, open }
    }

    fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_partition_heals_without_divergence() {
    let ports: Vec<u16> = (0..5).map(|_| free_port()).collect();
    // Two of five on one side; each link across goes through a cutter.
    let side = |at: usize| at < 2;
    let cutters: BTreeMap<(usize, usize), Cutter> = (0..5)
        .flat_map(|at| (0..at).map(move |other| (at, other)))
        .filter(|&(at, other)| side(at) != side(other))
        .map(|(at, other)| ((at, other), Cutter::before(ports[other])))
        .collect();
    let via = |at, other| cutters.get(&(at, other)).map_or(ports[other], |cutter| cutter.port);
    let mut hosts = hosts(configs("split", &ports, via), Shape::Mesh);
    for host in &mut hosts {
        say(host, To::All, 1);
    }
    turn_until(&mut hosts, |hosts| hosts.iter_mut().all(|host| only(host).component().heard.len() == 4));
    turn_until(&mut hosts, |hosts| views(hosts) == [5; 5]);

    cutters.values().for_each(|cutter| cutter.cut(true));
    let noticed = turn_until(&mut hosts, |hosts| views(hosts) == [2, 2, 3, 3, 3]);
    println!("both sides noticed after {noticed:?}");
    let leaders: Vec<Option<AgentId>> = hosts.iter_mut().map(|host| only(host).leader()).collect();
    let three = Some(AgentId(3));
    assert_eq!(leaders, [None, None, three, three, three], "a leader where a majority lives");
    for host in &mut hosts {
        say(host, To::All, 2);
    }

    cutters.values().for_each(|cutter| cutter.cut(false));
    let healed = turn_until(&mut hosts, |hosts| views(hosts) == [5; 5]);
    println!("one view after {healed:?}");
    for host in &mut hosts {
        say(host, To::All, 3);
    }
    // Said to all who were members then: within a side at least; afterwards to everybody.
    let has = |host: &mut Host<Ear>, message| {
        let me = only(host).me();
        (1..=5)
            .map(AgentId)
            .filter(|&from| from != me)
            .all(|from| only(host).component().heard.contains_key(&(from, message)))
    };
    turn_until(&mut hosts, |hosts| hosts.iter_mut().all(|host| has(host, 3)));
    turn_until(&mut hosts, |hosts| {
        let fingerprints: BTreeSet<u64> = hosts.iter_mut().map(|host| only(host).view().fingerprint()).collect();
        fingerprints.len() == 1
    });
    for host in &mut hosts {
        let me = only(host).me();
        let near: Vec<AgentId> =
            (1..=5).map(AgentId).filter(|&from| from != me && (from.0 <= 2) == (me.0 <= 2)).collect();
        assert!(near.iter().all(|&from| only(host).component().heard.contains_key(&(from, 2))));
        assert!(only(host).component().heard.values().all(|&times| times == 1));
    }
}
