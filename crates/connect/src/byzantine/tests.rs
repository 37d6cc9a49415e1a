//! Members on threads and in processes of their own, over TCP on the loopback device.
//!
//! Nothing here waits for a time: it waits for what must come, and gives up after [`PATIENCE`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use starling_swarm::byzantine::{Access, Inline, Invalid, Key, Rule, Store, execute};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
const MEMBERS: u32 = 4;
/// The shortest that is allowed: a session's change every hundred rounds.
const UNITS: u32 = 2 * MEMBERS * OVERLAP_ROUNDS;

fn identity(agent: u32) -> Identity {
    Identity::new(AgentId(agent), &[agent as u8 + 1; 32])
}

fn keys() -> Arc<KeyBook> {
    let mut book = KeyBook::new();
    (0..MEMBERS).for_each(|agent| book.insert(AgentId(agent), &identity(agent).public()).unwrap());
    Arc::new(book)
}

fn config(folder: &Path, peers: &BTreeMap<AgentId, SocketAddr>) -> Config {
    Config {
        pace: Duration::from_millis(2),
        session_units: UNITS,
        peers: peers.clone(),
        ..Config::new("test", &(0..MEMBERS).map(AgentId).collect::<Vec<_>>(), folder.to_owned())
    }
}

/// Where the members below the last listen.
struct Places {
    listeners: Vec<TcpListener>,
    peers: BTreeMap<AgentId, SocketAddr>,
}

impl Places {
    fn new(count: u32) -> Self {
        let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let peers = (0..).map(AgentId).zip(listeners.iter().map(|l| l.local_addr().unwrap())).collect();
        Self { listeners, peers }
    }

    /// A member that may come back later at the same place.
    fn open(&self, agent: u32, folder: &Path) -> Node {
        self.open_with(agent, config(&folder.join(agent.to_string()), &self.peers)).unwrap()
    }

    fn open_with(&self, agent: u32, config: Config) -> Result<Node, Error> {
        let listener = self.listeners.get(agent as usize).map(|listener| listener.try_clone().unwrap());
        Node::open(config, identity(agent), keys(), listener)
    }
}

/// What an agent was told.
#[derive(Debug, Default)]
struct Told {
    batches: Vec<Batch>,
    /// That ordered each.
    sessions: Vec<u64>,
    ends: Vec<Checkpoint>,
    other: Vec<Event>,
}

impl Told {
    fn take(&mut self, event: Event) {
        match event {
            Event::Batch { session, batch } => {
                self.batches.push(batch);
                self.sessions.push(session);
            }
            Event::Ended(checkpoint) => self.ends.push(checkpoint),
            other => self.other.push(other),
        }
    }

    fn read(&mut self, node: &Node) {
        while let Some(event) = node.next(Duration::from_millis(1)) {
            self.take(event);
        }
    }

    /// Reads until it is so.
    fn until(&mut self, node: &Node, what: &str, so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !so(self) {
            let Told { batches, ends, other, .. } = &*self;
            let counters = node.counters();
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {} batches, {} ends, {other:?}, {counters:?}",
                batches.len(),
                ends.len()
            );
            if let Some(event) = node.next(Duration::from_millis(10)) {
                self.take(event);
            }
        }
    }

    fn by(&self, agent: u32) -> impl Iterator<Item = u64> {
        self.batches.iter().filter(move |batch| batch.origin == AgentId(agent)).map(|batch| batch.number)
    }

    /// Each number of each origin once.
    fn assert_once(&self) {
        let names: BTreeSet<_> = self.batches.iter().map(|batch| (batch.origin, batch.number)).collect();
        assert_eq!(names.len(), self.batches.len(), "a batch was told twice");
    }
}

/// The one order is how the other begins.
fn assert_prefix(one: &Told, other: &Told) {
    let length = one.batches.len().min(other.batches.len());
    for (place, (a, b)) in one.batches.iter().zip(&other.batches).enumerate() {
        assert_eq!((a.origin, a.number), (b.origin, b.number), "at place {place} of {length}");
        assert_eq!(a, b);
    }
    let ends = one.ends.len().min(other.ends.len());
    assert_eq!(one.ends[..ends], other.ends[..ends]);
}

