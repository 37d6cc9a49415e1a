//! One node against hand-made neighbours; many against faults are the simulator's to show.

use super::*;
use crate::message::Malformed;

const ME: AgentId = AgentId(1);
const OTHER: AgentId = AgentId(2);
const START: UnixNanos = UnixNanos::new(1_000_000_000_000);

/// Keeps what it hears; repeats to itself what it is told to.
#[derive(Debug, Default)]
struct Ear {
    heard: Vec<(AgentId, u64)>,
    members: Vec<AgentId>,
}

impl Component for Ear {
    type Message = u64;
    type Event = u64;

    fn on_message(&mut self, _: UnixNanos, from: AgentId, message: u64, out: &mut Outbox<u64>, events: &mut Vec<u64>) {
        self.heard.push((from, message));
        events.push(message);
        if from == ME && message > 0 {
            out.send(ME, Priority::Bulk, message - 1);
        }
    }

    fn on_time(&mut self, _: UnixNanos, _: &mut Outbox<u64>, _: &mut Vec<u64>) {}

    fn next_due(&self) -> UnixNanos {
        UnixNanos::MAX
    }

    fn on_members(&mut self, _: UnixNanos, members: &[AgentId], _: &mut Outbox<u64>, _: &mut Vec<u64>) {
        self.members = members.to_vec();
    }
}

fn node(config: Config) -> Node<Ear> {
    let founding = Founding::new(Shape::Star, [ME, OTHER, AgentId(3)]);
    let mut node = Node::found(START, ME, Ear::default(), config, &founding);
    node.on_time(START);
    sends(&mut node);
    node
}

fn sends(node: &mut Node<Ear>) -> Vec<(AgentId, Header, Vec<u8>)> {
    let parcels = std::iter::from_fn(|| node.poll_send());
    parcels
        .map(|parcel| {
            let (header, payload) = decode(&parcel.bytes).unwrap();
            (parcel.to, header, payload.to_vec())
        })
        .collect()
}

fn say(node: &mut Node<Ear>, to: To, message: u64) {
    node.act(START, |_, _, out, _| match to {
        To::One(one) => out.send(one, Priority::High, message),
        To::All => out.send_all(Priority::High, message),
    });
}

fn frame(origin: AgentId, to: To, sequence: u64) -> (Header, Vec<u8>) {
    let header = Header {
        epoch: 3,
        origin,
        to,
        class: Class::Once,
        priority: Priority::High,
        sequence,
        floor: 0,
        hops: 0,
        ttl: 3,
    };
    (header, header.encode(&postcard::to_allocvec(&sequence).unwrap()).unwrap())
}

#[test]
fn members_are_told_at_the_start() {
    assert_eq!(node(Config::default()).component().members, [ME, OTHER, AgentId(3)]);
}

#[test]
fn a_frame_is_repeated_with_doubling_pauses_until_it_is_acknowledged() {
    let mut node = node(Config::default());
    say(&mut node, To::One(OTHER), 7);
    let (to, header, _) = sends(&mut node).remove(0);
    assert_eq!((to, header.sequence, header.floor), (OTHER, 0, 0));
    let mut times = Vec::new();
    for milliseconds in 0..2_900 {
        let now = START.saturating_add(milliseconds * MILLISECOND);
        node.on_time(now);
        times.extend(sends(&mut node).iter().filter(|s| s.1.class == Class::Once).map(|_| milliseconds));
    }
    assert_eq!(times, [200, 600, 1_400]);
    let ack = postcard::to_allocvec(&vec![header.id()]).unwrap();
    let ack = Header { origin: OTHER, class: Class::Ack, ..header }.encode(&ack).unwrap();
    node.on_frame(START.saturating_add(2_900 * MILLISECOND), OTHER, &ack);
    assert_eq!(node.pending(), 0);
    assert_eq!(node.hop_ns(), 0.0, "a repeated frame says nothing about latency");
}

