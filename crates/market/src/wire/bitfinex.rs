//! Bitfinex v2: trades, books by price (P0 to P4) and order by order (R0), checksums, heartbeats, events.
//!
//! Invariant: decoding is a function of the frame and of what earlier frames of the connection announced; a refused frame
//! announces nothing. Source: Bitfinex API docs, "WebSocket API v2, public channels", as of 2025; captures of 2021.
//!
//! How the venue is read:
//! - A frame names its channel by number, and so does the `symbol` of an update: [`Connection::symbol`] tells the name.
//!   Channels that were not announced are refused, but for their heartbeats, which the venue sends earlier.
//! - An amount below zero is an ask, or a sale. A row with a count (P0 to P4) or a price (R0) of zero deletes.
//! - A checksum (`cs`) comes in a message of its own: an update without levels, or orders, that follows the change.
//! - Of a trade `te` counts; `tu` tells it again. The first list of a trades channel holds past trades, the latest first.
//! - The sizes of a `ticker` are sums over the 25 best orders of a side, not what rests at the best price: it is
//!   [`Update::Ignored`]. A book of length 1 has the best prices. Funding (`f...`) and candles are [`Update::Ignored`] too.
//! - Where the connection is configured so (`conf`), frames end with their number ([`Batch::frame_number`]), with the
//!   venue's stamp, or with both in this order; without it books carry no stamp.
//!
//! [`Connection::symbol`]: super::Connection::symbol

use starling_core::fixed::FixedError;
use starling_core::order::Side;
use starling_core::time::UnixNanos;
use starling_core::{Price, Qty};

use super::batch::{Batch, BookOrder, BookUpdate, Coverage, Level, OrderAction, Span, Text, Update};
use super::channels::{Channels, Kind};
use super::error::{WireError, WireErrorKind};
use super::feed::whole;
use super::json::{Cursor, Field};
use super::sided;

// The flags of `conf` that change what a frame looks like.
const FLAG_TIMESTAMP: u64 = 32_768;
const FLAG_SEQUENCE: u64 = 65_536;

// The kinds of `info` that tell of the venue's state: it restarts, goes into maintenance, comes back.
const CODE_OF_STATE: std::ops::RangeInclusive<u64> = 20_051..=20_061;

pub(crate) fn read(frame: &[u8], channels: &mut Channels, batch: &mut Batch) -> Result<(), WireError> {
    let mut body = Cursor::new(frame)?;
    whole(frame, Cursor::skip)?;
    match body.peek() {
        Some(b'{') => event(body, frame, channels, batch),
        Some(b'[') => data(body, channels, batch),
        _ => batch.put(Update::Ignored),
    }
}

fn event(mut body: Cursor<'_>, frame: &[u8], channels: &mut Channels, batch: &mut Batch) -> Result<(), WireError> {
    let start = body;
    let [event, channel, number, message, code, status, flags] =
        body.fields(["event", "channel", "chanId", "msg", "code", "status", "flags"])?;
    let Some(mut event) = event.get() else { return batch.put(Update::Ignored) };
    let text = |message: Field<'_>| message.get().map(|mut message| message.text()).transpose();
    let update = match event.string()? {
        b"subscribed" => {
            let number = number.need()?.u64()?;
            let (kind, symbol) = announced(start, channel.need()?, frame)?;
            let full = |kind| WireError::new(start.offset(), kind);
            channels.announce(number, kind, symbol.of(frame)).map_err(full)?;
            Update::Acknowledged
        }
        b"unsubscribed" => {
            channels.withdraw(number.need()?.u64()?);
            Update::Acknowledged
        }
        b"conf" => match status.get().map_or(Ok(false), |mut status| status.string().map(|status| status == b"OK"))? {
            true => {
                channels.flags = flags.get().map_or(Ok(0), |mut flags| flags.u64())?;
                Update::Acknowledged
            }
            false => Update::Refused(text(message)?.unwrap_or_default()),
        },
        b"info" => match code.get().map(|mut code| code.u64()).transpose()? {
            Some(code) if CODE_OF_STATE.contains(&code) => Update::Refused(text(message)?.unwrap_or_default()),
            _ => Update::Acknowledged,
        },
        b"error" => Update::Refused(text(message)?.unwrap_or_default()),
        b"pong" => Update::Heartbeat,
        _ => Update::Ignored,
    };
    batch.put(update)
}