/// Items over few keys, so that many conflict.
fn items(agent: u32, salt: u64, count: u64) -> Vec<Item> {
    let item = |n: u64| Item {
        reads: vec![Key::Instrument((n * 7 + salt) as u32 % 5)],
        writes: vec![Key::State((n + u64::from(agent)) % 40)],
        payload: (salt * 1_000 + n).to_le_bytes().to_vec(),
    };
    (0..count).map(item).collect()
}

/// Writes a hash of what it sees; some items are refused.
struct Mix;

impl Rule for Mix {
    fn apply(&self, access: &mut Access<'_>) -> Result<(), Invalid> {
        let item = access.item().clone();
        if item.payload[0] == 13 {
            return Err(Invalid::Refused("thirteen".into()));
        }
        let mut hash = Transcript::new("mix");
        hash.bytes(&item.payload);
        for key in item.reads.iter().chain(&item.writes) {
            hash.bytes(access.read(*key)?.unwrap_or(b"none"));
        }
        item.writes.iter().try_for_each(|key| access.write(*key, hash.digest().to_vec()))
    }
}

#[test]
fn four_members_tell_one_order_over_several_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS);
    let nodes: Vec<Node> = (0..MEMBERS).map(|agent| places.open(agent, folder.path())).collect();
    let mut told: Vec<Told> = nodes.iter().map(|_| Told::default()).collect();
    let (mut handed_in, mut salt) = (0_u64, 0);
    // Batches come while sessions change.
    while told.iter().any(|told| told.ends.len() < 3) {
        salt += 1;
        for (agent, node) in nodes.iter().enumerate() {
            match node.hand_in(&items(agent as u32, salt, 150)) {
                Ok(number) => assert_eq!(number, salt - 1, "numbers have no gaps"),
                why => panic!("{why:?}"),
            }
            handed_in += 1;
        }
        let begun = nodes[0].counters().units;
        told[0].until(&nodes[0], "some rounds", |_| nodes[0].counters().units > begun + 20);
        told.iter_mut().zip(&nodes).for_each(|(told, node)| told.read(node));
    }
    for (told, node) in told.iter_mut().zip(&nodes) {
        told.until(node, "all batches", |told| told.batches.len() as u64 == handed_in);
        told.assert_once();
        assert!(told.other.is_empty(), "{:?}", told.other);
    }
    told[1..].iter().for_each(|other| assert_prefix(&told[0], other));
    assert!(nodes.iter().all(|node| node.counters().restarts == 0 && node.counters().refused == 0));

    // Carried out on threads and one by one: the same state.
    let threads = Threads(NonZeroUsize::new(3).unwrap());
    let (mut one, mut other, mut refused) = (Store::new(), Store::new(), 0);
    for batch in &told[0].batches {
        let outcomes = execute(&mut one, &batch.items, &Mix, &threads);
        assert_eq!(outcomes, execute(&mut other, &batch.items, &Mix, &Inline));
        refused += outcomes.iter().filter(|outcome| outcome.is_err()).count();
    }
    assert_eq!((one == other, one.len(), refused > 0), (true, 40, true));

    // One agent has kept its state at the end of session 1, and comes back with it.
    drop(nodes);
    let from = Config { from: 2, ..config(&folder.path().join("0"), &places.peers) };
    let node = places.open_with(0, from).unwrap();
    let first = told[0].sessions.partition_point(|session| *session < 2);
    let mut again = Told::default();
    let (batches, ends) = (&told[0].batches[first..], &told[0].ends[2..]);
    again.until(&node, "what came after", |again| {
        again.batches.len() >= batches.len() && again.ends.len() >= ends.len()
    });
    assert_eq!(again.batches, batches);
    // One more may have ended before the node was left, and after it was read.
    assert_eq!(again.ends[..ends.len()], *ends);
    let late = Config { from: 9, ..config(&folder.path().join("1"), &places.peers) };
    assert!(matches!(places.open_with(1, late), Err(Error::From { from: 9, oldest: 0, .. })));
}

