//! What the venue knows at this point of the tape: books, trades, and the REST answers made of them.
//!
//! Invariant: everything here follows from the frames played so far, whatever faults befell them on the way to a client;
//! only a snapshot recorded later is answered before its time, while there is none yet, as a client that has begun to keep
//! changes can use no other. It knows no socket.

use std::collections::VecDeque;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};
use starling_core::Price;
use starling_core::order::Side;
use starling_core::time::{MILLISECOND, UnixNanos};
use starling_market::book::{Limits, Shape, State as Joined, SyncedBook};
use starling_market::wire::{Batch, Coverage, Feed, Level, Update};

use super::profile::Profile;
use super::tape::{Piece, Tape, TapeFrame};
use crate::dialect::RestTrade;

/// Trades of a symbol that can be asked for.
pub(super) const TRADES_MAX: usize = 1_000_000;
/// Rows of an answer at most, and unless fewer are asked for.
const ROWS_MAX: usize = 5_000;
const TRADE_ROWS_MAX: usize = 1_000;
/// Assets that markets are quoted in, longest first where one ends another.
const QUOTES: [&str; 14] =
    ["FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "USD"];

/// An answer of REST.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) weight: u64,
}

struct Market {
    book: SyncedBook,
    /// The first snapshot on the tape, until one has been played.
    to_come: Option<Bytes>,
    trades: VecDeque<RestTrade>,
    /// Most decimals seen of prices and of quantities.
    digits: (u8, u8),
}

/// The venue's knowledge.
pub(super) struct State {
    profile: &'static Profile,
    feed: &'static Feed,
    symbols: Vec<String>,
    markets: Vec<Market>,
    recorded_info: Option<Bytes>,
    now: UnixNanos,
    batch: Batch,
}

fn digits_of(units: i64) -> u8 {
    let mut digits = 9;
    let mut units = units.unsigned_abs();
    while digits > 0 && units.is_multiple_of(10) {
        units /= 10;
        digits -= 1;
    }
    digits
}

fn one_at(digits: u8) -> String {
    if digits == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(usize::from(digits) - 1)) }
}

impl State {
    pub(super) fn new(profile: &'static Profile, tape: &Tape) -> Self {
        let rules = profile.dialect().rules;
        let feed = Feed::named(profile.name).expect("every profile has a decoder");
        let tick = Price::from_units(10_000_000);
        let mut markets: Vec<Market> = tape
            .symbols
            .iter()
            .map(|_| Market {
                book: SyncedBook::new(rules, tick, Shape::default(), Limits::default()),
                to_come: None,
                trades: VecDeque::new(),
                digits: (0, 0),
            })
            .collect();
        let mut batch = Batch::new();
        for frame in &tape.frames {
            if let Piece::Snapshot(at) = frame.piece {
                let market = &mut markets[at as usize];
                if market.to_come.is_none() {
                    market.to_come = Some(frame.data.clone());
                    if feed.decode(&frame.data, &mut batch).is_ok() {
                        for level in &batch.levels {
                            market.digits.0 = market.digits.0.max(digits_of(level.price.units()));
                            market.digits.1 = market.digits.1.max(digits_of(level.size.units()));
                        }
                    }
                }
            }
        }
        let now = tape.frames.first().map_or(UnixNanos::EPOCH, |frame| frame.ts);
        let recorded_info = tape.exchange_info.clone();
        Self { profile, feed, symbols: tape.symbols.clone(), markets, recorded_info, now, batch }
    }