// {"event":"subscribed","channel":"book","chanId":8047,"symbol":"tBTCUSD","prec":"R0",...}
fn announced(mut body: Cursor<'_>, mut channel: Cursor<'_>, frame: &[u8]) -> Result<(Kind, Text), WireError> {
    let [symbol, precision] = body.fields(["symbol", "prec"])?;
    // Candles have a key instead.
    let symbol = symbol.get().map(|mut symbol| symbol.text()).transpose()?.unwrap_or_default();
    let raw = precision.get().map_or(Ok(false), |mut precision| precision.string().map(|text| text == b"R0"))?;
    let kind = match channel.string()? {
        b"trades" => Kind::Trades,
        b"book" if raw => Kind::Orders,
        b"book" => Kind::Levels,
        _ => Kind::Other,
    };
    // Funding has other columns.
    let kind = if symbol.of(frame).first() == Some(&b't') { kind } else { Kind::Other };
    Ok((kind, symbol))
}

fn data(mut body: Cursor<'_>, channels: &Channels, batch: &mut Batch) -> Result<(), WireError> {
    let [channel, payload, third, fourth, fifth] = body.items(["channel", "payload", "third", "fourth", "fifth"])?;
    let (start, digits) = channel.need()?.digits_text()?;
    let number = channel.need()?.u64()?;
    // Both fit: a frame has at most FRAME_BYTES_MAX bytes.
    let symbol = Text { start: start as u32, len: digits.len() as u32 };
    let mut payload = payload.need()?;
    let name = if payload.peek() == Some(b'"') { payload.string()? } else { b"" };
    let tail = if matches!(name, b"" | b"hb") { [third, fourth] } else { [fourth, fifth] };
    let sent = tail_of(tail, channels.flags, batch)?;
    if name == b"hb" {
        return batch.put(Update::Heartbeat);
    }
    let kind = channels.kind(number).map_err(|kind| WireError::new(start, kind))?;
    let of = Of { symbol, sent };
    match (kind, name) {
        (Kind::Trades, b"te") => of.trade(&mut third.need()?, batch),
        (Kind::Trades, b"") => payload.array(|row| of.trade(row, batch)),
        (Kind::Levels | Kind::Orders, b"cs") => of.checksum(kind, third.need()?, batch),
        (Kind::Levels, b"") => of.levels(payload, batch),
        (Kind::Orders, b"") => of.orders(payload, batch),
        _ => batch.put(Update::Ignored),
    }
}