/// The others keep one session only, and are further.
#[test]
fn who_was_away_for_too_long_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS);
    let open = |agent: u32| {
        let config = config(&folder.path().join(agent.to_string()), &places.peers);
        places.open_with(agent, Config { archive: 1, ..config }).unwrap()
    };
    let nodes: Vec<Node> = (0..MEMBERS - 1).map(open).collect();
    for node in &nodes {
        Told::default().until(node, "some sessions", |told| told.ends.len() >= 4);
    }
    let late = open(MEMBERS - 1);
    let mut told = Told::default();
    told.until(&late, "that it cannot follow", |told| !told.other.is_empty());
    assert!(matches!(told.other[0], Event::Stranded { session: 0, oldest: 2.. }), "{:?}", told.other);
}

/// A link to member 0, made by hand: says it is of `agent`, and signs with the key of `signer`.
fn dial(address: SocketAddr, broadcast: [u8; 32], agent: u32, signer: u32) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mine = [5; 32];
    stream.write_all(&[&broadcast[..], &agent.to_le_bytes(), &mine].concat())?;
    let mut answer = [0; 4 + 32 + 2];
    stream.read_exact(&mut answer)?;
    let mut signature = vec![0; usize::from(u16::from_le_bytes(answer[36..].try_into().unwrap()))];
    stream.read_exact(&mut signature)?;
    let theirs: [u8; 32] = answer[4..36].try_into().unwrap();
    let statement = |role: &str| {
        let mut statement = Transcript::new("byzantine link");
        statement.bytes(&broadcast);
        statement.bytes(role.as_bytes());
        [agent, 0].into_iter().for_each(|agent| statement.u32(agent));
        [mine, theirs].into_iter().for_each(|nonce| statement.bytes(&nonce));
        statement
    };
    let signature = postcard::from_bytes(&signature).unwrap();
    keys().verify(AgentId(0), &statement("acceptor"), &signature).expect("it proves itself first");
    let own = postcard::to_allocvec(&identity(signer).sign(&statement("dialler"))).unwrap();
    stream.write_all(&[&(own.len() as u16).to_le_bytes()[..], &own].concat())?;
    Ok(stream)
}

/// Who cannot sign is let go before a frame is read, and who is no member before a signature is made.
#[test]
fn links_are_for_members() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(1);
    let config = config(&folder.path().join("0"), &places.peers);
    let name = members(&config, identity(0), keys()).unwrap().broadcast;
    let node = places.open(0, folder.path());
    // What a node has to say to its peers.
    let hear = |broadcast: [u8; 32], agent: u32, signer: u32| {
        dial(places.peers[&AgentId(0)], broadcast, agent, signer)?.read(&mut [0; 16])
    };
    assert!(hear(name, 3, 3).is_ok_and(|bytes| bytes > 0), "a member");
    for (broadcast, agent, signer) in [(name, 3, 2), ([0; 32], 3, 3), (name, 9, 9), (name, 0, 0)] {
        let heard = hear(broadcast, agent, signer);
        assert!(!heard.as_ref().is_ok_and(|bytes| *bytes > 0), "{agent} signed by {signer}: {heard:?}");
        assert!(!matches!(&heard, Err(why) if why.kind() == io::ErrorKind::WouldBlock), "let go, not left alone");
    }
    drop(node);
}

