//! Binance spot, USD-M and COIN-M.
//!
//! Source: binance-spot-api-docs `rest-api.md` and `web-socket-streams.md`; derivatives docs for the futures paths. A stream
//! is one name, `btcusdt@depth@100ms`: what stands before the first `@` is the symbol, what follows the channel.

use std::borrow::Cow;
use std::ops::Range;

use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};
use starling_core::Price;
use starling_core::order::Side;
use starling_core::time::MILLISECOND;
use starling_market::book::State as Joined;
use starling_market::wire::Level;

use super::super::desk::{Desk, message_of};
use super::super::state::{Answer, Market, State, digits_of};
use super::super::tape::Names;
use super::{Opening, PLAIN, Ping, Profile, Rest, json_of, text_at};
use crate::dialect::RestTrade;

/// Rows of an answer at most.
const ROWS_MAX: usize = 5_000;
const TRADE_ROWS_MAX: usize = 1_000;
/// Assets that markets are quoted in, longest first where one ends another.
const QUOTES: [&str; 14] =
    ["FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BTC", "ETH", "BNB", "EUR", "GBP", "TRY", "BRL", "USD"];

pub(super) const SPOT: Profile = Profile {
    name: "binance-spot",
    open,
    stream,
    key,
    hear,
    rest: Some(Rest {
        base: "/api/v3",
        answer: |state, path, query| SPOT_REST.answer(state, path, query),
        used_header: USED,
    }),
    messages_per_second: Some(5),
    ping: Some(Ping { every_s: 20, pong_max_s: 60 }),
    ..PLAIN
};

pub(super) const USDM: Profile = Profile {
    name: "binance-usdm",
    rest: Some(Rest {
        base: "/fapi/v1",
        answer: |state, path, query| FUTURES_REST.answer(state, path, query),
        used_header: USED,
    }),
    messages_per_second: Some(10),
    ..SPOT
};

pub(super) const COINM: Profile = Profile {
    name: "binance-coinm",
    rest: Some(Rest {
        base: "/dapi/v1",
        answer: |state, path, query| FUTURES_REST.answer(state, path, query),
        used_header: USED,
    }),
    ..USDM
};

const USED: Option<&str> = Some("x-mbx-used-weight-1m");

/// How REST of a market writes.
struct Texts {
    /// Decimals of prices and quantities; none writes as few as needed.
    decimals: Option<u8>,
    /// Whether its instruments are perpetuals.
    is_futures: bool,
}

const SPOT_REST: Texts = Texts { decimals: Some(8), is_futures: false };
const FUTURES_REST: Texts = Texts { decimals: None, is_futures: true };

/// A channel without its pace: `depth@100ms` and `depth` carry the same changes, and a recording has one of them.
fn key(channel: &str) -> &str {
    match channel.split_once('@') {
        Some((name @ "depth", pace)) if pace.ends_with("ms") => name,
        _ => channel,
    }
}

fn open(_: &Profile, path: &str, query: &str) -> Option<Opening> {
    // Futures split their streams by prefix.
    let path = ["/public", "/market", "/private"].iter().find_map(|p| path.strip_prefix(p)).unwrap_or(path);
    let split = |list: &str| list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match path.trim_end_matches('/') {
        "/stream" => {
            let list = query.split('&').find_map(|pair| pair.strip_prefix("streams=")).unwrap_or_default();
            Some((split(&list.replace("%40", "@").replace("%2F", "/")), true))
        }
        "/ws" => Some((Vec::new(), false)),
        // A tail that is no stream, as the number ccxt puts there, names nothing.
        other => other.strip_prefix("/ws/").map(|list| {
            let names: Vec<String> = split(&list.replace("%40", "@"));
            (names.into_iter().filter(|name| name.contains('@')).collect(), false)
        }),
    }
}

fn stream(frame: &[u8], names: &mut Names) -> Option<(u32, Bytes)> {
    let (name, data): (Cow<'_, str>, _) = match wrapper(frame) {
        Some((name, data)) => (std::str::from_utf8(&frame[name]).ok()?.into(), &frame[data]),
        None => (name_of(frame)?.into(), frame),
    };
    let (symbol, channel) = name.split_once('@')?;
    Some((names.number(channel, &symbol.to_uppercase()), Bytes::copy_from_slice(data)))
}

/// The ranges of name and message of `{"stream":"NAME","data":MESSAGE}`.
fn wrapper(frame: &[u8]) -> Option<(Range<usize>, Range<usize>)> {
    let start = b"{\"stream\":\"".len();
    let rest = frame.strip_prefix(b"{\"stream\":\"")?;
    let name = rest.iter().position(|b| *b == b'"')?;
    let data = rest[name..].strip_prefix(b"\",\"data\":")?;
    let from = frame.len() - data.len();
    let end = frame.trim_ascii_end().len();
    (frame[..end].ends_with(b"}") && end > from).then_some((start..start + name, from..end - 1))
}

/// The stream of a message that came without a wrapper.
fn name_of(frame: &[u8]) -> Option<String> {
    let message = json_of(frame)?;
    let symbol = text_at(&message, &["/s"])?.to_lowercase();
    let channel = match message["e"].as_str() {
        Some("depthUpdate") => "depth@100ms".to_owned(),
        Some("kline") => format!("kline_{}", message["k"]["i"].as_str()?),
        Some(event) => event.to_owned(),
        None if message.get("u").is_some() && message.get("B").is_some() => "bookTicker".to_owned(),
        None => return None,
    };
    Some(format!("{symbol}@{channel}"))
}