// What stands behind the payload: a number, a stamp, both or neither, as configured.
fn tail_of(tail: [Field<'_>; 2], flags: u64, batch: &mut Batch) -> Result<UnixNanos, WireError> {
    let [first, second] = tail;
    let numbered = flags & FLAG_SEQUENCE != 0;
    if numbered && let Some(mut number) = first.get() {
        batch.frame_number = Some(number.u64()?);
    }
    let stamp = if numbered { second } else { first };
    match stamp.get() {
        Some(mut stamp) if flags & FLAG_TIMESTAMP != 0 => stamp.stamp_ms(),
        _ => Ok(UnixNanos::EPOCH),
    }
}

fn is_list(rows: &mut Cursor<'_>) -> Result<bool, WireError> {
    // A list of rows, perhaps an empty one; otherwise one row of numbers.
    let [first] = { *rows }.items(["first row"])?;
    Ok(first.get().is_none_or(|mut first| first.peek() == Some(b'[')))
}

// An amount, and whose side its sign says.
fn signed(mut amount: Cursor<'_>) -> Result<(Side, Qty), WireError> {
    let (start, text) = { amount }.digits_text()?;
    let units = amount.units("quantity")?;
    let side = if units < 0 { Side::Sell } else { Side::Buy };
    let magnitude = units.checked_abs().ok_or_else(|| {
        let input = String::from_utf8_lossy(text).into_owned();
        WireError::new(start, WireErrorKind::Decimal(FixedError::OutOfRange { input, type_name: "quantity" }))
    })?;
    Ok((side, Qty::from_units(magnitude)))
}

// [price, count, amount]
fn level(row: &mut Cursor<'_>) -> Result<Option<(Side, Level)>, WireError> {
    let [price, count, amount] = row.items(["price of a level", "count of a level", "amount of a level"])?;
    let (side, size) = signed(amount.need()?)?;
    let size = if count.need()?.u64()? == 0 { Qty::ZERO } else { size };
    Ok(price.need()?.resting_price()?.map(|price| (side, Level { price, size })))
}

// [order, price, amount]
fn order(row: &mut Cursor<'_>, otherwise: OrderAction) -> Result<BookOrder, WireError> {
    let [order_id, price, amount] = row.items(["number of an order", "price of an order", "amount of an order"])?;
    let (order_id, price) = (order_id.need()?.u64()?, price.need()?.price()?);
    let (side, size) = signed(amount.need()?)?;
    let deleted = price.is_zero();
    Ok(BookOrder {
        action: if deleted { OrderAction::Delete } else { otherwise },
        order_id,
        side: Some(side),
        price: if deleted { Price::ZERO } else { price },
        size: if deleted { Qty::ZERO } else { size },
    })
}

// Of which channel the rows are, and when they were sent.
#[derive(Clone, Copy)]
struct Of {
    symbol: Text,
    sent: UnixNanos,
}

impl Of {
    // [number, milliseconds, amount, price]
    fn trade(self, row: &mut Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
        let [trade_id, time, amount, price] =
            row.items(["number of a trade", "stamp of a trade", "amount of a trade", "price of a trade"])?;
        let (side, size) = signed(amount.need()?)?;
        batch.put(Update::Trade {
            symbol: self.symbol,
            ts_event: time.need()?.stamp_ms()?,
            price: price.need()?.price()?,
            size,
            aggressor: Some(side),
            trade_id: trade_id.need()?.u64()?,
        })
    }

    fn book(self, coverage: Coverage, [bids, asks]: [Span; 2], checksum: Option<u32>) -> Update {
        let book = BookUpdate {
            coverage,
            ts_event: self.sent,
            first_id: 0,
            last_id: 0,
            previous_id: None,
            checksum,
            bids,
            asks,
        };
        Update::Book { symbol: self.symbol, book }
    }

    fn levels(self, mut rows: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
        if is_list(&mut rows)? {
            let sides = sided::levels(rows, &mut batch.levels, level)?;
            return batch.put(self.book(Coverage::Snapshot, sides, None));
        }
        let level = level(&mut rows)?;
        let start = batch.levels.len();
        batch.levels.extend(level.map(|(_, level)| level));
        let (one, none) = (Span::since(start, batch.levels.len()), Span::since(start, start));
        let sides = if level.is_some_and(|(side, _)| side == Side::Buy) { [one, none] } else { [none, one] };
        batch.put(self.book(Coverage::Delta, sides, None))
    }

    fn orders(self, mut rows: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
        let start = batch.orders.len();
        let coverage = if is_list(&mut rows)? {
            rows.array(|row| {
                batch.orders.push(order(row, OrderAction::Add)?);
                Ok(())
            })?;
            Coverage::Snapshot
        } else {
            // New and changed orders look alike.
            batch.orders.push(order(&mut rows, OrderAction::Change)?);
            Coverage::Delta
        };
        self.put_orders(coverage, start, None, batch)
    }

    fn put_orders(
        self,
        coverage: Coverage,
        start: usize,
        checksum: Option<u32>,
        batch: &mut Batch,
    ) -> Result<(), WireError> {
        let orders = Span::since(start, batch.orders.len());
        let (symbol, ts_event) = (self.symbol, self.sent);
        batch.put(Update::Orders { symbol, ts_event, coverage, sequence: 0, checksum, orders })
    }

    // The venue writes the 32 bits with a sign.
    fn checksum(self, kind: Kind, mut value: Cursor<'_>, batch: &mut Batch) -> Result<(), WireError> {
        let start = value.offset();
        let (_, text) = { value }.digits_text()?;
        let signed = i32::try_from(value.i64()?).map_err(|_| {
            let text = String::from_utf8_lossy(text).into();
            WireError::new(start, WireErrorKind::Integer { text, wanted: "a checksum of 32 bits" })
        })?;
        let checksum = Some(signed.cast_unsigned());
        match kind {
            Kind::Orders => self.put_orders(Coverage::Delta, batch.orders.len(), checksum, batch),
            _ => batch.put(self.book(Coverage::Delta, [Span::since(0, 0); 2], checksum)),
        }
    }
}

#[cfg(test)]
mod tests;