/// Member 3 asks, again and again, for units of a member that does not exist, and in the name of one.
#[test]
fn questions_that_make_no_sense_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS - 1);
    let nodes: Vec<Node> = (0..MEMBERS - 1).map(|agent| places.open(agent, folder.path())).collect();
    let config = config(&folder.path().join("0"), &places.peers);
    let name = members(&config, identity(0), keys()).unwrap().broadcast;
    let mut liar = dial(places.peers[&AgentId(0)], name, 3, 3).unwrap();
    let (session, me, nobody) = (0_u64.to_le_bytes(), 3_u64.to_le_bytes(), u64::MAX.to_le_bytes());
    let newest = [&[0, 4][..], &nobody, &[7; 8]].concat();
    let by_place = [&[0, 1][..], &me, &[0; 2], &nobody].concat();
    for letter in [newest, by_place] {
        let length = (1 + session.len() + letter.len()) as u32;
        let frame = [&length.to_le_bytes()[..], &[1], &session, &letter].concat();
        (0..100).for_each(|_| liar.write_all(&frame).unwrap());
    }
    let begun = Instant::now();
    while nodes[0].counters().dropped < 200 {
        assert!(begun.elapsed() < PATIENCE && nodes[0].counters().restarts == 0, "{:?}", nodes[0].counters());
        std::thread::yield_now();
    }
    for (agent, node) in nodes.iter().enumerate() {
        assert_eq!(node.hand_in(&items(agent as u32, 0, 3)), Ok(0));
    }
    for node in &nodes {
        let mut told = Told::default();
        told.until(node, "the order goes on", |told| told.batches.len() as u32 == MEMBERS - 1);
        assert!(told.other.is_empty() && node.counters().restarts == 0, "{:?} {:?}", told.other, node.counters());
    }
}

/// Of four members one is silent. The broadcast waits for it for five seconds when a session begins, but not when the one
/// before ends.
#[test]
fn a_silent_member_does_not_hold_up_the_change_of_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS - 1);
    let open = |agent: u32| {
        let config = config(&folder.path().join(agent.to_string()), &places.peers);
        // Three make a unit each in a round, and a round takes this long at least: more than five seconds.
        let (pace, session_units) = (Duration::from_millis(5), 3_200);
        places.open_with(agent, Config { pace, session_units, ..config }).unwrap()
    };
    let nodes: Vec<Node> = (0..MEMBERS - 1).map(open).collect();
    let (mut told, mut slowest) = (Told::default(), Duration::ZERO);
    for number in 0.. {
        let handed_in = Instant::now();
        assert_eq!(nodes[0].hand_in(&items(0, number, 2)), Ok(number));
        told.until(&nodes[0], "one's own batch", |told| told.batches.len() as u64 > number);
        nodes[1..].iter().for_each(|node| while node.next(Duration::ZERO).is_some() {});
        if number > 0 {
            slowest = slowest.max(handed_in.elapsed());
        }
        if told.ends.len() == 3 {
            break;
        }
    }
    assert!(slowest < Duration::from_millis(2_500), "{slowest:?}");
}

/// The part of the process that is killed: member 3, which says on its standard output what it is told.
#[test]
#[ignore = "runs as a process of another test"]
fn member_of_another_process() {
    let Ok(folder) = std::env::var("STARLING_BYZANTINE") else { return };
    let folder = Path::new(&folder);
    let places = std::fs::read_to_string(folder.join("places")).unwrap();
    let peers = (0..).map(AgentId).zip(places.lines().map(|line| line.parse().unwrap())).collect();
    let node = Node::open(config(&folder.join("3"), &peers), identity(3), keys(), None).unwrap();
    let mut out = std::io::stdout().lock();
    let mut salt = 0;
    loop {
        // It hands in, too, as long as there is room.
        if node.counters().open < 4 {
            salt += 1;
            node.hand_in(&items(3, salt, 3)).unwrap();
        }
        let line = match node.next(Duration::from_millis(1)) {
            None => continue,
            Some(Event::Batch { batch, .. }) => {
                let hex: String = batch.id().0.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("batch {} {} {hex}", batch.origin.0, batch.number)
            }
            Some(Event::Ended(checkpoint)) => format!("ended {} {:?}", checkpoint.session, checkpoint.digest),
            Some(other) => format!("other {other:?}"),
        };
        writeln!(out, "told {line}").unwrap();
        out.flush().unwrap();
    }
}