/// Answers `{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}` and its kin.
fn hear(text: &str, desk: &mut Desk<'_>) {
    let message = message_of(text);
    if !message.is_object() {
        let words = "Invalid JSON: the message is no JSON object";
        return desk.say(&json!({ "error": { "code": 3, "msg": words } }));
    }
    let id = message["id"].clone();
    let refusal = |words: &str| json!({ "error": { "code": 2, "msg": words }, "id": id });
    let params = message["params"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let result = match message["method"].as_str() {
        Some("SUBSCRIBE") => {
            for name in params {
                if !desk.seat.subscribe_named(desk.tape, name) {
                    return desk.say(&refusal("Invalid request: too many streams"));
                }
            }
            Value::Null
        }
        Some("UNSUBSCRIBE") => {
            for (symbol, channel) in params.filter_map(|name| name.split_once('@')) {
                desk.unsubscribe(channel, &symbol.to_uppercase());
            }
            Value::Null
        }
        Some("LIST_SUBSCRIPTIONS") => desk.seat.subscriptions().map(|(.., name)| Value::from(name)).collect(),
        Some("SET_PROPERTY") => {
            desk.seat.combined = message["params"][1].as_bool().unwrap_or(desk.seat.combined);
            Value::Null
        }
        Some("GET_PROPERTY") => Value::from(desk.seat.combined),
        _ => return desk.say(&refusal("Invalid request: unknown method")),
    };
    desk.say(&json!({ "result": result, "id": id }));
}

fn one_at(digits: u8) -> String {
    if digits == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(usize::from(digits) - 1)) }
}

impl Texts {
    fn answer(&self, state: &State, path: &str, query: &str) -> Answer {
        let field = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .filter(|value| !value.is_empty())
        };
        match path {
            "/ping" => ok(&json!({}), 1),
            "/time" => ok(&json!({ "serverTime": state.now.get() / MILLISECOND }), 1),
            "/exchangeInfo" => match &state.recorded_info {
                Some(body) => Answer { status: StatusCode::OK, body: body.clone(), weight: 20 },
                None => ok(&self.exchange_info(state), 20),
            },
            "/depth" => {
                let limit = field("limit").and_then(|n| n.parse().ok()).unwrap_or(100).min(ROWS_MAX);
                let weight = match limit {
                    0..=100 => 5,
                    101..=500 => 25,
                    501..=1_000 => 50,
                    _ => 250,
                };
                market(state, field("symbol")).map_or_else(|e| e, |market| self.depth(market, limit, weight))
            }
            "/trades" | "/historicalTrades" => {
                let limit = field("limit").and_then(|n| n.parse().ok()).unwrap_or(500).min(TRADE_ROWS_MAX);
                let from = field("fromId").and_then(|n| n.parse::<u64>().ok());
                market(state, field("symbol")).map_or_else(|e| e, |market| self.trades(market, from, limit))
            }
            _ => refusal(StatusCode::NOT_FOUND, -1, "This replay server does not answer this path."),
        }
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
        let decimals = self.decimals.unwrap_or_else(|| digits_of(units));
        Price::from_units(units).to_string_fixed(decimals)
    }

    /// What a client needs to know of a market before it trades there; limits that a recording does not show are the
    /// venue's usual ones.
    fn exchange_info(&self, state: &State) -> Value {
        let symbols: Vec<Value> = state.markets().map(|(symbol, market)| self.symbol_info(symbol, market)).collect();
        json!({
            "timezone": "UTC",
            "serverTime": state.now.get() / MILLISECOND,
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
                 "limit": state.profile.dialect().rest_weight_per_minute},
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
        if self.is_futures {
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

fn market<'a>(state: &'a State, symbol: Option<&str>) -> Result<&'a Market, Answer> {
    let Some(symbol) = symbol else {
        let text = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.";
        return Err(refusal(StatusCode::BAD_REQUEST, -1102, text));
    };
    state.market(symbol).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, -1121, "Invalid symbol."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_streams() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let open = |path, query| open(&SPOT, path, query);
        assert_eq!(open("/ws/btcusdt@trade", ""), Some((names(&["btcusdt@trade"]), false)));
        assert_eq!(open("/ws/a@trade/b@depth", ""), Some((names(&["a@trade", "b@depth"]), false)));
        assert_eq!(open("/ws/0", ""), Some((vec![], false)));
        assert_eq!(open("/ws", ""), Some((vec![], false)));
        assert_eq!(open("/public/ws", ""), Some((vec![], false)));
        assert_eq!(open("/stream", "streams=a@trade/b@depth"), Some((names(&["a@trade", "b@depth"]), true)));
        assert_eq!(open("/stream", "x=1&streams=a%40trade%2Fb%40x"), Some((names(&["a@trade", "b@x"]), true)));
        assert_eq!(open("/api/v3/ping", ""), None);
    }

    #[test]
    fn the_pace_of_a_depth_stream_is_no_part_of_its_key() {
        let keys = ["depth@100ms", "depth@0ms", "depth", "depth20@100ms", "trade"];
        assert_eq!(keys.map(key), ["depth", "depth", "depth", "depth20@100ms", "trade"]);
    }
}
