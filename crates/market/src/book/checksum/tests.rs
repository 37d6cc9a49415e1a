use super::*;
use crate::wire::{Coverage, Level};

fn levels(rows: &[(&str, &str)]) -> Vec<Level> {
    rows.iter().map(|(price, size)| Level { price: price.parse().unwrap(), size: size.parse().unwrap() }).collect()
}
fn book(tick: &str, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> LevelBook {
    let mut book = LevelBook::new(tick.parse().unwrap());
    book.apply_levels(Coverage::Snapshot, &levels(bids), &levels(asks)).unwrap();
    book
}

/// The example of Kraken's guide "Book checksum (WebSocket v2)".
#[test]
fn kraken_s_own_example() {
    let bids = [
        ("45283.5", "0.10000000"),
        ("45283.4", "1.54582015"),
        ("45282.1", "0.10000000"),
        ("45281.0", "0.10000000"),
        ("45280.3", "1.54592586"),
        ("45279.0", "0.07990000"),
        ("45277.6", "0.03310103"),
        ("45277.5", "0.30000000"),
        ("45277.3", "1.54602737"),
        ("45276.6", "0.15445238"),
        // The eleventh takes no part.
        ("45276.5", "1"),
    ];
    let asks = [
        ("45285.2", "0.00100000"),
        ("45286.4", "1.54571953"),
        ("45286.6", "1.54571109"),
        ("45289.6", "1.54560911"),
        ("45290.2", "0.15890660"),
        ("45291.8", "1.54553491"),
        ("45294.7", "0.04454749"),
        ("45296.1", "0.35380000"),
        ("45297.5", "0.09945542"),
        ("45299.5", "0.18772827"),
    ];
    let rule = Checksum::Kraken { price_digits: 1, size_digits: 8 };
    assert_eq!(book("0.1", &bids, &asks).checksum(rule), 3_310_070_434);
}

/// The text is what both guides spell out; the sums are Python's `zlib.crc32` of it.
#[test]
fn okx_interleaves_and_lets_the_longer_side_run_on() {
    let rule = Checksum::Okx { price: Digits::Shortest, size: Digits::Shortest };
    // b"3366.1:7:3366.8:9:3366:6:3368:8.25"
    let even = book("0.1", &[("3366.1", "7"), ("3366.0", "6")], &[("3366.8", "9"), ("3368", "8.250")]);
    assert_eq!(even.checksum(rule), OKX_EVEN);
    // b"3366.1:7:3366.8:9:3368:8:3372:8"
    let uneven = book("0.1", &[("3366.1", "7")], &[("3366.8", "9"), ("3368", "8"), ("3372", "8")]);
    assert_eq!(uneven.checksum(rule), OKX_UNEVEN);
    // b"3366.10:7.000:3366.80:9.000"
    let fixed = Checksum::Okx { price: Digits::Fixed(2), size: Digits::Fixed(3) };
    assert_eq!(book("0.1", &[("3366.1", "7")], &[("3366.8", "9")]).checksum(fixed), OKX_FIXED);
    assert!(!rule.applies(0), "OKX sends zero since June 2026");
    assert!(Checksum::Bitfinex.applies(0));
}

/// Numbers as JavaScript writes them; the sums are Python's `zlib.crc32` of the text.
#[test]
fn bitfinex_signs_its_asks_and_writes_small_numbers_as_javascript_does() {
    // b"6000:1:6001:-0.5:5999.9:1e-8:6002:-0.000001"
    let bids = [("6000", "1"), ("5999.9", "0.00000001")];
    let asks = [("6001", "0.5"), ("6002", "0.000001")];
    assert_eq!(book("0.1", &bids, &asks).checksum(Checksum::Bitfinex), BITFINEX_LEVELS);
    // b"17:1.23e-7:18:-9e-9:19:2.5"
    let mut orders = OrderBook::default();
    for (id, side, price, size) in
        [(17, Side::Buy, "10", "0.000000123"), (19, Side::Buy, "10", "2.5"), (18, Side::Sell, "11", "0.000000009")]
    {
        orders.add(id, Some(side), price.parse().unwrap(), size.parse().unwrap()).unwrap();
    }
    assert_eq!(Checksum::of_bitfinex_orders(&orders), BITFINEX_ORDERS);
}

const OKX_EVEN: u32 = 2_517_457_103;
const OKX_UNEVEN: u32 = 831_078_360;
const OKX_FIXED: u32 = 2_628_543_753;
const BITFINEX_LEVELS: u32 = 146_942_738;
const BITFINEX_ORDERS: u32 = 3_245_451_084;