/// Member 3 in a process of its own.
struct Remote {
    child: Child,
    lines: mpsc::Receiver<String>,
    told: Vec<String>,
}

impl Remote {
    fn start(folder: &Path) -> Self {
        let name = "byzantine::tests::member_of_another_process";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env("STARLING_BYZANTINE", folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The harness may have begun the first line.
                if let Some((_, line)) = line.split_once("told ") {
                    let _ = sender.send(line.to_owned());
                }
            }
        });
        Self { child, lines, told: Vec::new() }
    }

    /// Reads until it is so, while the others go on.
    fn until(&mut self, what: &str, others: &mut dyn FnMut(), so: impl Fn(&[String]) -> bool) {
        let begun = Instant::now();
        while !so(&self.told) {
            assert!(begun.elapsed() < PATIENCE, "{what}: told {}, last {:?}", self.told.len(), self.told.last());
            others();
            self.told.extend(self.lines.try_iter());
        }
    }

    /// As `kill -9` does.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.told.extend(self.lines.iter());
        std::mem::take(&mut self.told)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process is killed in the midst of a session and comes back in the same, and later after some that it missed. Each
/// time it is told the whole order again, from its own files and the others' logs, and goes on.
#[test]
fn a_killed_member_comes_back_and_is_told_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS - 1);
    let lines: Vec<String> = places.peers.values().map(ToString::to_string).collect();
    std::fs::write(folder.path().join("places"), lines.join("\n")).unwrap();
    let nodes: Vec<Node> = (0..MEMBERS - 1).map(|agent| places.open(agent, folder.path())).collect();
    let mut told: Vec<Told> = nodes.iter().map(|_| Told::default()).collect();
    let mut salt = 0;
    let mut go_on = |told: &mut Vec<Told>| {
        for (agent, (node, told)) in nodes.iter().zip(told).enumerate() {
            if node.counters().open < 4 {
                salt += 1;
                node.hand_in(&items(agent as u32, salt, 5)).unwrap();
            }
            if let Some(event) = node.next(Duration::from_millis(1)) {
                told.take(event);
            }
            told.read(node);
        }
    };
    let ends = |told: &[String]| told.iter().filter(|line| line.starts_with("ended")).count();
    let mut remote = Remote::start(folder.path());
    remote.until("one session", &mut || go_on(&mut told), |lines| ends(lines) >= 1 && lines.len() > 40);
    let first = remote.kill();

    // Comes back at once.
    let mut remote = Remote::start(folder.path());
    let before = first.len();
    remote.until("more than before", &mut || go_on(&mut told), |lines| ends(lines) >= 2 && lines.len() > before);
    let second = remote.kill();
    assert_eq!(second[..first.len()], first, "the same from the beginning");

    // The others go on without it, for three sessions.
    let begun = Instant::now();
    let behind = told[0].ends.len() + 3;
    while told.iter().any(|told| told.ends.len() < behind) {
        assert!(begun.elapsed() < PATIENCE, "three of four are enough: {:?}", nodes[0].counters());
        go_on(&mut told);
    }
    let mut remote = Remote::start(folder.path());
    let before = second.len();
    remote.until("what it missed", &mut || go_on(&mut told), |lines| ends(lines) > behind && lines.len() > before);
    let own = |lines: &[String]| lines.iter().filter(|line| line.starts_with("batch 3 ")).count();
    let had = own(&second);
    remote.until("own batches again", &mut || go_on(&mut told), |lines| own(lines) > had + 5);
    let third = remote.kill();
    assert_eq!(third[..second.len()], second, "the same from the beginning");

    let begun = Instant::now();
    while told.iter().any(|told| told.batches.len() + told.ends.len() < third.len()) {
        assert!(begun.elapsed() < PATIENCE, "the others know what it was told");
        go_on(&mut told);
    }
    told.iter().for_each(Told::assert_once);
    told[1..].iter().for_each(|other| assert_prefix(&told[0], other));
    let batches: Vec<&String> = third.iter().filter(|line| line.starts_with("batch")).collect();
    for (line, batch) in batches.iter().zip(&told[0].batches) {
        let hex: String = batch.id().0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(**line, format!("batch {} {} {hex}", batch.origin.0, batch.number));
    }
    // Its numbers have no gaps: nothing handed in before it was killed is lost, once later ones are there.
    let mut own: Vec<u64> = told[0].by(3).collect();
    own.sort_unstable();
    assert!(own.iter().copied().take(had).eq(0..had as u64), "{own:?}");
    assert!(third.iter().all(|line| !line.starts_with("other")), "{:?}", third.last());
}