#[test]
fn a_message_that_comes_twice_is_acknowledged_twice_and_delivered_once() {
    let mut node = node(Config::default());
    let (header, bytes) = frame(OTHER, To::One(ME), 5);
    for _ in 0..2 {
        node.on_frame(START, OTHER, &bytes);
        let acks = sends(&mut node);
        assert_eq!(acks.len(), 1, "to a writer next door the acknowledgement is the receipt");
        assert_eq!(postcard::from_bytes::<Vec<FrameId>>(&acks[0].2).unwrap(), [header.id()]);
    }
    assert_eq!(node.component().heard, [(OTHER, 5)]);
    assert_eq!(node.counters().doubled, 1);
}

#[test]
fn acknowledgements_of_many_frames_share_one() {
    let mut node = node(Config::default());
    for sequence in 0..100 {
        node.on_frame(START, OTHER, &frame(OTHER, To::One(ME), sequence).1);
    }
    assert_eq!(sends(&mut node).len(), 1);
}

#[test]
fn the_hub_carries_a_frame_on_and_counts_its_hops_down() {
    let mut node = node(Config::default());
    node.on_frame(START, OTHER, &frame(OTHER, To::One(AgentId(3)), 0).1);
    let sent = sends(&mut node);
    let (to, header, payload) = &sent[0];
    assert_eq!((*to, header.hops, header.ttl, payload.as_slice()), (AgentId(3), 1, 2, [0].as_slice()));
    assert!(node.component().heard.is_empty());
    let dead = Header { ttl: 0, sequence: 1, ..*header }.encode(&[1]).unwrap();
    node.on_frame(START, OTHER, &dead);
    assert_eq!(node.counters().unroutable, 1);
}

#[test]
fn full_custody_takes_nothing_on_and_acknowledges_nothing() {
    let mut node = node(Config::default());
    let count = CUSTODY_MAX as u64 + 10;
    for sequence in 0..count {
        node.on_frame(START, OTHER, &frame(OTHER, To::One(AgentId(3)), sequence).1);
    }
    let sent = sends(&mut node);
    let acks = sent.iter().filter(|s| s.1.class == Class::Ack);
    let ids: usize = acks.map(|s| postcard::from_bytes::<Vec<FrameId>>(&s.2).unwrap().len()).sum();
    assert_eq!(ids, CUSTODY_MAX);
    assert_eq!(sent.iter().filter(|s| s.0 == AgentId(3) && s.1.class == Class::Once).count(), CUSTODY_MAX);
}

#[test]
fn full_custody_takes_no_broadcast_on_that_must_go_on() {
    let mut node = node(Config::default());
    for sequence in 0..CUSTODY_MAX as u64 {
        node.on_frame(START, OTHER, &frame(OTHER, To::One(AgentId(3)), sequence).1);
    }
    sends(&mut node);
    let sequence = CUSTODY_MAX as u64;
    let (header, bytes) = frame(OTHER, To::All, sequence);
    let bytes = Header { floor: sequence, ..header }.encode(decode(&bytes).unwrap().1).unwrap();
    node.on_frame(START, OTHER, &bytes);
    assert_eq!((sends(&mut node).len(), node.component().heard.len()), (0, 0));
    let had = FrameId { origin: OTHER, class: Class::Once, sequence: 0, to: To::One(AgentId(3)) };
    let ack = postcard::to_allocvec(&vec![had]).unwrap();
    let ack = Header { origin: AgentId(3), class: Class::Ack, ..header }.encode(&ack).unwrap();
    node.on_frame(START, AgentId(3), &ack);
    node.on_frame(START, OTHER, &bytes);
    assert_eq!(sends(&mut node).iter().filter(|s| s.0 == AgentId(3) && s.1.to == To::All).count(), 1);
    assert_eq!(node.component().heard, [(OTHER, sequence)]);
}