    /// A frame has been played.
    pub(super) fn play(&mut self, tape: &Tape, frame: &TapeFrame) {
        self.now = frame.ts;
        let at = match frame.piece {
            Piece::Snapshot(at) => Some(at),
            Piece::Stream(stream) => tape.symbol_of(stream),
        };
        let Some(market) = at.and_then(|at| self.markets.get_mut(at as usize)) else { return };
        if self.feed.decode(&frame.data, &mut self.batch).is_err() {
            return;
        }
        for update in &self.batch.updates {
            match update {
                Update::Book { book, .. } => {
                    if book.coverage == Coverage::Snapshot && matches!(frame.piece, Piece::Snapshot(_)) {
                        market.to_come = None;
                    } else if book.coverage == Coverage::Snapshot {
                        // A partial stream: the top only.
                        continue;
                    }
                    market.book.on_update(book, &self.batch);
                }
                Update::Trade { ts_event, price, size, aggressor, trade_id, .. } => {
                    market.digits.0 = market.digits.0.max(digits_of(price.units()));
                    market.digits.1 = market.digits.1.max(digits_of(size.units()));
                    if market.trades.len() == TRADES_MAX {
                        market.trades.pop_front();
                    }
                    let (trade_id, ts_event) = (*trade_id, *ts_event);
                    let row = RestTrade { trade_id, ts_event, price: *price, size: *size, aggressor: *aggressor };
                    market.trades.push_back(row);
                }
                _ => {}
            }
        }
    }

    /// The book of a symbol, while it is whole.
    pub(super) fn book(&self, symbol: &str) -> Option<(u64, Vec<Level>, Vec<Level>)> {
        let market = &self.markets[self.symbols.iter().position(|s| s == symbol)?];
        let book = market.book.book()?;
        let side = |side| book.levels(side, usize::MAX).collect();
        Some((market.book.last_id(), side(Side::Buy), side(Side::Sell)))
    }