/// Member 3 is two processes with one key, which say different things to different members: two units in each of its
/// rounds, two batches of each number. The others agree on one of them, or none, and go on.
#[test]
fn a_member_who_says_two_things_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(MEMBERS - 1);
    let nodes: Vec<Node> = (0..MEMBERS - 1).map(|agent| places.open(agent, folder.path())).collect();
    let lie = |name: &str, to: &[u32]| {
        let peers = to.iter().map(|agent| (AgentId(*agent), places.peers[&AgentId(*agent)])).collect();
        Node::open(config(&folder.path().join(name), &peers), identity(3), keys(), None).unwrap()
    };
    let liars = [lie("one", &[0]), lie("other", &[1, 2])];
    for (liar, face) in liars.iter().enumerate() {
        (0..3).for_each(|salt| assert!(face.hand_in(&items(90 + liar as u32, salt, 2)).is_ok()));
    }
    let mut told: Vec<Told> = nodes.iter().map(|_| Told::default()).collect();
    let mut salt = 0;
    while told.iter().any(|told| told.ends.len() < 3) {
        salt += 1;
        for (agent, node) in nodes.iter().enumerate() {
            assert_eq!(node.hand_in(&items(agent as u32, salt, 10)), Ok(salt - 1));
        }
        for (agent, (told, node)) in told.iter_mut().zip(&nodes).enumerate() {
            told.until(node, "one's own batch", |told| told.by(agent as u32).count() as u64 == salt);
        }
        liars.iter().for_each(|face| while face.next(Duration::ZERO).is_some() {});
    }
    let honest = |told: &Told| (0..MEMBERS - 1).map(|agent| told.by(agent).count() as u64).sum::<u64>();
    for (told, node) in told.iter_mut().zip(&nodes) {
        told.until(node, "the others' batches", |told| honest(told) == 3 * salt);
        told.assert_once();
        assert!(told.other.is_empty(), "{:?}", told.other);
    }
    told[1..].iter().for_each(|other| assert_prefix(&told[0], other));
    let lies: Vec<u64> = told[0].by(3).collect();
    assert!(lies.len() <= 3, "{lies:?}");
}

#[test]
fn a_node_says_what_is_wrong_with_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places::new(1);
    let good = config(&folder.path().join("0"), &places.peers);
    let open = |agent: u32, config: Config| places.open_with(agent, config).map(drop).unwrap_err().to_string();
    assert_eq!(open(9, good.clone()), "agent 9 is not among the members: name it there, or take another identity");
    let members = vec![AgentId(0), AgentId(1), AgentId(7)];
    assert!(open(0, Config { members, ..good.clone() }).starts_with("agent 7 has no key"));
    let members = vec![AgentId(0), AgentId(1), AgentId(1)];
    assert!(
        open(0, Config { members, ..good.clone() }).starts_with("agent 1 has no key in the book, or is a member twice")
    );
    let short = Config { session_units: UNITS - 1, ..good.clone() };
    assert_eq!(open(0, short), "sessions of 383 units do not fit 4 members: 384 to 193605 do");
    assert!(Config { session_units: 193_605, ..good.clone() }.session_units == 193_605);
    let long = Config { session_units: 193_606, ..good.clone() };
    assert_eq!(open(0, long), "sessions of 193606 units do not fit 4 members: 384 to 193605 do");
    let early = Config { from: 2, ..good };
    assert!(open(0, early).starts_with("session 2 is not kept, 0 to 0 are"));
}
