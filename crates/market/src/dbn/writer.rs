//! Records out, as version 3: the reader's fields in the reader's places.

use starling_core::{Price, UnixNanos};

use super::record::{BAR_LEN, Bar, Header, LEVEL_LEN, Level, ORDER_LEN, Order, TICK_LEN, Tick};
use super::{PRICE_UNDEFINED, STAMP_UNDEFINED};

fn price(price: Option<Price>) -> [u8; 8] {
    price.map_or(PRICE_UNDEFINED, Price::units).to_le_bytes()
}

fn stamp(stamp: Option<UnixNanos>) -> [u8; 8] {
    stamp.map_or(STAMP_UNDEFINED, UnixNanos::get).to_le_bytes()
}

fn header(header: &Header, len: usize, out: &mut Vec<u8>) {
    out.extend([(len / 4) as u8, header.rtype]);
    out.extend(header.publisher_id.to_le_bytes());
    out.extend(header.instrument_id.to_le_bytes());
    out.extend(stamp(header.ts_event));
}

/// Appends a trade or a change of the book; of `tick` the levels are not looked at, but those given.
///
/// Their number must be that of the header's type: none for a trade, one for `mbp-1`, ten for `mbp-10`.
pub fn write_tick(head: &Header, tick: &Tick<'_>, levels: &[Level], out: &mut Vec<u8>) {
    header(head, TICK_LEN + levels.len() * LEVEL_LEN, out);
    out.extend(price(tick.price));
    out.extend(tick.size.to_le_bytes());
    out.extend([tick.action, tick.side, tick.flags, tick.depth]);
    out.extend(stamp(tick.ts_recv));
    out.extend(tick.ts_in_delta.to_le_bytes());
    out.extend(tick.sequence.to_le_bytes());
    for level in levels {
        out.extend(price(level.bid));
        out.extend(price(level.ask));
        for number in [level.bid_size, level.ask_size, level.bid_count, level.ask_count] {
            out.extend(number.to_le_bytes());
        }
    }
}

/// Appends an order's event.
pub fn write_order(head: &Header, order: &Order, out: &mut Vec<u8>) {
    header(head, ORDER_LEN, out);
    out.extend(order.order_id.to_le_bytes());
    out.extend(price(order.price));
    out.extend(order.size.to_le_bytes());
    out.extend([order.flags, order.channel, order.action, order.side]);
    out.extend(stamp(order.ts_recv));
    out.extend(order.ts_in_delta.to_le_bytes());
    out.extend(order.sequence.to_le_bytes());
}

/// Appends a bar, whose header is stamped at its start.
pub fn write_bar(head: &Header, bar: &Bar, out: &mut Vec<u8>) {
    header(head, BAR_LEN, out);
    for value in [bar.open, bar.high, bar.low, bar.close] {
        out.extend(price(value));
    }
    out.extend(bar.volume.to_le_bytes());
}