    /// Answers a request for `path` below the market's REST path.
    pub(super) fn answer(&self, path: &str, query: &str) -> Answer {
        let field = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .filter(|value| !value.is_empty())
        };
        match path {
            "/ping" => ok(&json!({}), 1),
            "/time" => ok(&json!({ "serverTime": self.now.get() / MILLISECOND }), 1),
            "/exchangeInfo" => match &self.recorded_info {
                Some(body) => Answer { status: StatusCode::OK, body: body.clone(), weight: 20 },
                None => ok(&self.exchange_info(), 20),
            },
            "/depth" => {
                let limit = field("limit").and_then(|n| n.parse().ok()).unwrap_or(100).min(ROWS_MAX);
                let weight = match limit {
                    0..=100 => 5,
                    101..=500 => 25,
                    501..=1_000 => 50,
                    _ => 250,
                };
                self.market(field("symbol")).map_or_else(|e| e, |market| self.depth(market, limit, weight))
            }
            "/trades" | "/historicalTrades" => {
                let limit = field("limit").and_then(|n| n.parse().ok()).unwrap_or(500).min(TRADE_ROWS_MAX);
                let from = field("fromId").and_then(|n| n.parse::<u64>().ok());
                self.market(field("symbol")).map_or_else(|e| e, |market| self.trades(market, from, limit))
            }
            _ => refusal(StatusCode::NOT_FOUND, -1, "This replay server does not answer this path."),
        }
    }

    fn market(&self, symbol: Option<&str>) -> Result<&Market, Answer> {
        let Some(symbol) = symbol else {
            let text = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.";
            return Err(refusal(StatusCode::BAD_REQUEST, -1102, text));
        };
        let at = self.symbols.iter().position(|s| s == symbol);
        at.map(|at| &self.markets[at]).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, -1121, "Invalid symbol."))
    }

    fn depth(&self, market: &Market, limit: usize, weight: u64) -> Answer {
        if market.book.state() == Joined::Live
            && let Some(book) = market.book.book()
        {
            let side = |side| -> Vec<Value> {
                let row = |level: Level| json!([self.text(level.price.units()), self.text(level.size.units())]);
                book.levels(side, limit).map(row).collect()
            };
            let body = json!({
                "lastUpdateId": market.book.last_id(), "bids": side(Side::Buy), "asks": side(Side::Sell),
            });
            return ok(&body, weight);
        }
        match &market.to_come {
            Some(body) => Answer { status: StatusCode::OK, body: body.clone(), weight },
            None => refusal(StatusCode::SERVICE_UNAVAILABLE, -1000, "The recording has no snapshot of this book."),
        }
    }

    fn trades(&self, market: &Market, from: Option<u64>, limit: usize) -> Answer {
        let start = match from {
            Some(from) => market.trades.partition_point(|trade| trade.trade_id < from),
            None => market.trades.len().saturating_sub(limit),
        };
        let row = |trade: &RestTrade| {
            json!({
                "id": trade.trade_id,
                "price": self.text(trade.price.units()),
                "qty": self.text(trade.size.units()),
                "quoteQty": self.text(quote_units(trade)),
                "time": trade.ts_event.get() / MILLISECOND,
                "isBuyerMaker": trade.aggressor == Some(Side::Sell),
                "isBestMatch": true,
            })
        };
        let rows: Vec<Value> = market.trades.iter().skip(start).take(limit).map(row).collect();
        ok(&Value::from(rows), 25)
    }

    /// A number at 1e-9 as this venue writes it.
    fn text(&self, units: i64) -> String {
        let decimals = self.profile.decimals.unwrap_or_else(|| digits_of(units));
        Price::from_units(units).to_string_fixed(decimals)
    }

    /// What a client needs to know of a market before it trades there; limits that a recording does not show are the
    /// venue's usual ones.
    fn exchange_info(&self) -> Value {
        let symbols: Vec<Value> = self.symbols.iter().zip(&self.markets).map(|(s, m)| self.symbol_info(s, m)).collect();
        json!({
            "timezone": "UTC",
            "serverTime": self.now.get() / MILLISECOND,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                 "limit": self.profile.dialect().rest_weight_per_minute},
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
            ],
            "exchangeFilters": [],
            "symbols": symbols,
        })
    }

    fn symbol_info(&self, symbol: &str, market: &Market) -> Value {
        let quote = QUOTES.into_iter().find(|quote| symbol.ends_with(quote)).unwrap_or_default();
        let base = symbol.strip_suffix(quote).unwrap_or(symbol);
        let (tick, step) = (one_at(market.digits.0), one_at(market.digits.1));
        let order_types = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"];
        let mut info = json!({
            "symbol": symbol, "status": "TRADING",
            "baseAsset": base, "baseAssetPrecision": 8, "quoteAsset": quote,
            "quotePrecision": 8, "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8,
            "orderTypes": order_types, "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
            "icebergAllowed": true, "ocoAllowed": true, "otoAllowed": true, "quoteOrderQtyMarketAllowed": true,
            "allowTrailingStop": true, "cancelReplaceAllowed": true, "amendAllowed": true, "pegInstructionsAllowed": true,
            "isSpotTradingAllowed": true, "isMarginTradingAllowed": false,
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
                {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000.00000000", "stepSize": step},
                {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": true,
                 "maxNotional": "9000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5},
            ],
            "permissions": [], "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
        });
        if self.profile.is_futures {
            info["pair"] = symbol.into();
            info["contractType"] = "PERPETUAL".into();
            info["contractStatus"] = "TRADING".into();
            info["marginAsset"] = quote.into();
            info["onboardDate"] = 0.into();
            info["deliveryDate"] = 4_133_404_800_000_u64.into();
            info["pricePrecision"] = market.digits.0.into();
            info["quantityPrecision"] = market.digits.1.into();
        }
        info
    }
}

fn quote_units(trade: &RestTrade) -> i64 {
    let product = i128::from(trade.price.units()) * i128::from(trade.size.units());
    i64::try_from(product / i128::from(starling_core::fixed::SCALE)).unwrap_or(i64::MAX)
}

fn ok(body: &Value, weight: u64) -> Answer {
    Answer { status: StatusCode::OK, body: body.to_string().into(), weight }
}

fn refusal(status: StatusCode, code: i32, text: &str) -> Answer {
    Answer { status, body: json!({ "code": code, "msg": text }).to_string().into(), weight: 1 }
}
