//! Two lines to one venue, of which the first stalls now and then: what a group's subscriber sees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_connect::clock;
use starling_connect::failover::FailoverLimits;
use starling_connect::group::Group;
use starling_connect::lane::{GapState, Item, LaneLimits};
use starling_connect::metrics::{Counter, Metrics};
use starling_connect::socket::oversee;
use starling_connect::venue::faults::Fault;
use starling_connect::venue::server::Pace;
use starling_connect::watch::SkewRule;
use starling_core::fixed::{Price, Qty};
use starling_market::wire::Coverage;

use super::chaos::{Ready, best};
use super::truth::Truth;
use super::{PATIENCE, Running, open, options, runtime, spot, turn};

#[test]
fn the_second_line_takes_over_and_nothing_is_doubled_or_lost() {
    let Some(files) = spot() else { return };
    let _turn = turn();
    let tape = Arc::new(open("binance-spot", &files[..1]).unwrap());
    let truth = Truth::of(&tape);
    // 324 recorded seconds in 16: 2,500 frames a second, and a stall stays within what the server keeps for a client.
    let pace = Pace::Times(20.0);
    let stalls = "stall=0.00012,stall_ms=1500,calm=6000";
    let first = Running::start("binance-spot", Arc::clone(&tape), options(pace, stalls, 5));
    let second = Running::start("binance-spot", Arc::clone(&tape), options(pace, "", 0));
    let ready = [first.port(), second.port()].map(|port| Ready::spot(port, SkewRule::Ignore));

    let metrics = Arc::new(Metrics::new("group"));
    let limits = FailoverLimits { stale_ns: 400_000_000, settle_ns: 600_000_000 };
    let doors = ready.iter().map(|ready| ready.door.clone()).collect();
    let (mut group, door) = Group::new(doors, true, limits, Arc::clone(&metrics), clock::now()).unwrap();
    let mut reader = door.subscribe(LaneLimits { ring_max: 20_000, ..LaneLimits::default() }).unwrap();
    let clients = ready.map(Ready::start);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let overseer = std::thread::spawn(move || {
        let mut told = Vec::new();
        runtime().block_on(oversee(&mut group, stopped, |switched| told.push(switched.switch)));
        told
    });

    let mut trades: Vec<(u64, Price, Qty)> = Vec::new();
    let (mut switches, mut lost) = (Vec::new(), Vec::new());
    let (mut book, mut book_id, mut synced) = ([BTreeMap::<Price, Qty>::new(), BTreeMap::new()], 0, false);
    let finished = || first.server.progress().borrow().finished && second.server.progress().borrow().finished;
    let last = truth.trades.last_key_value().unwrap().0;
    let limit = Instant::now() + 2 * PATIENCE;
    loop {
        let Some(item) = reader.pop() else {
            let told = trades.last().map(|(id, ..)| id) == Some(last) && synced && book_id == truth.last_id;
            if finished() && told {
                break;
            }
            assert!(Instant::now() < limit, "the end of the tape does not come");
            std::thread::sleep(Duration::from_micros(200));
            continue;
        };
        match item {
            Item::Trade(t) => trades.push((t.trade_id, t.price, t.size)),
            Item::Gap(gap) if gap.state == GapState::Lost => lost.push((gap.first_id, gap.last_id)),
            Item::Switched { from, to, .. } => {
                assert!(!synced, "a book is lost before its provider changes");
                switches.push((from, to));
            }
            Item::BookLost { .. } => synced = false,
            Item::Book { change, .. } => {
                if change.coverage == Coverage::Snapshot {
                    // The other line may be a little behind.
                    (book, book_id, synced) = (Default::default(), if synced { book_id } else { 0 }, true);
                }
                assert!(synced, "a delta follows a snapshot");
                assert!(change.last_id >= book_id, "{} after {book_id}", change.last_id);
                for (side, levels) in book.iter_mut().zip([&change.bids, &change.asks]) {
                    for level in levels {
                        match level.size {
                            Qty::ZERO => side.remove(&level.price),
                            size => side.insert(level.price, size),
                        };
                    }
                }
                book_id = change.last_id;
            }
            _ => {}
        }
    }
    stop.send_replace(true);
    let told = overseer.join().unwrap();
    let stalled = first.server.faults().iter().filter(|f| f.fault == Fault::Stall).count();
    eprintln!("{stalled} stalls; switches {switches:?}; {} trades; lost {lost:?}", trades.len());
    eprintln!(
        "skipped as told already {}, forgotten {}",
        metrics.get(Counter::Duplicates),
        metrics.get(Counter::StandbyForgotten)
    );
    assert!(stalled >= 2, "the first line hardly stalled");
    assert_eq!(switches, told.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>());
    assert_eq!(metrics.get(Counter::Failovers), switches.len() as u64);
    assert!(switches.len() >= 2 && switches[0] == (0, 1) && switches[1] == (1, 0), "{switches:?}");
    assert!(switches.windows(2).all(|pair| pair[0].1 == pair[1].0));

    let from = trades[0].0;
    let expected: Vec<_> = truth.trades.range(from..).map(|(id, (price, size))| (*id, *price, *size)).collect();
    assert!(expected.len() + 50 > truth.trades.len(), "nearly all of the tape");
    assert_eq!(lost, []);
    assert!(trades == expected, "{} trades of {}: each once, in order, as recorded", trades.len(), expected.len());
    assert_eq!((book_id, best(&book)), (truth.last_id, best(&truth.book)));
    for client in clients {
        client.stop().0.unwrap();
    }
}