/// 200 ms, then twice that, up to sixteen times: let go after 0.2 (1 + 2 + 4 + 8 + 5 x 16) s, just before the neighbour
/// would be held for dead. Otherwise two full nodes whose frames are for each other would refuse each other for ever.
#[test]
fn custody_ends_after_its_turns_and_makes_room() {
    let timing = Timing { interval: 3_600_000 * MILLISECOND, ..Timing::default() };
    let mut node = node(Config { timing, ..Config::default() });
    for sequence in 0..=CUSTODY_MAX as u64 {
        node.on_frame(START, OTHER, &frame(OTHER, To::One(AgentId(3)), sequence).1);
    }
    let count = |sent: &[(AgentId, Header, Vec<u8>)]| sent.iter().filter(|s| s.1.class == Class::Once).count();
    assert_eq!(count(&sends(&mut node)), CUSTODY_MAX);
    let mut last = 0;
    while node.counters().let_go == 0 {
        last = node.next_due().since(START) / MILLISECOND;
        node.on_time(node.next_due());
        sends(&mut node);
    }
    assert_eq!(last, 200 * (1 + 2 + 4 + 8 + 5 * 16));
    let counters = node.counters();
    assert_eq!(counters.let_go, CUSTODY_MAX as u64);
    assert_eq!(counters.repeated, u64::from(TURNS_MAX) * CUSTODY_MAX as u64);
    node.on_frame(node.now, OTHER, &frame(OTHER, To::One(AgentId(3)), CUSTODY_MAX as u64).1);
    assert_eq!(count(&sends(&mut node)), 1);
}

#[test]
fn a_stranger_is_not_acknowledged_until_the_roster_names_it() {
    let mut node = node(Config::default());
    let (_, bytes) = frame(AgentId(9), To::One(ME), 0);
    node.on_frame(START, OTHER, &bytes);
    assert!(sends(&mut node).iter().all(|s| s.1.class != Class::Ack));
    let mut roster = node.roster().clone();
    roster.merge(&Roster::new(Shape::Mesh, [AgentId(9)])).unwrap();
    let header = Header { class: Class::Roster, ..frame(OTHER, To::One(ME), 0).0 };
    node.on_frame(START, OTHER, &header.encode(&roster.encode()).unwrap());
    node.on_frame(START, OTHER, &bytes);
    assert_eq!(node.component().heard, [(AgentId(9), 0)]);
}

#[test]
fn the_best_effort_is_sent_once_and_kept_nowhere() {
    let mut node = node(Config { delivery: [Delivery::Best; 4], ..Config::default() });
    say(&mut node, To::All, 7);
    assert_eq!(sends(&mut node).len(), 2);
    assert_eq!((node.pending(), node.next_due() > START.saturating_add(4_000 * MILLISECOND)), (0, true));
}

#[test]
fn words_to_oneself_arrive_in_turn_without_a_frame() {
    let mut node = node(Config::default());
    say(&mut node, To::One(ME), 50_000);
    assert_eq!(node.component().heard.len(), 50_001);
    assert_eq!(node.component().heard[50_000], (ME, 0));
    assert!(sends(&mut node).is_empty());
}

#[test]
fn the_backlog_refuses_beyond_its_limit_and_says_so() {
    let mut node = node(Config::default());
    let limit = WINDOW + BACKLOG_MAX as u64;
    for message in 0..=limit {
        assert_eq!(node.is_ready(), message < WINDOW);
        say(&mut node, To::One(OTHER), message);
    }
    assert_eq!(node.pending() as u64, limit);
    let events: Vec<_> = std::iter::from_fn(|| node.poll_event()).collect();
    assert_eq!(events, [Event::Refused(Refusal::Backlog(Priority::High))]);
}

#[test]
fn what_is_put_back_is_polled_first() {
    let mut node = node(Config::default());
    say(&mut node, To::All, 1);
    let first = node.poll_send().unwrap();
    node.put_back(first.clone());
    assert_eq!(node.poll_send(), Some(first));
}

#[test]
fn garbage_is_counted() {
    let mut node = node(Config::default());
    let (header, _) = frame(OTHER, To::One(ME), 0);
    let beat = Header { class: Class::Beat, ..header }.encode(&[0xff; 11]).unwrap();
    let roster = Header { class: Class::Roster, ..header }.encode(&[0xff; 11]).unwrap();
    let message = header.encode(&[0xff; 11]).unwrap();
    for bytes in [&[], [7_u8; 9].as_slice(), &beat, &roster, &message] {
        node.on_frame(START, OTHER, bytes);
    }
    assert_eq!(node.counters().malformed, 5);
    assert_eq!(decode(&[]), Err(Malformed::Version(None)));
}
